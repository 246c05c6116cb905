"""How the admins' pages look in rarer states: filtered, running, refused, filled, with long names."""

import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from devtools.hard_cases import LONGEST_DOMAIN, add_domains, change_rows, lengthen, remove_domains
from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at

Boss = Callable[[Page], str]


def refuse(page: Page, action: str, *fields: str) -> None:
    """Type the wrong confirmation into a form, and see its error."""
    form = page.locator(f"form[method=post][action$='{action}']")
    for field in fields:
        form.locator(field).fill("1")
    form.get_by_role("button").click()
    expect(page.get_by_role("alert").first).to_be_visible()


def unfinished(stack: Stack, page: Page, change: str, undo: str) -> None:
    """Let the run whose page is open not be at its end; what undoes it is what makes it end."""
    number = page.url.rpartition("/")[2]
    change_rows(stack, (f"{change} WHERE id = ?", (number,)))
    page.reload()
    expect(page.get_by_role("link", name=undo)).to_be_visible()


def test_runs_that_go_on_can_be_followed(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], boss: Boss, tmp_path: Path
) -> None:
    name = newcomer("ubuntumembers")
    page = open_page(reduced_motion="reduce")
    job.sign_in(page, stack, name)
    page.get_by_role("button", name="Sign out").click()
    boss(page)
    page.goto(f"{stack.portal_url}/admin/people?q={name}")
    page.get_by_label(f"Choose {name}").check()
    page.get_by_label("With those chosen").select_option("ban")
    found = look_at(page, "admin-people-chosen")
    page.get_by_role("button", name="See what would happen").click()
    expect(page.get_by_role("button", name="Do it")).to_be_visible(timeout=30_000)
    unfinished(stack, page, "UPDATE bulk_run SET finished_at = NULL", "See how far it is")
    found += look_at(page, "admin-bulk-running")
    change_rows(stack, ("UPDATE bulk_run SET finished_at = begun_at WHERE finished_at IS NULL", ()))
    file = tmp_path / "old.csv"
    file.write_text(f"{name}@ubuntu.com,{name}@home.example.net,{name}\n")
    page.goto(f"{stack.portal_url}/admin/imports")
    page.get_by_label("The list, as CSV").set_input_files(file)
    page.get_by_role("button", name="See what becomes of it").click()
    expect(page.get_by_role("button", name="Bring in 1 address")).to_be_visible(timeout=30_000)
    unfinished(stack, page, "UPDATE import_run SET state = 'running'", "Look again")
    found += look_at(page, "admin-import-running")
    change_rows(stack, ("UPDATE import_run SET state = 'checked' WHERE state = 'running'", ()))
    page.reload()
    page.get_by_role("button", name="Forget the list").click()

    assert found == []


def test_what_is_typed_wrong_is_refused_in_sight(
    stack: Stack,
    open_page: OpenPage,
    newcomer: Callable[..., str],
    boss: Boss,
    complaints: Complaints,
    tmp_path: Path,
) -> None:
    complaints.expected |= {409, 422}
    page = open_page(reduced_motion="reduce")
    name = newcomer("ubuntumembers")
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    page.get_by_role("button", name="Sign out").click()
    boss(page)
    page.goto(f"{stack.portal_url}/admin/domains")
    page.get_by_role("link", name="ubuntu.net").click()
    refuse(page, "/remove", "#typed-name")
    found = look_at(page, "admin-domain-not-removed")
    refuse(page, "/admins", "#admin")
    found += look_at(page, "admin-domain-no-admin")
    page.get_by_role("link", name="Change").click()
    page.locator("#grace").fill("many")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += look_at(page, "admin-domain-rules-refused")
    page.goto(f"{stack.portal_url}/admin/role-addresses")
    page.get_by_label("Name, before the @").fill(f"team.of.{name}")
    page.get_by_label("Domain").select_option("ubuntu.com")
    page.get_by_label("Its owners").fill(name)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"team.of.{name}")
    refuse(page, "/end", "#confirm")
    found += look_at(page, "admin-role-address-not-ended")
    refuse(page, "/owners", "#owner")
    found += look_at(page, "admin-role-address-no-owner")
    (tmp_path / "old.csv").write_text(f"old.{name}@ubuntu.com,{name}@mail.example.org,\n")
    stack.waypost("import", "csv", str(tmp_path / "old.csv"), "--yes")
    page.goto(f"{stack.portal_url}/admin/waiting?q=old.{name}")
    page.get_by_role("link", name=f"old.{name}@ubuntu.com").click()
    refuse(page, "/drop", "#drop-confirm")
    found += look_at(page, "admin-kept-not-dropped")
    refuse(page, "/give", "#person", "#give-confirm")
    found += look_at(page, "admin-kept-not-given")

    assert found == []


