"""The link in a verification mail: opening it changes nothing, pressing the button counts once (B32)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from core.database import utc_now
from core.models import AuditEntry, Recipient
from core.recipients import PROOF_LASTS
from devtools.accounts import Account
from tests.app.owner import Owner
from tests.support.letters import proof_mails
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Client

MakePerson = Callable[..., Account]
NewClient = Callable[[], Client]

SECOND = "second@mail.example.org"


@pytest.fixture
def owner(client: Client, member: Account) -> Owner:
    """A member with an address and a second recipient that is not proven yet."""
    owner = Owner(client, member)
    owner.add(SECOND)
    return owner


@pytest.fixture
def link(owner: Owner, portal: Portal) -> str:
    """The path of the link in the mail."""
    mails = proof_mails(owner.recipient(SECOND), portal.settings)
    assert len(mails) == 1
    url = mails[0].link
    assert url.startswith(f"{portal.url}/")
    return url.removeprefix(portal.url)


def is_proven(owner: Owner) -> bool:
    """Whether the second recipient is proven."""
    return owner.recipient(SECOND).verified_at is not None


def test_the_whole_way_of_a_link_past_a_scanner(
    portal: Portal, owner: Owner, link: str, new_client: NewClient
) -> None:
    nobody = new_client()
    with nothing_created():
        assert httpx.head(portal.url + link, verify=False).status_code in (200, 303)
        assert nobody.get(link, User_Agent="HeadlessChrome").status == 303
        page = owner.client.get(link)
        assert owner.client.http.head(link).status_code == 200
        assert owner.client.get(link).status == 200
    assert not is_proven(owner)
    assert page.status == 200
    assert SECOND in page.text
    assert faults_of(page.page) == []

    done = owner.client.post(link)

    assert (done.status, done.location) == (303, "/home")
    assert is_proven(owner)
    assert AuditEntry.select().where(AuditEntry.verb == "recipient-proven").count() >= 1
    assert "confirmed" in owner.client.get(owner.path).text


def test_nobody_is_asked_to_sign_in_and_comes_back(
    portal: Portal, owner: Owner, link: str, member: Account, new_client: NewClient
) -> None:
    phone = new_client()
    asked = phone.get(link)
    target = phone.get(asked.location).page.one("input", name="next")["value"]

    page = phone.sign_in(member.name, next_page=target)

    assert urlsplit(str(page.response.url)).path == link
    assert "Yes, this mailbox is mine" in page.text


def test_nobody_proves_nothing_by_post(
    portal: Portal, owner: Owner, link: str, new_client: NewClient
) -> None:
    with nothing_created():
        answer = new_client().post(link)

    assert answer.status == 303
    assert answer.location.startswith("/login")
    assert not is_proven(owner)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_person_proves_nothing(
    portal: Portal, owner: Owner, link: str, new_client: NewClient, new_person: MakePerson, method: str
) -> None:
    stranger = new_client()
    stranger.sign_in(new_person().name)

    with nothing_created():
        answer = stranger.get(link) if method == "GET" else stranger.post(link)

    assert answer.status in (403, 404)
    assert SECOND not in answer.text
    assert "Another account asked for this." in answer.text or "This link is not complete" in answer.text
    assert faults_of(answer.page) == []
    assert not is_proven(owner)


def test_pressing_twice_counts_once_and_is_no_error(portal: Portal, owner: Owner, link: str) -> None:
    owner.client.post(link)
    proven_at = owner.recipient(SECOND).verified_at

    with nothing_created():
        again = owner.client.post(link)

    assert (again.status, again.location) == (303, "/home")
    assert owner.recipient(SECOND).verified_at == proven_at
    page = owner.client.get(link)
    assert page.status == 410
    assert "This address is confirmed already. Nothing is left to do." in page.text


def test_many_presses_at_once_count_once(
    portal: Portal, owner: Owner, link: str, new_client: NewClient
) -> None:
    statuses: list[int] = []
    before = AuditEntry.select().where(AuditEntry.verb == "recipient-proven").count()

    def press(tab: Client) -> None:
        tab.http.cookies = owner.client.http.cookies
        tab._token = owner.client.token()
        statuses.append(tab.post(link).status)

    threads = [threading.Thread(target=press, args=(new_client(),)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert statuses == [303] * 10
    assert AuditEntry.select().where(AuditEntry.verb == "recipient-proven").count() == before + 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_ends_after_its_time(portal: Portal, owner: Owner, link: str, method: str) -> None:
    """The time stands in the link, under its code: it is the database that is moved here."""
    recipient = owner.recipient(SECOND)
    recipient.proof_sent_at = utc_now() - PROOF_LASTS - timedelta(minutes=1)
    recipient.save()
    from core.recipients import proof_token

    old = f"/recipients/verify/{proof_token(recipient, portal.settings.secret_key)}"

    with nothing_created():
        answer = owner.client.get(old) if method == "GET" else owner.client.post(old)

    assert answer.status == 410
    assert "This link has expired. Ask for a new mail on your page." in answer.text
    assert not is_proven(owner)


def test_a_newer_mail_ends_the_older_link(portal: Portal, owner: Owner, link: str) -> None:
    recipient = owner.recipient(SECOND)
    Recipient.update(proof_sent_at=utc_now() - timedelta(minutes=2)).where(
        Recipient.id == recipient.id
    ).execute()
    owner.press(f"recipients/{recipient.id}/resend")

    assert owner.client.get(link).status == 404
    assert owner.client.post(link).status == 404
    assert not is_proven(owner)
    mails = proof_mails(owner.recipient(SECOND), portal.settings)
    assert len(mails) == 1  # the older one has nothing to say any more
    assert owner.client.post(mails[0].link.removeprefix(portal.url)).status == 303


def bent(link: str) -> list[str]:
    """Make links that are almost right."""
    head, _, token = link.rpartition("/")
    number, expires, mac = token.split(".")
    other = "0" if mac[-1] != "0" else "1"
    return [
        f"{head}/{text}"
        for text in (
            f"{number}.{int(expires) + 86400}.{mac}",
            f"{int(number) + 1}.{expires}.{mac}",
            f"{number}.{expires}.{mac[:-1]}{other}",
            f"{number}.{expires}.{mac[:-1]}",
            f"{number}.{expires}.",
            f"{number}.{expires}",
            f"{number}",
            f"-{number}.{expires}.{mac}",
            f"{'9' * 15}.{expires}.{mac}",
            f"{'9' * 30}.{expires}.{mac}",
            f"{number}.{'9' * 30}.{mac}",
            f"{number}.{expires}.{mac}{'x' * 500}",
            f"{number}.{expires}.%00",
            f"{number}.{expires}.%ff",
            f"\u0661.{expires}.{mac}",
            "x",
            "...",
        )
    ]


def test_an_almost_right_link_proves_nothing(portal: Portal, owner: Owner, link: str) -> None:
    for path in bent(link):
        with nothing_created():
            shown, pressed = owner.client.get(path), owner.client.post(path)
        assert shown.status == pressed.status == 404, path
        assert "This link is not complete" in shown.text

    assert not is_proven(owner)


def test_numbers_of_others_recipients_cannot_be_counted(
    portal: Portal, owner: Owner, link: str, new_client: NewClient, new_person: MakePerson
) -> None:
    """A guessed link looks the same whether there is such a recipient or not."""
    stranger = new_client()
    stranger.sign_in(new_person().name)
    expires = link.rpartition("/")[2].split(".")[1]
    there = owner.recipient(SECOND).id

    answers = [
        stranger.get(f"/recipients/verify/{number}.{expires}.{'0' * 32}")
        for number in (there, there + 10_000)
    ]

    assert answers[0].status == answers[1].status
    assert answers[0].text == answers[1].text


def test_the_page_tells_no_other_site_where_it_is(portal: Portal, owner: Owner, link: str) -> None:
    page = owner.client.get(link)

    assert page.header("Referrer-Policy") == "no-referrer"
    assert page.header("Cache-Control") == "no-store"
    for element in page.page.elements():
        for name in ("src", "href"):
            assert not (element.get(name) or "").startswith(("http", "//"))


def test_a_recipient_proven_is_proven_for_all_ones_addresses(
    portal: Portal, owner: Owner, link: str, member: Account
) -> None:
    first = owner.recipient(str(member.email)).id
    owner.change("remove", first)
    assert "waits for a confirmed mailbox" in owner.client.get("/home").text

    owner.client.post(link)

    assert f"{owner.alias.text} works" in owner.client.get("/home").text
