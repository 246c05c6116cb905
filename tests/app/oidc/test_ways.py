"""Signing in by OpenID Connect, with people of a roster."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from core.models import Alias, Identity, Recipient, Session
from devtools.accounts import Account
from devtools.oidc import CLIENT_ID, NAME, PretendOidc
from devtools.servers import PretendServers
from tests.app.oidc.browser import OidcClient, person_of
from tests.app.oidc.conftest import RosterBook
from tests.support.page import faults_of
from tests.support.portal import Portal

MakePerson = Callable[..., Account]


def test_a_person_comes_in_and_claims(portal: Portal, client: OidcClient, member: Account) -> None:
    home = client.come_in(member.name)

    rows = {row["data-domain"]: row["data-entitled"] for row in home.page.all("article")}
    assert rows.pop("ubuntu.com") == "yes"
    assert set(rows.values()) == {"no"}
    assert faults_of(home.page) == []
    assert "as a member of ubuntumembers" in home.text
    assert "Launchpad" not in home.html
    assert client.post("/domains/ubuntu.com/claim").status == 303
    person = person_of(member)
    assert Alias.get(Alias.person == person).text == f"{member.name}@ubuntu.com"
    identity = Identity.get(Identity.person == person)
    assert (identity.issuer, identity.subject) == (portal.settings.oidc_issuer, member.suffixes[0])


def test_the_pages_name_the_provider(portal: Portal, client: OidcClient) -> None:
    for path in ("/", "/login"):
        page = client.get(path)
        assert f"Log in with {NAME}" in page.text
        assert "Ubuntu One" not in page.text
        assert "Launchpad" not in page.html
        assert faults_of(page.page) == []


def test_the_request_is_what_the_provider_wants(portal: Portal, client: OidcClient) -> None:
    asked = client.leave().asked

    assert asked["response_type"] == "code"
    assert asked["client_id"] == CLIENT_ID
    assert asked["redirect_uri"] == f"{portal.url}/login/oidc"
    assert asked["code_challenge_method"] == "S256"
    assert set(asked["scope"].split()) == {"openid", "email", "profile"}
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    assert "prompt" not in asked


def test_no_two_requests_share_a_secret(portal: Portal, client: OidcClient) -> None:
    one, other = client.leave().asked, client.leave().asked

    assert all(one[name] != other[name] for name in ("state", "nonce", "code_challenge"))


def test_a_page_leads_on_so_that_no_form_has_to(portal: Portal, client: OidcClient) -> None:
    sent = client.start()

    assert sent.status == 200
    assert "form-action 'self';" in sent.header("Content-Security-Policy")
    assert f"Going on to {NAME}" in sent.text
    assert faults_of(sent.page) == []


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_both_algorithms(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc, algorithm: str
) -> None:
    provider.rotate(algorithm)

    assert client.come_in(member.name).status == 200


def test_each_step_may_meet_another_process(portal: Portal, client: OidcClient, member: Account) -> None:
    with portal.only(0):
        attempt = client.leave()
    with portal.only(1):
        back = client.get(client.provider.answer(attempt.asked, member.name))
    with portal.only(0):
        home = client.follow(back)

    assert home.status == 200
    assert f"Claim {member.name}@ubuntu.com" in home.text


@pytest.mark.parametrize(("target", "lands"), [("/addresses/7?x=1", "/addresses/7"), (None, "/home")])
def test_it_leads_back_to_where_one_was(
    portal: Portal, client: OidcClient, member: Account, target: str | None, lands: str
) -> None:
    home = client.come_in(member.name, target)

    assert urlsplit(str(home.response.url)).path == lands


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/logout"])
def test_it_leads_nowhere_else(portal: Portal, client: OidcClient, member: Account, target: str) -> None:
    home = client.come_in(member.name, target)

    assert str(home.response.url) == f"{portal.url}/home"


def test_signing_in_again_is_the_same_person_in_a_new_session(
    portal: Portal, client: OidcClient, member: Account
) -> None:
    client.come_in(member.name)
    person = person_of(member)
    first = Session.get(Session.person == person).id

    client.come_in(member.name)

    assert Session.get(Session.person == person).id != first
    assert Session.select().where(Session.person == person).count() == 1
    assert set(client.cookies) == {"waypost"}


def test_two_tabs_both_end_where_they_wanted(portal: Portal, client: OidcClient, member: Account) -> None:
    attempts = [client.leave(target) for target in ("/addresses/1", "/addresses/2")]

    for attempt, target in zip(reversed(attempts), ("/addresses/2", "/addresses/1"), strict=True):
        back = client.get(client.provider.answer(attempt.asked, member.name))
        assert (back.status, back.location) == (303, target)


def test_cancelling_is_no_error(portal: Portal, client: OidcClient, provider: PretendOidc) -> None:
    attempt = client.leave()

    page = client.get(attempt.back(error="access_denied", iss=provider.issuer))

    assert page.status == 200
    assert f"{NAME} says that you cancelled. Nothing was done." in page.text


# -- the sign-in address -------------------------------------------------------------------------


def test_a_proven_address_is_the_first_recipient(portal: Portal, client: OidcClient, member: Account) -> None:
    client.come_in(member.name)

    recipient = Recipient.get(Recipient.person == person_of(member))
    assert recipient.address == member.email
    assert recipient.verified_at is not None


@pytest.mark.parametrize("in_token", [True, False], ids=["in the token", "in the user info"])
@pytest.mark.parametrize("verified", [True, "true"])
def test_only_the_provider_proves_an_address(
    portal: Portal,
    client: OidcClient,
    member: Account,
    provider: PretendOidc,
    verified: object,
    in_token: bool,
) -> None:
    provider.email_verified, provider.email_in_token = verified, in_token

    client.come_in(member.name)

    assert person_of(member).sign_in_email_proven


@pytest.mark.parametrize("in_token", [True, False], ids=["in the token", "in the user info"])
@pytest.mark.parametrize(
    "verified", [False, "false", "True", "yes", 1, "1", [True], {"a": 1}, "", float("nan")]
)
def test_whatever_is_no_true_proves_nothing(
    portal: Portal,
    client: OidcClient,
    member: Account,
    provider: PretendOidc,
    verified: object,
    in_token: bool,
) -> None:
    provider.email_verified, provider.email_in_token = verified, in_token

    home = client.come_in(member.name)

    person = person_of(member)
    assert person.sign_in_email == member.email
    assert not person.sign_in_email_proven
    assert not Recipient.select().where(Recipient.person == person).exists()
    assert home.page.one("input", name="recipient")["value"] == member.email


def test_a_missing_mark_proves_nothing(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc
) -> None:
    provider.tamper = lambda claims: claims.pop("email_verified")

    client.come_in(member.name)

    assert not person_of(member).sign_in_email_proven


def test_no_address_at_all(
    portal: Portal, client: OidcClient, book: RosterBook, new_person: MakePerson
) -> None:
    bare = new_person(email=None)
    book.add(bare.name, bare.suffixes[0], "ubuntumembers")

    home = client.come_in(bare.name)

    assert home.status == 200
    assert person_of(bare).sign_in_email is None


@pytest.mark.parametrize(
    "email", ["no address", 7, ["a@b.example"], "a@b.example\r\nBcc: x", "\ud800@b.example"]
)
def test_a_hint_that_is_no_address_harms_nothing(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc, email: object
) -> None:
    provider.tamper = lambda claims: claims.update(email=email)

    assert client.come_in(member.name).status == 200
    assert person_of(member).sign_in_email is None


@pytest.mark.parametrize("name", [7, "\ud800", "x" * 5000, "<b>Ada</b>\u202e", None])
def test_odd_names_and_languages_harm_nothing(
    portal: Portal, client: OidcClient, new_person: MakePerson, provider: PretendOidc, name: object
) -> None:
    stranger = new_person()
    provider.tamper = lambda claims: claims.update(name=name, locale=name)

    home = client.come_in(stranger.name)

    assert home.status == 200
    assert "<b>Ada" not in home.html


# -- people of the roster ------------------------------------------------------------------------


def test_a_person_by_address(
    portal: Portal, client: OidcClient, book: RosterBook, new_person: MakePerson
) -> None:
    account = new_person()
    book.add(f"{account.name}-here", None, "ubuntumembers", email=account.email)

    home = client.come_in(account.name)

    assert f"Claim {account.name}-here@ubuntu.com" in home.text


def test_an_address_that_is_not_proven_finds_nobody(
    portal: Portal, client: OidcClient, book: RosterBook, new_person: MakePerson
) -> None:
    account = new_person(email_verified=False)
    book.add(f"{account.name}-here", None, "ubuntumembers", email=account.email)

    home = client.come_in(account.name)

    assert {row["data-entitled"] for row in home.page.all("article")} == {"no"}
    assert person_of(account).launchpad_name is None
    assert f"Send the admins your id at {NAME}: {account.suffixes[0]}" in home.text


def test_whoever_gets_the_address_later_gets_nothing_of_its_owner(
    portal: Portal, new_client: Callable[[], OidcClient], book: RosterBook, new_person: MakePerson
) -> None:
    first, heir = new_person(), new_person()
    book.add(f"{first.name}-here", None, "ubuntumembers", email=first.email)
    owner, taker = new_client(), new_client()
    owner.come_in(first.name)
    owner.post("/domains/ubuntu.com/claim")
    alias = Alias.get(Alias.person == person_of(first))
    portal_world = owner.provider.world
    portal_world.update(heir.name, email=first.email)

    home = taker.come_in(heir.name)

    assert person_of(heir).id != person_of(first).id
    assert f"/addresses/{alias.id}" not in home.html
    refused = taker.post("/domains/ubuntu.com/claim")
    assert refused.status == 409
    assert "Somebody else has this address." in refused.text
    assert Alias.get_by_id(alias.id).person_id == person_of(first).id


def test_equal_names_and_addresses_join_nobody(
    portal: Portal, new_client: Callable[[], OidcClient], member: Account, new_person: MakePerson
) -> None:
    """B34: the provider says `member`'s name and address of somebody else."""
    new_client().come_in(member.name)
    twin = new_person(email=member.email)
    client = new_client()
    client.provider.tamper = lambda claims: claims.update(preferred_username=member.name)

    client.come_in(twin.name)

    assert person_of(twin).id != person_of(member).id
    assert person_of(twin).launchpad_name is None


