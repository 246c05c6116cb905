"""The whole life of an address for three kinds of contributor, with and without JavaScript, on a phone too.

A member of one team; somebody who becomes a member, leaves, and is given more time; and a developer of
several teams who gets another name. Only months, and an admin's word, come from outside the pages.
"""

import json
import smtplib
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from devtools.hard_cases import change_rows
from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage, change_world
from tests.browser.test_account import open_account, refusal_of
from tests.browser.test_waivers import number_of

PHONE = {"width": 320, "height": 640}
both = pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])

Newcomer = Callable[..., str]


def days_pass(stack: Stack, name: str, days: float) -> None:
    """Put what is known of a person, and the ends of their addresses, some time back."""
    seconds = int(days * 86_400)
    person = "(SELECT id FROM person WHERE launchpad_name = ?)"
    for table in ("account_fact", "membership"):
        moved = f"read_at = read_at - {seconds}, first_no_at = first_no_at - {seconds}"
        change_rows(stack, (f"UPDATE {table} SET {moved} WHERE person_id = {person}", (name,)))
    ends = f"UPDATE alias SET grace_until = grace_until - {seconds} WHERE person_id = {person}"
    change_rows(stack, (ends, (name,)))


def check_again(page: Page, stack: Stack, domain: str) -> None:
    """From home, have Launchpad asked; the page says when it answered."""
    page.goto(f"{stack.portal_url}/home")
    page.get_by_role("button", name="Check again: ask Launchpad about all domains").click()
    expect(page.locator(".standing")).to_contain_text("Launchpad answered just now")
    expect(job.row(page, domain)).to_be_visible()


