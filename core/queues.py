"""Putting jobs into the queues. The jobs themselves are in `workers.jobs`; they are named here."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import redis
import structlog
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError, InvalidJobOperation, NoSuchJobError
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from core.settings import Settings

QUEUES = ("interactive", "mail", "sync")
"""In the order in which a worker empties them."""

RETRY_PAUSES = [15, 60, 300, 1800]  # seconds

log = structlog.get_logger()


class Job(StrEnum):
    """A job, by the path of its function."""

    SYNC_PERSON = "workers.jobs.sync_person"
    SYNC_TEAM = "workers.jobs.sync_team"
    SYNC_ALL_TEAMS = "workers.jobs.sync_all_teams"
    SYNC_PEOPLE = "workers.jobs.sync_people"
    KEEP_UP = "workers.jobs.keep_up"
    SEND_NOTICES = "workers.jobs.send_notices"
    SWEEP = "workers.jobs.sweep"
    CHECK_SIGNING_KEYS = "workers.jobs.check_signing_keys"
    CHECK_DOMAINS = "workers.jobs.check_domains"
    IMPORT_FILE = "workers.jobs.import_file"
    RESOLVE_NAMES = "workers.jobs.resolve_names"
    RUN_BULK = "workers.jobs.run_bulk"


class JobFailed(Exception):
    """A job failed: the kind of its error and the places in the code, without the error's own text.

    A database's text names the values of a row, which may be an address; the broker keeps what RQ is
    given of a failure for a week, and logs it.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)
        self.kind = type(error)
        self.__traceback__ = error.__traceback__


_QUEUE_OF = {
    Job.SYNC_PERSON: "interactive",
    Job.SYNC_TEAM: "sync",
    Job.SYNC_ALL_TEAMS: "sync",
    Job.SYNC_PEOPLE: "sync",
    Job.KEEP_UP: "sync",
    Job.SEND_NOTICES: "mail",
    Job.SWEEP: "sync",
    Job.CHECK_SIGNING_KEYS: "sync",
    Job.CHECK_DOMAINS: "sync",
    Job.IMPORT_FILE: "interactive",
    Job.RESOLVE_NAMES: "sync",
    Job.RUN_BULK: "interactive",
}


_OPTIONS: dict[str, Any] = {
    "result_ttl": 0,
    "failure_ttl": 7 * 86400,
    "retry": Retry(max=len(RETRY_PAUSES), interval=RETRY_PAUSES),
    "job_timeout": 1200,
}


def broker(settings: Settings) -> redis.Redis:
    """Connect to the broker; gives up after two seconds, since a page may be waiting."""
    return redis.Redis.from_url(settings.broker_url, socket_connect_timeout=2)


def _escaped(found: re.Match[str]) -> str:
    """Write a character that a job's id cannot hold, so that two names never become one."""
    return f"_{ord(found[0]):x}_"


def job_id(job: Job, *args: int | str) -> str:
    """Return the id under which a job with these arguments waits only once."""
    return re.sub(r"[^A-Za-z0-9-]", _escaped, "-".join([job.name.lower(), *map(str, args)]))


def enqueue(settings: Settings, job: Job, *args: int | str) -> bool:
    """Queue a job, once: while the same one waits or runs, another is not added.

    One that failed, or that waits for its next try, makes room for the new one. Returns False when
    the broker cannot be reached; the schedule does the work later then.
    """
    name = job_id(job, *args)
    try:
        with broker(settings) as connection:
            queue = Queue(_QUEUE_OF[job], connection=connection, serializer=JSONSerializer)
            old = queue.fetch_job(name)
            if old is None:
                drop_remains(connection, RqJob.key_for(name))
            elif not _is_at_it(old):
                _forget(old)
            queue.enqueue(job.value, *args, **_OPTIONS, job_id=name, unique=True)
    except DuplicateJobError:
        return True
    except (redis.RedisError, OSError) as error:
        log.warning("broker out of reach", job=job.value, error=type(error).__name__)
        return False
    return True


def _is_at_it(job: RqJob) -> bool:
    """Whether a job waits or runs; one that has ended since it was found does neither."""
    try:
        return job.get_status() in (JobStatus.QUEUED, JobStatus.STARTED)
    except InvalidJobOperation:
        return False


