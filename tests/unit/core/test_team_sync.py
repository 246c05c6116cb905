"""core.team_sync"""

import json

import pytest

from core import team_sync
from core.brake import held_teams
from core.database import write
from core.directories import Deadline
from core.facts import Answer
from core.models import AccountFact, Alias, Membership, Person, Problem, TeamReading, TeamSync
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
from tests.support.threads import PATIENCE, at_once, in_another_thread

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


def test_others_can_write_while_a_big_team_is_stored(domain, directory, deadline, now, monkeypatch):
    """B58: whoever claims meanwhile waits for a part of the team at most, however big it is."""
    members = 2 * team_sync.CHUNK + 100
    rows = [{"launchpad_name": f"p{n}", "account_created": str(n), "created_at": now} for n in range(members)]
    with write():
        Person.insert_many(rows).execute()
    directory.people[TEAM] = tuple(account(f"p{n}", str(n)) for n in range(members))
    stored: list[int] = []

    def somebody_claims() -> None:
        with write():
            Person.update(language="ja").where(Person.launchpad_name == "p0").execute()
            stored.append(Membership.select().count())

    def others_come_in(seconds: float) -> None:
        assert seconds == team_sync.LET_OTHERS_IN
        assert not in_another_thread(somebody_claims, wait=PATIENCE).is_alive(), "a lock is held in the pause"

    monkeypatch.setattr(team_sync.time, "sleep", others_come_in)
    sync_team(directory, TEAM, deadline, now)

    assert stored == [team_sync.CHUNK, 2 * team_sync.CHUNK, members]


# -- one reading of a team at a time --------------------------------------------------------------


def row() -> TeamSync:
    return TeamSync.get(TeamSync.team == TEAM)


def test_a_reading_that_is_under_way_is_not_disturbed(look_at_team, directory, ada, now):
    directory.on_ask = lambda _: at_once(lambda: look_at_team(now))
    look_at_team(now)

    assert directory.asked == [TEAM]
    assert row().fence == 1


def test_whoever_finds_a_reading_under_way_can_say_so(look_at_team, directory, ada, now):
    seen: list[str | None] = []
    directory.on_ask = lambda _: seen.append(team_sync.problem_of(TEAM))
    look_at_team(now)

    assert seen == ["another reading is under way"]
    assert team_sync.problem_of(TEAM) is None


def test_a_dead_reading_is_overtaken_and_writes_nothing_when_it_wakes_up(look_at_team, directory, ada, now):
    def while_the_first_one_sleeps(_):
        directory.on_ask = lambda _: None
        directory.people[TEAM] = ()
        assert at_once(lambda: look_at_team(later(now, minutes=2))) == [[]]
        directory.people[TEAM] = (ADA,)

    directory.on_ask = while_the_first_one_sleeps
    assert look_at_team(now) == []

    assert row().fence == 2
    assert answers(ada) == {}
    assert [reading.names for reading in TeamReading.select()] == ["[]"]


def test_a_reading_that_is_overtaken_while_it_writes_stops(look_at_team, directory, domain, now, monkeypatch):
    monkeypatch.setattr(team_sync, "CHUNK", 10)
    people = [make_person(now, f"person{n}", created=f"{2000 + n}") for n in range(30)]
    directory.people[TEAM] = tuple(account(p.launchpad_name, p.account_created) for p in people)
    chunks = []

    def overtake(_):
        chunks.append(Membership.select().count())
        TeamSync.update(fence=TeamSync.fence + 1).execute()

    monkeypatch.setattr(team_sync.time, "sleep", overtake)
    assert look_at_team(now) == []

    assert chunks == [10]
    assert Membership.select().count() == 10


def test_how_far_a_reading_is_can_be_seen_while_it_runs(look_at_team, directory, ada, now):
    directory.people[TEAM] = (ADA, *crowd(*range(40)))
    look_at_team(now)

    assert (row().people_read, row().people_total) == (41, 41)
    assert (row().running, row().finished_at, row().problem) == (False, now, None)


