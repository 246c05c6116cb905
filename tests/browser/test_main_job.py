"""The whole main job in a real Chromium: with JavaScript, without it, and by keyboard alone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage, provider_told

DOMAINS = {
    "ubuntu.com": "as a member of ubuntumembers",
    "kubuntu.org": "as a member of kubuntu-members",
    "lubuntu.me": "You are not a member of lubuntu-members",
    "edubuntu.org": "You are not a member of edubuntu-members",
    "ubuntustudio.com": "You are not a member of ubuntustudio-core",
    "ubuntu.net": "You are not a member of ubuntu-smtp-test",
}


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_the_main_job(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], javascript: bool
) -> None:
    name = "ada" if javascript else newcomer("ubuntumembers", "kubuntu-members")
    address, first, second = (
        f"{name}@ubuntu.com",
        f"{name}@home.example.net",
        f"{name}.second@mail.example.org",
    )
    page = open_page(java_script_enabled=javascript)

    page.goto(stack.portal_url)
    page.get_by_role("button", name="Log in with Ubuntu One").click()
    assert page.url.startswith(stack.world["ubuntu_one_endpoint"])
    job.choose_person(page, name)
    page.wait_for_url(f"{stack.portal_url}/home")

    for domain, why in DOMAINS.items():
        expect(job.row(page, domain)).to_contain_text(why)
    job.claim(page, address)
    expect(job.row(page, "ubuntu.com")).to_contain_text(f"{address} works")
    expect(job.row(page, "ubuntu.com")).to_contain_text(f"Mail goes to {first}")

    job.open_address(page, address)
    job.add_mailbox(page, second)
    job.open_mail(page, stack, second, "Confirm that mail")
    job.follow_the_link(page)
    expect(page.get_by_text(second)).to_be_visible()
    page.get_by_role("button", name="Yes, this mailbox is mine").click()
    page.wait_for_url(f"{stack.portal_url}/home")
    expect(job.row(page, "ubuntu.com")).to_contain_text(f"Mail goes to {first}, {second}")
    expect(job.row(page, "ubuntu.com")).not_to_contain_text("not confirmed yet")

    subject = job.send_mail(stack, address)
    for mailbox in (first, second):
        job.open_mail(page, stack, mailbox, subject)
    job.open_mail(page, stack, "ops@home.example.net", "New @ubuntu.com email address created")

    page.goto(stack.portal_url)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Log in with Ubuntu One")).to_be_visible()


@pytest.fixture
def force_post(stack: Stack) -> Iterator[None]:
    """Ubuntu One sends every answer as a form."""
    with provider_told(stack, force_post=True):
        yield


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_a_long_answer_comes_by_post_across_sites(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], javascript: bool, force_post: None
) -> None:
    """The provider is another site, so its form carries no cookie of ours; the policy must let it through."""
    name = newcomer("ubuntumembers")
    page = open_page(java_script_enabled=javascript)
    posted: list[dict[str, Any]] = []

    def note(request: Any) -> None:
        if request.method == "POST" and request.url.startswith(f"{stack.portal_url}/login/ubuntu-one"):
            posted.append(request.all_headers())

    page.on("requestfinished", note)
    page.goto(stack.portal_url)
    page.get_by_role("button", name="Log in with Ubuntu One").click()
    job.choose_person(page, name)
    if not javascript:
        page.get_by_role("button", name="Continue").click()

    page.wait_for_url(f"{stack.portal_url}/home")
    expect(page.get_by_role("button", name=f"Claim {name}@ubuntu.com")).to_be_visible()
    assert len(posted) == 1
    assert "cookie" not in posted[0]
    assert posted[0]["origin"] != stack.portal_url


def test_with_javascript_a_press_changes_the_row_and_loads_no_page(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    page.evaluate("window.stillHere = true")

    job.claim(page, f"{name}@ubuntu.com")
    page.get_by_role("button", name="Check again: ask Launchpad about all domains").click()
    expect(page.locator("#rows")).to_contain_text("Launchpad answered just now")
    page.get_by_role("button", name="Check again: ask Launchpad about kubuntu.org").click()
    expect(page.locator("#announce")).to_have_text("Launchpad answered.")
    expect(page.get_by_role("heading", name="kubuntu.org")).to_be_focused()

    assert page.evaluate("window.stillHere")
    assert page.locator("article").count() == len(DOMAINS)


# -- by keyboard ---------------------------------------------------------------------------------


def tab_to(page: Page, name: str, *, most: int = 40) -> None:
    """Press Tab until the element with these words has the focus, and hold that one can see it."""
    seen = []
    for _ in range(most):
        page.keyboard.press("Tab")
        words, visible = page.evaluate(
            """() => {
                const focused = document.activeElement, style = getComputedStyle(focused);
                if (focused === document.body) return ['BODY', true];
                const words = focused.getAttribute('aria-label') || focused.labels?.[0]?.innerText
                    || focused.innerText || focused.tagName;
                const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
                return [words.trim().replaceAll('\\n', ' '), ring || style.boxShadow !== 'none'];
            }"""
        )
        assert visible, f"one cannot see that “{words}” has the focus"
        if name in words:
            return
        seen.append(words)
    raise AssertionError(f"no way to “{name}” by Tab, only to {seen}")


def focused(page: Page) -> str:
    """Words of what has the focus."""
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.id"))


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_the_main_job_by_keyboard_alone(
    stack: Stack,
    open_page: OpenPage,
    newcomer: Callable[..., str],
    complaints: Complaints,
    javascript: bool,
) -> None:
    complaints.expected.add(422)
    name = newcomer("ubuntumembers")
    address, second = f"{name}@ubuntu.com", f"{name}.second@mail.example.org"
    page = open_page(java_script_enabled=javascript)
    page.goto(stack.portal_url)
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    tab_to(page, "Log in with Ubuntu One")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{stack.world['ubuntu_one_endpoint']}**")
    tab_to(page, name, most=400)  # past everybody whom the other tests made
    page.keyboard.press("Enter")
    page.wait_for_url(f"{stack.portal_url}/home")

    tab_to(page, f"Claim {address}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=address)).to_be_visible()
    if javascript:
        expect(page.get_by_role("link", name=address)).to_be_focused()
    else:
        tab_to(page, address)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(address)

    tab_to(page, "Another mailbox")
    page.keyboard.type("no address")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Another mailbox", exact=True)).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type(second)
    page.keyboard.press("Enter")
    expect(page.locator("li.recipient").filter(has_text=second)).to_be_visible()
    job.open_mail(page, stack, second, "Confirm that mail")
    tab_to(page, "/recipients/verify/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm a mailbox")
    tab_to(page, "Yes, this mailbox is mine")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{stack.portal_url}/home")
    tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log in with Ubuntu One")).to_be_visible()


def test_the_skip_link_leads_past_the_header(stack: Stack, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(stack.portal_url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert focused(page) == "Log in with Ubuntu One"


def test_after_a_press_the_focus_is_not_lost(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    """Whoever works by keyboard would else begin at the top of the page after every press."""
    complaints.expected.add(429)
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    job.claim(page, f"{name}@ubuntu.com")
    job.open_address(page, f"{name}@ubuntu.com")
    for number in (1, 2):
        job.add_mailbox(page, f"{name}.{number}@mail.example.org")
    lost = []
    presses = {
        "Another mailbox": lambda: page.get_by_label("Another mailbox", exact=True).press("Enter"),
        "Down": lambda: page.get_by_role("button", name=f"Move {name}.2@mail.example.org down").press(
            "Enter"
        ),
        "Up": lambda: page.get_by_role("button", name=f"Move {name}.2@mail.example.org up").press("Enter"),
        "Remove": lambda: page.get_by_role("button", name=f"Remove {name}.2@mail.example.org").press("Enter"),
        "Send again": lambda: page.get_by_role("button", name="Send again").first.press("Enter"),
        "Off": lambda: page.get_by_role("button", name="Off: senders try later").press("Enter"),
        "On": lambda: page.get_by_role("button", name="Switch on").press("Enter"),
        "Label": lambda: page.get_by_label("A word of your own").press("Enter"),
        "Order": lambda: page.locator("#order button").press("Enter"),
        "Sub-addresses": lambda: page.get_by_role("button", name="Pass the part on").press("Enter"),
        "Test mail": lambda: page.get_by_role("button", name="Send me a test mail").press("Enter"),
    }
    page.get_by_label("Another mailbox", exact=True).fill(f"{name}.3@mail.example.org")
    page.evaluate("addEventListener('htmx:afterSettle', () => { document.documentElement.id = 'settled' })")
    for what, press in presses.items():
        page.evaluate("document.documentElement.id = ''")
        press()
        expect(page.locator("html#settled")).to_be_attached()
        if page.evaluate("document.activeElement === document.body"):
            lost.append(what)

    assert lost == []
