"""`script/screenshots [FOLDER]`: pictures of the pages into `docs/screenshots/`, to be looked at.

Each page as a desktop, a phone, a dark desktop and a browser in Japanese show it, with what is hard to lay
out: no address yet, an error, the longest names, forty domains.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from devtools.hard_cases import LONGEST_DOMAIN, add_domains, lengthen
from devtools.stack import ROOT, Stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()
VIEWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1120, "height": 760}},
    "phone": {"viewport": {"width": 360, "height": 740}},
    "dark": {"viewport": {"width": 1120, "height": 760}, "color_scheme": "dark"},
    "ja": {"viewport": {"width": 1120, "height": 760}, "locale": "ja-JP"},
}
JAPANESE = ROOT / "app" / "translations" / "ja"
"""Its catalogue; while there is none, there is nothing to see of it."""
TALLEST = 1800
"""In px; more of a page that goes on in the same way shows nothing new."""

PUBLIC = {
    "front": "/",
    "domain": "/d/kubuntu.org",
    "help": "/help",
    "privacy": "/privacy",
    "sign-in": "/home",
    "error": "/nowhere",
}
OWN = {
    "home": "/home",
    "waivers": "/waivers",
    "waiver-new": "/waivers/new?kind=local-part&domain=ubuntu.com",
    "account": "/account",
    "account-delete": "/account/delete",
    "verify-refused": "/recipients/verify/broken",
}


def sign_in(page: Page, portal: str, person: str) -> None:
    """Sign in through the pretend Ubuntu One."""
    page.goto(portal)
    page.locator("form[action='/login'] button").click()
    page.locator(f"button[name=person][value='{person}']").click()
    page.wait_for_url(f"{portal}/home")


class Camera:
    """Takes pictures in one kind of view. Works by addresses of forms, for words are in several languages."""

    def __init__(self, browser: Browser, stack: Stack, view: str, folder: Path) -> None:
        self.stack, self.view, self.folder = stack, view, folder
        self.page = browser.new_context(reduced_motion="reduce", **VIEWS[view]).new_page()

    def shoot(self, name: str, path: str = "") -> None:
        """Save a page as a picture: the one at this path, or the one that is open."""
        if path:
            self.page.goto(self.stack.portal_url + path)
        width = VIEWS[self.view]["viewport"]["width"]
        height = min(self.page.evaluate("document.documentElement.scrollHeight"), TALLEST)
        clip = {"x": 0, "y": 0, "width": width, "height": height}
        file = self.folder / f"{name}-{self.view}.png"
        self.page.screenshot(path=file, full_page=True, clip=clip, caret="initial")  # type: ignore[arg-type]

    def press(self, action: str) -> None:
        """Press the button of the form with this action."""
        self.page.locator(f"form[action='{action}'] button").first.click()

    def come_as(self, person: str) -> None:
        """Sign in as somebody else."""
        self.page.context.clear_cookies()
        sign_in(self.page, self.stack.portal_url, person)

    def claim(self, domain: str) -> str:
        """Claim the address on a domain; return the path of its page."""
        self.press(f"/domains/{domain}/claim")
        link = self.page.locator(f"article[data-domain='{domain}'] a[href^='/addresses/']")
        link.wait_for()
        return link.get_attribute("href") or ""

    def add_mailbox(self, address: str, mailbox: str) -> None:
        """Add a recipient on the page of an address that is open; a wrong one shows its error."""
        self.page.locator("#new-recipient").fill(mailbox)
        self.press(f"{address}/recipients")


def pictures(camera: Camera) -> None:
    """Take a picture of every page in one view."""
    page, person = camera.page, f"rosa{camera.view}"
    for name, path in PUBLIC.items():
        camera.shoot(name, path)
    camera.come_as("bruno")
    camera.shoot("home-not-entitled")
    camera.shoot("waivers-none", "/waivers")
    register(camera.stack, person, "ubuntumembers", "kubuntu-members", "lubuntu-members")
    camera.come_as(person)
    camera.shoot("home-to-claim")
    address = camera.claim("ubuntu.com")
    camera.claim("kubuntu.org")
    for domain in ("ubuntu.com", "kubuntu.org"):
        page.goto(f"{camera.stack.portal_url}/waivers/new?kind=local-part&domain={domain}")
        page.locator("#local-part").fill(f"rosa.winter.{camera.view}")
        page.locator("#reason").fill("I have been known under this name on all mailing lists since 2011.")
        camera.press("/waivers")
        page.wait_for_url("**/waivers")
    for name, path in OWN.items():
        camera.shoot(name, path)
    page.goto(camera.stack.portal_url + address)
    camera.add_mailbox(address, "not an address")
    page.get_by_role("alert").wait_for()
    camera.shoot("address-error")
    camera.add_mailbox(address, f"{person}.second@mail.example.org")
    page.locator("li.recipient").nth(1).wait_for()
    camera.shoot("address")
    camera.press(f"{address}/test")
    page.locator("#test-steps form button").wait_for()  # it has come to its end
    camera.shoot("address-tested")


def hard_pictures(cameras: list[Camera]) -> None:
    """Take pictures of what is hard to lay out: the longest names, forty domains."""
    stack, person = cameras[0].stack, "wolfe"
    register(stack, person, "ubuntumembers", display_name="Wolfeschlegelsteinhausenbergerdorff " * 3)
    add_domains(stack)
    cameras[0].come_as(person)
    cameras[0].claim("ubuntu.com")
    longest = cameras[0].claim(LONGEST_DOMAIN)
    lengthen(stack, person)
    for camera in cameras:
        camera.page.context.clear_cookies()
        camera.shoot("front-forty", "/")
        camera.come_as(person)
        camera.shoot("home-forty", "/home")
        camera.shoot("address-longest", longest)
        camera.shoot("domain-longest", f"/d/{LONGEST_DOMAIN}")


def register(stack: Stack, name: str, *teams: str, **fields: str) -> None:
    """Make somebody at the pretend Launchpad who is in these teams."""
    changes: Iterator[list[object]] = (["join", name, team] for team in teams)
    for change in (["register", name, fields], *changes):
        url = f"{stack.world['launchpad_url']}_control"
        httpx.post(url, json={"world": change}, timeout=10).raise_for_status()


def main() -> None:
    """Make all pictures, in the place of those that are there."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    with Stack() as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        views = VIEWS if JAPANESE.is_dir() else VIEWS.keys() - {"ja"}
        cameras = [Camera(browser, stack, view, folder) for view in VIEWS if view in views]
        for camera in cameras:
            pictures(camera)
        hard_pictures(cameras)
        browser.close()


if __name__ == "__main__":
    main()
