"""What an admin sees of the work in the background: readings of teams, problems, our own mail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from core.audit import Actor, record
from core.database import write
from core.models import Notice, Person, Problem, TeamSync
from core.overview import CHECK_EVERY
from core.paging import Slice, slice_of
from core.queues import discard_failed, retry_failed
from core.settings import Settings
from core.standing import mapped_teams

MOST_PROBLEMS = 100


@dataclass(frozen=True)
class TeamState:
    """How the reading of a team stands."""

    team: str
    sync: TeamSync | None
    """None when it was never begun."""
    next_at: datetime | None
    """About when it is read next; None when that is due."""


def team_states(now: datetime) -> list[TeamState]:
    """Return every team that is read, by name, with its last and its next reading."""
    rows = {row.team: row for row in TeamSync.select()}
    states = []
    for team in sorted(mapped_teams()):
        row = rows.get(team)
        due = row.began_at + CHECK_EVERY if row is not None else now
        states.append(TeamState(team, row, due if due > now else None))
    return states


@dataclass(frozen=True)
class ProblemGroup:
    """Problems of one kind."""

    tried: str
    why: str
    count: int
    last_at: datetime
    about: str
    """What the last of them was tried with."""


def problem_groups() -> list[ProblemGroup]:
    """Return the problems of the last month, those of a kind counted together, the latest first."""
    last = fn.MAX(Problem.id)
    query = (
        Problem.select(Problem.tried, Problem.why, fn.COUNT(Problem.id).alias("number"), last.alias("last"))
        .group_by(Problem.tried, Problem.why)
        .order_by(last.desc())
        .limit(MOST_PROBLEMS)
    )
    groups: list[Any] = list(query.tuples())
    rows = {row.id: row for row in Problem.select().where(Problem.id.in_([group[3] for group in groups]))}
    return [
        ProblemGroup(tried, why, number, rows[last_id].at, rows[last_id].about)
        for tried, why, number, last_id in groups
        if last_id in rows
    ]


def failed_notices(after: int | None, *, newest_first: bool = True) -> Slice[Notice]:
    """Return a page of the mails of ours that could not be sent."""
    few = Notice.select(Notice.id).where(Notice.failed_with.is_null(False))  # by its index, not by the key
    query = Notice.select(Notice, Person).left_outer_join(Person).where(Notice.id.in_(few))
    return slice_of(query, Notice.id, after, newest_first=newest_first)


def retry_job(actor: Actor, settings: Settings, name: str, now: datetime) -> bool:
    """Queue a failed job once more, and write down who did. Returns False when it is gone."""
    return _decide("job-retried", retry_failed(settings, name), actor, name, now)


def discard_job(actor: Actor, settings: Settings, name: str, now: datetime) -> bool:
    """Forget a failed job, and write down who did. Returns False when it is gone."""
    return _decide("job-discarded", discard_failed(settings, name), actor, name, now)


def _decide(verb: str, done: bool, actor: Actor, name: str, now: datetime) -> bool:
    if done:
        with write():
            record(actor, verb, {}, {"job": name}, now)
    return done
