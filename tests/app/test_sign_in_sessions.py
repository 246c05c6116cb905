"""Sessions: what a cookie is worth before, during and after a sign-in (field report B38); forms' tokens."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from core.audit import OPERATOR
from core.database import utc_now
from core.models import Alias, Session
from core.people import ban, unban
from core.sessions import LASTS, end_all_sessions
from devtools.accounts import Account
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created, person_of
from tests.support.webclient import Client

MakePerson = Callable[..., Account]


def plant(client: Client, cookies: dict[str, str]) -> None:
    """Put another browser's cookies into this one."""
    for name, value in cookies.items():
        if name in client.cookies:
            client.http.cookies.delete(name)
        client.http.cookies.set(name, value, domain="127.0.0.1", path="/")


# -- before and after signing in -----------------------------------------------------------------


def test_a_planted_cookie_gives_its_planter_nothing(
    portal: Portal, new_client: Callable[[], Client], member: Account
) -> None:
    attacker, victim = new_client(), new_client()
    attacker.begin()
    planted = attacker.cookies
    plant(victim, planted)

    victim.sign_in(member.name)

    assert victim.is_signed_in
    assert not attacker.is_signed_in
    plant(attacker, planted)
    assert not attacker.is_signed_in


def test_the_planters_token_is_worth_nothing_after_the_sign_in(
    portal: Portal, new_client: Callable[[], Client], member: Account
) -> None:
    attacker, victim = new_client(), new_client()
    token = attacker.token()
    plant(victim, attacker.cookies)
    victim.sign_in(member.name)

    with nothing_created():
        answer = victim.http.post("/domains/ubuntu.com/claim", data={"csrf_token": token})

    assert answer.status_code == 400


def test_the_cookie_changes_at_every_sign_in(portal: Portal, client: Client, member: Account) -> None:
    client.begin()
    before = client.cookies["waypost"]
    client.sign_in(member.name)
    first = client.cookies["waypost"]
    client.sign_in(member.name)
    second = client.cookies["waypost"]

    assert len({before, first, second}) == 3
    plant(client, {"waypost": first})
    assert not client.is_signed_in


# -- signing out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("process", [0, 1])
def test_after_log_out_the_old_cookie_opens_nothing(
    each_portal: Portal, client: Client, member: Account, process: int
) -> None:
    client.sign_in(member.name)
    old = client.cookies
    with each_portal.only(process):
        assert client.post("/logout").location == "/"
    plant(client, old)

    with each_portal.only(1 - process):
        assert not client.is_signed_in
        assert client.get("/home").status == 303


def test_log_out_empties_the_browser(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)

    client.post("/logout")

    assert client.cookies == {}
    assert "Log in with Ubuntu One" in client.get("/").text


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_log_out_is_by_post_only(portal: Portal, client: Client, member: Account, method: str) -> None:
    client.sign_in(member.name)

    assert client.http.request(method, "/logout").status_code == 405
    assert client.is_signed_in


def test_log_out_needs_the_token(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)

    assert client.http.post("/logout").status_code == 400
    assert client.is_signed_in


def test_log_out_in_one_browser_leaves_the_other(
    portal: Portal, new_client: Callable[[], Client], member: Account
) -> None:
    here, there = new_client(), new_client()
    here.sign_in(member.name)
    there.sign_in(member.name)

    here.post("/logout")

    assert there.is_signed_in


def test_log_out_of_nobody_harms_nothing(portal: Portal, client: Client) -> None:
    answer = client.post("/logout")

    assert (answer.status, answer.location) == (303, "/login")


# -- another person in the same browser ----------------------------------------------------------


def test_a_form_of_the_person_before_does_nothing_for_the_next(
    portal: Portal, client: Client, new_person: MakePerson
) -> None:
    first, second = new_person("ubuntumembers"), new_person("ubuntumembers")
    client.sign_in(first.name)
    token = client.token()
    client.sign_in(second.name)

    with nothing_created():
        answer = client.http.post("/domains/ubuntu.com/claim", data={"csrf_token": token})

    assert answer.status_code == 400
    assert "This form is out of date" in answer.text
    for account in (first, second):
        assert not Alias.select().where(Alias.person == person_of(account)).exists()


def test_another_sign_in_in_the_same_browser_shows_nothing_of_the_first(
    portal: Portal, client: Client, new_person: MakePerson
) -> None:
    first, second = new_person("ubuntumembers"), new_person("ubuntumembers")
    client.sign_in(first.name)

    home = client.sign_in(second.name)

    assert first.name not in home.html.replace(second.name, "")
    assert str(first.email) not in home.html


# -- forms' tokens -------------------------------------------------------------------------------

