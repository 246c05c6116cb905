"""core.brake"""

import pytest

from core.brake import held_teams, too_many
from core.database import write
from core.facts import Answer
from core.models import AccountFact, Alias, Domain, Membership, Person, TeamReading, TeamSync
from core.routing import Entitlement, Hold
from core.standing import facts_of, store_account_facts, store_memberships
from core.sync import store_reading
from tests.support.arrange import TEAM, account, later, make_alias, make_domain, make_member, reading
from tests.support.threads import at_once

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def crowd(domain, now) -> list[Person]:
    """Thirty members with an address each."""
    people = [
        make_member(now, f"p{n}", created=f"{1900 + n}-01-01", subject=f"https://x/{n}") for n in range(30)
    ]
    for person in people:
        make_alias(person, domain, now, person.launchpad_name)
    return people


def say(people: list[Person], moment, **facts: Answer) -> None:
    """Have the directory say something of everybody, one after the other."""
    for person in people:
        with write():
            store_account_facts(person, facts, moment)


def lost(fact: str = "valid") -> int:
    return AccountFact.select().where(AccountFact.fact == fact, AccountFact.holds == False).count()  # noqa: E712 -- SQL


def held() -> int:
    return AccountFact.select().where(AccountFact.held_at.is_null(False)).count()


@pytest.mark.parametrize(
    ("gone", "of", "held"),
    [(0, 0, False), (2, 3, False), (3, 30, False), (3, 29, True), (4, 30, True), (100, 1000, False)],
)
def test_more_than_a_tenth_and_at_least_three_are_too_many(gone, of, held):
    assert too_many(gone, of) is held


# -- accounts -------------------------------------------------------------------------------------


def test_few_who_turn_turn(crowd, now):
    for hours in (1, 7):
        say(crowd[:3], later(now, hours=hours), valid=NO)

    assert (lost(), held()) == (3, 0)


@pytest.mark.parametrize("fact", ["valid", "coc_signed"])
def test_when_too_many_turn_not_even_the_first_one_does(crowd, now, fact):
    for hours in (1, 7):
        say(crowd[:4], later(now, hours=hours), **{fact: NO})

    assert (lost(fact), held()) == (0, 4)
    assert {alias.entitlement for alias in Alias.select()} == {Entitlement.ENTITLED}


def test_a_suspension_of_too_many_is_held_too(crowd, now):
    say(crowd, now, not_suspended=YES)
    for minutes in (1, 12):
        for person in crowd[:4]:
            of = account(person.launchpad_name, person.account_created, valid=NO, suspended=YES)
            with write():
                store_reading(person, reading(of, TEAM), later(now, minutes=minutes))

    assert {alias.hold for alias in Alias.select()} == {Hold.NONE}
    assert held() == 4


def test_different_facts_count_together_and_each_person_once(crowd, now):
    for hours in (1, 7):
        say(crowd[:2], later(now, hours=hours), valid=NO, coc_signed=NO)
        say(crowd[2:4], later(now, hours=hours), coc_signed=NO)

    assert (lost("valid"), lost("coc_signed"), held()) == (0, 0, 6)


def test_those_of_the_last_day_count_and_those_before_do_not(crowd, now):
    for day in range(5):
        for hours in (1, 7):
            say(crowd[day * 3 : day * 3 + 3], later(now, days=2 * day, hours=hours), valid=NO)
    assert (lost(), held()) == (15, 0)

    for hours in (10, 16):
        say(crowd[20:21], later(now, days=8, hours=hours), valid=NO)
    assert (lost(), held()) == (15, 1)


def test_newcomers_who_never_had_it_count_for_nothing(crowd, now):
    newcomers = [
        make_member(now, f"n{n}", created=f"{1800 + n}-01-01", subject=f"https://n/{n}") for n in range(20)
    ]
    AccountFact.delete().where(AccountFact.person.in_(newcomers)).execute()
    for hours in (1, 7):
        say(newcomers, later(now, hours=hours), coc_signed=NO)
    for hours in (8, 14):
        say(crowd[:3], later(now, hours=hours), valid=NO)

    assert held() == 0
    assert lost() == 3


