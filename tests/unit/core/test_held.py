"""core.held"""

import json

import pytest

from core.audit import OPERATOR, first_fault
from core.brake import held_teams
from core.database import write
from core.directories import Deadline
from core.facts import Answer
from core.held import (
    confirm_accounts,
    confirm_team,
    discard_accounts,
    discard_team,
    held_accounts_now,
    held_teams_now,
)
from core.lifecycle import Event
from core.models import AccountFact, Alias, AuditEntry, Domain, Membership, Notice, Person, TeamReading
from core.routing import Entitlement, Hold
from core.standing import facts_of, store_account_facts
from core.sync import sync_people
from core.team_sync import sync_team
from tests.support.arrange import TEAM, account, later, make_alias, make_domain, make_member
from tests.support.directory import SaidDirectory
from tests.support.threads import at_once

YES, NO = Answer.YES, Answer.NO


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def people(domain, now) -> list[Person]:
    """Ten members with an address each."""
    people = [
        make_member(now, f"p{n}", created=f"{1900 + n}-01-01", subject=f"https://x/{n}") for n in range(10)
    ]
    for person in people:
        make_alias(person, domain, now, person.launchpad_name)
    return people


@pytest.fixture
def directory(people) -> SaidDirectory:
    accounts = [account(p.launchpad_name, p.account_created) for p in people]
    return SaidDirectory(
        {f"https://x/{n}": of for n, of in enumerate(accounts)},
        {of.name: (TEAM,) for of in accounts},
        {TEAM: tuple(accounts)},
    )


def leave(directory: SaidDirectory, *numbers: int) -> None:
    """Have some leave the team."""
    directory.people[TEAM] = tuple(of for n, of in enumerate(directory.people[TEAM]) if n not in numbers)
    for number in numbers:
        directory.teams[f"p{number}"] = ()


def run(directory: SaidDirectory, moment) -> None:
    """Do what the job does."""
    ids = sync_team(directory, TEAM, Deadline(60), moment)
    sync_people(directory, ids, Deadline(60), moment)


@pytest.fixture
def emptied(directory, now) -> SaidDirectory:
    """Four of ten have left at once, and the reading is held."""
    run(directory, now)
    leave(directory, 0, 1, 2, 3)
    for hours in (1, 8):
        run(directory, later(now, hours=hours))
    return directory


def verbs() -> list[str]:
    return [row.verb for row in AuditEntry.select().order_by(AuditEntry.id)]


def lives() -> dict[str, str]:
    return {alias.local_part: alias.entitlement for alias in Alias.select().order_by(Alias.local_part)}


# -- teams ----------------------------------------------------------------------------------------


def test_a_held_reading_says_why_and_who_would_lose_what(emptied, people, now):
    (held,) = held_teams_now()

    assert (held.team, held.since, held.why) == (TEAM, later(now, hours=1), "4 of 10 members are gone")
    assert [(loss.person.id, loss.addresses) for loss in held.losses] == [
        (people[n].id, (f"p{n}@proj.example",)) for n in range(4)
    ]


def test_of_many_the_first_are_shown_and_all_counted(emptied, people):
    (held,) = held_teams_now(most=3)

    assert ([loss.person.id for loss in held.losses], held.missing) == ([people[n].id for n in range(3)], 4)


def test_who_has_another_team_or_no_address_loses_nothing(emptied, people, domain, now):
    Alias.delete().where(Alias.local_part == "p0").execute()
    domain.teams.model.create(domain=domain, team="other")
    Membership.create(person=people[1], team="other", holds=True, since=now, read_at=now)
    for person in people[2:4]:
        Membership.create(person=person, team="other", holds=False, since=now, read_at=now)

    assert [loss.addresses for loss in held_teams_now()[0].losses] == [
        (),
        (),
        ("p2@proj.example",),
        ("p3@proj.example",),
    ]


def test_a_confirmed_reading_counts_and_two_noes_of_each_are_needed_still(emptied, people, now):
    assert confirm_team(OPERATOR, held_teams_now()[0].reading_id, later(now, hours=9))
    assert held_teams_now() == []
    run(emptied, later(now, hours=9))
    assert set(lives().values()) == {Entitlement.ENTITLED}
    run(emptied, later(now, hours=15))

    assert [name for name, life in lives().items() if life == Entitlement.GRACE] == ["p0", "p1", "p2", "p3"]
    assert verbs().count("reading-confirmed") == 1
    assert first_fault() is None


def test_a_discarded_reading_is_forgotten(emptied, people, now):
    assert discard_team(OPERATOR, held_teams_now()[0].reading_id, later(now, hours=9))

    assert (held_teams_now(), held_teams()) == ([], set())
    assert TeamReading.get().count == 10
    assert verbs()[-1] == "reading-discarded"
    run(emptied, later(now, hours=10))
    assert held_teams_now()[0].why == "4 of 10 members are gone"


def test_only_the_reading_that_was_seen_can_be_confirmed(emptied, now):
    seen = held_teams_now()[0].reading_id
    leave(emptied, 0)
    run(emptied, later(now, hours=9))

    assert not confirm_team(OPERATOR, seen, later(now, hours=10))
    assert held_teams() == {TEAM}


