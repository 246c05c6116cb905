"""Signing in anew by OpenID Connect, for dangerous changes: when the password was last given."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from core.fresh import code_of
from core.models import Notice, Session
from devtools.accounts import Account
from devtools.oidc import PretendOidc
from tests.app.oidc.browser import OidcClient, assert_refused, person_of
from tests.support.portal import Portal


def session_of(account: Account) -> Session:
    """The newest one."""
    return person_of(account).sessions.order_by(Session.id.desc()).get()


def test_the_session_knows_when_the_password_was_given(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc
) -> None:
    provider.login_age = 3000

    client.come_in(member.name)

    session = session_of(member)
    assert abs(session.created_at - session.authenticated_at - timedelta(seconds=3000)) < timedelta(minutes=1)


def test_a_fresh_sign_in_asks_for_the_password_anew(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc
) -> None:
    provider.login_age = 3000
    attempt = client.leave(fresh="1")
    assert (attempt.asked["prompt"], attempt.asked["max_age"]) == ("login", "0")

    client.get(provider.answer(attempt.asked, member.name))

    session = session_of(member)
    assert abs(session.created_at - session.authenticated_at) < timedelta(minutes=1)


@pytest.mark.parametrize("auth_time", [None, "1", 1.5e9, True, -1, 0, 10**18, float("nan"), [1]])
def test_an_odd_time_of_the_password_is_none(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc, auth_time: object
) -> None:
    """A provider that does not say when it asked has not asked."""
    provider.tamper = lambda claims: claims.update(auth_time=auth_time)

    back = client.get(provider.answer(client.leave(fresh="1").asked, member.name))

    if back.status == 303:
        session = session_of(member)
        given = session.authenticated_at or datetime.fromtimestamp(0, UTC)
        assert session.created_at - given > timedelta(days=365)
    else:
        assert_refused(back, client)


def test_a_time_of_the_password_in_the_future_is_none(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc
) -> None:
    provider.tamper = lambda claims: claims.update(auth_time=int(time.time()) + 3600)

    client.come_in(member.name)

    assert session_of(member).authenticated_at is None


def test_a_provider_that_says_nothing_makes_no_sign_in_fresh_and_a_code_does(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc
) -> None:
    provider.tamper = lambda claims: claims.pop("auth_time", None)
    client.come_in(member.name)
    assert client.get("/account/delete").location == "/login/again?next=/account/delete"

    page = client.come_in(member.name, "/login/again?next=/account/delete")
    assert page.page.one("h1").text == "Is it you?"
    client.post("/login/again/code", {"next": "/account/delete"})
    session = session_of(member)
    typed = {"code": code_of(session, portal.settings.secret_key), "next": "/account/delete"}

    assert Notice.get(kind="sign-in-code", person=session.person).recipient.address == member.email
    assert client.post("/login/again", {"code": "00000000", "next": "/account/delete"}).status == 422
    assert client.get("/account/delete").location == "/login/again?next=/account/delete"
    assert client.post("/login/again", typed).location == "/account/delete"
    assert client.get("/account/delete").page.one("h1").text == "Delete the account"


def test_where_no_code_can_be_sent_the_page_says_what_opens_the_way(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc
) -> None:
    """A first mailbox needs no fresh sign-in (docs/decisions/0008); what else is dangerous waits for it."""
    provider.tamper = lambda claims: (claims.pop("auth_time", None), claims.update(email_verified=False))
    client.come_in(member.name)
    assert client.get("/account/delete").location == "/login/again?next=/account/delete"

    page = client.come_in(member.name, "/login/again?next=/account/delete")

    assert page.page.one("h1").text == "Is it you?"
    assert "Confirm a mailbox of one of your addresses, then come back" in page.page.text
