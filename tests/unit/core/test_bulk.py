"""core.bulk"""

import pytest

from core.audit import Actor, first_fault
from core.bulk import (
    MOST,
    Action,
    BulkProblem,
    Outcome,
    begin,
    lines_of,
    progress_of,
    start,
    unfinished,
    work,
)
from core.models import Alias, AuditEntry, BulkLine, BulkRun, Person, RoleGrant, Session
from core.roles import Role
from core.routing import Hold
from core.sessions import open_session
from core.sweep import BULK_LASTS, sweep
from tests.support.arrange import later, make_admin, make_alias, make_domain, make_member, make_person
from tests.support.killed import Killed
from tests.support.threads import at_once


@pytest.fixture
def domain(db, now):
    return make_domain(now)


@pytest.fixture
def boss(domain, now) -> Person:
    return make_admin(now, "boss", Role.PROJECT_ADMIN)


@pytest.fixture
def people(domain, now) -> list[Person]:
    made = [make_member(now, f"person{number}") for number in range(4)]
    for person in made:
        make_alias(person, domain, now, str(person.launchpad_name))
    return made


@pytest.fixture
def do(now):
    """Work a run to its end; asks nobody unless told how."""

    def run(one: BulkRun, ask=lambda _person_id: True, at=now):
        work(one.id, [], ask, lambda: at)
        return [(line.person.launchpad_name, line.outcome) for line in lines_of(one, None).rows]

    return run


def ids(people: list[Person]) -> list[int]:
    return [person.id for person in people]


def test_a_dry_run_says_what_would_be_and_changes_nothing(boss, people, do, now):
    Alias.update(hold=Hold.ADMIN).where(Alias.person == people[0]).execute()
    entries = AuditEntry.select().count()
    dry = begin(boss, Action.HOLD, ids(people), now)

    assert do(dry) == [
        ("person0", Outcome.NOTHING),
        *[(person.launchpad_name, Outcome.DONE) for person in people[1:]],
    ]
    assert Alias.select().where(Alias.hold == Hold.ADMIN).count() == 1
    assert AuditEntry.select().count() == entries
    progress = progress_of(dry)
    assert (progress.done, progress.total, progress.outcomes) == (4, 4, {"done": 3, "nothing": 1})


def test_the_run_does_what_the_dry_run_said_and_no_more(boss, people, do, now):
    Alias.update(hold=Hold.ADMIN).where(Alias.person == people[0]).execute()
    dry = begin(boss, Action.HOLD, ids(people), now)
    do(dry)
    run = start(boss, dry.id, now)

    assert do(run) == [(person.launchpad_name, Outcome.DONE) for person in people[1:]]
    assert Alias.select().where(Alias.hold == Hold.ADMIN).count() == 4
    held = AuditEntry.select().where(AuditEntry.verb == "alias-held")
    assert {entry.actor for entry in held} == {Actor.person(boss.id)}
    assert held.count() == 3
    assert first_fault() is None


@pytest.mark.parametrize(
    ("action", "happens"),
    [
        (Action.BAN, lambda person: person.banned_at is not None),
        (Action.END_SESSIONS, lambda person: not Session.select().where(Session.person == person).exists()),
    ],
)
def test_what_is_done_to_people(boss, people, do, now, action, happens):
    for person in people:
        open_session(person, now)
    dry = begin(boss, action, ids(people), now)
    do(dry)
    assert not any(happens(Person.get_by_id(person.id)) for person in people)
    do(start(boss, dry.id, now))

    assert all(happens(Person.get_by_id(person.id)) for person in people)


def test_a_ban_and_a_hold_are_lifted(boss, people, do, now):
    for action in (Action.BAN, Action.UNBAN, Action.HOLD, Action.LIFT):
        dry = begin(boss, action, ids(people), now)
        do(dry)
        do(start(boss, dry.id, now))

    assert not Person.select().where(Person.banned_at.is_null(False)).exists()
    assert not Alias.select().where(Alias.hold != Hold.NONE).exists()


def test_a_check_asks_about_each_in_the_run_alone(boss, people, do, now):
    asked: list[int] = []

    def ask(person_id: int) -> bool:
        asked.append(person_id)
        return person_id != people[1].id

    dry = begin(boss, Action.CHECK, ids(people), now)
    do(dry, ask)
    assert asked == []
    outcomes = dict(do(start(boss, dry.id, now), ask))

    assert asked == ids(people)
    assert outcomes["person1"] == Outcome.FAILED
    assert outcomes["person0"] == Outcome.DONE


