"""The steps of the main job, as somebody does them in a browser."""

import re
import time

from playwright.sync_api import Locator, Page, expect

from devtools.demo import send
from devtools.stack import Stack


def choose_person(page: Page, name: str) -> None:
    """On the provider's page, choose who to be."""
    page.locator(f"button[name=person][value='{name}']").click()


def sign_in(page: Page, stack: Stack, name: str) -> None:
    """Sign in from the front page."""
    page.goto(stack.portal_url)
    page.get_by_role("button", name="Log in with Ubuntu One").click()
    choose_person(page, name)
    page.wait_for_url(f"{stack.portal_url}/home")


def row(page: Page, domain: str) -> Locator:
    """The row of a domain."""
    return page.locator(f"article[data-domain='{domain}']")


def claim(page: Page, address: str) -> None:
    """Press the one button, and see that the address works."""
    page.get_by_role("button", name=f"Claim {address}").click()
    expect(page.get_by_role("link", name=address)).to_be_visible()


def open_address(page: Page, address: str) -> None:
    """Go to the address's page."""
    page.get_by_role("link", name=address).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(address)


def add_mailbox(page: Page, mailbox: str) -> None:
    """Add a recipient; it waits for its owner."""
    page.get_by_label("Another mailbox", exact=True).fill(mailbox)
    page.get_by_role("button", name="Add", exact=True).click()
    item = page.locator("li.recipient").filter(has_text=mailbox)
    expect(item).to_contain_text("Open the link in the mail we sent there")


def open_mail(page: Page, stack: Stack, to: str, subject: str, seconds: float = 20) -> None:
    """On the catcher's web page, wait for a mail to somebody and open it."""
    end = time.monotonic() + seconds
    page.goto(f"{stack.world['catcher_url']}?to={to}")
    link = page.get_by_role("link", name=re.compile(re.escape(subject)))
    while not link.count() and time.monotonic() < end:
        page.wait_for_timeout(200)
        page.reload()
    link.first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(subject)


def follow_the_link(page: Page) -> None:
    """In an open verification mail, go where it leads."""
    page.locator("pre").first.get_by_role("link", name="/recipients/verify/").click()


def send_mail(stack: Stack, to: str) -> str:
    """Send a mail by SMTP as anybody would; return its subject."""
    subject = f"Hello at {time.time_ns()}"
    send(stack.relay_port, to, subject)
    return subject
