"""Signing in anew by OpenID Connect, for dangerous changes: when the password was last given."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from core.models import Session
from devtools.accounts import Account
from devtools.oidc import PretendOidc
from tests.app.oidc.browser import OidcClient, assert_refused, person_of
from tests.support.portal import Portal


def session_of(account: Account) -> Session:
    return Session.get(Session.person == person_of(account))


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
