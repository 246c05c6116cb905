"""`script/screenshots [FOLDER]`: pictures of the pages, desktop, phone and dark, into `docs/screenshots/`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from devtools.stack import ROOT, Stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()
VIEWS = {
    "desktop": {"viewport": {"width": 1120, "height": 760}},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
    "dark": {"viewport": {"width": 1120, "height": 760}, "color_scheme": "dark"},
}


def sign_in(page: Page, portal: str, person: str) -> None:
    """Sign in through the pretend Ubuntu One."""
    page.goto(portal)
    page.get_by_role("button", name="Log in with Ubuntu One").click()
    page.locator(f"button[name=person][value='{person}']").click()
    page.wait_for_url(f"{portal}/home")


def shoot(page: Page, folder: Path, name: str) -> None:
    """Save the whole page as a picture."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def pictures(browser: Browser, stack: Stack, view: str, folder: Path) -> None:
    """Walk through the main job in one kind of view and take a picture of each page."""
    page = browser.new_context(**VIEWS[view]).new_page()
    page.goto(stack.portal_url)
    shoot(page, folder, f"front-{view}")
    for name, path in {"domain": "/d/kubuntu.org", "help": "/help", "privacy": "/privacy"}.items():
        page.goto(stack.portal_url + path)
        shoot(page, folder, f"{name}-{view}")
    sign_in(page, stack.portal_url, "bruno")
    shoot(page, folder, f"home-not-entitled-{view}")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, stack.portal_url, "kaia")
    claim = page.get_by_role("button", name="Claim kaia@ubuntu.com")
    if claim.count():
        claim.click()
        page.get_by_role("link", name="kaia@ubuntu.com").wait_for()
    shoot(page, folder, f"home-{view}")
    page.get_by_role("link", name="kaia@ubuntu.com").click()
    page.get_by_label("Another mailbox", exact=True).fill("not an address")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("alert").wait_for()
    shoot(page, folder, f"address-error-{view}")
    page.get_by_label("Another mailbox", exact=True).fill(f"kaia.{view}@mail.example.org")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text(f"kaia.{view}@mail.example.org").first.wait_for()
    shoot(page, folder, f"address-{view}")
    page.get_by_role("button", name="Send me a test mail").click()
    # The next view comes within the minute in which there is no second one, and shows that.
    page.get_by_role("button", name="Send another").or_(page.get_by_role("alert")).wait_for()
    shoot(page, folder, f"address-tested-{view}")
    page.goto(f"{stack.portal_url}/recipients/verify/broken")
    shoot(page, folder, f"verify-refused-{view}")
    page.goto(f"{stack.portal_url}/nowhere")
    shoot(page, folder, f"error-{view}")
    page.context.close()


def main() -> None:
    """Make all pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with Stack() as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for view in VIEWS:
            pictures(browser, stack, view, folder)
        browser.close()


if __name__ == "__main__":
    main()
