"""An imported address in a real Chromium: an admin brings the list, its owner proves that it is theirs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at

both = pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])


def bring(stack: Stack, folder: Path, *lines: str) -> None:
    """Bring a list in by the command, and wait until its names are looked up."""
    file = folder / "old.csv"
    file.write_text("\n".join(["address,recipients,launchpad name", *lines, ""]))
    stack.waypost("import", "csv", str(file), "--yes")


def open_kept(page: Page, stack: Stack, address: str) -> None:
    """From the home page to the page of a kept address; the job may be at its name still."""
    link = page.get_by_role("link", name=f"Prove that it is you for {address}")
    for _ in range(60):
        page.goto(f"{stack.portal_url}/home")
        if link.count():
            break
        page.wait_for_timeout(500)
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(address)


@both
def test_a_code_to_the_old_mailbox_proves_whose_it_is(
    stack: Stack,
    open_page: OpenPage,
    newcomer: Callable[..., str],
    complaints: Complaints,
    tmp_path: Path,
    javascript: bool,
) -> None:
    complaints.expected.add(422)
    name = newcomer("ubuntumembers")
    address, mailbox = f"{name}@ubuntu.com", f"{name}.treasure@mail.example.org"
    bring(stack, tmp_path, f"{address},{mailbox},{name}")
    page = open_page(java_script_enabled=javascript)
    job.sign_in(page, stack, name)
    open_kept(page, stack, address)
    expect(page.locator("body")).not_to_contain_text("treasure")

    page.get_by_role("button", name="Send a code").click()
    field = page.get_by_label("The code, eight digits")
    field.fill("00000000")
    page.get_by_role("button", name="It is mine").click()
    expect(page.get_by_role("alert")).to_have_text("This is not the code of the newest mail.")
    expect(field).to_be_focused()
    if javascript:
        assert look_at(page, "kept-address-code") == []
    mails = open_page()
    job.open_mail(mails, stack, mailbox, f"Your code for {address}")
    code = next(
        line for line in mails.locator("pre").first.inner_text().splitlines() if line.strip().isdecimal()
    )
    field.fill(code.strip())
    page.get_by_role("button", name="It is mine").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(address)
    expect(page.locator("li.recipient")).to_contain_text(mailbox)
    subject = job.send_mail(stack, address)
    job.open_mail(mails, stack, mailbox, subject)
    job.open_mail(mails, stack, mailbox, f"{address} has an owner on the new page")


@both
def test_the_sign_in_address_is_proof_enough(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], tmp_path: Path, javascript: bool
) -> None:
    name = newcomer("ubuntumembers")
    address = f"{name}@ubuntu.com"
    bring(stack, tmp_path, f"{address},{name}.first@mail.example.org {name}@home.example.net,{name}")
    page = open_page(java_script_enabled=javascript)
    job.sign_in(page, stack, name)
    open_kept(page, stack, address)

    page.get_by_role("button", name="It is mine").click()

    page.wait_for_url(f"{stack.portal_url}/addresses/*")
    expect(page.locator("li.recipient").nth(1)).to_contain_text(f"{name}@home.example.net")


@both
def test_an_admin_brings_a_list_and_sees_each_lines_fate_first(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], tmp_path: Path, javascript: bool
) -> None:
    admin, one = newcomer(), newcomer()
    page = open_page(java_script_enabled=javascript)
    job.sign_in(page, stack, admin)
    stack.waypost("admin", "grant", admin, "--yes")
    file = tmp_path / "old.csv"
    file.write_text(f"{one}@ubuntu.com,{one}@home.example.net,{one}\nwrong@ubuntu.com,x@ubuntu.com,{one}\n")

    page.goto(f"{stack.portal_url}/admin/imports")
    if javascript:
        assert look_at(page, "admin-imports") == []
    page.get_by_label("The list, as CSV").set_input_files(file)
    page.get_by_label("The day of the list").fill("2026-01-31")
    page.get_by_role("button", name="See what becomes of it").click()
    wait_for_state(page, "waits for your word", javascript)
    expect(page.locator("#run tbody tr").nth(0)).to_contain_text("It will be kept for its owner")
    expect(page.locator("#run tbody tr").nth(1)).to_contain_text("mail would run in a circle")
    if javascript:
        assert look_at(page, "admin-import-run") == []
    page.get_by_role("button", name="Bring in 1 address").click()
    wait_for_state(page, "brought in", javascript)
    subject = job.send_mail(stack, f"{one}@ubuntu.com")
    job.open_mail(open_page(), stack, f"{one}@home.example.net", subject)

    page.goto(f"{stack.portal_url}/admin/waiting?q={one}")
    if javascript:
        assert look_at(page, "admin-waiting") == []
    page.get_by_role("link", name=f"{one}@ubuntu.com").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{one}@ubuntu.com")
    if javascript:
        assert look_at(page, "admin-kept-address") == []


def wait_for_state(page: Page, words: str, javascript: bool) -> None:
    """Wait until the list is in a state: its page comes by itself, or by its link without JavaScript."""
    status = page.locator("#run").get_by_role("status")
    for _ in range(80):
        if words in status.inner_text():
            return
        if not javascript:
            page.get_by_role("link", name="Look again").click()
        page.wait_for_timeout(500)
    expect(status).to_contain_text(words)