POSTS = [
    "/login",
    "/logout",
    "/home/check",
    "/domains/ubuntu.com/claim",
    "/addresses/1/recipients",
    "/addresses/1/order",
    "/addresses/1/sub-addresses",
    "/addresses/1/label",
    "/addresses/1/test",
    "/addresses/1/recipients/1/remove",
    "/addresses/1/recipients/1/move",
    "/addresses/1/recipients/1/replace",
    "/domains/ubuntu.com/check",
    "/addresses/1/recipients/1/resend",
    "/addresses/1/switch",
    "/addresses/1/give-up",
    "/recipients/verify/1.2.x",
    "/login/again",
    "/login/again/code",
    "/account/language",
    "/language",
    "/account/notices",
    "/account/sessions/1/end",
    "/account/sessions/end",
    "/account/delete",
    "/waivers",
    "/waivers/1/withdraw",
    "/kept/1/take",
    "/kept/1/code",
    "/kept/1/enter",
    "/role-addresses/1/recipients",
    "/role-addresses/1/recipients/1/remove",
    "/role-addresses/1/recipients/1/resend",
    "/dns/no-such-token",
]


@pytest.mark.parametrize("path", POSTS)
def test_every_form_needs_its_token(portal: Portal, client: Client, member: Account, path: str) -> None:
    client.sign_in(member.name)

    for data in ({}, {"csrf_token": ""}, {"csrf_token": "x"}, {"csrf_token": "IjEyMyI.aaaa.bbbb"}):
        with nothing_created():
            answer = client._take(client.http.post(path, data=data))

        assert answer.status == 400
        assert "This form is out of date" in answer.text
        assert faults_of(answer.page) == []


def test_every_post_address_is_in_the_list_above(portal: Portal) -> None:
    from app import create_app

    app = create_app(portal.settings)
    exempt = "/login/ubuntu-one"  # the provider sends it; its signature and the state count
    adapter = app.url_map.bind("")
    listed = {adapter.match(path, "POST")[0] for path in [*POSTS, exempt]}

    there = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert listed == {one for one in there if not one.startswith("admin.")}  # test_admin_pages has those


def test_a_token_of_another_browser_is_worth_nothing(
    portal: Portal, new_client: Callable[[], Client], member: Account
) -> None:
    here, there = new_client(), new_client()
    here.sign_in(member.name)
    there.sign_in(member.name)

    assert here.http.post("/logout", data={"csrf_token": there.token()}).status_code == 400


# -- sessions that are ended from outside --------------------------------------------------------


def test_a_ban_ends_every_session_at_once(
    each_portal: Portal, new_client: Callable[[], Client], member: Account
) -> None:
    here, there = new_client(), new_client()
    here.sign_in(member.name)
    there.sign_in(member.name)

    ban(OPERATOR, person_of(member), utc_now())

    for client in (here, there):
        assert client.get("/home").status == 303
        assert client.get("/home/rows", on="/home").status == 401
        assert client.http.post("/domains/ubuntu.com/claim").status_code in (303, 400)


def test_the_banned_cannot_come_in_again_until_the_ban_is_lifted(
    portal: Portal, client: Client, member: Account
) -> None:
    client.sign_in(member.name)
    person = person_of(member)
    ban(OPERATOR, person, utc_now())
    client.forget_token()

    with nothing_created():
        attempt = client.begin()
        refused = client.bring(attempt, client.sign(attempt, member.name))

    assert refused.status == 403
    assert "An admin of this project has closed this account." in refused.text
    assert faults_of(refused.page) == []
    unban(OPERATOR, person, utc_now())
    assert client.sign_in(member.name).status == 200


def test_the_suspended_cannot_come_in(portal: Portal, client: Client, new_person: MakePerson) -> None:
    from devtools.accounts import Status

    chidi = new_person("ubuntumembers", status=Status.SUSPENDED)
    attempt = client.begin()

    with nothing_created():
        refused = client.bring(attempt, client.sign(attempt, chidi.name))

    assert refused.status == 403
    assert "Your Launchpad account is suspended." in refused.text
    assert not client.is_signed_in


def test_everywhere_means_everywhere(
    portal: Portal, new_client: Callable[[], Client], member: Account
) -> None:
    here, there = new_client(), new_client()
    here.sign_in(member.name)
    there.sign_in(member.name)

    end_all_sessions(person_of(member))

    assert not here.is_signed_in
    assert not there.is_signed_in


@pytest.mark.parametrize(("unused", "lives"), [(timedelta(days=29), True), (LASTS, False)])
def test_a_session_ends_a_month_after_its_last_use(
    portal: Portal,
    client: Client,
    member: Account,
    unused: timedelta,
    lives: bool,
) -> None:
    client.sign_in(member.name)
    seen_at = utc_now() - unused - timedelta(hours=1)
    session = Session.update(seen_at=seen_at).where(Session.person == person_of(member))
    session.execute()

    assert client.is_signed_in is lives


def test_the_last_use_is_noted(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)
    person = person_of(member)
    Session.update(seen_at=utc_now() - timedelta(days=3)).where(Session.person == person).execute()

    client.get("/home")

    assert utc_now() - Session.get(Session.person == person).seen_at < timedelta(hours=2)


def test_a_cookie_that_was_tampered_with_is_none(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)
    value = client.cookies["waypost"]

    for broken in (value[:-1], value[1:], "", "x", value + "x", value.replace(".", "")):
        plant(client, {"waypost": broken})
        assert not client.is_signed_in
