"""The admins' pages on people, names and role addresses in a real Chromium, and how they look."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from devtools.stack import Stack, StackProblem
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at


@pytest.fixture
def claimed(stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]) -> str:
    """Somebody with an address on ubuntu.com."""
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    return name


def open_card(page: Page, stack: Stack, name: str) -> None:
    """Find somebody by the beginning of their mailbox, and open their card."""
    page.goto(f"{stack.portal_url}/admin/people")
    page.get_by_label("Name, address or mailbox begins with").fill(f"{name}@home")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_somebody_is_found_looked_at_and_suspended(
    stack: Stack, open_page: OpenPage, boss: Callable[[Page], str], claimed: str, javascript: bool
) -> None:
    page = open_page(java_script_enabled=javascript)
    boss(page)
    open_card(page, stack, claimed)
    expect(page.locator("#person")).not_to_contain_text(f"{claimed}@home.example.net")
    page.get_by_role("button", name="Show them in full").click()
    expect(page.locator("#person")).to_contain_text(f"{claimed}@home.example.net")

    page.get_by_role("button", name=f"Suspend {claimed}@ubuntu.com").click()
    said = page.locator("main").get_by_text("Suspended: its mail is refused.")
    expect(said).to_be_visible()
    if javascript:
        expect(said).to_be_focused()
    page.get_by_role("button", name=f"Lift the suspension of {claimed}@ubuntu.com").click()
    expect(page.locator("main").get_by_text("The suspension is lifted.")).to_be_visible()
    job.open_mail(
        page, stack, f"{claimed}@home.example.net", f"Your address {claimed}@ubuntu.com works again"
    )


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_many_at_once_by_a_real_job(
    stack: Stack, open_page: OpenPage, boss: Callable[[Page], str], claimed: str, javascript: bool
) -> None:
    page = open_page(java_script_enabled=javascript)
    boss(page)
    page.goto(f"{stack.portal_url}/admin/people?q={claimed}")
    page.get_by_label(f"Choose {claimed}").check()
    page.get_by_label("With those chosen").select_option("hold")
    page.get_by_role("button", name="See what would happen").click()
    for words in ("would be done", "done"):
        done = page.locator("#run tbody").get_by_text(words, exact=True)
        for _ in range(60):
            if javascript or done.count():
                break
            page.wait_for_timeout(500)
            page.reload()
        expect(done).to_be_visible(timeout=30_000)
        if words == "would be done":
            page.get_by_role("button", name="Do it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Suspend their addresses")
    with pytest.raises(StackProblem, match="This address is suspended"):
        stack.waypost("route", f"{claimed}@ubuntu.com")


def test_every_page_can_be_read_and_used(
    stack: Stack,
    open_page: OpenPage,
    boss: Callable[[Page], str],
    claimed: str,
    complaints: Complaints,
) -> None:
    complaints.expected |= {404, 409, 422}
    page = open_page(reduced_motion="reduce")
    boss(page)
    found: list[str] = []
    for path in (
        "people",
        f"people?q={claimed}",
        "people?q=nobody",
        "failing",
        "names",
        "names/look-alikes",
        "bulk",
    ):
        page.goto(f"{stack.portal_url}/admin/{path}")
        found += look_at(page, f"admin-{path.replace('/', '-').partition('?')[0]}")
    page.goto(f"{stack.portal_url}/admin/names")
    page.get_by_label("Name, before the @").fill("root")
    page.get_by_role("button", name="Keep back").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += look_at(page, "admin-names-wrong")
    page.get_by_label("Name, before the @").fill("cabinet." + "x" * 50)
    page.get_by_role("button", name="Keep back").click()
    expect(page.locator("#names tbody")).to_contain_text("cabinet.")
    found += look_at(page, "admin-names-added")
    open_card(page, stack, claimed)
    found += look_at(page, "admin-person")
    page.get_by_role("button", name=f"End it: {claimed}@ubuntu.com").click()
    page.get_by_role("button", name="Release the name").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += look_at(page, "admin-person-release")
    page.get_by_role("link", name=f"Move {claimed}@ubuntu.com to another person").click()
    page.get_by_label("To whom?").fill(claimed)
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Type the address that moves").fill("no")
    page.get_by_role("button", name="Move it to").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += look_at(page, "admin-move")
    found += _role_address(page, stack, claimed)
    found += _many(page, stack, claimed)
    found += _first_admin(page, stack)

    assert not found, "\n".join(found)


def _many(page: Page, stack: Stack, name: str) -> list[str]:
    """Look at the pages for many people at once."""
    page.goto(f"{stack.portal_url}/admin/bulk")
    page.get_by_label("Their names").fill("nosuchname")
    page.get_by_role("button", name="See what would happen").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found = look_at(page, "admin-bulk-wrong")
    page.get_by_label("Their names").fill(name)
    page.get_by_label("What is to be done").select_option("ban")
    page.get_by_role("button", name="See what would happen").click()
    expect(page.get_by_role("button", name="Do it")).to_be_visible(timeout=30_000)
    return found + look_at(page, "admin-bulk-run")


def _first_admin(page: Page, stack: Stack) -> list[str]:
    """Look at what the link of the operator opens, and at one that does not work."""
    link = stack.waypost("init", "--link").split()[-1]
    page.goto(link)
    found = look_at(page, "admin-first")
    page.goto(f"{link}x")
    return found + look_at(page, "admin-first-wrong")


def _role_address(page: Page, stack: Stack, owner: str) -> list[str]:
    """Make a role address, and look at its pages as an admin sees them."""
    page.goto(f"{stack.portal_url}/admin/role-addresses")
    found = look_at(page, "admin-role-addresses")
    page.get_by_label("Name, before the @").fill(f"team.{owner}")
    page.get_by_label("Domain").select_option("ubuntu.com")
    page.get_by_label("Its owners").fill("nosuchname")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += look_at(page, "admin-role-addresses-wrong")
    page.get_by_label("Its owners").fill(owner)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"team.{owner}@ubuntu.com")
    return found + look_at(page, "admin-role-address")


def test_an_owner_of_a_role_address_gets_its_mail(
    stack: Stack,
    open_page: OpenPage,
    boss: Callable[[Page], str],
    claimed: str,
    complaints: Complaints,
) -> None:
    complaints.expected.add(422)
    page = open_page(reduced_motion="reduce")
    boss(page)
    _role_address(page, stack, claimed)
    page = open_page(reduced_motion="reduce")
    job.sign_in(page, stack, claimed)
    page.get_by_role("link", name=f"team.{claimed}@ubuntu.com").click()
    expect(page.locator("#role-address")).to_contain_text(f"{claimed}@home.example.net")
    found = look_at(page, "role-address")
    subject = job.send_mail(stack, f"team.{claimed}@ubuntu.com")
    job.open_mail(page, stack, f"{claimed}@home.example.net", subject)

    assert not found, "\n".join(found)
