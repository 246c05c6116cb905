"""How every page looks: wide, on a phone, at 320 px, in the dark. What a script can see of it, it sees here;
with WAYPOST_SCREENSHOTS=folder the pages are saved as pictures for the eye."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from devtools.hard_cases import (
    LONGEST_DOMAIN,
    add_domains,
    change_rows,
    lengthen,
    remove_domains,
)
from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage, launchpad_told, picture

LOOKS = {
    "desktop": (1280, "light"),
    "phone": (360, "light"),
    "narrow": (320, "light"),
    "dark": (1280, "dark"),
    "dark-narrow": (320, "dark"),
}
"""Width of the window in px and the colours that the person wants."""

PALE_TEXT = """() => {
    const numbers = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
    const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const color = numbers(getComputedStyle(one).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        const dark = matchMedia('(prefers-color-scheme: dark)').matches
            && getComputedStyle(document.documentElement).colorScheme.includes('dark');
        return dark ? [18, 18, 18] : [255, 255, 255];
    };
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
            || element.matches('input:not([type=hidden])');
        const style = getComputedStyle(element);
        if (!own || !element.getClientRects().length || !element.checkVisibility()
            || style.visibility !== 'visible' || element.disabled)
            continue;
        const [a, b] = [light(numbers(style.color)), light(behind(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
        if (ratio < (large ? 3 : 4.5))
            found.push(`${ratio.toFixed(2)} ${element.tagName} “${element.textContent.trim().slice(0, 40)}” `
                + `${style.color} on ${behind(element)}`);
    }
    return found;
}"""

TOO_WIDE = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')]
        .map((one) => [one, Math.round(one.getBoundingClientRect().right)])
        .filter(([, right]) => right > width)
        .map(([one, right]) => `${one.tagName}.${one.className} to ${right} px`)
        .concat([`page is ${document.documentElement.scrollWidth} px wide`]);
}"""

SMALL_TARGETS = """() => {
    const inputs = 'input:not([type=hidden], [type=checkbox], [type=radio])';
    const targets = document.querySelectorAll(`button, summary, ${inputs}, .p-button`);
    return [...targets].map((one) => [one, one.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.height < 24 || box.width < 24))
        .map(([one, box]) => `${one.innerText || one.id}: ${box.width} x ${box.height}`);
}"""

CUT_OFF = """() => [...document.querySelectorAll('main *, footer *')]
    .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth
        && getComputedStyle(one).overflowX !== 'visible' && !one.matches('input, .u-off-screen, .scrolls'))
    .map((one) => `${one.tagName}.${one.className} “${one.textContent.trim().slice(0, 40)}”`)"""

OUT_OF_CARD = """() => [...document.querySelectorAll('.part *, .domain *, .banner *')]
    .filter((one) => one.checkVisibility() && !one.closest('.u-off-screen, .scrolls'))
    .map((one) => [one, one.closest('.part, .domain, .banner')])
    .filter(([one, card]) => one.getBoundingClientRect().right > card.getBoundingClientRect().right)
    .map(([one]) => `${one.tagName}.${one.className} “${one.textContent.trim().slice(0, 40)}”`)"""

NO_MORE_FADING = """document.getAnimations()
    .filter((one) => one.effect.getComputedTiming().iterations < 9).forEach((one) => one.finish())"""

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
VIOLATIONS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(
    (one) => `${one.id} (${one.impact}): ` + one.nodes.map((node) => node.html.slice(0, 200)).join(' '))"""
"""The rules of axe-core, all of them: WCAG 2.2 A and AA, and its best practices."""

CHECKS = {
    "not readable": PALE_TEXT,
    "too wide": TOO_WIDE,
    "hard to hit": SMALL_TARGETS,
    "cut off": CUT_OFF,
    "out of its card": OUT_OF_CARD,
}


def look_at(page: Page, name: str) -> list[str]:
    """Look at the page in every way; save pictures, and say what is wrong as far as a script can see."""
    page.wait_for_load_state("load")
    checks = dict(CHECKS)
    if name.startswith(("catcher", "provider")):  # plain pages of the pretend world
        del checks["hard to hit"]
    else:
        page.evaluate(AXE.read_text())
        checks["axe-core"] = VIOLATIONS
    found = []
    for look, (width, colours) in LOOKS.items():
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=colours)
        page.evaluate(NO_MORE_FADING)
        picture(page, f"{name}-{look}")
        for what, script in checks.items():
            found += [f"{name}, {look}: {what}: {one}" for one in page.evaluate(script)]
    return found


class Tour:
    """Walks to every page there is."""

    def __init__(
        self, page: Page, stack: Stack, newcomer: Callable[..., str], complaints: Complaints
    ) -> None:
        self.page, self.stack, self.newcomer, self.complaints = page, stack, newcomer, complaints

    def all(self) -> Iterator[str]:
        """Yield the name of each page when it is open."""
        yield from self._without_a_person()
        yield from self._home_of_all_kinds()
        yield from self._address_pages()
        yield from self._links()

    def _without_a_person(self) -> Iterator[str]:
        page, portal = self.page, self.stack.portal_url
        page.goto(portal)
        yield "front"
        page.goto(f"{portal}/home")
        yield "sign-in"
        page.get_by_role("button", name="Log in with Ubuntu One").click()
        yield "provider"
        page.get_by_role("button", name="Cancel").click()
        yield "cancelled"
        self.complaints.expected |= {400, 403, 404, 405, 410, 422, 503}
        page.goto(f"{portal}/nowhere")
        yield "error-404"
        page.goto(f"{portal}/login/ubuntu-one?state=x")
        yield "start-again"
        page.goto(portal)
        page.get_by_role("button", name="Log in with Ubuntu One").click()
        job.choose_person(page, "chidi")
        yield "suspended"

    def _home_of_all_kinds(self) -> Iterator[str]:
        page, stack = self.page, self.stack
        for person, kind in {
            "bruno": "no-code-of-conduct",
            "emre": "expired",
            "fay+lab": "impossible-name",
            "jun": "odd-display-name",
            "mina": "no-launchpad-account",
            "kaia": "all-six",
        }.items():
            job.sign_in(page, stack, person)
            yield f"home-{kind}"
            page.get_by_role("button", name="Sign out").click()
        with launchpad_told(stack, fault={"kind": "bad-json"}):
            job.sign_in(page, stack, self.newcomer("ubuntumembers"))
            yield "home-launchpad-down"
        page.get_by_role("button", name="Sign out").click()
        unproven = self.newcomer("ubuntumembers", email_verified=False)
        job.sign_in(page, stack, unproven)
        yield "home-asks-for-mailbox"
        field = page.get_by_label("Where shall the mail go?")
        field.fill("mine@ubuntu.com")
        field.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        yield "home-claim-refused"
        field.fill("mine@mail.example.org")
        field.press("Enter")
        expect(page.get_by_role("link", name=f"{unproven}@ubuntu.com")).to_be_visible()
        yield "home-waits-for-mailbox"
        page.get_by_role("button", name="Sign out").click()

    def _address_pages(self) -> Iterator[str]:
        page, stack = self.page, self.stack
        self.name = self.newcomer(
            "ubuntumembers",
            "kubuntu-members",
            name=f"{self.newcomer()}-with-a-name-of-forty-characters"[:62],
            display_name="Wolfeschlegelsteinhausenbergerdorff " * 4,
        )
        job.sign_in(page, stack, self.name)
        job.claim(page, f"{self.name}@ubuntu.com")
        yield "home-claimed"
        job.open_address(page, f"{self.name}@ubuntu.com")
        yield "address"
        job.add_mailbox(page, f"{self.name}.second@{'very-long-label.' * 8}example.org")
        yield "address-two-mailboxes"
        page.locator("summary").first.click()
        page.get_by_label("Another mailbox in its place").first.fill("no address")
        page.locator("details[open]").get_by_role("button", name="Change").click()
        expect(page.get_by_role("alert")).to_be_visible()
        yield "address-change-refused"
        page.get_by_label("Another mailbox in its place").first.fill(f"{self.name}@new.mail.example.org")
        page.locator("details[open]").get_by_role("button", name="Change").click()
        expect(page.get_by_role("button", name="Do not change")).to_be_visible()
        yield "address-changing"
        page.get_by_role("button", name="Send me a test mail").click()
        expect(page.get_by_role("button", name="Send another")).to_be_visible()
        yield "address-tested"
        self.complaints.expected.add(429)
        page.get_by_role("button", name="Send another").click()
        expect(page.get_by_role("alert")).to_contain_text("less than a minute ago")
        yield "address-tested-too-soon"
        page.get_by_label("Another mailbox", exact=True).fill("no address")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("alert")).to_be_visible()
        yield "address-refused"
        self.complaints.expected.add(429)
        page.get_by_role("button", name="Send again").first.click()
        expect(page.get_by_role("alert")).to_contain_text(
            re.compile("less than a minute ago|refused there just now")
        )
        yield "address-too-early"
        page.get_by_role("button", name="Off: senders try later").click()
        expect(page.get_by_role("button", name="Switch on")).to_be_visible()
        yield "address-off"
        page.get_by_label("Type").fill("x")
        page.get_by_role("button", name="Give up this address").click()
        expect(page.get_by_role("alert")).to_be_visible()
        yield "address-not-given-up"
        page.get_by_role("button", name=f"Remove {self.name}@home.example.net").click()
        expect(page.get_by_role("button", name=f"Remove {self.name}@home")).to_have_count(0)
        yield "address-one-left"

    def _links(self) -> Iterator[str]:
        page, stack = self.page, self.stack
        mailbox = f"{self.name}.third@mail.example.org"
        job.add_mailbox(page, mailbox)
        job.open_mail(page, stack, mailbox, "Confirm that mail")
        yield "catcher-mail"
        job.follow_the_link(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Confirm a mailbox")
        link = page.url
        yield "verify"
        page.get_by_role("button", name="Yes, this mailbox is mine").click()
        page.wait_for_url(f"{stack.portal_url}/home")
        page.goto(link)
        yield "verify-used"
        page.goto(f"{stack.portal_url}/recipients/verify/x")
        yield "verify-broken"
        page.goto(f"{stack.portal_url}/home")
        page.get_by_role("button", name="Sign out").click()
        job.sign_in(page, stack, "bruno")
        page.goto(link)
        yield "verify-another-person"
        page.goto(stack.world["catcher_url"])
        yield "catcher"


def test_an_address_in_every_state_can_be_read_and_used(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected.add(403)
    page = open_page(reduced_motion="reduce")
    name, now = newcomer("ubuntumembers"), int(time.time())
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    job.open_address(page, f"{name}@ubuntu.com")
    address = page.url
    alias = "UPDATE alias SET {} WHERE local_part = ?"
    mine = "(SELECT id FROM recipient WHERE address = ?)"
    mailbox, today = f"{name}@home.example.net", f"{datetime.now(UTC):%Y-%m-%d}"
    count = (
        f"INSERT INTO delivery_count (recipient_id, day, event, enhanced, count) VALUES ({mine}, ?, ?, ?, 7)"
    )
    states = {
        "failing": (
            f"UPDATE recipient SET failing_since = ?, failing_with = '5.2.2' WHERE id = {mine}",
            (now, mailbox),
        ),
        "refusals": (count, (mailbox, today, "refused-message", "5.7.1")),
        "off-later": (alias.format(f"switch = 'off-later', label = 'Lists', switched_at = {now}"), (name,)),
        "off-refused": (alias.format("switch = 'off-refused'"), (name,)),
        "held": (alias.format("hold = 'admin'"), (name,)),
        "ended": (alias.format("hold = 'none', entitlement = 'ended'"), (name,)),
        "grace": (
            alias.format(f"switch = 'on', entitlement = 'grace', grace_until = {now + 864_000}"),
            (name,),
        ),
        "stale": ("UPDATE session SET created_at = ?1, authenticated_at = ?1", (now - 86_400,)),
    }
    found = []
    for state, change in states.items():
        change_rows(stack, change)
        for where, url in (("address", address), ("home", f"{stack.portal_url}/home")):
            page.goto(url)
            found += look_at(page, f"{where}-{state}")
    page.goto(address)
    page.get_by_role("button", name=f"Remove {mailbox}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it you?")
    found += look_at(page, "fresh-sign-in")

    assert not found, "\n".join(found)


def test_forty_domains_and_the_longest_names_fit(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    """A local part of 64 octets, a domain of 253."""
    page = open_page(reduced_motion="reduce")
    name = newcomer("ubuntumembers")
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    add_domains(stack)
    longest = lengthen(stack, name)
    assert (len(LONGEST_DOMAIN), len(longest)) == (253, 64)
    try:
        page.goto(f"{stack.portal_url}/home")
        assert page.locator("article").count() == 40
        found = look_at(page, "home-forty")
        job.claim(page, f"{name}@{LONGEST_DOMAIN}")
        found += look_at(page, "home-longest")
        for address in (f"{longest}@ubuntu.com", f"{name}@{LONGEST_DOMAIN}"):
            page.goto(f"{stack.portal_url}/home")
            job.open_address(page, address)
            found += look_at(page, f"address-longest-{address[:4]}")
    finally:
        remove_domains(stack)

    assert not found, "\n".join(found)


def test_every_page_can_be_read_and_used(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    page = open_page(reduced_motion="reduce")

    found = []
    for name in Tour(page, stack, newcomer, complaints).all():
        found += look_at(page, name)

    assert not found, "\n".join(found)


@pytest.mark.parametrize("zoom", [2, 4])
def test_a_page_zoomed_to_400_percent_still_fits(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], zoom: int
) -> None:
    """1280 px at 400 % are 320 px (WCAG 2.2, 1.4.10)."""
    page = open_page(viewport={"width": 1280 // zoom, "height": 1024 // zoom}, device_scale_factor=zoom)
    job.sign_in(page, stack, newcomer("ubuntumembers"))

    assert page.evaluate(TOO_WIDE) == []


def test_who_wants_no_motion_sees_none(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    page = open_page(reduced_motion="reduce")
    with launchpad_told(stack, fault={"kind": "bad-json"}):
        job.sign_in(page, stack, newcomer())
        spinner = page.locator(".spinner")
        assert spinner.evaluate("(one) => getComputedStyle(one).animationName") == "none"
