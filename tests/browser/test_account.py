"""My data in a real Chromium: from the download to the deleted account and back, and how the pages look."""

import json
import smtplib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage, provider_told
from tests.browser.test_looks import look_at


def open_account(page: Page) -> None:
    """Go to the page by the link that every page has."""
    page.get_by_role("link", name="My data").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("My data")


def prove_it(page: Page, stack: Stack, name: str) -> None:
    """From the page that asks whether it is you, give the password anew and come back."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it you?")
    page.get_by_role("button", name="Sign in again with Ubuntu One").click()
    job.choose_person(page, name)
    page.wait_for_url(f"{stack.portal_url}/**")


def sign_in_remembered(page: Page, stack: Stack, name: str) -> None:
    """Sign in where the provider remembers the browser: the password was given a while ago."""
    with provider_told(stack, login_age=5000):
        job.sign_in(page, stack, name)


def refusal_of(stack: Stack, address: str) -> tuple[int, bytes]:
    """What the relay says to mail for an address."""
    with smtplib.SMTP("127.0.0.1", stack.relay_port, timeout=20) as relay:
        relay.ehlo()
        relay.mail("somebody@mail.example.org")
        return relay.rcpt(address)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_from_the_download_to_the_deleted_account_and_back(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints, javascript: bool
) -> None:
    complaints.expected.add(422)
    name = newcomer("ubuntumembers")
    address, mailbox = f"{name}@ubuntu.com", f"{name}@home.example.net"
    page, elsewhere = open_page(java_script_enabled=javascript), open_page(java_script_enabled=javascript)
    sign_in_remembered(page, stack, name)
    job.claim(page, address)
    job.sign_in(elsewhere, stack, name)

    open_account(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all of it (JSON)").click()
    data = json.loads(Path(download.value.path()).read_text())["data"]
    assert data["alias_recipient"][0] == data["alias_recipient"][0] | {"alias": address, "recipient": mailbox}
    assert len(data["session"]) == 2

    page.get_by_label("Answers to my requests").uncheck()
    page.get_by_role("button", name="Save the choice").click()
    expect(page.get_by_label("Answers to my requests")).not_to_be_checked()
    page.get_by_role("button", name="Sign out the browser").click()
    expect(page.get_by_text("Another browser")).to_have_count(0)
    elsewhere.goto(f"{stack.portal_url}/account")
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Sign in to go on")

    page.get_by_role("link", name="Delete my account…").click()
    prove_it(page, stack, name)
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete the account")
    expect(page.get_by_text(f"Mail to {address} is refused")).to_be_visible()
    page.get_by_label(f"Type {name} to confirm").fill("no")
    page.get_by_role("button", name="Delete my account for good").click()
    expect(page.get_by_role("alert")).to_have_text("Type the word as it stands there.")
    page.get_by_label(f"Type {name} to confirm").fill(name)
    page.get_by_role("button", name="Delete my account for good").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account is deleted")
    expect(page.get_by_role("link", name="My data")).to_have_count(0)

    code, words = refusal_of(stack, address)
    assert (code, words[:5]) == (550, b"5.1.6")
    job.open_mail(page, stack, mailbox, "account was deleted")
    job.sign_in(page, stack, name)
    job.claim(page, address)
    assert refusal_of(stack, address)[0] == 250


def test_where_the_provider_does_not_ask_a_code_comes_by_mail(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected.add(422)
    name = newcomer("ubuntumembers")
    page = open_page()
    with provider_told(stack, login_age=3000, honours_max_auth_age=False):
        job.sign_in(page, stack, name)
        page.goto(f"{stack.portal_url}/account/delete")
        prove_it(page, stack, name)
        expect(page.get_by_text("did not ask for your password")).to_be_visible()
        page.get_by_role("button", name="Send a code").click()
        expect(page.get_by_label("The code, eight digits")).to_be_focused()
        mails = open_page()
        job.open_mail(mails, stack, f"{name}@home.example.net", "Your code for")
        code = mails.locator("pre").first.inner_text().split("\n\n")[1].strip()
        page.get_by_label("The code, eight digits").fill(code)
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Delete the account")


def test_every_page_can_be_read_and_used(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected.add(422)
    name = newcomer("ubuntumembers", name=f"{newcomer()}-with-a-name-of-forty-characters"[:62])
    page = open_page(reduced_motion="reduce")
    sign_in_remembered(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    job.sign_in(open_page(), stack, name)
    open_account(page)
    found = look_at(page, "account")
    page.get_by_role("button", name="Save the choice").click()
    expect(page.locator("#notices")).to_contain_text("Saved.")
    found += look_at(page, "account-saved")
    page.get_by_role("link", name="Delete my account…").click()
    found += look_at(page, "account-again")
    with provider_told(stack, login_age=3000, honours_max_auth_age=False):
        prove_it(page, stack, name)
        found += look_at(page, "account-code-offered")
        page.get_by_role("button", name="Send a code").click()
        found += look_at(page, "account-code-sent")
        page.get_by_label("The code").fill("1")
        page.get_by_role("button", name="Go on").click()
        found += look_at(page, "account-code-wrong")
    prove_it(page, stack, name)
    found += look_at(page, "account-leave")
    page.get_by_label("Type").fill("x")
    page.get_by_role("button", name="Delete my account for good").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += look_at(page, "account-leave-refused")
    page.goto(f"{stack.portal_url}/account/deleted")
    found += look_at(page, "account-gone")

    assert not found, "\n".join(found)


def test_focus_goes_where_the_change_is(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    job.sign_in(open_page(), stack, name)
    open_account(page)

    page.get_by_role("button", name="Save the choice").click()
    expect(page.locator("#notices")).to_contain_text("Saved.")
    expect(page.locator("#announce")).to_have_text("Saved.")
    expect(page.get_by_role("button", name="Save the choice")).to_be_focused()
    page.get_by_role("button", name="Sign out the browser").click()
    expect(page.get_by_role("heading", name="Where you are signed in")).to_be_focused()
    expect(page.locator("#announce")).to_have_text("That browser is signed out.")
