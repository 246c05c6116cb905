"""One action on many people: first a dry run that says what would happen to each, then the run.

Both are jobs. Each person is one line, done in a transaction of its own, so that a job that was killed
goes on where it stopped, and two at once do nothing twice.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from peewee import IntegrityError, fn

from core import alias_admin, people
from core.audit import Actor, record
from core.database import connection, write
from core.models import Alias, BulkLine, BulkRun, Person, Session, by_id
from core.ownership import lock_people
from core.paging import Slice, slice_of
from core.roles import Authority, Role, authority_of
from core.routing import Hold, Switch
from core.translation import N_, ToldError

MOST = 2000
"""So many people at once."""


class BulkProblem(ToldError):
    """It cannot be begun; the message says why, for the admin who tried."""


class Action(StrEnum):
    """What can be done to many people at once."""

    CHECK = "check"
    """Ask the directory about them."""
    HOLD = "hold"
    """Suspend their addresses on the admin's domains."""
    LIFT = "lift"
    """Lift that."""
    END_SESSIONS = "end-sessions"
    BAN = "ban"
    UNBAN = "unban"

    def may(self, authority: Authority) -> bool:
        """Whether somebody may do this at all."""
        if self in (Action.CHECK, Action.HOLD, Action.LIFT):
            return bool(authority.roles & {Role.PROJECT_ADMIN, Role.DOMAIN_ADMIN})
        return Role.PROJECT_ADMIN in authority.roles


class Outcome(StrEnum):
    """What became of one person, or would."""

    DONE = "done"
    NOTHING = "nothing"
    """It is so already."""
    NOT_ALLOWED = "not-allowed"
    """It is the admin themselves, or somebody whom they may not see."""
    FAILED = "failed"
    """The directory gave no clear answer; it is asked again by the schedule."""


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    total: int
    done: int
    outcomes: dict[str, int]


def begin(by: Person, action: Action, person_ids: Iterable[int], now: datetime) -> BulkRun:
    """Put a dry run before the job. Raises BulkProblem for nobody and for too many people."""
    wanted = sorted(set(person_ids))
    if not wanted:
        raise BulkProblem(N_("Choose somebody first."))
    if len(wanted) > MOST:
        raise BulkProblem(N_("At most %(most)s people at once."), most=MOST)
    with write():
        there = [row.id for row in Person.select(Person.id).where(Person.id.in_(wanted)).order_by(Person.id)]
        if not there:
            raise BulkProblem(N_("Choose somebody first."))
        return _make(by, action, there, now, follows=None)


def start(by: Person, run_id: int, now: datetime) -> BulkRun:
    """Begin the real run after a finished dry one, once: a second press finds the first.

    Raises BulkProblem when the dry run is not finished or is another admin's.
    """
    try:
        with write():
            dry = by_id(BulkRun, run_id)
            if dry is None or dry.by_id != by.id or dry.follows_id is not None:
                raise BulkProblem(N_("Only whoever made the dry run goes on with it."))
            if dry.finished_at is None:
                raise BulkProblem(N_("The dry run is not finished yet."))
            lines = BulkLine.select().where(BulkLine.run == dry, BulkLine.outcome == Outcome.DONE)
            ids = [line.person_id for line in lines.order_by(BulkLine.id)]
            if not ids:
                raise BulkProblem(N_("There is nothing to do."))
            return _make(by, Action(dry.action), ids, now, follows=dry)
    except IntegrityError:
        return BulkRun.get(BulkRun.follows == run_id)


def _make(
    by: Person, action: Action, ids: Sequence[int], now: datetime, *, follows: BulkRun | None
) -> BulkRun:
    run = BulkRun.create(by=by, action=action, follows=follows, begun_at=now)
    BulkLine.insert_many([{"run": run, "person": person_id} for person_id in ids]).execute()
    if follows is not None:
        values = {"action": action, "people": len(ids)}
        record(Actor.person(by.id), "bulk-begun", {"bulk_run": run.id}, values, now)
    return run


def progress_of(run: BulkRun) -> Progress:
    """Count how far a run is."""
    counted: Any = BulkLine.select(BulkLine.outcome, fn.COUNT(1)).where(BulkLine.run == run)
    counts: dict[str | None, int] = dict(counted.group_by(BulkLine.outcome).tuples())
    waiting = counts.pop(None, 0)
    outcomes = {str(outcome): count for outcome, count in counts.items()}
    return Progress(sum(outcomes.values()) + waiting, sum(outcomes.values()), outcomes)