def drop_remains(connection: redis.Redis, key: str | bytes) -> None:
    """Delete what is under a job's key when it is no job, but in the way of the next one of its id.

    RQ writes a sign of life without a look at whether the job is still there. An orphaned job that was done
    by another worker leaves a key with that alone.
    """

    def drop(pipeline: Any) -> None:
        is_job = pipeline.hexists(key, "origin")
        pipeline.multi()
        if not is_job:
            pipeline.delete(key)

    connection.transaction(drop, key)


def _forget(job: RqJob) -> None:
    """Delete a job, also one whose worker was killed and left the mark of an execution that is gone.

    One that ended by itself since it was found has nothing left to delete.
    """
    try:
        job.delete()
    except InvalidJobOperation:
        return
    except ValueError:
        job.connection.delete(job.execution_registry.key)
        job.delete()


def wake_outbox(settings: Settings) -> bool:
    """Have the outbox sent now. Never folded into a run that may have looked already.

    Returns False when the broker cannot be reached.
    """
    try:
        with broker(settings) as connection:
            queue = Queue(_QUEUE_OF[Job.SEND_NOTICES], connection=connection, serializer=JSONSerializer)
            queue.enqueue(Job.SEND_NOTICES.value, **_OPTIONS)
    except (redis.RedisError, OSError) as error:
        log.warning("broker out of reach", job=Job.SEND_NOTICES.value, error=type(error).__name__)
        return False
    return True


@dataclass(frozen=True)
class FailedJob:
    """A job that was tried in vain; it stays visible for a week, or until it is queued again."""

    id: str
    ended_at: datetime | None
    why: str
    """The kind of the error, never its text."""


def failed_jobs(settings: Settings) -> list[FailedJob] | None:
    """Return the jobs that failed for good, oldest first; None when the broker cannot be reached."""
    found = []
    try:
        with broker(settings) as connection:
            for name in QUEUES:
                ids = FailedJobRegistry(name, connection=connection).get_job_ids()
                jobs = RqJob.fetch_many(ids, connection=connection, serializer=JSONSerializer)
                found += [FailedJob(job.id, job.ended_at, _kind_of_error(job)) for job in jobs if job]
    except (redis.RedisError, OSError) as error:
        log.warning("broker out of reach", tried="failed-jobs", error=type(error).__name__)
        return None
    return sorted(found, key=lambda one: str(one.ended_at))


def retry_failed(settings: Settings, name: str) -> bool:
    """Queue a job that failed once more; False when it is not there, or the broker cannot be reached."""
    return _with_failed(settings, name, lambda registry, job: registry.requeue(job))


def discard_failed(settings: Settings, name: str) -> bool:
    """Forget a job that failed; False when it is not there, or the broker cannot be reached."""
    return _with_failed(settings, name, lambda registry, job: registry.remove(job, delete_job=True))


def _with_failed(settings: Settings, name: str, act: Callable[[FailedJobRegistry, RqJob], object]) -> bool:
    try:
        with broker(settings) as connection:
            for queue in QUEUES:
                registry = FailedJobRegistry(queue, connection=connection, serializer=JSONSerializer)
                if name in registry.get_job_ids():
                    act(registry, RqJob.fetch(name, connection=connection, serializer=JSONSerializer))
                    return True
    except (InvalidJobOperation, NoSuchJobError):
        return False  # somebody else has done it meanwhile
    except (redis.RedisError, OSError) as error:
        log.warning("broker out of reach", tried="failed-job", error=type(error).__name__)
    return False


def _kind_of_error(job: RqJob) -> str:
    """Return the kind that a `JobFailed` gives; else RQ's own words on a worker that died."""
    result = job.latest_result()
    lines = ((result and result.exc_string) or "").strip().splitlines() or ["unknown"]
    _, failed, kind = lines[-1].partition(f"{JobFailed.__name__}: ")
    return kind if failed else re.split("[:;,]", lines[-1])[0]


def wait_for_broker(settings: Settings, seconds: float = 30.0) -> None:
    """Wait until the broker answers, as when all processes are started at once.

    Ends the process with a sentence when it does not.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            with broker(settings) as connection:
                connection.ping()
            return
        except (redis.RedisError, OSError) as error:
            if time.monotonic() > end:
                raise SystemExit(f"The broker at {_place(settings)} does not answer: {error}") from None
            time.sleep(0.2)


def _place(settings: Settings) -> str:
    """Where the broker is, without the password that REDIS_URL may hold."""
    return settings.broker_url.rpartition("@")[2]
