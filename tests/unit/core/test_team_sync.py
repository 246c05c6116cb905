"""core.team_sync"""

import json
import time

import pytest

from core.database import write
from core.directories import Deadline
from core.facts import Answer
from core.models import AccountFact, Alias, Membership, Person, TeamReading
from core.standing import facts_of
from core.sync import sync_person
from core.team_sync import sync_team
from tests.support.arrange import (
    TEAM,
    account,
    claimed_id,
    entitle,
    later,
    make_alias,
    make_domain,
    make_person,
)
from tests.support.directory import SaidDirectory
from tests.support.threads import at_once

ADA = account("ada")
SUBJECT = claimed_id("ada")


@pytest.fixture
def deadline() -> Deadline:
    return Deadline(60)


@pytest.fixture
def domain(db, now):
    return make_domain(now, teams=[TEAM, "other"])


@pytest.fixture
def ada(domain, now) -> Person:
    """ada, of whom nothing is known but her name."""
    return make_person(now)


@pytest.fixture
def directory() -> SaidDirectory:
    """Knows ada as a member of the team."""
    return SaidDirectory({SUBJECT: ADA}, {"ada": (TEAM, "unrelated")}, {TEAM: (ADA,)})


@pytest.fixture
def look(directory, ada, deadline):
    """Ask about ada at a moment."""
    return lambda moment: sync_person(directory, ada.id, deadline, moment)


@pytest.fixture
def look_at_team(directory, deadline, domain):
    return lambda moment, team=TEAM: sync_team(directory, team, deadline, moment)


def stored() -> list[tuple[object, ...]]:
    """Everything that a directory could have changed."""
    tables = (Person, AccountFact, Membership, Alias, TeamReading)
    return [row for table in tables for row in table.select().order_by(table.id).tuples()]


def answers(person: Person) -> dict[str, Answer]:
    facts = facts_of(Person.get_by_id(person.id))
    known = {"valid": facts.valid, "coc_signed": facts.coc_signed} | dict(facts.memberships)
    return {name: fact.answer for name, fact in known.items() if fact}


# -- a team ---------------------------------------------------------------------------------------


def test_a_member_who_is_listed_gets_a_yes(look_at_team, ada, now):
    assert look_at_team(now) == []

    assert answers(ada) == {"valid": Answer.YES, "coc_signed": Answer.YES, TEAM: Answer.YES}


def test_members_who_never_signed_in_are_not_stored(look_at_team, directory, ada, now):
    directory.people[TEAM] += (account("grace", "2010-01-01T00:00:00+00:00"),)
    look_at_team(now)

    assert Person.select().count() == 1


def test_an_entry_with_the_same_name_and_another_birth_does_not_count(look_at_team, directory, ada, now):
    directory.people[TEAM] = (account("ada", "2024-05-05T05:05:05.000005+00:00"),)
    look_at_team(now)

    assert answers(ada) == {}


def test_an_entry_with_the_same_birth_and_another_name_does_not_count(look_at_team, directory, ada, now):
    directory.people[TEAM] = (account("ada-new"),)
    look_at_team(now)

    assert answers(ada) == {}


def test_a_member_who_is_not_listed_is_to_be_asked_about_and_keeps_the_yes(look_at_team, directory, ada, now):
    entitle(ada, now)
    before = answers(ada)
    directory.people[TEAM] = (account("ada-new"), account("grace", "2010"))

    assert look_at_team(later(now, days=1)) == [ada.id]
    assert answers(ada) == before


def test_somebody_who_was_no_member_is_not_asked_about(look_at_team, directory, ada, now):
    directory.people[TEAM] = (account("grace", "2010"),)

    assert look_at_team(now) == []


def test_another_team_is_left_alone(look_at_team, ada, now):
    entitle(ada, now, "other")
    look_at_team(later(now, days=1))

    assert facts_of(ada).memberships["other"].read_at == now


def test_a_listed_suspended_member_gets_a_no_of_the_account(look_at_team, directory, ada, now):
    entitle(ada, now)
    directory.people[TEAM] = (account(valid=Answer.NO),)
    for hours in (1, 8):
        look_at_team(later(now, hours=hours))

    assert answers(ada)["valid"] is Answer.NO
    assert answers(ada)[TEAM] is Answer.YES


# -- the brake ------------------------------------------------------------------------------------


def crowd(*numbers: int) -> tuple:
    return tuple(account(f"person{n}", f"{2000 + n}-01-01") for n in numbers)


def held() -> list[str | None]:
    return [row.held_because for row in TeamReading.select().order_by(TeamReading.id)]


@pytest.mark.parametrize(
    ("before", "lost", "is_held"),
    [
        (100, 10, False),
        (100, 11, True),
        (30, 3, False),
        (29, 3, True),
        (10, 2, False),
        (10, 3, True),
        (3, 2, False),
        (70, 7, False),
        (1000, 100, False),
        (1000, 101, True),
    ],
)
def test_a_reading_is_held_when_more_than_a_tenth_and_three_are_gone(
    look_at_team, directory, now, before, lost, is_held
):
    directory.people[TEAM] = crowd(*range(before))
    look_at_team(now)
    directory.people[TEAM] = crowd(*range(lost, before))
    look_at_team(later(now, hours=6))

    assert (held()[-1] is not None) is is_held


def test_an_empty_reading_is_held(look_at_team, directory, ada, now):
    entitle(ada, now)
    directory.people[TEAM] = crowd(1, 2)
    look_at_team(now)
    directory.people[TEAM] = ()

    assert look_at_team(later(now, hours=6)) == []
    assert held() == [None, "empty"]