def lines_of(run: BulkRun, after: int | None) -> Slice[BulkLine]:
    """Return a page of a run's lines with their people."""
    query = BulkLine.select(BulkLine, Person).join(Person).where(BulkLine.run == run)
    return slice_of(query, BulkLine.id, after, newest_first=False)


def unfinished() -> list[int]:
    """Return the ids of the runs that are not finished, for a schedule that finds what was left."""
    return [row.id for row in BulkRun.select(BulkRun.id).where(BulkRun.finished_at.is_null())]


def work(
    run_id: int, configured: Sequence[str], ask: Callable[[int], bool], clock: Callable[[], datetime]
) -> None:
    """Do a run, or go on with it. Opens its own connections.

    configured: the setting `ADMINS`, by which the admin's authority is looked up anew for each person.
    ask: asks the directory about a person and says whether it answered.
    """
    with connection():
        run = by_id(BulkRun, run_id)
        if run is None or run.finished_at is not None:
            return
        query = BulkLine.select(BulkLine.id).where(BulkLine.run == run, BulkLine.outcome.is_null())
        waiting = [row.id for row in query.order_by(BulkLine.id)]
    for line_id in waiting:
        _work_one(run, line_id, configured, ask, clock())
    with connection(), write():
        left = BulkLine.select().where(BulkLine.run == run, BulkLine.outcome.is_null())
        if not left.exists():
            BulkRun.update(finished_at=clock()).where(
                BulkRun.id == run.id, BulkRun.finished_at.is_null()
            ).execute()


def _work_one(
    run: BulkRun, line_id: int, configured: Sequence[str], ask: Callable[[int], bool], now: datetime
) -> None:
    action, answered = Action(run.action), True
    with connection():
        line = by_id(BulkLine, line_id)
        if line is None:
            return
        if action is Action.CHECK and run.follows_id is not None:  # network work, before the transaction
            answered = ask(line.person_id)
        with write():
            lock_people([line.person_id])
            line = by_id(BulkLine, line_id)
            if line is None or line.outcome is not None:
                return
            authority = authority_of(run.by, configured, now)
            line.outcome = _outcome(run, line.person, authority, now) if answered else Outcome.FAILED
            line.save()


def _outcome(run: BulkRun, person: Person, authority: Authority, now: datetime) -> Outcome:
    """Do it, or in a dry run see whether there is anything to do. In a transaction."""
    action, actor, dry = Action(run.action), Actor.person(run.by_id), run.follows_id is None
    if not action.may(authority) or person.id == run.by_id:
        return Outcome.NOT_ALLOWED
    if action is Action.CHECK:
        return Outcome.DONE
    if action in (Action.HOLD, Action.LIFT):
        aliases = _aliases(person, action, authority)
        change = alias_admin.hold if action is Action.HOLD else alias_admin.lift
        for alias in [] if dry else aliases:
            change(actor, alias.id, now)
        return Outcome.DONE if aliases else Outcome.NOTHING
    there, do = _ON_PEOPLE[action]
    if not there(person):
        return Outcome.NOTHING
    if not dry:
        do(actor, person, now)
    return Outcome.DONE


def _aliases(person: Person, action: Action, authority: Authority) -> list[Alias]:
    """Return the addresses of a person that an action concerns, on the domains that the admin decides for."""
    held = Alias.hold == Hold.ADMIN
    concerned = ~held & (Alias.switch != Switch.GIVEN_UP) if action is Action.HOLD else held
    found = Alias.select().where(Alias.person == person, concerned).order_by(Alias.id)
    return [alias for alias in found if authority.decides(alias.domain_id)]


_ON_PEOPLE: dict[Action, tuple[Callable[[Person], bool], Callable[[Actor, Person, datetime], object]]] = {
    Action.BAN: (lambda person: person.banned_at is None, people.ban),
    Action.UNBAN: (lambda person: person.banned_at is not None, people.unban),
    Action.END_SESSIONS: (
        lambda person: Session.select().where(Session.person == person).exists(),
        people.end_sessions,
    ),
}
"""Whether there is anything to do to a person, and what does it."""
