"""The jobs. Their arguments are ids and names of teams, never addresses or tokens.

Each is safe to run twice at once, and again after a kill at any line.
"""

from contextlib import suppress
from functools import cache

import structlog
from peewee import DatabaseError
from rq import get_current_job
from rq.job import Job as RqJob

from core import outbox, provisioning, runtime, sync, team_sync, upkeep
from core.audit import Actor
from core.daily import tell_daily
from core.database import connection, utc_now, write
from core.directories import Deadline, Directory
from core.directories.configured import make_directory
from core.domains import resolver_of
from core.key_watch import check_keys
from core.models import Person
from core.problems import report
from core.queues import Job, JobFailed, enqueue
from core.settings import Settings
from core.standing import mapped_teams
from core.sweep import sweep as sweep_rows

PERSON_SECONDS = 60.0
TEAM_SECONDS = 15 * 60.0

log = structlog.get_logger()


class DirectoryUnclear(Exception):
    """The directory gave no clear answer: RQ tries again later."""


@cache
def _settings() -> Settings:
    """Start this process once, whichever job comes first."""
    return runtime.start()


def _begin(person_id: int | None = None) -> Settings:
    """Make ready for a job; every line of the log names it, and whom it is about, from here on."""
    settings = _settings()
    job = get_current_job()
    structlog.contextvars.clear_contextvars()
    if job is not None:
        structlog.contextvars.bind_contextvars(job=job.id)
    if person_id is not None:
        with suppress(DatabaseError), connection():
            name = sync.launchpad_names([person_id]).get(person_id)
            structlog.contextvars.bind_contextvars(person=person_id, launchpad_name=name)
    return settings


@cache
def _directory() -> Directory:
    return make_directory(_settings())


def sync_person(person_id: int) -> None:
    """Ask the directory about one person."""
    _begin(person_id)
    if not sync.sync_person(_directory(), person_id, Deadline(PERSON_SECONDS), utc_now()):
        raise DirectoryUnclear(f"person {person_id}")


def sync_team(team: str) -> None:
    """Read one team; whoever is not in it any more is asked about by identity.

    What stays unclear of them is asked again by the next run of this job or of `sync_people`.
    """
    _begin()
    deadline = Deadline(TEAM_SECONDS)
    person_ids = team_sync.sync_team(_directory(), team, deadline, utc_now())
    sync.sync_people(_directory(), person_ids, deadline, utc_now())
    with connection():
        problem = team_sync.problem_of(team)
    if problem is not None:
        raise DirectoryUnclear(f"team {team}: {problem}")


def sync_all_teams() -> None:
    """Queue a reading of every mapped team; the schedule's entry point."""
    settings = _begin()
    with connection():
        teams = sorted(mapped_teams())
    for team in teams:
        enqueue(settings, Job.SYNC_TEAM, team)


def sync_people() -> None:
    """Ask about the owners of addresses whose second look is due, or who are in no team that is read."""
    _begin()
    with connection():
        person_ids = sync.people_to_ask(utc_now())
    sync.sync_people(_directory(), person_ids, Deadline(TEAM_SECONDS), utc_now())


def keep_up() -> None:
    """Bring aliases up to date with the time: the end of grace, its reminders, changed rules of a domain.

    With the first run of a day, the daily mail goes to the ops address.
    """
    _begin()
    tell_daily(utc_now())
    upkeep.keep_all_up(utc_now())
    provisioning.provide_all(utc_now())


def send_notices() -> None:
    """Send what is due in the outbox."""
    sent = outbox.send_due(_begin())
    if sent:
        log.info("notices sent", count=sent)


def sweep() -> None:
    """Delete what has served, such as old sessions, notices and counts, and retired private keys."""
    _begin()
    sweep_rows(utc_now())


def check_signing_keys() -> None:
    """Look whether DNS shows the keys that sign; one that waited for it comes into use."""
    settings = _begin()
    check_keys(Actor("job:check_signing_keys"), settings, resolver_of(settings), utc_now())


def report_failure(job: RqJob, kind: type[BaseException], error: BaseException, _trace: object) -> bool:
    """Log a job that failed and put it into the digest of the ops address; RQ then goes on as ever."""
    kind = error.kind if isinstance(error, JobFailed) else kind
    if issubclass(kind, DirectoryUnclear):  # that one has said what it is about
        return True
    about: dict[str, object] = {"job": job.id}
    try:
        with connection(), write():
            person = _person_of(job)
            report("job", job.id, kind.__name__, utc_now(), person)
        if person is not None:
            about |= {"person": person.id, "launchpad_name": person.launchpad_name}
    except DatabaseError as trouble:
        log.warning("failure not reported", **about, error=type(trouble).__name__)
    log.error("job failed", **about, error=kind.__name__)
    return True


def _person_of(job: RqJob) -> Person | None:
    """Return whom a job was about, if it was about one person."""
    return Person.get_or_none(Person.id == job.args[0]) if job.func_name == Job.SYNC_PERSON else None
