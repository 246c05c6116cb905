"""The admins' pages in a real Chromium: what waits, decided with and without JavaScript; how they look."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from devtools.hard_cases import change_rows
from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at

WHY = "Everybody in the project knows me by this name."


@pytest.fixture
def asking(stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]) -> str:
    """Somebody who has asked for another name."""
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    page.goto(f"{stack.portal_url}/waivers/new?kind=local-part&domain=ubuntu.com")
    page.get_by_label("The name, before the @").fill(f"{name}.long.name")
    page.get_by_label("Why?").fill(WHY)
    page.get_by_role("button", name="Ask the admins").click()
    page.wait_for_url(f"{stack.portal_url}/waivers")
    return name


def open_admin_page(page: Page, name: str) -> None:
    """Go to one of the pages by the navigation."""
    page.get_by_role("navigation", name="For admins").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_a_request_is_found_and_granted(
    stack: Stack,
    open_page: OpenPage,
    boss: Callable[[Page], str],
    asking: str,
    complaints: Complaints,
    javascript: bool,
) -> None:
    complaints.expected.add(422)
    page = open_page(java_script_enabled=javascript)
    name = boss(page)
    page.get_by_role("button", name="Sign out").click()
    job.sign_in(page, stack, name)
    page.get_by_role("link", name="For admins").click()
    open_admin_page(page, "Waivers")
    page.get_by_label("Name begins with").fill(asking)
    page.get_by_label("State").select_option("all")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url(f"**/admin/waivers?*q={asking}*")
    page.locator("#sort").click()
    page.wait_for_url("**sort=*")
    expect(page.get_by_role("columnheader", name="Asked")).to_have_attribute("aria-sort", "ascending")

    page.get_by_role("link", name=f"{asking}.long.name@ubuntu.com").click()
    expect(page.get_by_text(WHY)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Waivers")
    expect(page.get_by_role("columnheader", name="Asked")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("link", name=f"{asking}.long.name@ubuntu.com").click()
    page.get_by_role("button", name="Grant").click()
    said = page.locator("main").get_by_text("Granted. The person is told.")
    expect(said).to_be_visible()
    if javascript:
        expect(said).to_be_focused()
    expect(page.get_by_role("button", name="Grant")).to_have_count(0)

    open_admin_page(page, "Address lookup")
    page.get_by_label("Address", exact=True).fill(f"{asking}.long.name+list@ubuntu.com")
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("#answer")).to_contain_text("Its mail is passed on.")
    page.get_by_role("button", name="Show the mailboxes in full").click()
    expect(page.locator("#answer")).to_contain_text(f"{asking}@home.example.net")

    open_admin_page(page, "Record")
    page.get_by_label("What was done").fill("mailboxes-shown")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#found tbody tr").first).to_contain_text("mailboxes-shown")


def hold_something(stack: Stack, name: str) -> None:
    """Let a team and an account be held, a job's problem be there, and a mail of ours be refused."""
    now = int(time.time())
    person = "SELECT id FROM person WHERE launchpad_name = ?"
    change_rows(
        stack,
        (
            "INSERT INTO team_reading (team, read_at, count, names, held_because) VALUES (?, ?, 1, '[]', ?)",
            ("ubuntumembers", now, "it lost 5 of 10 members"),
        ),
        (
            f"UPDATE account_fact SET held_at = ? WHERE fact = 'valid' AND person_id = ({person})",
            (now, name),
        ),
        (
            "INSERT INTO problem (quarter, tried, about, why, at) VALUES (1, 'sync-team', ?, ?, ?)",
            ("x" * 190, "status 503 " * 15, now),
        ),
        (
            "INSERT INTO notice (kind, person_id, to_sign_in, subject_ids, unique_key, made_at, due_at,"
            f" failed_with) SELECT 'name-taken-over', id, 0, json_object('person', id, 'newcomer', id),"
            f" 'tried', {now}, {now}, '5.7.26' FROM person WHERE launchpad_name = ?",
            (name,),
        ),
    )


def let_go(stack: Stack) -> None:
    """Undo that."""
    change_rows(
        stack,
        ("DELETE FROM team_reading WHERE held_because IS NOT NULL", ()),
        ("UPDATE account_fact SET held_at = NULL", ()),
        ("DELETE FROM problem WHERE quarter = 1", ()),
        ("DELETE FROM notice WHERE unique_key = 'tried'", ()),
    )


def test_every_page_can_be_read_and_used(
    stack: Stack,
    open_page: OpenPage,
    boss: Callable[[Page], str],
    asking: str,
    complaints: Complaints,
) -> None:
    complaints.expected |= {409, 422}
    page = open_page(reduced_motion="reduce")
    name = boss(page)
    hold_something(stack, asking)
    stack.waypost("admin", "grant-team", "somebody-elses-team", "--yes", "--role", "auditor")
    found: list[str] = []
    try:
        for path in (
            *("", "/waivers?state=all", "/waivers?q=nobody", "/held", "/freed-names", "/jobs"),
            *("/lookup", f"/lookup?address={asking}@ubuntu.com", "/lookup?address=nonsense"),
            *("/roles", f"/roles?who={name}", "/roles?who=nobody", "/audit", "/audit?verb=nothing"),
        ):
            page.goto(f"{stack.portal_url}/admin{path}")
            found += look_at(page, f"admin{path.replace('/', '-').partition('?')[0]}")
        page.goto(f"{stack.portal_url}/admin/waivers?q={asking}")
        page.get_by_role("link", name=f"{asking}.long.name@ubuntu.com").click()
        found += look_at(page, "admin-waiver")
        page.get_by_label("Why not?").fill(" ")
        page.get_by_role("button", name="Refuse").click()
        expect(page.get_by_role("alert")).to_be_focused()
        found += look_at(page, "admin-waiver-wrong")
        page.goto(f"{stack.portal_url}/admin/audit")
        page.locator("#found tbody a").first.click()
        page.get_by_role("button", name="Show what was personal in it").click()
        expect(page.get_by_role("status").filter(has_text="personal")).to_be_focused()
        found += look_at(page, "admin-audit-entry")
        page.goto(f"{stack.portal_url}/admin/held")
        page.get_by_role("button", name="Discard it: ubuntumembers").click()
        expect(page.locator("#teams ~ p").first).to_have_text("Nothing is held.")
        page.get_by_role("button", name="Discard them").click()
        expect(page.locator("#accounts ~ p").first).to_have_text("Nothing is held.")
    finally:
        let_go(stack)
    assert not found, "\n".join(found)
