"""Signing in with Ubuntu One, by GET and by POST answers, with two portal processes."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from core.models import Identity, Recipient, Session
from core.secrets import token_hash
from devtools.accounts import Account
from devtools.servers import PretendServers
from devtools.world import World
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import person_of
from tests.support.webclient import Client, Fields


@pytest.mark.parametrize("by_post", [False, True], ids=["get", "post"])
def test_a_person_comes_in_and_sees_why_they_are_entitled(
    each_portal: Portal, client: Client, member: Account, by_post: bool
) -> None:
    home = client.sign_in(member.name, by_post=by_post)

    assert home.status == 200
    assert urlsplit(str(home.response.url)).path == "/home"
    rows = {row["data-domain"]: row["data-entitled"] for row in home.page.all("article")}
    assert rows.pop("ubuntu.com") == "yes"
    assert set(rows.values()) == {"no"}
    assert len(rows) == 5
    assert "as a member of ubuntumembers" in home.text
    assert f"Claim {member.name}@ubuntu.com" in home.text
    assert faults_of(home.page) == []
    person = person_of(member)
    assert person.launchpad_name == member.name
    assert person.sign_in_email == member.email


@pytest.mark.parametrize("by_post", [False, True], ids=["get", "post"])
def test_each_step_may_meet_another_process(
    each_portal: Portal, client: Client, member: Account, by_post: bool
) -> None:
    with each_portal.only(0):
        attempt = client.begin()
        fields = client.sign(attempt, member.name)
    with each_portal.only(1):
        back = client.post_back(attempt, fields) if by_post else client.bring(attempt, fields)
    with each_portal.only(0):
        answer = client.get(back.location)
    with each_portal.only(1):
        home = client.follow(answer)

    assert home.status == 200
    assert f"Claim {member.name}@ubuntu.com" in home.text


def test_a_posted_answer_is_put_aside_and_read_at_the_same_address(
    portal: Portal, client: Client, member: Account
) -> None:
    attempt = client.begin()

    aside = client.post_back(attempt, client.sign(attempt, member.name))

    assert aside.status == 303
    assert "Set-Cookie" not in aside.response.headers
    target = urlsplit(aside.location)
    assert (target.scheme, target.netloc, target.path) == ("", "", "/login/ubuntu-one")
    assert urlsplit(attempt.return_to).query in target.query
    assert "openid." not in target.query


def test_the_real_form_of_the_provider_leads_home(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    """A long answer: the provider's own pages turn it into a form by themselves."""
    outside.ubuntu_one.tamper = lambda fields: fields.update({"openid.sreg.fullname": "Ä" * 1000})
    attempt = client.begin()
    decided = client.http.post(
        f"{outside.ubuntu_one.url}+decide", data={**attempt.asked, "person": member.name}
    )
    assert decided.status_code == 200
    assert "<form" in decided.text

    sent = outside.ubuntu_one.answers[-1]
    home = client.follow(client.post_back(attempt, sent.fields))

    assert home.status == 200
    assert f"Claim {member.name}@ubuntu.com" in home.text


def test_the_request_names_the_realm_and_asks_for_name_and_address(portal: Portal, client: Client) -> None:
    asked = client.begin().asked

    assert asked["openid.realm"] == f"{portal.url}/"
    assert asked["openid.return_to"].startswith(f"{portal.url}/login/ubuntu-one?")
    assert asked["openid.mode"] == "checkid_setup"
    assert asked["openid.identity"].endswith("identifier_select")
    assert set(asked["openid.sreg.required"].split(",")) == {"nickname", "email"}


def test_the_session_is_a_row_that_keeps_only_a_hash(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)

    session = Session.get(Session.person == person_of(member))
    cookies = client.cookies
    assert set(cookies) == {"waypost"}
    assert session.token_hash not in cookies["waypost"]
    assert len(session.token_hash) == len(token_hash(""))


def test_a_proven_sign_in_address_is_the_first_recipient(
    portal: Portal, client: Client, member: Account
) -> None:
    home = client.sign_in(member.name)

    recipient = Recipient.get(Recipient.person == person_of(member))
    assert recipient.address == member.email
    assert recipient.verified_at is not None
    assert "Where shall the mail go?" not in home.text


def test_an_address_that_ubuntu_one_has_not_verified_is_none(
    portal: Portal, client: Client, new_person: Callable[..., Account]
) -> None:
    ivo = new_person("ubuntumembers", email_verified=False)

    home = client.sign_in(ivo.name)

    person = person_of(ivo)
    assert not Recipient.select().where(Recipient.person == person).exists()
    field = home.page.one("input", name="recipient")
    assert field["value"] == ivo.email