def test_a_domains_admin_does_it_on_their_domain_alone(domain, people, do, now):
    other = make_domain(now, "other.example")
    elsewhere = make_alias(people[0], other, now, "person0")
    admin = make_admin(now, "dom", Role.DOMAIN_ADMIN, domain)
    dry = begin(admin, Action.HOLD, ids(people), now)
    do(dry)
    do(start(admin, dry.id, now))

    assert Alias.select().where(Alias.hold == Hold.ADMIN, Alias.domain == domain).count() == 4
    assert Alias.get_by_id(elsewhere.id).hold == Hold.NONE
    assert {outcome for _, outcome in do(begin(admin, Action.BAN, ids(people), now))} == {Outcome.NOT_ALLOWED}


def test_nobody_does_it_to_themselves(boss, do, now):
    assert do(begin(boss, Action.BAN, [boss.id], now)) == [("boss", Outcome.NOT_ALLOWED)]


def test_whoever_lost_the_role_meanwhile_does_nothing_more(boss, people, do, now):
    dry = begin(boss, Action.BAN, ids(people), now)
    do(dry)
    run = start(boss, dry.id, now)
    RoleGrant.delete().execute()

    assert {outcome for _, outcome in do(run)} == {Outcome.NOT_ALLOWED}
    assert not Person.select().where(Person.banned_at.is_null(False)).exists()


def test_a_killed_job_goes_on_where_it_stopped(boss, people, do, now):
    dry = begin(boss, Action.CHECK, ids(people), now)
    do(dry)
    run = start(boss, dry.id, now)
    asked: list[int] = []

    def ask(person_id: int) -> bool:
        if len(asked) == 2:
            raise Killed
        asked.append(person_id)
        return True

    with pytest.raises(Killed):
        do(run, ask)
    assert progress_of(run).done == 2
    assert unfinished() == [run.id]
    do(run, lambda person_id: bool(asked.append(person_id)) or True)
    assert asked == ids(people)
    assert unfinished() == []


def test_two_jobs_at_once_do_nothing_twice(boss, people, do, now):
    dry = begin(boss, Action.BAN, ids(people), now)
    do(dry)
    run = start(boss, dry.id, now)
    at_once(*[lambda: work(run.id, [], lambda _person_id: True, lambda: now)] * 3)

    assert AuditEntry.select().where(AuditEntry.verb == "person-banned").count() == 4
    assert progress_of(run).outcomes == {"done": 4}
    assert BulkRun.get_by_id(run.id).finished_at == now


def test_a_dry_run_is_followed_once(boss, people, do, now):
    dry = begin(boss, Action.BAN, ids(people), now)
    with pytest.raises(BulkProblem, match="not finished"):
        start(boss, dry.id, now)
    do(dry)
    runs = at_once(*[lambda: start(boss, dry.id, now)] * 3)

    assert len({run.id for run in runs}) == 1
    with pytest.raises(BulkProblem):
        start(boss, runs[0].id, now)
    with pytest.raises(BulkProblem):
        start(make_admin(now, "other", Role.PROJECT_ADMIN), dry.id, now)


def test_nobody_and_too_many_are_refused(boss, now):
    for wanted in ([], [999_999], range(1, MOST + 2)):
        with pytest.raises(BulkProblem):
            begin(boss, Action.BAN, wanted, now)
    assert not BulkRun.select().exists()


def test_somebody_erased_meanwhile_is_left_out(boss, people, do, now):
    dry = begin(boss, Action.BAN, ids(people), now)
    Alias.delete().where(Alias.person == people[0]).execute()
    people[0].delete_instance()

    assert len(do(dry)) == 3
    assert BulkRun.get_by_id(dry.id).finished_at == now


def test_a_finished_run_is_swept_after_a_month(boss, people, do, now):
    old, waits = begin(boss, Action.BAN, ids(people), now), begin(boss, Action.BAN, ids(people), now)
    do(old)
    sweep(now + BULK_LASTS)
    assert BulkRun.select().count() == 2
    sweep(later(now + BULK_LASTS, seconds=1))

    assert [run.id for run in BulkRun.select()] == [waits.id]
    assert {line.run_id for line in BulkLine.select()} == {waits.id}


def test_people_of_nothing_have_nothing_to_hold(boss, do, now):
    assert do(begin(boss, Action.HOLD, [make_person(now, "bare").id], now)) == [("bare", Outcome.NOTHING)]
