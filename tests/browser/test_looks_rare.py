"""How pages look in states that are rare: no mailbox, no answer, unproven domains, too often, on the way."""

import time
from collections.abc import Callable

from playwright.sync_api import expect

from devtools.hard_cases import change_rows
from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at


def test_home_in_its_rare_states_can_be_read_and_used(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected.add(429)
    page = open_page(reduced_motion="reduce")
    name, long_ago = newcomer("ubuntumembers"), int(time.time()) - 2 * 86_400
    job.sign_in(page, stack, name)
    home = f"{stack.portal_url}/home"
    page.goto(f"{home}?asked=in-vain")
    found = look_at(page, "home-asked-in-vain")
    person = "(SELECT id FROM person WHERE launchpad_name = ?)"
    for table in ("account_fact", "membership"):
        stale = f"UPDATE {table} SET read_at = {long_ago} WHERE person_id = {person}"
        change_rows(stack, (stale, (name,)))
    page.goto(home)
    expect(page.get_by_text("has to confirm this again before you can claim")).to_be_visible()
    found += look_at(page, "home-not-fresh")
    domain = "UPDATE domain SET verified_at = {} WHERE name = 'ubuntu.net'"
    change_rows(stack, (domain.format("NULL"), ()))
    try:
        page.goto(home)
        expect(page.get_by_text("The admins have not proven this domain yet.")).to_be_visible()
        found += look_at(page, "home-unproven-domain")
    finally:
        change_rows(stack, (domain.format(long_ago), ()))
    kept = "INSERT INTO reserved_name (local_part) VALUES (?)"
    change_rows(stack, (kept, (name,)))
    page.locator(".standing").get_by_role("button").click()
    expect(page.get_by_text("This name is kept for the project.")).to_be_visible()
    found += look_at(page, "home-reserved-name")
    too_often = page.get_by_role("heading", name="That was too often")
    while not too_often.count():
        with page.expect_response("**/check"):
            page.locator(".standing").get_by_role("button").click()
        page.locator("[data-disabled-by-htmx]").wait_for(state="detached")
    found += look_at(page, "error-429")

    assert not found, "\n".join(found)


def test_an_address_in_its_rare_states_can_be_read_and_used(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected |= {422, 503}
    page = open_page(reduced_motion="reduce")
    name = newcomer("ubuntumembers")
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    job.open_address(page, f"{name}@ubuntu.com")
    address = page.url
    page.locator("#label-text").evaluate(
        "(one) => { one.removeAttribute('maxlength'); one.value = 'x'.repeat(101) }"
    )
    page.locator("form[action$='/label'] button").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found = look_at(page, "address-label-refused")
    page.goto(f"{address}/test/x")
    expect(page.get_by_text("Its steps are no longer here")).to_be_visible()
    found += look_at(page, "address-test-over")
    page.goto(address)
    page.get_by_role("button", name="Off: mail is refused").click()
    page.get_by_role("button", name="Send me a test mail").click()
    expect(page.get_by_text("refused by us")).to_be_visible()
    found += look_at(page, "address-test-refused")
    for number in range(4):
        job.add_mailbox(page, f"{name}.number{number}@mail.example.org")
    expect(page.get_by_text("An address has at most 5 mailboxes.")).to_be_visible()
    found += look_at(page, "address-full")
    own = "SELECT id FROM alias WHERE local_part = ?"
    change_rows(stack, (f"DELETE FROM alias_recipient WHERE alias_id IN ({own})", (name,)))
    page.goto(address)
    expect(page.get_by_text("Nobody. Mail to this address is not delivered.")).to_be_visible()
    found += look_at(page, "address-nobody")
    page.goto(f"{stack.portal_url}/home")
    found += look_at(page, "home-nobody")

    assert not found, "\n".join(found)
