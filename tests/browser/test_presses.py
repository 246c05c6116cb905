"""Somebody quicker than the answers: each press counts, and no swap takes them from where they are."""

import contextlib
import re
from collections.abc import Callable, Iterator

from playwright.sync_api import Page, Route, expect

from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at
from tests.browser.test_main_job import tab_to

Newcomer = Callable[..., str]


@contextlib.contextmanager
def answers_held(page: Page) -> Iterator[None]:
    """Hold what the page posts until the end, as a slow network would."""
    held: list[Route] = []
    is_over = False

    def hold(route: Route) -> None:
        if route.request.method == "POST" and not is_over:
            held.append(route)
        else:
            route.continue_()

    page.route("**/*", hold)
    yield
    is_over = True
    for route in held:
        route.continue_()


def owner_of_two_mailboxes(page: Page, stack: Stack, name: str) -> tuple[str, str]:
    """Sign in, claim an address, add a second mailbox; stay on the address's page."""
    first, second = f"{name}@home.example.net", f"{name}.second@mail.example.org"
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    job.open_address(page, f"{name}@ubuntu.com")
    job.add_mailbox(page, second)
    return first, second


def test_what_a_swap_brings_works_at_once(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer, complaints: Complaints
) -> None:
    """In the same breath it has HTMX and the focus: a key pressed just afterwards goes where it shall."""
    complaints.expected.add(422)
    page = open_page()
    owner_of_two_mailboxes(page, stack, newcomer("ubuntumembers"))
    page.locator("summary").first.click()
    page.get_by_label("Another mailbox in its place").first.fill("no address")
    page.evaluate(
        """() => new MutationObserver((changes, observer) => {
            const alert = document.querySelector('#address [role=alert]');
            if (!alert) return;
            observer.disconnect();
            const all = [...document.querySelectorAll('#address form')];
            const hasHtmx = all.every((form) => form['htmx-internal-data']);
            document.documentElement.dataset.seen = `${document.activeElement.id} ${hasHtmx}`;
        }).observe(document.body, {childList: true, subtree: true})"""
    )

    page.get_by_label("Another mailbox in its place").first.press("Enter")

    expect(page.locator("html")).to_have_attribute("data-seen", re.compile(r"^change-\d+ true$"))


def test_presses_before_the_first_answer_are_all_done(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer
) -> None:
    page = open_page()
    first, second = owner_of_two_mailboxes(page, stack, newcomer("ubuntumembers"))
    page.evaluate("window.stillHere = true")

    with answers_held(page):
        page.get_by_role("button", name=f"Move {second} up").press("Enter")
        page.get_by_role("button", name="Off: senders try later").press("Enter")
        page.get_by_label("A word of your own").fill("Lists")
        page.get_by_label("A word of your own").press("Enter")

    expect(page.locator("li.recipient > p .address")).to_have_text([second, first])
    expect(page.locator(".about .label")).to_have_text("Lists")
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    expect(page.get_by_role("heading", name="Label")).to_be_focused()
    assert page.evaluate("window.stillHere")


def test_whoever_has_gone_on_since_the_press_stays_where_they_are(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer
) -> None:
    page = open_page()
    first, second = owner_of_two_mailboxes(page, stack, newcomer("ubuntumembers"))

    with answers_held(page):
        page.get_by_role("button", name="Off: senders try later").press("Enter")
        tab_to(page, "A word of your own")
        page.keyboard.type("Lis")
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    expect(page.get_by_label("A word of your own")).to_be_focused()
    page.keyboard.type("ts")
    expect(page.get_by_label("A word of your own")).to_have_value("Lists")

    with answers_held(page):
        page.get_by_role("button", name="Switch on").press("Enter")
        page.get_by_role("button", name=f"Remove {second}").focus()
    expect(page.get_by_role("button", name="Off: senders try later")).to_be_visible()
    expect(page.get_by_role("button", name=f"Remove {second}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("li.recipient > p .address")).to_have_text([first])
    expect(page.get_by_role("heading", name="Where mail goes")).to_be_focused()


def test_a_press_without_a_connection_says_so_and_works_later(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer, complaints: Complaints
) -> None:
    page = open_page()
    owner_of_two_mailboxes(page, stack, newcomer("ubuntumembers"))
    said = page.get_by_role("alert").filter(has_text="There is no connection to this site.")
    page.context.set_offline(True)
    off = page.get_by_role("button", name="Off: senders try later")
    off.press("Enter")
    expect(said).to_be_in_viewport()
    expect(off).to_be_focused()
    page.keyboard.press("Enter")
    expect(said).to_have_count(1)
    assert look_at(page, "address-no-connection") == []

    page.context.set_offline(False)
    off.press("Enter")
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    expect(said).to_have_count(0)
    assert all("ERR_INTERNET_DISCONNECTED" in one or "htmx:" in one for one in complaints.found)
    complaints.found.clear()


def test_a_press_whose_thing_is_gone_meanwhile_is_left_out(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer
) -> None:
    page = open_page()
    first, second = owner_of_two_mailboxes(page, stack, newcomer("ubuntumembers"))

    with answers_held(page):
        page.get_by_role("button", name=f"Remove {second}").press("Enter")
        page.get_by_role("button", name=f"Move {second} up").press("Enter")

    expect(page.locator("li.recipient > p .address")).to_have_text([first])
    expect(page.get_by_role("alert")).to_have_count(0)
