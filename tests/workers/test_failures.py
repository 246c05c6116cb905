"""Jobs that break: seen, told to ops, and without a word of anybody's data."""

import json
import subprocess
import sys
from pathlib import Path
from traceback import format_exception

import pytest
from rq import Queue
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from core.database import utc_now
from core.models import Problem
from core.queues import Job, JobFailed, broker, failed_jobs
from core.settings import Settings
from tests.support.arrange import make_person, make_recipient
from tests.support.environment import environment_of
from tests.workers import breaking
from tests.workers.processes import Run, until
from workers.__main__ import QuietJob


def test_a_job_that_breaks_is_seen_and_told_to_ops(embedded: object, run: Run, settings: Settings) -> None:
    with broker(settings) as connection:
        queue = Queue("sync", connection=connection, serializer=JSONSerializer)
        queue.enqueue("workers.jobs.no_such_job", job_id="broken")
    run("workers")

    until(lambda: failed_jobs(settings))
    assert [(job.id, job.why) for job in failed_jobs(settings)] == [("broken", "ValueError")]
    until(lambda: Problem.select().count())
    assert [(row.tried, row.about, row.why) for row in Problem.select()] == [("job", "broken", "ValueError")]
    command = [str(Path(sys.executable).parent / "waypost"), "sync", "status"]
    shown = subprocess.run(
        command, env=environment_of(settings), capture_output=True, text=True, timeout=60, check=True
    )
    assert "failed\tbroken\t" in shown.stdout
    assert shown.stdout.endswith("\tValueError\n")


def test_a_failure_names_its_kind_and_no_address(
    embedded: object, run: Run, settings: Settings, now: object, capfd: pytest.CaptureFixture[str]
) -> None:
    """PostgreSQL says of a broken rule which values broke it; neither log nor broker keeps that."""
    make_recipient(make_person(now), now, breaking.ADDRESS)
    with broker(settings) as connection:
        queue = Queue("sync", connection=connection, serializer=JSONSerializer)
        queue.enqueue(breaking.store_twice_in_a_worker, job_id="broken")
    run("workers")
    until(lambda: failed_jobs(settings))
    until(lambda: Problem.select().count())

    assert [(job.id, job.why) for job in failed_jobs(settings)] == [("broken", "IntegrityError")]
    with broker(settings) as connection:
        result = RqJob.fetch("broken", connection=connection, serializer=JSONSerializer).latest_result()
    logged = capfd.readouterr().err
    for kept in (result.exc_string, logged):
        assert "IntegrityError" in kept
        assert "breaking.py" in kept, "where it broke"
        assert breaking.ADDRESS not in kept
        assert "address_key)" not in kept
    assert '"event": "job failed"' in logged


def test_what_breaks_while_a_failure_is_kept_names_no_address_either(db: object, settings: Settings) -> None:
    """A second error in the same breath is logged with the one that led to it."""
    make_recipient(make_person(utc_now()), utc_now(), breaking.ADDRESS)
    job = QuietJob.create(breaking.store_twice, connection=broker(settings), serializer=JSONSerializer)
    with pytest.raises(JobFailed) as caught:
        job.perform()

    assert breaking.ADDRESS not in "".join(format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_job_about_a_person_that_breaks_names_them(
    embedded: object, run: Run, settings: Settings, now: object, capfd: pytest.CaptureFixture[str]
) -> None:
    person = make_person(now)
    with broker(settings) as connection:
        queue = Queue("interactive", connection=connection, serializer=JSONSerializer)
        queue.enqueue(Job.SYNC_PERSON.value, person.id, "one too many", job_id="broken")
    run("workers")
    until(lambda: Problem.select().count())

    row = Problem.get()
    assert (row.tried, row.about, row.why, row.person_id) == ("job", "broken", "TypeError", person.id)
    said: list[str] = []

    def failures() -> list[dict[str, object]]:
        said.append(capfd.readouterr().err)
        whole, _, _ = "".join(said).rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if '"job failed"' in line]

    until(failures)  # the row is there before the line
    (line,) = failures()
    assert (line["job"], line["person"], line["launchpad_name"]) == ("broken", person.id, "ada")
