"""`python -m workers`: works the queues until it is told to stop."""

from types import FrameType
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq import Worker
from rq.exceptions import StopRequested
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from core import runtime
from core.queues import QUEUES, JobFailed, broker, wait_for_broker
from core.settings import Settings
from workers import jobs  # loaded once here, so that no forked job has to
from workers.lost import put_back

log = structlog.get_logger()


class QuietJob(RqJob):
    """A job whose failure reaches RQ's log and the broker without the error's text and whatever led to it."""

    def perform(self) -> Any:
        """Do the work; raises JobFailed."""
        try:
            return super().perform()
        except Exception as error:  # noqa: BLE001 -- nothing is lost: what is raised names its kind
            failure = JobFailed(error)
        raise failure  # out here, so that the error is not kept as its context


class SteadyWorker(Worker):
    """RQ's worker, which gives up when the broker goes away; this one knows whether it was told to stop."""

    told_to_stop = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Take SIGTERM or SIGINT, also while the broker is away."""
        SteadyWorker.told_to_stop = True
        try:
            super().request_stop(signum, frame)
        except RedisError:
            raise StopRequested from None

    def run_maintenance_tasks(self) -> None:
        """Look after jobs whose worker died; at the start, and once in the maintenance interval."""
        super().run_maintenance_tasks()
        put_back(self.connection)


def work(settings: Settings, worker: type[SteadyWorker] = SteadyWorker, **options: int) -> None:
    """Work the queues, with a new worker each time that the broker is there again.

    Ends when it is told to, or when the broker stays away for half a minute.
    """
    while not SteadyWorker.told_to_stop:
        try:
            wait_for_broker(settings)
            worker(
                list(QUEUES),
                connection=broker(settings),
                serializer=JSONSerializer,
                job_class=QuietJob,
                exception_handlers=[jobs.report_failure],
                **options,
            ).work(with_scheduler=True, logging_level=settings.log_level)
        except RedisError as error:
            log.warning("broker lost", error=type(error).__name__)
        except StopRequested:  # told between two workers
            return


def main() -> None:
    """Run with the settings of the environment."""
    settings = runtime.start()
    runtime.require_tables()
    # after a minute, a job whose worker was killed is found and tried again
    work(settings, maintenance_interval=60)


if __name__ == "__main__":
    main()
