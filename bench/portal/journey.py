"""From pressing sign-in to an address that works: a real Chromium, and a mail to the address at the end."""

import smtplib
import statistics
import time
from typing import Any

import httpx
from playwright.sync_api import Browser, Locator, expect, sync_playwright

from devtools.camera import CHROMIUM, FLAGS
from devtools.demo import send
from devtools.stack import Stack

PATIENCE = 20_000  # milliseconds


def journeys(stack: Stack, count: int) -> dict[str, Any]:
    """Let so many newcomers come one after the other; return presses and seconds (median, most)."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        taken = [_journey(browser, stack, f"newcomer{number}") for number in range(count)]
        browser.close()
    seconds = [one[1] for one in taken]
    return {
        "presses": max(one[0] for one in taken),
        "seconds": statistics.median(seconds),
        "most_seconds": max(seconds),
        "count": count,
    }


def _journey(browser: Browser, stack: Stack, name: str) -> tuple[int, float]:
    """Return the presses and the seconds of one newcomer, from the first press to the mail in the mailbox."""
    control = f"{stack.world['launchpad_url']}_control"
    for change in (["register", name, {}], ["join", name, "ubuntumembers"]):
        httpx.post(control, json={"world": change}, timeout=10).raise_for_status()
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page, presses = context.new_page(), 0

    def press(button: Locator) -> None:
        nonlocal presses
        button.click()
        presses += 1

    page.goto(stack.portal_url)
    began = time.perf_counter()
    press(page.get_by_role("button", name="Log in with Ubuntu One"))
    press(page.locator(f"button[name=person][value='{name}']"))
    press(page.get_by_role("button", name=f"Claim {name}@ubuntu.com"))
    expect(page.get_by_role("link", name=f"{name}@ubuntu.com")).to_be_visible()
    subject = f"Hello {name}"
    send(stack.relay_port, f"{name}@ubuntu.com", subject)
    # The relay says 250 only when the mailbox's server has.
    took = time.perf_counter() - began
    if not any(subject in mail["subject"] for mail in stack.mail(f"{name}@home.example.net")):
        raise smtplib.SMTPException(f"no mail came to {name}")
    context.close()
    return presses, took