def test_a_roster_that_cannot_be_read_lets_in_and_entitles_nobody_new(
    portal: Portal, client: OidcClient, book: RosterBook, new_person: MakePerson
) -> None:
    account = new_person()
    book.add(account.name, account.suffixes[0], "ubuntumembers")
    whole = book.path.read_text()
    book.path.write_text(whole[:-5])

    home = client.come_in(account.name)
    book.path.write_text(whole)
    after = client.follow(client.post("/home/check"))

    assert {row["data-entitled"] for row in home.page.all("article")} == {"unknown"}
    assert f"Claim {account.name}@ubuntu.com" in after.text


def test_nothing_is_asked_of_launchpad(
    portal: Portal, client: OidcClient, outside: PretendServers, member: Account
) -> None:
    outside.launchpad.forget()

    client.come_in(member.name)

    assert outside.launchpad.count() == 0


def test_a_session_ends_by_signing_out(portal: Portal, client: OidcClient, member: Account) -> None:
    client.come_in(member.name)

    client.post("/logout")

    assert not client.is_signed_in


def test_the_provider_clock_may_differ_a_little(
    portal: Portal, client: OidcClient, member: Account, provider: PretendOidc
) -> None:
    for seconds in (-100, 100):
        provider.tamper = lambda claims, shift=seconds: claims.update(
            iat=int(time.time()) + shift, exp=int(time.time()) + shift + 60
        )
        assert client.come_in(member.name).status == 200
