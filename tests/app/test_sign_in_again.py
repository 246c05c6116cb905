"""The page that asks for a fresh sign-in, and the code that does where the provider does not see to it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest

from core.database import utc_now
from core.fresh import code_of
from core.models import Notice, Recipient, Session
from devtools.accounts import Account
from tests.app.owner import Owner
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Answer, Attempt, Client

AGAIN = "/login/again?next=/account/delete"


@pytest.fixture(autouse=True)
def remembered(client: Client) -> Iterator[None]:
    """A provider that remembers this browser: the password was given a while ago."""
    client.provider.login_age = 5000
    yield
    client.provider.login_age, client.provider.honours_max_auth_age = 0, True


@pytest.fixture
def deaf(client: Client) -> None:
    """A provider that does not ask for the password anew, and says so."""
    client.provider.honours_max_auth_age = False


def press_again(client: Client, page: Answer, name: str) -> Answer:
    """Press the button of the page, sign in, and come back."""
    form = page.page.one("form", action="/login")
    fields = {one["name"]: one["value"] for one in form.all("input")}
    attempt = Attempt.at(client.post("/login", fields).location)
    back = client.bring(attempt, client.sign(attempt, name))
    client.forget_token()
    return client.follow(back)


def session_of(owner: Owner) -> Session:
    return owner.person.sessions.order_by(Session.id.desc()).get()


def code_for(owner: Owner, portal: Portal) -> str:
    return code_of(session_of(owner), portal.settings.secret_key)


def test_the_page_leads_to_the_provider_and_on(portal: Portal, owner: Owner, member: Account) -> None:
    page = owner.client.get(AGAIN)
    assert faults_of(page.page) == []
    assert "give your password once more" in page.text
    assert page.page.all("input", name="code") == []

    end = press_again(owner.client, page, member.name)

    assert end.page.one("h1").text == "Delete the account"
    assert owner.client.get(AGAIN).location == "/account/delete"


def test_after_ten_minutes_it_asks_again(portal: Portal, owner: Owner, member: Account) -> None:
    press_again(owner.client, owner.client.get(AGAIN), member.name)
    Session.update(authenticated_at=utc_now() - timedelta(minutes=11)).execute()

    assert owner.client.get("/account/delete").location == AGAIN


def test_an_ordinary_sign_in_is_not_fresh(portal: Portal, owner: Owner, member: Account) -> None:
    owner.client.sign_in(member.name)

    assert owner.client.get("/account/delete").location == AGAIN


def test_the_fresh_sign_in_of_somebody_else_opens_only_theirs(
    portal: Portal, owner: Owner, new_person: Callable[..., Account]
) -> None:
    other = new_person()
    end = press_again(owner.client, owner.client.get(AGAIN), other.name)

    assert f"Type {other.name} to confirm" in end.text


def test_where_the_provider_is_deaf_a_code_does(
    portal: Portal, owner: Owner, member: Account, deaf: None
) -> None:
    page = press_again(owner.client, owner.client.get(AGAIN), member.name)
    assert faults_of(page.page) == []
    assert "did not ask for your password" in page.text
    assert str(member.email) not in page.text
    assert f"{member.name[:2]}…@home.example.net" in page.text

    sent = owner.client.follow(owner.client.post("/login/again/code", {"next": "/account/delete"}))
    assert faults_of(sent.page) == []
    assert Notice.get(kind="sign-in-code", person=owner.person).recipient.address == member.email
    wrong = owner.client.post("/login/again", {"next": "/account/delete", "code": "123"})
    assert wrong.status == 422
    assert faults_of(wrong.page) == []
    assert wrong.page.one("input", id="code")["aria-describedby"] == "code-error"
    right = owner.client.post("/login/again", {"next": "/account/delete", "code": code_for(owner, portal)})

    assert right.location == "/account/delete"
    assert owner.client.get("/account/delete").page.one("h1").text == "Delete the account"


def test_a_code_is_not_sent_twice_in_a_minute(
    portal: Portal, owner: Owner, member: Account, deaf: None
) -> None:
    press_again(owner.client, owner.client.get(AGAIN), member.name)
    owner.client.post("/login/again/code")
    again = owner.client.post("/login/again/code")

    assert (again.status, "less than a minute" in again.text) == (429, True)
    assert faults_of(again.page) == []
    assert Notice.select().where(Notice.kind == "sign-in-code", Notice.person == owner.person).count() == 1


def test_where_the_provider_was_not_asked_no_code_is_sent(portal: Portal, owner: Owner) -> None:
    answer = owner.client.post("/login/again/code")

    assert answer.status == 429
    assert not Notice.select().where(Notice.kind == "sign-in-code", Notice.person == owner.person).exists()
    assert owner.client.post("/login/again", {"code": "00000000"}).status == 422


def test_without_a_mailbox_the_page_says_what_to_do(
    portal: Portal, owner: Owner, member: Account, deaf: None
) -> None:
    press_again(owner.client, owner.client.get(AGAIN), member.name)
    Recipient.update(verified_at=None).where(Recipient.person == owner.person).execute()
    owner.person.sign_in_email_proven = False
    owner.person.save()
    page = owner.client.get(AGAIN)

    assert "no confirmed mailbox to which we could send a code" in page.text
    assert faults_of(page.page) == []


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "/nowhere", ""]
)
def test_it_leads_nowhere_else(portal: Portal, owner: Owner, member: Account, target: str) -> None:
    page = owner.client.get(f"/login/again?next={quote(target)}")
    assert "evil" not in page.html
    end = press_again(owner.client, page, member.name)

    assert end.page.one("h1").text == "Your addresses"


def test_nobody_is_asked_to_sign_in_first(client: Client, portal: Portal) -> None:
    assert client.get(AGAIN).location == "/login?next=/login/again?next%3D/account/delete"