def test_what_is_held_stays_held_without_an_admin(crowd, now):
    for hours in (1, 7):
        say(crowd[:4], later(now, hours=hours), valid=NO)
    for day in range(1, 60, 10):
        say(crowd[:4], later(now, days=day), valid=NO)

    assert (lost(), held()) == (0, 4)
    assert facts_of(crowd[0]).valid.settled is UNKNOWN


def test_a_yes_ends_what_is_held(crowd, now):
    for hours in (1, 7):
        say(crowd[:4], later(now, hours=hours), valid=NO)
    say(crowd[:4], later(now, hours=8), valid=YES)

    assert (lost(), held()) == (0, 0)
    assert facts_of(crowd[0]).valid.settled is YES


def test_two_who_would_each_be_the_last_at_once_are_not_both(crowd, now):
    say(crowd[:3], later(now, hours=1), valid=NO)
    say(crowd[:2], later(now, hours=7), valid=NO)
    moment = later(now, hours=8)
    say(crowd[3:4], later(now, hours=1), coc_signed=NO)
    at_once(lambda: say(crowd[2:3], moment, valid=NO), lambda: say(crowd[3:4], moment, coc_signed=NO))

    assert (lost(), lost("coc_signed"), held()) == (2, 0, 2)


# -- teams ----------------------------------------------------------------------------------------


def reading_of(team: str, now, held_because: str | None = None) -> None:
    TeamReading.create(team=team, read_at=now, count=0, names="[]", held_because=held_because)


def test_a_team_is_held_by_its_last_reading(db, now):
    for team, because in [("a", None), ("a", "empty"), ("b", "empty"), ("b", None), ("c", None)]:
        reading_of(team, now, because)

    assert held_teams() == {"a"}


def test_a_team_that_cannot_be_read_is_held(db, now):
    for team, problem in (("a", None), ("b", "unreadable: status 503")):
        TeamSync.create(team=team, began_at=now, beat_at=now, problem=problem)

    assert held_teams() == {"b"}


@pytest.fixture
def ada(domain, now) -> Person:
    return make_member(now)


def test_no_single_check_says_no_of_a_held_team(ada, now):
    reading_of(TEAM, now, "empty")
    for hours in (1, 7, 100):
        with write():
            store_memberships(ada, {TEAM: NO}, later(now, hours=hours))

    assert facts_of(ada).memberships[TEAM].settled is YES
    assert facts_of(ada).memberships[TEAM].read_at == now


def test_a_single_check_says_yes_of_a_held_team(ada, now):
    reading_of(TEAM, now, "empty")
    with write():
        store_memberships(ada, {TEAM: YES}, later(now, hours=1))

    assert facts_of(ada).memberships[TEAM].read_at == later(now, hours=1)


def test_a_first_no_before_the_hold_does_not_become_a_second_one(ada, now):
    with write():
        store_memberships(ada, {TEAM: NO}, later(now, hours=1))
    reading_of(TEAM, now, "empty")
    with write():
        store_memberships(ada, {TEAM: NO}, later(now, hours=9))

    assert facts_of(ada).memberships[TEAM].holds


def test_of_somebody_new_a_held_team_says_no_only_once(ada, now):
    Membership.delete().execute()
    reading_of(TEAM, now, "empty")
    for hours in (1, 9):
        with write():
            store_memberships(ada, {TEAM: NO}, later(now, hours=hours))

    assert facts_of(ada).memberships[TEAM].answer is NO
    assert facts_of(ada).memberships[TEAM].settled is UNKNOWN


def test_other_teams_are_not_held(ada, now):
    reading_of("other", now, "empty")
    for hours in (1, 7):
        with write():
            store_memberships(ada, {TEAM: NO}, later(now, hours=hours))

    assert facts_of(ada).memberships[TEAM].settled is NO