def test_the_very_first_reading_is_held_when_it_is_empty(look_at_team, directory, now):
    directory.people[TEAM] = ()
    look_at_team(now)

    assert held() == ["empty"]


def test_a_held_reading_changes_nobody_and_asks_about_nobody(look_at_team, directory, ada, now):
    entitle(ada, now)
    directory.people[TEAM] = (ADA, *crowd(*range(9)))
    look_at_team(now)
    before = answers(ada)
    directory.people[TEAM] = crowd(0)
    for hours in range(6, 60, 6):
        assert look_at_team(later(now, hours=hours)) == []

    assert answers(ada) == before
    assert facts_of(ada).memberships[TEAM].first_no_at is None


def test_a_held_reading_is_measured_against_the_last_accepted_one(look_at_team, directory, now):
    directory.people[TEAM] = crowd(*range(100))
    look_at_team(now)
    directory.people[TEAM] = crowd(*range(60))
    for hours in range(6, 30, 6):
        look_at_team(later(now, hours=hours))

    assert held()[-1] == "40 of 100 members are gone"


def test_a_team_that_comes_back_is_accepted(look_at_team, directory, ada, now):
    directory.people[TEAM] = (ADA, *crowd(*range(99)))
    look_at_team(now)
    directory.people[TEAM] = crowd(1)
    look_at_team(later(now, hours=6))
    directory.people[TEAM] = (ADA, *crowd(*range(98)))
    look_at_team(later(now, hours=12))

    assert held()[-1] is None
    assert facts_of(ada).memberships[TEAM].read_at == later(now, hours=12)


def test_a_rename_counts_as_gone_and_come(look_at_team, directory, now):
    directory.people[TEAM] = crowd(*range(20))
    look_at_team(now)
    directory.people[TEAM] = crowd(*range(3, 20), 97, 98, 99)
    look_at_team(later(now, hours=6))

    assert held()[-1] == "3 of 20 members are gone"


def test_two_readings_of_a_team_are_kept(look_at_team, directory, now):
    for day in range(5):
        directory.people[TEAM] = crowd(*range(day + 1))
        look_at_team(later(now, days=day))

    rows = list(TeamReading.select().order_by(TeamReading.id))
    assert [row.count for row in rows] == [4, 5]
    assert json.loads(rows[1].names) == [f"person{n}" for n in range(5)]
    assert rows[1].read_at == later(now, days=4)


def test_while_readings_are_held_the_accepted_one_is_kept(look_at_team, directory, now):
    directory.people[TEAM] = crowd(*range(50))
    look_at_team(now)
    directory.people[TEAM] = crowd(1)
    for day in range(1, 5):
        look_at_team(later(now, days=day))

    assert held() == [None, "49 of 50 members are gone"]


def test_readings_of_other_teams_are_left_alone(look_at_team, directory, now):
    directory.people["other"] = crowd(1)
    look_at_team(now, "other")
    for day in range(3):
        look_at_team(later(now, days=day))

    assert TeamReading.select().where(TeamReading.team == "other").count() == 1


# -- invariant 7: an outage changes nothing -------------------------------------------------------


def test_a_directory_that_is_down_changes_nothing_about_a_team(look_at_team, directory, ada, domain, now):
    look_at_team(now)
    make_alias(ada, domain, now)
    before = stored()
    directory.down = True
    for hours in range(0, 100, 7):
        assert look_at_team(later(now, hours=hours)) == []

    assert stored() == before


def test_a_team_that_is_gone_changes_nothing(look_at_team, directory, ada, now):
    look_at_team(now)
    before = stored()
    directory.people = {}

    assert look_at_team(later(now, days=1)) == []
    assert stored() == before


# -- at once, and many ----------------------------------------------------------------------------


def test_two_teams_with_the_same_people_are_read_at_once(directory, domain, deadline, now):
    people = [make_person(now, f"person{n}", created=f"{2000 + n}") for n in range(60)]
    accounts = [account(p.launchpad_name, p.account_created) for p in people]
    directory.people = {TEAM: tuple(accounts), "other": (*accounts[::-1], *crowd(*range(100, 400)))}
    jobs = [lambda t=team: sync_team(directory, t, deadline, now) for team in (TEAM, "other")] * 2

    assert at_once(*jobs) == [[], [], [], []]
    assert Membership.select().count() == 120


def test_a_team_and_its_member_are_read_at_once(look, look_at_team, ada, now):
    results = at_once(*[lambda: look(now), lambda: look_at_team(now)] * 3)

    assert [result for result in results if isinstance(result, Exception)] == []


def test_others_can_write_while_a_big_team_is_stored(domain, directory, deadline, now):
    """B58: whoever claims meanwhile waits for a part of the team at most, however big it is."""
    members = 600
    rows = [{"launchpad_name": f"p{n}", "account_created": str(n), "created_at": now} for n in range(members)]
    with write():
        Person.insert_many(rows).execute()
    directory.people[TEAM] = tuple(account(f"p{n}", str(n)) for n in range(members))
    waits: list[float] = []
    took: list[float] = []

    def read():
        began = time.monotonic()
        sync_team(directory, TEAM, deadline, now)
        took.append(time.monotonic() - began)

    def write_on_and_on():
        while not took:
            began = time.monotonic()
            with write():
                Person.update(language="ja").where(Person.launchpad_name == "p0").execute()
            waits.append(time.monotonic() - began)
            time.sleep(0.01)

    assert at_once(read, write_on_and_on) == [None, None]
    assert max(waits) < took[0] / 2
