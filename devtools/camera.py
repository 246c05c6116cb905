"""A camera for the portal's pages: Debian's Chromium, which shoots the page that is open in several looks."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page

from devtools.stack import Stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()
QUALITY = 34
"""Of WebP, in percent: letters stay clear, and the folder small."""
TALLEST = 1300
"""In px; more of a page that goes on in the same way shows nothing new."""
SCALE = 0.7
"""Of the pictures; letters are drawn at that size."""
WINDOW = 760  # px high; a page that is shorter is shown with its footer at the bottom


@dataclass(frozen=True)
class Look:
    """One way to see a page: its width in px and the colours that the person wants."""

    name: str
    title: str
    width: int
    dark: bool = False
    pages_only: bool = False
    """Not for the further states of a page."""
    hard_only: bool = False
    """Only for what is hard to lay out."""


ENGLISH = (
    Look("desktop", "desktop", 1040, pages_only=True),
    Look("phone", "phone", 390),
    Look("narrow", "320 px", 320, hard_only=True),
    Look("dark", "dark", 1040, dark=True, pages_only=True),
)
JAPANESE = (Look("ja", "Japanese", 1040, pages_only=True), Look("ja-phone", "Japanese, phone", 390))


@dataclass
class Album:
    """What was shot so far: by section, each page's title and the files of its looks."""

    folder: Path
    sections: dict[str, dict[str, tuple[str, list[str]]]] = field(default_factory=dict)

    def add(self, section: str, name: str, title: str, look: Look, picture: bytes) -> None:
        """Save a picture and remember it for the index."""
        (self.folder / f"{name}-{look.name}.webp").write_bytes(picture)
        self.sections.setdefault(section, {}).setdefault(name, (title, []))[1].append(look.name)


class Camera:
    """A browser of one person in one language. Finds its way by addresses of forms, not by words."""

    def __init__(self, browser: Browser, stack: Stack, album: Album, *, japanese: bool = False) -> None:
        self.stack, self.album = stack, album
        self.looks = JAPANESE if japanese else ENGLISH
        self.language = "ja" if japanese else "en"
        self.section = ""
        self.admin = ""
        """The admin of this camera, once there is one."""
        options = {"locale": "ja-JP", "timezone_id": "Asia/Tokyo"} if japanese else {"timezone_id": "UTC"}
        self.page = browser.new_context(reduced_motion="reduce", **options).new_page()  # type: ignore[arg-type]
        self.page.set_default_timeout(15_000)
        self._devtools = self.page.context.new_cdp_session(self.page)

    def shoot(
        self, name: str, title: str, path: str = "", *, state: bool = False, hard: bool = False
    ) -> None:
        """Take pictures of a page: the one at this path, or the one that is open.

        state: it is a further state of a page, shown in fewer looks.
        hard: it is hard to lay out, shown in more.
        """
        if path:
            self.go(path)
        for look in self.looks:
            if (hard or not look.hard_only) and not (state and look.pages_only):
                self.album.add(self.section, name, title, look, self._picture(look))
        self.page.set_viewport_size({"width": 1040, "height": WINDOW})

    def state(self, name: str, title: str, path: str = "", *, hard: bool = False) -> None:
        """Take pictures of a further state of a page."""
        self.shoot(name, title, path, state=True, hard=hard)

    def _picture(self, look: Look) -> bytes:
        self.page.emulate_media(color_scheme="dark" if look.dark else "light")
        self.page.set_viewport_size({"width": look.width, "height": WINDOW})
        height = min(self.page.evaluate("document.documentElement.scrollHeight"), TALLEST)
        self.page.set_viewport_size({"width": look.width, "height": height})
        self.page.evaluate("scrollTo(0, 0)")
        self.page.evaluate("document.getAnimations().forEach((one) => one.finish())")
        clip = {"x": 0, "y": 0, "width": look.width, "height": height, "scale": SCALE}
        order = {"format": "webp", "quality": QUALITY, "clip": clip}
        return base64.b64decode(self._devtools.send("Page.captureScreenshot", order)["data"])

    def go(self, path: str) -> None:
        """Open a page of the portal."""
        self.page.goto(self.stack.portal_url + path)

    def path(self) -> str:
        """Return the path of the page that is open."""
        return self.page.url.removeprefix(self.stack.portal_url)

    def fill(self, **fields: str) -> None:
        """Fill fields, named by their ids with `_` for `-`."""
        for name, value in fields.items():
            self.page.locator(f"#{name.replace('_', '-')}").fill(value)

    def press(self, action: str) -> None:
        """Press the button of the form whose action ends in this, and wait for the answer."""
        with self.page.expect_response(lambda answer: answer.request.method == "POST") as answered:
            self.page.locator(f"form[method=post][action$='{action}'] button[type=submit]").first.click()
        if target := answered.value.headers.get("hx-redirect"):
            self.page.wait_for_url(self.stack.portal_url + target)
        self.page.wait_for_load_state("load")
        self.page.wait_for_timeout(150)  # until what HTMX got is in the page

    def refused(self, action: str) -> None:
        """Press it, and wait for the sentence that says what was wrong."""
        self.press(action)
        self.page.get_by_role("alert").first.wait_for()

    def leave(self) -> None:
        """Be nobody again."""
        self.page.context.clear_cookies()

    def come_as(self, person: str) -> None:
        """Sign in as somebody."""
        self.leave()
        sign_in(self.page, self.stack.portal_url, person)

    def claim(self, domain: str) -> str:
        """Claim the address on a domain; return the path of its page."""
        self.go("/home")
        self.press(f"/domains/{domain}/claim")
        link = self.page.locator(f"article[data-domain='{domain}'] a[href^='/addresses/']").first
        link.wait_for()
        return link.get_attribute("href") or ""


Stage = Callable[[Camera], None]


def sign_in(page: Page, portal: str, person: str) -> None:
    """Sign in through the pretend Ubuntu One."""
    page.goto(portal)
    page.locator("form[action='/login'] button").click()
    page.locator(f"button[name=person][value='{person}']").click()
    page.wait_for_url(f"{portal}/home")


def change_world(stack: Stack, *changes: list[object]) -> None:
    """Change the pretend Launchpad: who is there, who is in which team."""
    for change in changes:
        url = f"{stack.world['launchpad_url']}_control"
        httpx.post(url, json={"world": change}, timeout=10).raise_for_status()


def register(stack: Stack, name: str, *teams: str, **fields: object) -> None:
    """Make somebody at the pretend Launchpad who is in these teams."""
    change_world(stack, ["register", name, fields], *(["join", name, team] for team in teams))