def test_lists_filtered_and_filled(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], boss: Boss, complaints: Complaints
) -> None:
    complaints.expected.add(403)
    page = open_page(reduced_motion="reduce")
    name = newcomer("ubuntumembers")
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    page.goto(f"{stack.portal_url}/admin")
    found = look_at(page, "admin-forbidden")
    page.goto(f"{stack.portal_url}/home")
    page.get_by_role("button", name="Sign out").click()
    now = int(time.time())
    change_rows(
        stack,
        ("UPDATE alias SET looks_like = 'admin', hold = 'admin' WHERE local_part = ?", (name,)),
        (
            "UPDATE recipient SET failing_since = ?, failing_with = '5.2.2' WHERE address = ?",
            (now, f"{name}@home.example.net"),
        ),
        ("UPDATE person SET banned_at = ? WHERE launchpad_name = ?", (now, name)),
    )
    boss(page)
    for path in (
        *(
            "names/look-alikes",
            "failing",
            "people?state=banned&sort=newest",
            "people?state=held&domain=ubuntu.com",
        ),
        *(
            "waivers?state=all&kind=grace&sort=oldest",
            "waiting?q=nobody",
            "audit?verb=alias-claimed&sort=oldest",
        ),
    ):
        page.goto(f"{stack.portal_url}/admin/{path}")
        found += look_at(page, f"admin-{path.replace('/', '-').partition('?')[0]}-filtered")
    page.goto(f"{stack.portal_url}/admin/people?q={name}")
    page.get_by_role("link", name=name, exact=True).click()
    found += look_at(page, "admin-person-banned")
    page.set_viewport_size({"width": 320, "height": 800})
    page.locator("summary").get_by_text("For admins").click()
    expect(
        page.get_by_role("navigation", name="For admins").get_by_role("link", name="Record")
    ).to_be_visible()
    found += look_at(page, "admin-menu-open")

    assert found == []


def test_forty_domains_and_the_longest_names_fit(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], boss: Boss
) -> None:
    page = open_page(reduced_motion="reduce")
    name = newcomer("ubuntumembers", display_name="Wolfeschlegelsteinhausenbergerdorff " * 4)
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    add_domains(stack)
    lengthen(stack, name)
    try:
        page.goto(f"{stack.portal_url}/home")
        job.claim(page, f"{name}@{LONGEST_DOMAIN}")
        page.get_by_role("button", name="Sign out").click()
        boss(page)
        page.goto(f"{stack.portal_url}/admin/domains")
        found = look_at(page, "admin-domains-forty")
        page.get_by_role("link", name=LONGEST_DOMAIN).click()
        found += look_at(page, "admin-domain-longest")
        page.get_by_role("link", name="All DNS records").click()
        expect(page.locator("#dns [role=status]")).to_be_visible()
        found += look_at(page, "admin-dns-longest")
        page.goto(f"{stack.portal_url}/admin/lookup?address={name}@{LONGEST_DOMAIN}")
        found += look_at(page, "admin-lookup-longest")
        page.goto(f"{stack.portal_url}/admin/people?q={name}")
        found += look_at(page, "admin-people-longest")
        page.get_by_role("link", name=name, exact=True).click()
        found += look_at(page, "admin-person-longest")
        page.get_by_role("link", name=f"Move {name}@{LONGEST_DOMAIN}").click()
        found += look_at(page, "admin-move-longest")
    finally:
        remove_domains(stack)

    assert found == []
