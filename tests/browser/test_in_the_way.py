"""What is in the way of a press with JavaScript on: another tab, a lost session, a slow Launchpad."""

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage, launchpad_told

INDIA = ZoneInfo("Asia/Kolkata")


def test_signed_out_in_another_tab_the_press_leads_to_the_sign_in_page_and_back(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected.add(401)
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    job.open_address(page, f"{name}@ubuntu.com")
    address = page.url
    other = page.context.new_page()
    other.goto(f"{stack.portal_url}/home")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("button", name="Log in with Ubuntu One")).to_be_visible()

    page.get_by_role("button", name="Off: senders try later").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to go on")
    page.get_by_role("button", name="Log in with Ubuntu One").click()
    job.choose_person(page, name)

    page.wait_for_url(address)
    expect(page.get_by_role("button", name="Off: senders try later")).to_be_visible()


def test_an_old_form_says_so_in_the_page(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    """Somebody signed in again in another tab: the session is there, the form's token is another one."""
    complaints.expected.add(400)
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    other = page.context.new_page()
    other.goto(f"{stack.portal_url}/home")
    other.get_by_role("button", name="Sign out").click()
    job.sign_in(other, stack, name)

    page.get_by_role("button", name=f"Claim {name}@ubuntu.com").click()

    expect(page.get_by_role("alert")).to_contain_text("This form is out of date")
    assert (
        page.locator("header").count() == page.locator("main").count() == page.locator("footer").count() == 1
    )


def test_the_page_fills_itself_when_launchpad_answers_later(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    name = newcomer("ubuntumembers")
    page = open_page()
    with launchpad_told(stack, fault={"kind": "503-html", "seconds": 2}):
        job.sign_in(page, stack, name)
        expect(page.locator("#rows")).to_contain_text("Asking Launchpad about you")
        expect(job.row(page, "ubuntu.com")).to_contain_text("not known yet")

    expect(page.get_by_role("button", name=f"Claim {name}@ubuntu.com")).to_be_visible(timeout=60_000)
    expect(page.locator("#rows")).not_to_contain_text("Asking Launchpad about you")


def test_while_the_page_waits_for_launchpad_nobody_loses_their_place_in_it(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    page = open_page()
    with launchpad_told(stack, fault={"kind": "503-html", "seconds": 2}):
        job.sign_in(page, stack, newcomer("ubuntumembers"))
        link = job.row(page, "kubuntu.org").get_by_role("link", name="kubuntu-members")
        link.focus()
        with page.expect_response("**/home/rows") as answer:
            pass
        assert answer.value.status == 204
        expect(link).to_be_focused()

    expect(job.row(page, "kubuntu.org")).to_contain_text("not entitled", timeout=60_000)
    expect(page.locator("#announce")).to_have_text("Launchpad answered.")
    expect(link).to_be_focused()


def test_times_are_shown_in_the_zone_of_the_browser(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    name = newcomer("ubuntumembers")
    page = open_page(timezone_id="Asia/Kolkata")
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    job.open_address(page, f"{name}@ubuntu.com")

    def expect_local(changes: int) -> None:
        times = page.locator(".history time")
        expect(times).to_have_count(changes)
        for time in times.all():
            local = datetime.fromisoformat(str(time.get_attribute("datetime"))).astimezone(INDIA)
            expect(time).to_have_text(re.compile(rf"^{local.day} .*{local:%H:%M} GMT\+5:30$"))

    expect_local(2)
    page.get_by_label("A word of your own").fill("work")
    page.locator("form", has=page.locator("#label-text")).get_by_role("button", name="Save").click()
    expect_local(3)  # with the one that came by a swap


def test_without_scripts_times_say_that_they_are_in_utc(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    name = newcomer("ubuntumembers")
    page = open_page(timezone_id="Asia/Kolkata", java_script_enabled=False)
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    job.open_address(page, f"{name}@ubuntu.com")

    time = page.locator(".history time").first
    then = datetime.fromisoformat(str(time.get_attribute("datetime")))
    expect(time).to_have_text(re.compile(f" {then:%H:%M} UTC$"))


def test_a_double_click_is_one_claim(stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]) -> None:
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)

    page.get_by_role("button", name=f"Claim {name}@ubuntu.com").dblclick()

    expect(job.row(page, "ubuntu.com")).to_contain_text(f"{name}@ubuntu.com works")
    assert page.locator("article").count() == 6


def test_after_sign_out_the_back_button_shows_nothing(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Log in with Ubuntu One")).to_be_visible()

    page.go_back()

    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to go on")
    assert name not in page.content()


def test_the_back_button_after_signing_in_breaks_nothing(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected.add(400)
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)

    page.go_back()
    page.go_forward()

    expect(page.get_by_role("heading", level=1)).to_have_text("Your addresses")


def test_two_tabs_sign_in_and_both_end_where_they_wanted(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    name = newcomer("ubuntumembers")
    first = open_page()
    second = first.context.new_page()
    for page, query in ((first, "a=1"), (second, "b=2")):
        page.goto(f"{stack.portal_url}/home?{query}")
        page.get_by_role("button", name="Log in with Ubuntu One").click()
    for page, query in ((first, "a=1"), (second, "b=2")):
        job.choose_person(page, name)
        page.wait_for_url(f"{stack.portal_url}/home?{query}")


def test_a_display_name_with_markup_runs_nothing(stack: Stack, open_page: OpenPage) -> None:
    page = open_page()
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    job.sign_in(page, stack, "jun")

    expect(page.locator(".account__name")).to_have_text("<b>鈴木 純</b> & “Jun” <img src=x onerror=alert(1)>")
    assert dialogs == []
