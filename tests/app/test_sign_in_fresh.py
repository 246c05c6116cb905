"""Signing in anew with Ubuntu One, for dangerous changes: when the password was last given."""

from datetime import timedelta

import pytest

from core.models import Session
from devtools.accounts import Account
from devtools.servers import PretendServers
from tests.support.portal import Portal
from tests.support.records import person_of
from tests.support.webclient import Attempt, Client, Fields

MINUTE = timedelta(minutes=1)


@pytest.fixture
def attempt(portal: Portal, client: Client, outside: PretendServers) -> Attempt:
    """A sign-in under way that asks for the password anew."""
    client.provider.login_age = 3000
    sent = client.post("/login", {"fresh": "1"})
    yield Attempt.at(sent.location)
    client.provider.login_age, client.provider.honours_max_auth_age = 0, True


def session_of(account: Account) -> Session:
    return Session.get(Session.person == person_of(account))


def test_it_asks_for_the_password(client: Client, attempt: Attempt, member: Account) -> None:
    assert attempt.asked["openid.pape.max_auth_age"] == "0"

    client.bring(attempt, client.sign(attempt, member.name))

    session = session_of(member)
    assert abs(session.created_at - session.authenticated_at) < MINUTE


def test_a_provider_that_does_not_ask_is_not_believed(
    client: Client, attempt: Attempt, member: Account
) -> None:
    client.provider.honours_max_auth_age = False

    client.bring(attempt, client.sign(attempt, member.name))

    session = session_of(member)
    assert abs(session.created_at - session.authenticated_at - timedelta(seconds=3000)) < MINUTE


def test_a_time_that_is_not_signed_is_none(client: Client, attempt: Attempt, member: Account) -> None:
    """Whoever sits in front of an open browser could else write one into the address."""
    client.provider.honours_max_auth_age = False
    fields = client.sign(attempt, member.name)
    fields["openid.pape.auth_time"] = "2099-01-01T00:00:00Z"

    assert client.bring(attempt, fields).status == 400


@pytest.mark.parametrize("said", ["", "now", "2099-01-01T00:00:00Z", "2026-13-01T00:00:00Z"])
def test_an_odd_time_harms_nothing(client: Client, attempt: Attempt, member: Account, said: str) -> None:
    def tamper(fields: Fields) -> None:
        fields["openid.pape.auth_time"] = said

    assert client.bring(attempt, client.sign(attempt, member.name, tamper=tamper)).status == 303
    session = session_of(member)
    assert session.authenticated_at <= session.created_at


def test_an_ordinary_sign_in_asks_for_no_password(portal: Portal, client: Client, member: Account) -> None:
    attempt = client.begin()
    assert "openid.pape.max_auth_age" not in attempt.asked

    client.bring(attempt, client.sign(attempt, member.name))

    assert abs(session_of(member).authenticated_at - session_of(member).created_at) < MINUTE