def fits(page: Page) -> bool:
    """Whether nothing stands out at the right."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@both
def test_a_member_from_the_claim_to_giving_it_up_and_back(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer, complaints: Complaints, javascript: bool
) -> None:
    complaints.expected |= {422, 429}
    name = newcomer("ubuntumembers")
    address, mailbox, second = f"{name}@ubuntu.com", f"{name}@home.example.net", f"{name}.2@mail.example.org"
    page = open_page(java_script_enabled=javascript, viewport=PHONE)
    job.sign_in(page, stack, name)
    job.claim(page, address)
    job.open_mail(page, stack, mailbox, job.send_mail(stack, address))
    page.goto(f"{stack.portal_url}/home")
    assert fits(page)

    job.open_address(page, address)
    job.add_mailbox(page, second)
    page.get_by_role("button", name=f"Send again to {second}").click()
    expect(page.get_by_role("alert")).to_contain_text("minute")  # one was sent just now
    assert fits(page)
    job.open_mail(page, stack, second, "Confirm that mail")
    job.follow_the_link(page)
    page.get_by_role("button", name="Yes, this mailbox is mine").click()
    page.wait_for_url(f"{stack.portal_url}/home")
    job.open_address(page, address)
    page.get_by_role("button", name=f"Move {second} up").click()
    expect(page.locator("li.recipient > p .address")).to_have_text([second, mailbox])
    page.get_by_label("The first that takes it").check()
    page.locator("#order").get_by_role("button", name="Save").click()
    expect(page.locator(".history")).to_contain_text("Mail goes to the first mailbox that takes it.")
    subject = job.send_mail(stack, address)
    job.open_mail(page, stack, second, subject)
    assert subject not in [mail["subject"] for mail in stack.mail(mailbox)]

    page.goto(f"{stack.portal_url}/home")
    job.open_address(page, address)
    page.get_by_role("button", name="Off: mail is refused").click()
    expect(page.locator(".about")).to_contain_text("off, mail is refused")
    assert refusal_of(stack, address)[0] == 550
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator(".about")).to_contain_text("works")
    assert refusal_of(stack, address)[0] == 250
    page.get_by_role("button", name=f"Remove {second}").click()
    expect(page.locator("li.recipient > p .address")).to_have_text([mailbox])
    job.open_mail(page, stack, second, "no longer comes to this address")

    page.goto(f"{stack.portal_url}/home")
    job.open_address(page, address)
    page.get_by_label(f"Type {address} to confirm").fill("ubuntu.com")
    page.get_by_role("button", name="Give up this address").click()
    expect(page.get_by_role("alert")).to_contain_text("Type the whole address")
    page.get_by_label(f"Type {address} to confirm").fill(address)
    page.get_by_role("button", name="Give up this address").click()
    expect(page.locator(".flash")).to_contain_text("You gave the address up.")
    code, words = refusal_of(stack, address)
    assert (code, words[:5]) == (550, b"5.1.6")
    job.claim(page, address)
    job.open_address(page, address)
    changes = ("was claimed again", "was given up", "was switched on", f"{second} was removed")
    for change in changes:
        expect(page.locator(".history")).to_contain_text(change)
    job.open_mail(page, stack, mailbox, job.send_mail(stack, address))


@both
def test_somebody_who_joins_a_team_leaves_it_and_leaves_for_good(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer, complaints: Complaints, javascript: bool
) -> None:
    complaints.expected.add(422)
    name = newcomer(coc_signed=False)
    address, mailbox = f"{name}@kubuntu.org", f"{name}@home.example.net"
    page = open_page(java_script_enabled=javascript)
    job.sign_in(page, stack, name)
    row = job.row(page, "kubuntu.org")

    expect(row).to_contain_text("You are not a member of kubuntu-members")
    expect(row.get_by_role("link", name="kubuntu-members")).to_have_attribute(
        "href", f"{stack.world['launchpad_url']}~kubuntu-members"
    )
    expect(page.locator(".account-reasons")).to_contain_text("You have not signed the Code of Conduct.")
    change_world(stack, "sign_coc", name)
    change_world(stack, "join", name, "kubuntu-members")
    page.get_by_role("button", name="Check again: ask Launchpad about kubuntu.org").click()
    job.claim(page, address)
    job.open_mail(page, stack, mailbox, job.send_mail(stack, address))
    job.open_mail(page, stack, "ops@home.example.net", "New @kubuntu.org email address created")

    change_world(stack, "leave", name, "kubuntu-members")
    check_again(page, stack, "kubuntu.org")
    expect(row).to_contain_text(f"{address} works")  # one “no” starts nothing
    days_pass(stack, name, 0.3)
    check_again(page, stack, "kubuntu.org")
    expect(row).to_contain_text(f"{address} works until")
    expect(row).to_contain_text("You are not a member of kubuntu-members")
    assert refusal_of(stack, address)[0] == 250
    job.open_mail(page, stack, mailbox, f"Your address {address} ends on")

    page.goto(f"{stack.portal_url}/home")
    row.get_by_role("link", name="Ask for more time").click()
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 120 * 86_400))
    page.get_by_label("Until when").fill(until)
    page.get_by_label("Why?").fill("I am writing the last release notes.")
    page.get_by_role("button", name="Ask the admins").click()
    expect(page.get_by_role("article")).to_contain_text("waits for an admin")
    stack.waypost("waiver", "grant", number_of(stack, f"{name}\t"), "--yes")
    job.open_mail(page, stack, mailbox, "Granted: your request for kubuntu.org")
    page.goto(f"{stack.portal_url}/home")
    day = time.strftime("%-d %b %Y", time.gmtime(time.time() + 120 * 86_400))
    expect(row).to_contain_text(f"works until {day}")
    days_pass(stack, name, 121)
    page.goto(f"{stack.portal_url}/home")
    expect(row).to_contain_text(f"{address} ended")
    assert refusal_of(stack, address)[0] == 550
    page.get_by_role("link", name=f"Manage {address}").click()
    expect(page.locator(".about")).to_contain_text("When you are entitled again, you can claim it again.")

    open_account(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all of it (JSON)").click()
    assert address in json.dumps(json.loads(Path(download.value.path()).read_text()))
    page.get_by_role("link", name="Delete my account…").click()
    page.get_by_label(f"Type {name} to confirm").fill(name)
    page.get_by_role("button", name="Delete my account for good").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account is deleted")
    job.open_mail(page, stack, mailbox, "account was deleted")


@both
def test_a_developer_of_several_teams_who_gets_another_name(
    stack: Stack, open_page: OpenPage, newcomer: Newcomer, javascript: bool
) -> None:
    name = newcomer("ubuntumembers", "kubuntu-members", "lubuntu-members")
    mailbox, work = f"{name}@home.example.net", f"{name}.work@mail.example.org"
    domains = ("ubuntu.com", "kubuntu.org", "lubuntu.me")
    page = open_page(java_script_enabled=javascript)
    elsewhere = open_page(java_script_enabled=javascript)
    job.sign_in(page, stack, name)
    job.sign_in(elsewhere, stack, name)
    for domain in domains:
        job.claim(page, f"{name}@{domain}")

    job.open_address(page, f"{name}@kubuntu.org")
    page.locator("summary").click()
    page.get_by_label("Another mailbox in its place").fill(work)
    page.get_by_label("For this address only").check()
    page.locator("details[open]").get_by_role("button", name="Change").click()
    expect(page.locator("li.recipient")).to_contain_text(f"this one takes its place: {work}")
    job.open_mail(page, stack, work, "Confirm that mail")
    job.follow_the_link(page)
    page.get_by_role("button", name="Yes, this mailbox is mine").click()
    page.wait_for_url(f"{stack.portal_url}/home")
    expect(job.row(page, "kubuntu.org")).to_contain_text(f"Mail goes to {work}")
    expect(job.row(page, "ubuntu.com")).to_contain_text(f"Mail goes to {mailbox}")
    job.open_address(page, f"{name}@lubuntu.me")
    page.get_by_label("Another mailbox", exact=True).fill(work)  # proven once, used everywhere
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("li.recipient").filter(has_text=work)).to_contain_text("confirmed")

    renamed = f"{name}-now"
    change_world(stack, "rename", name, renamed)
    check_again(page, stack, "ubuntu.com")
    expect(job.row(page, "ubuntu.com")).to_contain_text(f"{name}@ubuntu.com works")
    job.claim(page, f"{renamed}@ubuntu.com")
    expect(job.row(page, "ubuntu.com")).to_contain_text(f"{name}@ubuntu.com works")
    for address in (f"{name}@ubuntu.com", f"{renamed}@ubuntu.com"):
        job.open_mail(page, stack, mailbox, job.send_mail(stack, address))
    page.goto(f"{stack.portal_url}/home")

    open_account(page)
    page.get_by_role("button", name="Sign out the browser").click()
    expect(page.get_by_text("Another browser")).to_have_count(0)
    elsewhere.goto(f"{stack.portal_url}/home")
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Sign in to go on")
    with smtplib.SMTP("127.0.0.1", stack.relay_port, timeout=20) as relay:
        relay.ehlo()
        relay.mail("somebody@mail.example.org")
        answers = [relay.rcpt(f"{name}+list@{domain}")[0] for domain in domains]
    assert answers == [250, 250, 250]
