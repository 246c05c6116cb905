"""A waiver in a real Chromium, from asking to the address that works; and how the pages look."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at

OPS = "ops@home.example.net"
WHY = "Everybody in the project knows me by this name."


def number_of(stack: Stack, words: str) -> str:
    """The number of the one request that waits with these words."""
    (line,) = [line for line in stack.waypost("waiver", "list").splitlines() if words in line]
    return line.split("\t")[0]


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
def test_from_asking_to_the_address(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints, javascript: bool
) -> None:
    complaints.expected.add(422)
    name = newcomer("ubuntumembers")
    wanted, mailbox = f"{name}.long.name", f"{name}@home.example.net"
    page = open_page(java_script_enabled=javascript)
    job.sign_in(page, stack, name)

    page.goto(f"{stack.portal_url}/waivers/new?kind=local-part&domain=ubuntu.com")
    page.get_by_label("The name, before the @").fill("root")
    page.get_by_label("Why?").fill(WHY)
    page.get_by_role("button", name="Ask the admins").click()
    expect(page.get_by_role("alert")).to_contain_text("This name is kept for the project.")
    expect(page.get_by_label("Why?")).to_have_value(WHY)
    page.get_by_label("The name, before the @").fill(wanted)
    page.get_by_role("button", name="Ask the admins").click()
    page.wait_for_url(f"{stack.portal_url}/waivers")
    expect(page.get_by_role("article")).to_contain_text("waits for an admin")

    job.open_mail(page, stack, OPS, "Somebody asks for a waiver on ubuntu.com")
    expect(page.locator("pre").first).to_contain_text(WHY)
    number = number_of(stack, wanted)
    assert WHY in stack.waypost("waiver", "show", number)
    stack.waypost("waiver", "grant", number, "--yes", "--answer", "With pleasure.")

    job.open_mail(page, stack, mailbox, "Granted: your request for ubuntu.com")
    page.goto(f"{stack.portal_url}/waivers")
    expect(page.get_by_role("article")).to_contain_text("Answer: With pleasure.")
    page.get_by_role("link", name=f"Open {wanted}@ubuntu.com").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{wanted}@ubuntu.com")
    subject = job.send_mail(stack, f"{wanted}@ubuntu.com")
    job.open_mail(page, stack, mailbox, subject)


def test_a_domain_without_its_team_can_be_claimed_after_a_grant(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    name = newcomer("ubuntumembers")
    page = open_page()
    job.sign_in(page, stack, name)
    page.goto(f"{stack.portal_url}/waivers/new?kind=domain&domain=kubuntu.org")
    page.get_by_label("Until when, if you know").fill("2099-12-31")
    page.get_by_label("Why?").fill("I look after its web site.")
    page.get_by_role("button", name="Ask the admins").click()
    expect(page.get_by_role("article")).to_contain_text("until 31 Dec 2099")
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("article")).to_contain_text("taken back")
    expect(page.locator("#waivers").get_by_text("You have taken it back.")).to_be_focused()
    expect(page.locator("#announce")).to_have_text("You have taken it back.")

    page.goto(f"{stack.portal_url}/waivers/new?kind=domain&domain=kubuntu.org")
    page.get_by_label("Why?").fill("I look after its web site.")
    page.get_by_role("button", name="Ask the admins").click()
    expect(page.get_by_role("article").first).to_contain_text("waits for an admin")
    stack.waypost("waiver", "grant", number_of(stack, f"{name}\t"), "--yes")

    page.goto(f"{stack.portal_url}/home")
    expect(job.row(page, "kubuntu.org")).to_contain_text("by a waiver")
    job.claim(page, f"{name}@kubuntu.org")


def test_every_page_can_be_read_and_used(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected.add(422)
    name = newcomer("ubuntumembers")
    page = open_page(reduced_motion="reduce")
    job.sign_in(page, stack, name)
    page.goto(f"{stack.portal_url}/waivers")
    found = look_at(page, "waivers-none")
    for kind in ("local-part", "domain", "grace"):
        page.goto(f"{stack.portal_url}/waivers/new?kind={kind}&domain=edubuntu.org")
        found += look_at(page, f"waivers-new-{kind}")
    page.get_by_label("Why?").fill("Because I would like to.")
    page.get_by_label("Until when").fill("2099-12-31")
    page.get_by_role("button", name="Ask the admins").click()
    expect(page.get_by_role("alert")).to_be_focused()
    found += look_at(page, "waivers-refused")
    for domain in ("kubuntu.org", "lubuntu.me", "edubuntu.org"):
        page.goto(f"{stack.portal_url}/waivers/new?kind=domain&domain={domain}")
        page.get_by_label("Why?").fill(f"Because {'verylongword' * 40}\nof that. " + "And words. " * 30)
        page.get_by_role("button", name="Ask the admins").click()
        page.wait_for_url(f"{stack.portal_url}/waivers")
    page.goto(f"{stack.portal_url}/waivers/new?kind=local-part&domain=ubuntu.com")
    page.get_by_label("The name, before the @").fill(f"{name}." + "x" * 40)
    page.get_by_label("Why?").fill("It is my name.")
    page.get_by_role("button", name="Ask the admins").click()
    page.wait_for_url(f"{stack.portal_url}/waivers")
    stack.waypost("waiver", "grant", number_of(stack, "x" * 40), "--yes", "--answer", "Gladly.")
    rows = [line for line in stack.waypost("waiver", "list").splitlines() if f"\t{name}\t" in line]
    stack.waypost("waiver", "refuse", rows[0].split("\t")[0], "Please join the team. " * 10)
    page.reload()
    page.get_by_role("button", name="Take it back: the request for edubuntu.org").click()
    expect(page.locator("main").get_by_text("You have taken it back.")).to_be_visible()
    found += look_at(page, "waivers")

    assert not found, "\n".join(found)