def test_a_reading_that_breaks_lets_go_of_the_team(look_at_team, directory, ada, now, monkeypatch):
    monkeypatch.setattr(team_sync, "_store_members", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        look_at_team(now)
    assert (row().running, row().problem) == (False, "failed: ZeroDivisionError")
    monkeypatch.undo()
    look_at_team(now)

    assert row().problem is None
    assert answers(ada)[TEAM] is Answer.YES


def test_a_team_that_cannot_be_read_says_why_and_since_when(look_at_team, directory, domain, now):
    look_at_team(now)
    directory.down = True
    for hours in (1, 2):
        look_at_team(later(now, hours=hours))

    assert (row().problem, row().problem_since) == ("unreadable: status 503", later(now, hours=1))
    assert row().finished_at == now
    assert held_teams() == {TEAM}
    assert [(p.tried, p.about, p.why) for p in Problem.select()] == [
        ("sync-team", TEAM, "unreadable: status 503")
    ] * 2


def test_while_a_team_cannot_be_read_no_single_check_says_no(look_at_team, look, directory, ada, now):
    look(now)
    directory.people, directory.teams["ada"] = {}, ()
    look_at_team(later(now, hours=1))
    for hours in (2, 9):
        look(later(now, hours=hours))
    assert answers(ada)[TEAM] is Answer.YES
    directory.people = {TEAM: ()}
    TeamReading.create(team=TEAM, read_at=now, count=0, names="[]")
    look_at_team(later(now, hours=10))
    for hours in (11, 18):
        look(later(now, hours=hours))

    assert answers(ada)[TEAM] is Answer.NO


# -- a team that is gone --------------------------------------------------------------------------


def test_a_team_that_is_not_there_any_more_is_held(look_at_team, directory, ada, now):
    look_at_team(now)
    directory.gone = (TEAM,)

    assert look_at_team(later(now, hours=1)) == []
    assert held() == [None, team_sync.GONE]
    assert answers(ada)[TEAM] is Answer.YES


def test_once_accepted_a_team_that_is_gone_or_empty_is_so(look_at_team, directory, ada, now):
    look_at_team(now)
    directory.gone = (TEAM,)
    look_at_team(later(now, hours=1))
    TeamReading.update(held_because=None).execute()

    assert look_at_team(later(now, hours=2)) == [ada.id]
    directory.gone, directory.people[TEAM] = (), ()
    assert look_at_team(later(now, hours=3)) == [ada.id]
    assert held()[-1] is None


def test_ops_are_told_once_that_a_team_is_held(look_at_team, directory, domain, now):
    directory.people[TEAM] = ()
    for hours in range(4):
        look_at_team(later(now, hours=hours))

    assert [(problem.about, problem.why) for problem in Problem.select()] == [
        (TEAM, "held for an admin: empty")
    ]


# -- what is written ------------------------------------------------------------------------------


def test_a_team_that_is_as_it_was_writes_no_row_but_its_own(look_at_team, directory, ada, now):
    directory.people[TEAM] = (ADA, *crowd(*range(40)))
    look_at_team(now)
    before = stored()
    look_at_team(later(now, minutes=15))

    assert stored() == before


def test_after_an_hour_a_confirmed_fact_is_as_old_as_its_reading(look_at_team, ada, now):
    look_at_team(now)
    look_at_team(later(now, hours=1))

    facts = facts_of(ada)
    assert {facts.valid.read_at, facts.memberships[TEAM].read_at} == {later(now, hours=1)}
    assert TeamReading.get().read_at == later(now, hours=1)


def test_a_yes_that_ends_a_doubt_is_written_at_once(look_at_team, look, directory, ada, now):
    look(now)
    directory.teams["ada"] = ()
    look(later(now, minutes=5))
    look_at_team(later(now, minutes=10))

    assert facts_of(ada).memberships[TEAM].first_no_at is None


def test_an_older_reading_changes_nothing_that_a_newer_look_has_found(
    look_at_team, look, directory, ada, now
):
    look(now)
    directory.teams["ada"] = ()
    for hours in (1, 7):
        look(later(now, hours=hours))
    look_at_team(later(now, hours=6))

    assert answers(ada)[TEAM] is Answer.NO


# -- who is asked one by one ----------------------------------------------------------------------


def test_whoever_is_in_doubt_is_asked_again_after_six_hours_and_not_before(
    look_at_team, look, directory, ada, now
):
    look(now)
    directory.people[TEAM], directory.teams["ada"] = crowd(1), ()
    assert look_at_team(later(now, minutes=15)) == [ada.id]
    look(later(now, minutes=15))

    assert look_at_team(later(now, minutes=30)) == []
    assert look_at_team(later(now, hours=6, minutes=15)) == [ada.id]


def test_a_member_who_is_not_valid_any_more_is_asked_whether_suspended(
    look_at_team, look, directory, ada, now
):
    look(now)
    directory.people[TEAM] = (account(valid=Answer.NO),)
    directory.accounts[SUBJECT] = account(valid=Answer.NO, suspended=Answer.NO)

    assert look_at_team(later(now, minutes=15)) == [ada.id]
    look(later(now, minutes=16))
    assert look_at_team(later(now, minutes=30)) == []


def test_a_member_who_is_valid_again_is_asked_whether_still_suspended(
    look_at_team, look, directory, ada, now
):
    directory.accounts[SUBJECT] = account(valid=Answer.NO, suspended=Answer.YES)
    for minutes in (0, 10):
        look(later(now, minutes=minutes))
    directory.people[TEAM] = (account(valid=Answer.NO),)
    assert look_at_team(later(now, minutes=15)) == []
    directory.people[TEAM] = (account(),)

    assert look_at_team(later(now, minutes=30)) == [ada.id]
