"""Jobs when something dies, hangs or forgets: each is done in the end, or shown (CASES.md B55)."""

import signal
import subprocess
import time
from typing import Any

import pytest
from rq import Queue, Retry
from rq.serializers import JSONSerializer

from core import queues
from core.audit import OPERATOR, first_fault
from core.database import utc_now
from core.domains import add_domain, verification_record
from core.models import (
    AuditEntry,
    DkimKey,
    Domain,
    Membership,
    Notice,
    Person,
    Problem,
    TeamReading,
)
from core.queues import QUEUES, Job, broker, enqueue, failed_jobs, job_id, wait_for_broker
from core.settings import Settings
from core.signing_keys import create_key
from devtools.servers import PretendServers
from tests.support.arrange import make_domain
from tests.workers import breaking
from tests.workers.processes import PATIENCE, Run, kill_with_its_job, newcomer, until


def test_a_job_queued_before_the_broker_was_killed_runs_afterwards(
    embedded: subprocess.Popen[bytes], run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    enqueue(settings, Job.SYNC_PERSON, person.id)
    time.sleep(1.5)  # the broker writes its file once a second
    embedded.send_signal(signal.SIGKILL)
    embedded.wait()
    run("workers.broker")
    wait_for_broker(settings)
    run("workers")

    until(lambda: Membership.select().count() == 1)


def test_worker_and_schedule_outlive_the_broker(
    embedded: subprocess.Popen[bytes], run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    running = [run("workers"), run("workers.schedule")]
    until(lambda: TeamReading.select().count() == 1)
    outside.launchpad.latency = 1  # a job is in the middle
    enqueue(settings, Job.SYNC_PERSON, person.id)
    time.sleep(0.5)
    embedded.send_signal(signal.SIGKILL)
    embedded.wait()
    time.sleep(2)
    run("workers.broker")
    wait_for_broker(settings)
    outside.launchpad.latency = 0

    def goes_on() -> bool:
        enqueue(settings, Job.SYNC_PERSON, person.id)
        return Membership.select().where(Membership.person == person).count() == 1

    until(goes_on)
    assert [process.poll() for process in running] == [None, None]


def test_a_worker_killed_in_the_middle_loses_no_job(
    embedded: object,
    run: Run,
    settings: Settings,
    outside: PretendServers,
    now: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(queues._OPTIONS, "retry", Retry(max=4, interval=0))
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    outside.launchpad.latency = 3
    enqueue(settings, Job.SYNC_PERSON, person.id)
    first = run("bench.quick_worker")
    until(lambda: outside.launchpad.count("/devel/people"))
    kill_with_its_job(first)
    assert Membership.select().count() == 0, "it was in the middle"
    outside.launchpad.latency = 0
    run("bench.quick_worker")

    until(lambda: Membership.select().count() == 1)


def test_a_worker_that_died_in_its_maintenance_keeps_no_other_from_it(
    embedded: object, run: Run, settings: Settings
) -> None:
    with broker(settings) as connection:
        queues = [Queue(name, connection=connection, serializer=JSONSerializer) for name in QUEUES]
        assert all(queue.acquire_maintenance_lock() for queue in queues)
        run("bench.quick_worker")

        until(lambda: not connection.exists(*(queue.registry_cleaning_key for queue in queues)))


def test_a_job_that_a_death_took_from_the_queue_runs_all_the_same(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    """Killed between taking a job and noting that it runs, a worker leaves it in no list."""
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    enqueue(settings, Job.SYNC_PERSON, person.id)
    with broker(settings) as connection:
        assert connection.lpop("rq:queue:interactive")
    run("workers")

    until(lambda: Membership.select().count() == 1)


def look_killed_in_the_middle(
    job: Job, done: Any, run: Run, settings: Settings, outside: PretendServers
) -> None:
    """Kill the worker of a slow look at DNS when something is done; the broker forgets; another begins."""
    outside.resolver.latency = 0.5
    enqueue(settings, job)
    first = run("workers")
    until(lambda: done.count() >= 1)
    kill_with_its_job(first)
    outside.resolver.latency = 0
    with broker(settings) as connection:
        connection.flushall()
    enqueue(settings, job)
    run("workers")


def test_a_look_for_keys_killed_in_the_middle_is_done_by_the_next_one(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    names = ["proj.example", "srs.proj.example", "mx.proj.example"]
    for name in names:
        key = create_key(OPERATOR, name, settings, utc_now(), algorithm="ed25519")
        outside.resolver.add(key.record_name, "TXT", key.record)
    look_killed_in_the_middle(
        Job.CHECK_SIGNING_KEYS,
        DkimKey.select().where(DkimKey.published_at.is_null(False)),
        run,
        settings,
        outside,
    )

    until(lambda: DkimKey.select().where(DkimKey.published_at.is_null(False)).count() == 3)
    assert AuditEntry.select().where(AuditEntry.verb == "signing-key-in-use").count() == 3
    assert Notice.select().where(Notice.kind == "signing-key-in-use").count() == 3
    assert first_fault() is None


def test_a_worker_that_is_told_to_stop_ends_its_job_first(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    outside.launchpad.latency = 1
    enqueue(settings, Job.SYNC_PERSON, person.id)
    worker = run("workers")
    until(lambda: outside.launchpad.count("/devel/people"))
    worker.terminate()

    assert worker.wait(PATIENCE) == 0
    assert Membership.select().count() == 1


def test_a_job_that_takes_too_long_is_ended_and_seen_and_makes_room(
    embedded: object, run: Run, settings: Settings
) -> None:
    with broker(settings) as connection:
        queue = Queue("sync", connection=connection, serializer=JSONSerializer)
        queue.enqueue(breaking.wait_for_ever, job_timeout=1, job_id=job_id(Job.SWEEP))
    run("workers")

    until(lambda: failed_jobs(settings))
    assert [job.why for job in failed_jobs(settings)] == ["JobTimeoutException"]
    enqueue(settings, Job.SWEEP)
    until(lambda: failed_jobs(settings) == [])


def test_a_broker_that_lost_everything_in_the_middle_of_a_job_hinders_nobody(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    make_domain(now, teams=["ubuntumembers"])
    people = [newcomer(outside, settings, name, now) for name in ("ada", "hana")]
    outside.launchpad.latency = 1
    enqueue(settings, Job.SYNC_PERSON, people[0].id)
    worker = run("workers")
    until(lambda: outside.launchpad.count("/devel/people"))
    with broker(settings) as connection:
        connection.flushall()
    outside.launchpad.latency = 0
    until(lambda: Person.get_by_id(people[0].id).asked_at)
    for person in people:
        enqueue(settings, Job.SYNC_PERSON, person.id)

    until(lambda: Person.get_by_id(people[1].id).asked_at)
    assert worker.poll() is None
    assert failed_jobs(settings) == []


def test_a_job_of_a_version_before_is_seen_and_stops_no_other(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    """Its code was renamed between the moment when it was queued and a deployment."""
    person = newcomer(outside, settings, "ada", now)
    with broker(settings) as connection:
        queue = Queue("interactive", connection=connection, serializer=JSONSerializer)
        queue.enqueue("workers.jobs.of_a_version_before", person.id, job_id="old")
    enqueue(settings, Job.SYNC_PERSON, person.id)
    run("workers")

    until(lambda: Person.get_by_id(person.id).asked_at)
    until(lambda: failed_jobs(settings))
    assert [job.id for job in failed_jobs(settings)] == ["old"]


def test_a_job_that_ended_well_does_not_fail_afterwards(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    """A mark that it runs, left behind by a death just after its end, is swept and means nothing."""
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    run("bench.quick_worker")
    enqueue(settings, Job.SYNC_PERSON, person.id)
    until(lambda: Membership.select().count() == 1)
    with broker(settings) as connection:
        queue = Queue("interactive", connection=connection, serializer=JSONSerializer)
        until(lambda: queue.started_job_registry.get_job_ids() == [])
        mark = f"{job_id(Job.SYNC_PERSON, person.id)}:left"
        connection.zadd(queue.started_job_registry.key, {mark: time.time() - 1})

        until(lambda: connection.zcard(queue.started_job_registry.key) == 0)
    assert failed_jobs(settings) == []
    assert Problem.select().count() == 0


def test_a_look_for_records_killed_in_the_middle_is_done_by_the_next_one(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    for number in range(3):
        domain = add_domain(OPERATOR, f"killed{number}.example.org", [], now)
        outside.resolver.add(domain.name, "TXT", verification_record(domain, settings.verification_prefix))
    look_killed_in_the_middle(
        Job.CHECK_DOMAINS, Domain.select().where(Domain.verified_at.is_null(False)), run, settings, outside
    )

    until(lambda: Domain.select().where(Domain.verified_at.is_null(False)).count() == 3)
    assert AuditEntry.select().where(AuditEntry.verb == "domain-verified").count() == 3
    assert first_fault() is None
