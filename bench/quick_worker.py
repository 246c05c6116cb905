"""`python -m bench.quick_worker`: a worker that notices a death within seconds, and not within minutes."""

from datetime import timedelta

from rq.job import Job

from core import runtime, team_sync
from workers.__main__ import SteadyWorker, work


class QuickWorker(SteadyWorker):
    """Has its jobs give a sign of life every second, and counts them as dead after four."""

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Return after how many seconds without a sign of life a job counts as dead."""
        return 4


def main() -> None:
    """Run with the settings of the environment."""
    team_sync.DEAD_AFTER = timedelta(seconds=5)
    work(runtime.start(), 2, QuickWorker, job_monitoring_interval=1)


if __name__ == "__main__":
    main()
