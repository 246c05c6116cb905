"""The address page in a real Chromium: the test mail step by step, a mailbox that fails, all by keyboard."""

import contextlib
import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_main_job import tab_to

both = pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])

Newcomer = Callable[..., str]


@contextlib.contextmanager
def mailbox_told(stack: Stack, **rule: object) -> Iterator[None]:
    """Let a mailbox's server behave in some way meanwhile."""
    url = f"{stack.world['catcher_url']}_control"
    httpx.post(url, json={"rule": rule}, timeout=10).raise_for_status()
    try:
        yield
    finally:
        httpx.post(url, json={"clear": True}, timeout=10).raise_for_status()


def owner_of_two(page: Page, stack: Stack, name: str) -> str:
    """Sign in, claim two addresses, open the page of the first; return its address."""
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@kubuntu.org")
    job.claim(page, f"{name}@ubuntu.com")
    job.open_address(page, f"{name}@ubuntu.com")
    return f"{name}@ubuntu.com"


def see_the_end(page: Page, javascript: bool) -> None:
    """Wait until the steps have come to an end: the page does so itself, or one looks again."""
    expect(page.locator("#test-mail")).to_contain_text("The test mail to")
    if not javascript:
        for _ in range(120):
            if not page.get_by_text("On its way…").count():
                break
            page.wait_for_timeout(250)
            page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("button", name="Send another")).to_be_visible(timeout=60_000)


@both
def test_a_test_mail_goes_the_whole_way_and_each_step_is_seen(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer, javascript: bool
) -> None:
    name = newcomer("ubuntumembers", "kubuntu-members")
    page = open_page(java_script_enabled=javascript)
    address = owner_of_two(page, stack, name)
    if javascript:
        page.evaluate(
            """() => { window.heard = []; const region = document.getElementById('announce');
            new MutationObserver(() => heard.push(region.textContent)).observe(region, {childList: true}) }"""
        )
    with mailbox_told(stack, stage="data", address=f"{name}@home.example.net", delay=2.5):
        page.get_by_role("button", name="Send me a test mail").click()
        part = page.locator("#test-mail")
        if javascript:
            expect(part).to_contain_text("accepted by us")
            expect(part).to_contain_text("on its way")
            expect(part).to_contain_text("The mailbox:")  # while the mail itself is not taken yet
        see_the_end(page, javascript)

    expect(part).to_contain_text(f"{name}@home.example.net accepted")
    expect(part).to_contain_text(re.compile("The whole mail: .?250 2.0.0 Ok"))
    if javascript:
        expect(page.locator("#announce")).to_contain_text("The test mail was accepted.")
        heard = " ".join(page.evaluate("window.heard"))
        steps = ["It was accepted by us.", "The mailbox", "Ready for the mail", "The whole mail, accepted."]
        assert [heard.count(step) for step in steps] == [1, 1, 1, 1], heard
    job.open_mail(page, stack, f"{name}@home.example.net", f"Test mail for {address}")


def test_a_test_mail_on_its_way_outlives_other_presses_and_leaving_the_page(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer
) -> None:
    name = newcomer("ubuntumembers", "kubuntu-members")
    page = open_page()
    owner_of_two(page, stack, name)
    part = page.locator("#test-mail")
    with mailbox_told(stack, stage="data", address=f"{name}@home.example.net", delay=4):
        page.get_by_role("button", name="Send me a test mail").click()
        expect(part).to_contain_text("on its way")
        page.get_by_role("button", name="Off: senders try later").click()
        expect(page.locator(".about")).to_contain_text("off, senders try later")
        expect(part).to_contain_text("on its way")
        page.get_by_role("link", name="My data").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("My data")
        page.go_back()
        see_the_end(page, javascript=True)

    expect(part).to_contain_text(f"{name}@home.example.net accepted")
    page.reload()
    expect(part).to_contain_text(f"{name}@home.example.net accepted")


@both
def test_a_mailbox_that_is_full_is_seen_on_every_page_until_it_takes_mail_again(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer, javascript: bool
) -> None:
    name = newcomer("ubuntumembers", "kubuntu-members")
    mailbox = f"{name}@home.example.net"
    page = open_page(java_script_enabled=javascript)
    address = owner_of_two(page, stack, name)
    with mailbox_told(stack, stage="rcpt", address=mailbox, reply="552 5.2.2 <b>no</b> room, says Grete"):
        page.get_by_role("button", name="Send me a test mail").click()
        see_the_end(page, javascript)
        expect(page.locator("#test-mail")).to_contain_text(f"{mailbox} refused for good")
        expect(page.locator("#test-mail")).to_contain_text("552 5.2.2 <b>no</b> room, says Grete")

    banner = (
        f"Mail for {name}@kubuntu.org does not reach {mailbox}: its server says that the mailbox is full."
    )
    wait_for(page, lambda: page.get_by_text("does not reach").count() > 0)
    expect(page.locator("#banner")).to_contain_text(banner)
    page.get_by_role("link", name="Put it right").click()
    expect(page.locator("li.recipient")).to_contain_text("failing")
    assert "Grete" not in page.content()
    job.send_mail(stack, address)
    wait_for(page, lambda: page.get_by_text("does not reach").count() == 0)