@pytest.mark.parametrize("decide", [confirm_team, discard_team])
def test_a_decision_is_made_once(emptied, now, decide):
    seen = held_teams_now()[0].reading_id
    results = at_once(*[lambda: decide(OPERATOR, seen, later(now, hours=9))] * 5)

    assert sorted(results) == [False] * 4 + [True]


def test_a_team_that_could_not_be_read_has_nothing_to_confirm(directory, now):
    run(directory, now)
    directory.down = True
    run(directory, later(now, hours=1))

    (held,) = held_teams_now()
    assert (held.reading_id, held.since, held.why) == (None, later(now, hours=1), "unreadable: status 503")


def test_a_team_that_is_gone_can_be_confirmed(directory, people, now):
    run(directory, now)
    directory.gone = (TEAM,)
    directory.teams = dict.fromkeys(directory.teams, ())
    run(directory, later(now, hours=1))
    assert len(held_teams_now()[0].losses) == 10
    confirm_team(OPERATOR, held_teams_now()[0].reading_id, later(now, hours=2))
    for hours in (3, 9):
        run(directory, later(now, hours=hours))

    assert set(lives().values()) == {Entitlement.GRACE}
    assert json.loads(TeamReading.select().order_by(TeamReading.id.desc()).first().names) == []


# -- accounts -------------------------------------------------------------------------------------


@pytest.fixture
def turned(people, now) -> list[int]:
    """Four of ten have not signed any more, all at once, and one of them is not valid either."""
    for hours in (1, 7):
        for number, person in enumerate(people[:4]):
            facts = {"coc_signed": NO} | ({"valid": NO} if number == 3 else {})
            with write():
                store_account_facts(person, facts, later(now, hours=hours))
    return [one.fact_id for one in held_accounts_now()]


def test_held_accounts_say_what_and_who_would_lose_what(turned, people, now):
    assert [
        (one.fact, one.loss.person.launchpad_name, one.loss.addresses) for one in held_accounts_now()
    ] == [
        ("coc_signed", "p0", ("p0@proj.example",)),
        ("coc_signed", "p1", ("p1@proj.example",)),
        ("coc_signed", "p2", ("p2@proj.example",)),
        ("valid", "p3", ("p3@proj.example",)),
        ("coc_signed", "p3", ("p3@proj.example",)),
    ]
    assert {one.since for one in held_accounts_now()} == {later(now, hours=7)}


def test_of_many_accounts_the_first_are_shown(turned):
    assert [one.fact_id for one in held_accounts_now(most=2)] == turned[:2]


def test_confirmed_changes_of_accounts_count_at_once(turned, people, now):
    assert confirm_accounts(OPERATOR, turned, later(now, hours=9)) == 5

    assert held_accounts_now() == []
    assert [name for name, life in lives().items() if life == Entitlement.GRACE] == ["p0", "p1", "p2", "p3"]
    assert Notice.select().where(Notice.kind == Event.GRACE_STARTED).count() == 4
    assert verbs().count("account-change-confirmed") == 4
    assert first_fault() is None


def test_what_was_confirmed_does_not_count_against_those_who_follow(turned, people, now):
    confirm_accounts(OPERATOR, turned, later(now, hours=8))
    for hours in (9, 15):
        with write():
            store_account_facts(people[5], {"coc_signed": NO}, later(now, hours=hours))

    assert lives()["p5"] == Entitlement.ENTITLED  # nothing has looked at it yet
    assert facts_of(people[5]).coc_signed.settled is NO


def test_discarded_changes_of_accounts_need_two_noes_anew(turned, people, now):
    assert discard_accounts(OPERATOR, turned, later(now, hours=8)) == 5
    assert held_accounts_now() == []
    assert facts_of(people[0]).coc_signed.settled is YES
    with write():
        store_account_facts(people[0], {"coc_signed": NO}, later(now, hours=9))

    assert set(lives().values()) == {Entitlement.ENTITLED}
    assert facts_of(people[0]).coc_signed.first_no_at == later(now, hours=9)
    assert verbs().count("account-change-discarded") == 4


def test_a_confirmed_suspension_holds(people, now):
    for minutes in (0, 1, 12):
        for person in people[:3]:
            with write():
                word = YES if minutes == 0 else NO
                store_account_facts(person, {"not_suspended": word}, later(now, minutes=minutes))
    assert [(one.fact, one.loss.addresses) for one in held_accounts_now()] == [
        ("not_suspended", (f"p{n}@proj.example",)) for n in range(3)
    ]
    confirm_accounts(OPERATOR, [one.fact_id for one in held_accounts_now()], later(now, hours=1))

    held = {alias.local_part for alias in Alias.select().where(Alias.hold == Hold.LAUNCHPAD)}
    assert held == {"p0", "p1", "p2"}


@pytest.mark.parametrize("decide", [confirm_accounts, discard_accounts])
def test_a_decision_on_accounts_is_made_once(turned, people, now, decide):
    results = at_once(*[lambda: decide(OPERATOR, turned, later(now, hours=9))] * 4)

    assert sum(results) == 5
    assert AccountFact.select().where(AccountFact.held_at.is_null(False)).count() == 0


def test_nothing_held_is_nothing(people):
    assert (held_teams_now(), held_accounts_now()) == ([], [])
    assert confirm_accounts(OPERATOR, [], people[0].created_at) == 0
