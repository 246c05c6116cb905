"""The main job in a real Chromium with a roster file and OpenID Connect in place of Launchpad."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import OpenPage, picture
from tests.browser.test_looks import look_at


@pytest.fixture(scope="module")
def roster_stack() -> Iterator[Stack]:
    """The whole product with a roster, in its pretend world."""
    with Stack(roster=True) as stack:
        yield stack


def sign_in(page: Page, stack: Stack, name: str) -> None:
    """Sign in from the front page, by way of the provider's own page."""
    page.goto(stack.portal_url)
    page.get_by_role("button", name=f"Log in with {stack.provider_name}").click()
    page.wait_for_url(f"{stack.world['oidc_issuer']}/authorize**")
    picture(page, "oidc-provider")
    job.choose_person(page, name)
    page.wait_for_url(f"{stack.portal_url}/home")


@pytest.mark.parametrize(("name", "javascript"), [("ada", True), ("kaia", False)], ids=["javascript", "none"])
def test_the_main_job_by_openid_connect(
    roster_stack: Stack, open_page: OpenPage, name: str, javascript: bool
) -> None:
    page = open_page(java_script_enabled=javascript)
    address, mailbox = f"{name}@ubuntu.com", f"{name}.second@mail.example.org"
    sign_in(page, roster_stack, name)
    picture(page, f"roster-home-{name}")

    job.claim(page, address)
    job.open_address(page, address)
    job.add_mailbox(page, mailbox)
    job.open_mail(page, roster_stack, mailbox, "Confirm that mail")
    job.follow_the_link(page)
    page.get_by_role("button", name="Yes, this mailbox is mine").click()
    page.wait_for_url(f"{roster_stack.portal_url}/home")
    job.open_mail(page, roster_stack, mailbox, job.send_mail(roster_stack, address))

    page.goto(roster_stack.portal_url)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name=f"Log in with {roster_stack.provider_name}")).to_be_visible()


def test_the_back_button_leads_back(roster_stack: Stack, open_page: OpenPage) -> None:
    """The page that leads on to the provider must not send one there again."""
    page = open_page()
    page.goto(roster_stack.portal_url)
    page.get_by_role("button", name=f"Log in with {roster_stack.provider_name}").click()
    page.wait_for_url(f"{roster_stack.world['oidc_issuer']}/authorize**")

    page.go_back()

    page.wait_for_url(f"{roster_stack.portal_url}/**")
    expect(page.get_by_role("button", name=f"Log in with {roster_stack.provider_name}")).to_be_visible()


def test_the_page_that_leads_on_can_be_read_and_used(roster_stack: Stack, open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")

    def keep(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        assert "refresh" in answer.headers
        headers = {name: value for name, value in answer.headers.items() if name != "refresh"}
        route.fulfill(response=answer, headers=headers)

    page.route("**/login", keep)
    page.goto(roster_stack.portal_url)
    page.get_by_role("button", name=f"Log in with {roster_stack.provider_name}").click()
    expect(page.get_by_role("link", name="Continue")).to_be_visible()

    found = look_at(page, "leaving")

    assert not found, "\n".join(found)


def test_cancelling_at_the_provider_is_calm(roster_stack: Stack, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(roster_stack.portal_url)
    page.get_by_role("button", name=f"Log in with {roster_stack.provider_name}").click()
    page.get_by_role("button", name="Cancel and go back").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("You did not sign in")
    assert urlsplit(page.url).path == "/login/oidc"


def test_who_is_known_by_an_unproven_address_is_told_so(roster_stack: Stack, open_page: OpenPage) -> None:
    page = open_page()
    sign_in(page, roster_stack, "ivo")

    assert {row.get_attribute("data-entitled") for row in page.locator("article").all()} == {"no"}
    assert "Launchpad" not in page.inner_text("main")
    picture(page, "roster-nobody")