def wait_for(page: Page, is_there: Callable[[], bool]) -> None:
    """Load the page again until it shows something: the relay reports every two seconds."""
    for _ in range(120):
        page.reload()
        if is_there():
            return
        page.wait_for_timeout(250)
    raise AssertionError("it never came")


@both
def test_a_mailbox_is_changed_for_all_addresses_at_once(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer, javascript: bool
) -> None:
    name = newcomer("ubuntumembers", "kubuntu-members")
    old, new = f"{name}@home.example.net", f"{name}.new@mail.example.org"
    page = open_page(java_script_enabled=javascript)
    owner_of_two(page, stack, name)

    page.locator("summary").click()
    page.get_by_label("Another mailbox in its place").fill(new)
    expect(page.get_by_label(re.compile("For this address and the others"))).to_be_checked()
    page.locator("details[open]").get_by_role("button", name="Change").click()
    expect(page.locator("li.recipient")).to_contain_text(f"this one takes its place: {new}")
    job.open_mail(page, stack, new, "Confirm that mail")
    job.follow_the_link(page)
    expect(page.locator("main li")).to_have_text(
        [f"{name}@{domain}, in place of {old}" for domain in ("kubuntu.org", "ubuntu.com")]
    )
    page.get_by_role("button", name="Yes, this mailbox is mine").click()

    expect(page.locator(".flash")).to_have_text("The mailbox is confirmed. Mail goes there from now on.")
    for domain in ("ubuntu.com", "kubuntu.org"):
        expect(job.row(page, domain)).to_contain_text(f"Mail goes to {new}")
    job.open_mail(page, stack, old, "no longer comes to this address")


@both
def test_everything_on_the_page_by_keyboard_alone(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer, complaints: Complaints, javascript: bool
) -> None:
    complaints.expected.add(422)
    name = newcomer("ubuntumembers", "kubuntu-members")
    first, second = f"{name}@home.example.net", f"{name}.second@mail.example.org"
    page = open_page(java_script_enabled=javascript)
    address = owner_of_two(page, stack, name)
    job.add_mailbox(page, second)

    def press(words: str, key: str = "Enter") -> None:
        tab_to(page, words, most=90)
        page.keyboard.press(key)

    items = page.locator("li.recipient > p .address")
    press(f"Move {second} up")
    expect(items).to_have_text([second, first])
    press(f"Move {second} down")
    expect(items).to_have_text([first, second])
    tab_to(page, "All of them", most=90)
    page.keyboard.press("ArrowDown")
    press("Save")
    expect(page.get_by_label(re.compile("The first that takes it"))).to_be_checked()
    expect(page.locator("#history + ol")).to_contain_text("Mail goes to the first mailbox that takes it.")
    tab_to(page, "A word of your own", most=90)
    page.keyboard.type("Lists")
    page.keyboard.press("Enter")
    expect(page.locator(".about .label")).to_have_text("Lists")
    press("Pass the part on")
    expect(page.get_by_role("button", name="Leave the part out")).to_be_visible()
    press("Off: senders try later")
    expect(page.locator(".about")).to_contain_text("off, senders try later until")
    press("Switch on")
    expect(page.locator(".about")).to_contain_text("works")
    tab_to(page, f"Change {first}", most=90)
    page.keyboard.press("Enter")
    tab_to(page, "Another mailbox in its place")
    page.keyboard.type("no address")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Another mailbox in its place").first).to_be_focused()
    press(f"Remove {second}")
    expect(items).to_have_text([first])
    press("Send me a test mail")
    see_the_end(page, javascript)
    tab_to(page, f"Type {address}", most=90)
    page.keyboard.type(address)
    page.keyboard.press("Enter")
    expect(page.locator(".flash")).to_contain_text("You gave the address up.")
    expect(page.get_by_role("button", name=f"Claim {address}")).to_be_visible()


def test_with_javascript_no_press_loads_a_page_and_each_is_said(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer
) -> None:
    name = newcomer("ubuntumembers", "kubuntu-members")
    page = open_page()
    owner_of_two(page, stack, name)
    page.evaluate("window.stillHere = true")
    said = page.locator("#announce")

    job.add_mailbox(page, f"{name}.second@mail.example.org")
    expect(said).to_have_text("The mailbox was added.")
    page.get_by_role("button", name=re.compile(r"^Move .*up")).click()
    expect(said).to_have_text("The mailbox was moved.")
    expect(page.locator("li.recipient").first).to_be_focused()
    page.get_by_role("button", name="Off: mail is refused").click()
    expect(said).to_have_text("Saved.")
    expect(page.get_by_role("heading", name="On or off")).to_be_focused()
    page.get_by_role("button", name="Send me a test mail").click()
    expect(page.locator("#test-mail")).to_contain_text("refused by us")

    assert page.evaluate("window.stillHere")


def test_an_address_is_copied_as_it_is_written(stack: Stack, open_page: OpenPage, newcomer: Newcomer) -> None:
    """Where a long address may break there is nothing in it that a copy would carry along."""
    name = newcomer("ubuntumembers", "kubuntu-members")
    page = open_page(viewport={"width": 320, "height": 700})
    address = owner_of_two(page, stack, name)

    copied = page.evaluate(
        """() => {
            getSelection().selectAllChildren(document.querySelector('h1'));
            return getSelection().toString();
        }"""
    )

    assert copied.strip() == address
