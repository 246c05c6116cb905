"""Held readings on their page, confirmed and discarded, with and without JavaScript."""

import json
from collections.abc import Callable, Iterator

import pytest

from core.database import utc_now, write
from core.domains import find_domain
from core.models import AccountFact, Membership, Person, TeamReading
from core.roles import Role
from devtools.accounts import Account
from tests.app.admins import Admin
from tests.support.arrange import make_alias, make_member
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Answer, Client

TEAM = "ubuntumembers"
NewAdmin = Callable[..., Admin]


@pytest.fixture
def admin(new_admin: NewAdmin) -> Client:
    return new_admin().client


@pytest.fixture
def ada(portal: Portal, new_person: Callable[..., Account]) -> Iterator[Person]:
    """A member with an address."""
    person = make_member(utc_now(), new_person().name)
    with write():
        Membership.delete().where(Membership.person == person).execute()
        Membership.create(person=person, team=TEAM, holds=True, since=utc_now(), read_at=utc_now())
    make_alias(person, find_domain("ubuntu.com"), utc_now(), str(person.launchpad_name))
    yield person
    TeamReading.delete().execute()
    Membership.delete().where(Membership.person == person).execute()
    AccountFact.delete().where(AccountFact.person == person).execute()


@pytest.fixture
def reading(ada: Person) -> TeamReading:
    """A held reading that does not name her."""
    return TeamReading.create(
        team=TEAM, read_at=utc_now(), count=1, names=json.dumps(["nobody"]), held_because="lost 5 of 10"
    )


@pytest.fixture
def fact(ada: Person) -> AccountFact:
    """A held change of her account."""
    fact = AccountFact.get(AccountFact.person == ada, AccountFact.fact == "coc_signed")
    fact.held_at = fact.first_no_at = utc_now()
    fact.save()
    return fact


def press(client: Client, path: str, htmx: bool, /, **fields: object) -> Answer:
    answer = client.post(f"/admin/held/{path}", fields, on="/admin/held" if htmx else "")
    return answer if htmx else client.follow(answer)


def test_both_lists_say_who_would_lose_what(
    admin: Client, ada: Person, reading: TeamReading, fact: AccountFact
) -> None:
    answer = admin.get("/admin/held")

    assert faults_of(answer.page) == []
    teams = answer.page.one("section", aria_labelledby="teams").text
    accounts = answer.page.one("section", aria_labelledby="accounts").text
    address = f"{ada.launchpad_name}: {ada.launchpad_name}@ubuntu.com"
    assert "lost 5 of 10" in teams
    assert address in teams
    assert f"{ada.launchpad_name}: the Code of Conduct is not signed any more" in accounts
    assert f"{ada.launchpad_name}@ubuntu.com" in accounts


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize("what", ["confirm", "discard"])
def test_a_reading_of_a_team_is_decided(admin: Client, reading: TeamReading, what: str, htmx: bool) -> None:
    answer = press(admin, f"teams/{reading.id}/{what}", htmx)

    assert answer.status == 200
    assert ("Confirmed." if what == "confirm" else "Discarded.") in answer.text
    left = TeamReading.get_or_none(TeamReading.id == reading.id)
    assert left is None if what == "discard" else left.held_because is None
    assert press(admin, f"teams/{reading.id}/{what}", htmx).status == 409


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize("what", ["confirm", "discard"])
def test_changes_of_accounts_are_decided(admin: Client, fact: AccountFact, what: str, htmx: bool) -> None:
    assert press(admin, f"accounts/{what}", htmx).status == 409
    assert AccountFact.get_by_id(fact.id).held_at is not None

    answer = press(admin, f"accounts/{what}", htmx, fact=str(fact.id))

    assert answer.status == 200
    row = AccountFact.get_by_id(fact.id)
    assert (row.held_at, row.holds) == (None, what == "discard")


def test_an_auditor_sees_them_and_decides_nothing(new_admin: NewAdmin, reading: TeamReading) -> None:
    page = new_admin(Role.AUDITOR).client.get("/admin/held").page.one("main")

    assert "lost 5 of 10" in page.text
    assert page.all("button") == []