def test_a_proven_address_on_one_of_our_domains_is_no_recipient(
    portal: Portal, client: Client, new_person: Callable[..., Account]
) -> None:
    looped = new_person("ubuntumembers", name="looped", email="looped@ubuntu.com")

    home = client.sign_in(looped.name)

    person = person_of(looped)
    assert not Recipient.select().where(Recipient.person == person).exists()
    assert home.page.one("input", name="recipient").get("value") in ("", None)


@pytest.mark.parametrize("share", [(), ("nickname",), ("email",)], ids=["nothing", "nickname", "email"])
def test_a_person_may_untick_everything(
    portal: Portal, client: Client, member: Account, share: tuple[str, ...]
) -> None:
    attempt = client.begin()

    home = client.follow(client.bring(attempt, client.sign(attempt, member.name, share=share)))

    assert home.status == 200
    person = person_of(member)
    assert person.launchpad_name == member.name
    assert person.sign_in_email == (member.email if "email" in share else None)


def test_a_hint_that_is_missing_next_time_is_kept(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)
    attempt = client.begin()
    client.bring(attempt, client.sign(attempt, member.name, share=()))

    assert person_of(member).sign_in_email == member.email


@pytest.mark.parametrize(
    "hint", ["no address", "@", "a@b", "x" * 400 + "@home.example.net", "a\u200b@b.example"]
)
def test_a_hint_that_is_no_address_harms_nothing(
    portal: Portal, client: Client, member: Account, hint: str
) -> None:
    def tamper(fields: Fields) -> None:
        fields["openid.sreg.email"] = hint

    attempt = client.begin()
    home = client.follow(client.bring(attempt, client.sign(attempt, member.name, tamper=tamper)))

    assert home.status in (200, 400)
    if home.status == 200:
        assert person_of(member).sign_in_email is None


def test_the_page_says_the_language_that_it_is_written_in(
    portal: Portal, client: Client, new_person: Callable[..., Account]
) -> None:
    """Else a screen reader reads English words as if they were Japanese."""
    home = client.sign_in(new_person("ubuntumembers", language="ja").name)

    is_japanese = any("\u3040" <= char <= "\u30ff" for char in home.page.one("h1").text)
    assert home.page.one("html")["lang"] == ("ja" if is_japanese else "en")


def test_a_language_that_we_do_not_speak_is_english(
    portal: Portal, client: Client, new_person: Callable[..., Account]
) -> None:
    person = new_person(language="tlh")

    home = client.sign_in(person.name)

    assert home.page.one("html")["lang"] == "en"


def test_an_identity_without_a_launchpad_account_is_told_so(
    portal: Portal, client: Client, new_person: Callable[..., Account]
) -> None:
    mina = new_person(on_launchpad=False)

    home = client.sign_in(mina.name)

    assert home.status == 200
    assert "Launchpad has no account for your Ubuntu One identity." in home.text
    assert {row["data-entitled"] for row in home.page.all("article")} == {"no"}
    assert "None" not in home.text


def test_a_merged_account_opens_one_person_by_both_identities(
    portal: Portal,
    new_client: Callable[[], Client],
    outside: PretendServers,
    world: World,
    new_person: Callable[..., Account],
) -> None:
    kept, gone = new_person("ubuntumembers"), new_person()
    new_client().sign_in(kept.name)
    suffix = gone.suffixes[0]
    world.merge(gone.name, kept.name)

    second = new_client()
    second.sign_in(f"{kept.name}/{suffix}")

    first = Identity.get(Identity.subject == outside.ubuntu_one.claimed_id(kept.name))
    joined = Identity.get(Identity.subject == f"{outside.ubuntu_one.identifier_prefix}{suffix}")
    assert joined.person_id == first.person_id


def test_signing_in_again_ends_the_session_that_was_there(
    portal: Portal, client: Client, member: Account
) -> None:
    client.sign_in(member.name)
    before = Session.get(Session.person == person_of(member)).id

    client.sign_in(member.name)

    left = [row.id for row in Session.select().where(Session.person == person_of(member))]
    assert len(left) == 1
    assert left != [before]


def test_whoever_is_signed_in_is_not_asked_again(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)

    assert client.get("/login").location == "/home"
    assert client.get("/").location == "/home"
    assert client.get("/login?next=/addresses/7").location == "/addresses/7"
