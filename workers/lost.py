"""Jobs that a death took between the queue and the work are put back.

RQ takes a job from its queue before it notes that the job runs. Killed in between, be it the worker or the
broker, the job is in no list any more, though it says that it waits; and since it waits only once, no press
and no schedule would ever queue it again.
"""

import time
from collections.abc import Iterator

import structlog
from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry

from core.queues import drop_remains

log = structlog.get_logger()

TAKING = 1.0
"""Seconds within which a living worker has noted that it runs what it has taken."""


def put_back(connection: Redis) -> list[str]:
    """Queue the lost jobs again; returns their ids. One that lives after all may run twice."""
    seen = set(_lost(connection))
    if not seen:
        return []
    time.sleep(TAKING)
    still = sorted(seen & set(_lost(connection)))
    for job_id, queue_key in still:
        connection.pipeline().lrem(queue_key, 0, job_id).rpush(queue_key, job_id).execute()
        log.warning("lost job queued again", job=job_id)
    return [job_id for job_id, _ in still]


def _lost(connection: Redis) -> Iterator[tuple[str, str]]:
    """Yield the jobs that say they wait or run, and are neither in their queue nor among those that run.

    Of a job that is gone already, whatever came after its end goes, too.
    """
    prefix = Job.redis_job_namespace_prefix
    for key in connection.scan_iter(f"{prefix}*", count=1000, _type="hash"):
        name = connection.hget(key, "origin")
        if name is None:
            drop_remains(connection, key)  # if it is not done meanwhile
            continue
        job_id, queue = key.decode().removeprefix(prefix), Queue(name.decode(), connection=connection)
        look = connection.pipeline().hget(key, "status").lpos(queue.key, job_id)
        status, place, running = look.zrange(StartedJobRegistry(queue=queue).key, 0, -1).execute()
        if status is None or status.decode() not in (JobStatus.QUEUED, JobStatus.STARTED):
            continue
        if place is None and not any(entry.decode().startswith(f"{job_id}:") for entry in running):
            yield job_id, queue.key
