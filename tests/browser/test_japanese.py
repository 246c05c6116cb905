"""The portal in Japanese, as a browser in Japan shows it; and a Japanese mail that came over SMTP."""

import re
import time
from collections.abc import Callable
from email import message_from_bytes, policy

import httpx
from playwright.sync_api import Page, expect

from devtools.hard_cases import change_rows
from devtools.stack import Stack
from tests.browser import job
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.test_looks import look_at

PUBLIC = {
    "front": "/",
    "domain": "/d/ubuntu.com",
    "help": "/help",
    "help-answer": "/help/lost-mailbox",
    "privacy": "/privacy",
    "sign-in": "/login",
    "error": "/nowhere",
}
OWN = {
    "account": "/account",
    "account-delete": "/account/delete",
    "waivers": "/waivers",
    "waiver-new": "/waivers/new?kind=domain&domain=ubuntu.com",
    "verify-broken": "/recipients/verify/x",
    "home": "/home",
}


def japanese(open_page: OpenPage) -> Page:
    """Open a window of a browser that is set to Japanese, in Tokyo."""
    return open_page(locale="ja-JP", timezone_id="Asia/Tokyo", reduced_motion="reduce")


def sign_in(page: Page, stack: Stack, person: str) -> None:
    """Sign in; the provider's own pages are English."""
    page.goto(stack.portal_url)
    page.get_by_role("button", name="Ubuntu One でログイン").click()
    job.choose_person(page, person)
    expect(page.get_by_role("heading", level=1)).to_have_text("アドレス一覧")


def claim(page: Page, address: str) -> None:
    """Claim an address and open its page."""
    page.get_by_role("button", name=f"{address} を取得").click()
    page.get_by_role("link", name=f"管理 {address}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(address)


def add_mailbox(page: Page, mailbox: str) -> None:
    """Fill the field and press the button."""
    page.locator("#new-recipient").fill(mailbox)
    page.get_by_role("button", name="追加", exact=True).click()


def look(page: Page, name: str) -> list[str]:
    """Look at the page in every way, and see that it says its language."""
    assert page.locator("html").get_attribute("lang") == "ja"
    return look_at(page, f"ja-{name}")


def test_every_page_fits_and_can_be_used_in_japanese(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str], complaints: Complaints
) -> None:
    complaints.expected |= {404, 422, 403}
    page, name = japanese(open_page), newcomer("ubuntumembers", display_name="木村 花")
    found = []
    for what, path in PUBLIC.items():
        page.goto(stack.portal_url + path)
        found += look(page, what)
    sign_in(page, stack, name)
    found += look(page, "home-to-claim")
    claim(page, f"{name}@ubuntu.com")
    address = page.url
    add_mailbox(page, "no address")
    expect(page.get_by_role("alert")).to_have_text(
        "アドレスは name@example.org のような形で入力してください。"
    )
    found += look(page, "address-refused")
    add_mailbox(page, f"{name}.second@{'very-long-label.' * 8}example.org")
    expect(page.locator("li.recipient")).to_have_count(2)
    found += look(page, "address-two-mailboxes")
    page.locator("summary").first.click()
    found += look(page, "address-changing")
    page.get_by_role("button", name="テストメールを送る").click()
    expect(page.get_by_role("button", name="もう 1 通送る")).to_be_visible()
    found += look(page, "address-tested")
    for what, path in OWN.items():
        page.goto(stack.portal_url + path)
        found += look(page, what)
    now, alias = int(time.time()), "UPDATE alias SET {} WHERE local_part = ?"
    for state, change in {
        "off-later": f"switch = 'off-later', label = '一覧', switched_at = {now}",
        "held": "switch = 'on', hold = 'admin'",
        "grace": f"hold = 'none', entitlement = 'grace', grace_until = {now + 864_000}",
    }.items():
        change_rows(stack, (alias.format(change), (name,)))
        for where in (address, f"{stack.portal_url}/home"):
            page.goto(where)
            found += look(page, f"{where.rpartition('/')[2]}-{state}")

    assert not found, "\n".join(found)


def test_times_are_shown_in_the_browsers_zone_and_in_japanese(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    page, name = japanese(open_page), newcomer("ubuntumembers")
    sign_in(page, stack, name)
    claim(page, f"{name}@ubuntu.com")

    expect(page.locator(".history time").first).to_have_text(
        re.compile(r"^\d{4}年\d{1,2}月\d{1,2}日 \d{2}:\d{2} JST$")
    )


def test_the_language_is_changed_by_keyboard_and_comes_back(stack: Stack, open_page: OpenPage) -> None:
    page = open_page(locale="en-GB")
    page.goto(f"{stack.portal_url}/help")
    button = page.get_by_role("button", name="日本語")
    button.focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("ヘルプ")
    assert page.url == f"{stack.portal_url}/help"
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")


def test_the_language_can_be_changed_without_scripts(stack: Stack, open_page: OpenPage) -> None:
    page = open_page(locale="en-GB", java_script_enabled=False)
    page.goto(stack.portal_url)
    page.get_by_role("button", name="日本語").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("プロジェクトのアドレス")


def test_a_japanese_mail_comes_through_real_servers(
    stack: Stack, open_page: OpenPage, newcomer: Callable[..., str]
) -> None:
    """From the outbox by the relay, signed, over SMTP to a mailbox; read as it came, byte for byte."""
    page, name = japanese(open_page), newcomer("ubuntumembers")
    sign_in(page, stack, name)
    claim(page, f"{name}@ubuntu.com")
    mailbox = f"{name}.second@mail.example.org"
    add_mailbox(page, mailbox)
    expect(page.get_by_text("送ったメール（")).to_be_visible()

    raw = wait_for_mail(stack, mailbox)
    mail = message_from_bytes(raw, policy=policy.default)
    assert raw.isascii()
    assert max(map(len, raw.splitlines())) <= 998
    assert (
        mail["Subject"]
        == f"{mail['From'].addresses[0].display_name} のメールをこのアドレスで受け取ることを確認してください"
    )
    assert mail.defects == []
    text, html = [part for part in mail.walk() if not part.is_multipart()]
    assert "このアドレスへのメールの転送を希望しています。" in text.get_content()
    assert '<html lang="ja">' in html.get_content()
    (link,) = [line for line in text.get_content().splitlines() if "/recipients/verify/" in line]
    page.goto(link)
    page.get_by_role("button", name="はい、これは自分のメールボックスです").click()
    expect(page.get_by_text("転送先を確認しました。")).to_be_visible()


def wait_for_mail(stack: Stack, mailbox: str) -> bytes:
    """Wait until a mail for this mailbox has come; return it as the server took it."""
    catcher = stack.world["catcher_url"]
    for _ in range(200):
        found = httpx.get(f"{catcher}messages.json", params={"to": mailbox}, timeout=10).json()
        if found:
            return httpx.get(f"{catcher}messages/{found[0]['number']}.eml", timeout=10).content
        time.sleep(0.1)
    raise AssertionError(f"no mail for {mailbox}")
