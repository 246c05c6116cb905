"""`python -m workers.schedule`: queues the regular jobs, in the manner of `rq cron`.

Two of these processes do no harm, since the same job is queued only once.
"""

import contextlib

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq.cron import CronJob, CronScheduler
from rq.exceptions import StopRequested

from core import runtime
from core.queues import Job, broker, enqueue, wait_for_broker
from core.settings import Settings
from workers import jobs

log = structlog.get_logger()

EVERY = {
    Job.SEND_NOTICES: (jobs.send_notices, 60),
    Job.SYNC_ALL_TEAMS: (jobs.sync_all_teams, 900),
    Job.SYNC_PEOPLE: (jobs.sync_people, 600),
    Job.KEEP_UP: (jobs.keep_up, 3600),
    Job.SWEEP: (jobs.sweep, 3600),
    Job.RESOLVE_NAMES: (jobs.resolve_names, 600),
    Job.CHECK_SIGNING_KEYS: (jobs.check_signing_keys, 600),
    Job.CHECK_DOMAINS: (jobs.check_domains, 3600),
}
"""Job: its function and the seconds between two runs; each runs when this process starts, too."""


class UniqueCronJob(CronJob):
    """Queues through `core.queues`: as JSON (RQ's own cron jobs are pickled), and once."""

    def __init__(self, settings: Settings, job: Job) -> None:
        function, seconds = EVERY[job]
        super().__init__("sync", func=function, interval=seconds, name=job.value)
        self._settings, self._job = settings, job

    def enqueue(self, connection: Redis) -> None:
        """Queue this job unless it is waiting or running."""
        enqueue(self._settings, self._job)


class SteadyScheduler(CronScheduler):
    """RQ's scheduler; taking leave of a broker that is away is no error."""

    def register_death(self, pipeline: Pipeline | None = None) -> None:
        """Take leave."""
        with contextlib.suppress(RedisError):
            super().register_death(pipeline)


def main() -> None:
    """Run the schedule until it is told to stop; after the broker was away, everything is queued anew."""
    settings = runtime.start()
    runtime.require_tables()
    with contextlib.suppress(StopRequested):
        while not _run(settings):
            log.warning("broker lost")


def _run(settings: Settings) -> bool:
    """Run one scheduler; returns whether it was told to stop, and did not lose the broker."""
    wait_for_broker(settings)
    scheduler = SteadyScheduler(connection=broker(settings), logging_level=settings.log_level)
    scheduler._cron_jobs.extend(UniqueCronJob(settings, job) for job in EVERY)
    try:
        scheduler.start()
    except RedisError:
        return False
    return True


if __name__ == "__main__":
    main()
