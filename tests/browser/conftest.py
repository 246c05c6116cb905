"""A real Chromium in front of the whole product over real processes, both started once for all tests here."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from devtools.camera import CHROMIUM, FLAGS
from devtools.stack import Stack
from tests.browser import job

PATIENCE = 20_000  # milliseconds, on a busy machine

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder: `-m "not browser"` leaves it out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """The whole product in its pretend world."""
    with Stack() as stack:
        yield stack


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One Chromium; each test opens a context of its own in it.

    Playwright keeps an event loop running in this thread: it must end with this folder, for other
    tests have theirs.
    """
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Complaints:
    """What the browser complained about: errors of scripts, of the policy, of loading."""

    found: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)
    """Statuses of refusals that the test itself brings about; the console names each of them."""

    def listen(self, context: BrowserContext) -> None:
        """Write down what comes."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.found.append(f"script: {error.error}"))
        context.on("requestfailed", self._failed)

    def _console(self, message: ConsoleMessage) -> None:
        refusals = [f"the server responded with a status of {status}" for status in self.expected]
        refusals += [f"Response Status Error Code {status}" for status in self.expected]  # htmx
        if message.type in ("error", "warning") and not any(text in message.text for text in refusals):
            self.found.append(f"{message.type}: {message.text}")

    def _failed(self, request: Any) -> None:
        if "ERR_ABORTED" not in str(request.failure):  # left for another page meanwhile
            self.found.append(f"not loaded: {request.url} {request.failure}")


OpenPage = Callable[..., Page]


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """The browser's complaints; at the end of the test there must be none."""
    complaints = Complaints()
    yield complaints
    assert not complaints.found, "\n".join(complaints.found)


@pytest.fixture
def open_page(chromium: Browser, complaints: Complaints) -> Iterator[OpenPage]:
    """Opens a page in a browser of its own, with the options of Playwright's contexts."""
    contexts = []

    def open_one(**options: Any) -> Page:
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        complaints.listen(context)
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()


def change_world(stack: Stack, *change: object) -> None:
    """Change something at the pretend Launchpad: who is there, who is in which team."""
    url = f"{stack.world['launchpad_url']}_control"
    httpx.post(url, json={"world": list(change)}, timeout=10).raise_for_status()


@pytest.fixture
def newcomer(stack: Stack) -> Callable[..., str]:
    """Makes a person whom no other test knows, in these teams; returns the name."""

    def make(*teams: str, name: str = "", **fields: object) -> str:
        name = name or f"visitor{next(_numbers)}"
        change_world(stack, "register", name, fields)
        for team in teams:
            change_world(stack, "join", name, team)
        return name

    return make


@pytest.fixture
def boss(stack: Stack, newcomer: Callable[..., str]) -> Iterator[Callable[[Page], str]]:
    """Signs an admin of the project in, until the test ends; returns their name."""
    made: list[str] = []

    def sign_in(page: Page) -> str:
        made.append(newcomer())
        job.sign_in(page, stack, made[-1])
        stack.waypost("admin", "grant", made[-1], "--yes")
        return made[-1]

    yield sign_in
    for line in stack.waypost("admin", "list").splitlines():
        number, what, _ = line.split("\t")
        if what == "project_admin":
            stack.waypost("admin", "revoke", number)


@contextlib.contextmanager
def provider_told(stack: Stack, **order: object) -> Iterator[None]:
    """Let Ubuntu One behave in some way meanwhile."""
    url = f"{stack.world['ubuntu_one_url']}_control"
    httpx.post(url, json=order, timeout=10).raise_for_status()
    try:
        yield
    finally:
        usual = {"latency": 0, "down": False, "force_post": False}
        usual |= {"login_age": 0, "honours_max_auth_age": True}
        httpx.post(url, json=usual, timeout=10).raise_for_status()


@contextlib.contextmanager
def launchpad_told(stack: Stack, **order: object) -> Iterator[None]:
    """Let Launchpad behave in some way meanwhile."""
    url = f"{stack.world['launchpad_url']}_control"
    httpx.post(url, json=order, timeout=10).raise_for_status()
    try:
        yield
    finally:
        httpx.post(url, json={"clear": True}, timeout=10).raise_for_status()


def picture(page: Page, name: str) -> None:
    """Save the whole page into the folder WAYPOST_SCREENSHOTS, if there is one, to be looked at."""
    folder = os.environ.get("WAYPOST_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        # Hiding the caret, as is usual, would add an inline style, which the policy forbids.
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True, caret="initial")
