"""The jobs. Their arguments are ids and names of teams, never addresses or tokens.

Each is safe to run twice at once, and again after a kill at any line.
"""

from functools import cache

import structlog

from core import outbox, runtime, sync
from core.audit import Actor
from core.database import connection, utc_now
from core.directories import Deadline, Directory
from core.directories.configured import make_directory
from core.domains import resolver_of
from core.key_watch import check_keys
from core.queues import Job, enqueue
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


@cache
def _directory() -> Directory:
    return make_directory(_settings())


def sync_person(person_id: int) -> None:
    """Ask the directory about one person."""
    _settings()
    if not sync.sync_person(_directory(), person_id, Deadline(PERSON_SECONDS), utc_now()):
        raise DirectoryUnclear(f"person {person_id}")


def sync_team(team: str) -> None:
    """Read one team; whoever is not in it any more is asked about by identity."""
    settings = _settings()
    for person_id in sync.sync_team(_directory(), team, Deadline(TEAM_SECONDS), utc_now()):
        enqueue(settings, Job.SYNC_PERSON, person_id)


def sync_all_teams() -> None:
    """Queue a reading of every mapped team; the schedule's entry point."""
    settings = _settings()
    with connection():
        teams = sorted(mapped_teams())
    for team in teams:
        enqueue(settings, Job.SYNC_TEAM, team)


def send_notices() -> None:
    """Send what is due in the outbox."""
    sent = outbox.send_due(_settings())
    if sent:
        log.info("notices sent", count=sent)


def sweep() -> None:
    """Delete what has served: old nonces, stashed answers, sessions, retired private keys."""
    _settings()
    sweep_rows(utc_now())


def check_signing_keys() -> None:
    """Look whether DNS shows the keys that sign; one that waited for it comes into use."""
    settings = _settings()
    check_keys(Actor("job:check_signing_keys"), settings, resolver_of(settings), utc_now())
