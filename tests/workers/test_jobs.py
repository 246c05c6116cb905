"""Jobs in real worker processes, over the embedded broker, against the pretend Launchpad."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from traceback import format_exception

import pytest
from rq import Queue, Retry
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from bench.relay.processes import tree
from core import queues
from core.audit import OPERATOR, first_fault
from core.database import utc_now, write
from core.models import (
    AccountFact,
    Alias,
    AuditEntry,
    DkimKey,
    Membership,
    Notice,
    Person,
    Problem,
    TeamReading,
)
from core.notices import tell_ops
from core.people import SignIn, sign_in
from core.queues import (
    QUEUES,
    Job,
    JobFailed,
    broker,
    enqueue,
    failed_jobs,
    job_id,
    wait_for_broker,
    wake_outbox,
)
from core.routing import Entitlement
from core.settings import Settings
from core.signing_keys import State, create_key, state_of
from core.standing import facts_of
from devtools.people import demo_world
from devtools.servers import PretendServers
from tests.support.arrange import UNKNOWN, make_alias, make_domain, make_person, make_recipient
from tests.support.environment import environment_of
from tests.workers import breaking
from workers import schedule
from workers.__main__ import QuietJob

PATIENCE = 40.0  # seconds, on a busy machine


@pytest.fixture
def outside() -> Iterator[PretendServers]:
    """The pretend world, fresh for each test."""
    servers = PretendServers(demo_world())
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
def settings(settings: Settings, outside: PretendServers, tmp_path: Path) -> Settings:
    """The tests' settings with the pretend Launchpad, and a folder for the broker."""
    return settings.model_copy(
        update={
            "launchpad_api_url": outside.launchpad.url,
            "resolver": "{}:{}".format(*outside.resolver.address),
            "openid_provider_url": outside.ubuntu_one.url,
            "openid_endpoint": outside.ubuntu_one.endpoint,
            "openid_claimed_id_prefix": outside.ubuntu_one.identifier_prefix,
        }
    )


Run = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def run(settings: Settings) -> Iterator[Run]:
    """Starts `python -m MODULE` with these settings; ends all of them afterwards."""
    environment = environment_of(settings)
    running: list[subprocess.Popen[bytes]] = []

    def start(module: str) -> subprocess.Popen[bytes]:
        running.append(subprocess.Popen([sys.executable, "-m", module], env=environment))
        return running[-1]

    yield start
    for process in reversed(running):  # the broker last
        process.terminate()
        process.wait(20)


@pytest.fixture
def embedded(run: Run, settings: Settings, db: object) -> subprocess.Popen[bytes]:
    """The embedded broker, answering."""
    process = run("workers.broker")
    wait_for_broker(settings)
    return process


def until(true: Callable[[], object]) -> None:
    """Wait for something to become true; fails when it does not."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def kill_with_its_job(worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker and whatever it has forked: its job runs in a process of its own."""
    for pid in tree(worker.pid):
        os.kill(pid, signal.SIGKILL)
    worker.wait()


def newcomer(outside: PretendServers, settings: Settings, name: str, now: object) -> Person:
    """Somebody who signed in while Launchpad was silent."""
    subject = outside.ubuntu_one.claimed_id(name)
    return sign_in(SignIn(settings.openid_provider_url, subject), UNKNOWN, now)[0]


def test_sync_person_brings_what_launchpad_says(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)

    assert enqueue(settings, Job.SYNC_PERSON, person.id)
    run("workers")
    until(lambda: Person.get_by_id(person.id).asked_at)

    facts = facts_of(Person.get_by_id(person.id))
    assert facts.valid.holds
    assert facts.coc_signed.holds
    assert facts.memberships["ubuntumembers"].holds


def test_the_same_job_waits_only_once(embedded: object, settings: Settings) -> None:
    for _ in range(3):
        assert enqueue(settings, Job.SYNC_PERSON, 7)

    with broker(settings) as connection:
        assert connection.llen("rq:queue:interactive") == 1


def test_a_job_that_launchpad_leaves_unanswered_is_tried_again(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    outside.launchpad.fail("html-200", times=1)
    enqueue(settings, Job.SYNC_PERSON, person.id)
    run("workers")

    def waits_for_its_next_try() -> bool:
        with broker(settings) as connection:
            job = RqJob.fetch(
                job_id(Job.SYNC_PERSON, person.id), connection=connection, serializer=JSONSerializer
            )
            return job.get_status() == JobStatus.SCHEDULED

    until(waits_for_its_next_try)
    assert AccountFact.select().count() == 0
    assert enqueue(settings, Job.SYNC_PERSON, person.id)  # a press does not wait for the schedule
    until(lambda: Membership.select().count() == 1)


def test_a_job_that_breaks_is_seen_and_told_to_ops(embedded: object, run: Run, settings: Settings) -> None:
    with broker(settings) as connection:
        queue = Queue("sync", connection=connection, serializer=JSONSerializer)
        queue.enqueue("workers.jobs.no_such_job", job_id="broken")
    run("workers")

    until(lambda: failed_jobs(settings))
    assert [(job.id, job.why) for job in failed_jobs(settings)] == [("broken", "ValueError")]
    until(lambda: Problem.select().count())
    assert [(row.tried, row.about, row.why) for row in Problem.select()] == [("job", "broken", "ValueError")]


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
    line = next(json.loads(x) for x in capfd.readouterr().err.splitlines() if '"job failed"' in x)
    assert (line["job"], line["person"], line["launchpad_name"]) == ("broken", person.id, "ada")


def test_a_member_who_left_loses_the_address_by_the_jobs_alone(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    domain = make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    make_alias(person, domain, now)
    run("workers")
    enqueue(settings, Job.SYNC_PERSON, person.id)
    until(lambda: Membership.select().count() == 1)
    outside.world.leave("ada", "ubuntumembers")
    enqueue(settings, Job.SYNC_TEAM, "ubuntumembers")
    until(lambda: Membership.get().first_no_at)
    Membership.update(first_no_at=utc_now() - timedelta(hours=6)).execute()
    enqueue(settings, Job.SYNC_PEOPLE)

    until(lambda: Alias.get().entitlement == Entitlement.GRACE)
    Alias.update(grace_until=utc_now()).execute()
    enqueue(settings, Job.KEEP_UP)
    until(lambda: Alias.get().entitlement == Entitlement.ENDED)
    assert Notice.select().where(Notice.kind == "daily").count() == 1


def test_a_schedule_that_starts_makes_up_for_every_run_that_was_missed(
    embedded: object, run: Run, settings: Settings
) -> None:
    run("workers.schedule")

    def waiting() -> set[str]:
        with broker(settings) as connection:
            queues = [Queue(name, connection=connection, serializer=JSONSerializer) for name in QUEUES]
            return {job_id for queue in queues for job_id in queue.job_ids}

    until(lambda: waiting() == {job_id(job) for job in schedule.EVERY})


def test_the_schedule_reads_all_mapped_teams(
    embedded: object, run: Run, settings: Settings, now: object
) -> None:
    make_domain(now, teams=["ubuntumembers"])
    make_domain(now, "kubuntu.example", teams=["kubuntu-members"])
    run("workers.schedule")
    run("workers")

    until(lambda: TeamReading.select().count() == 2)
    assert {row.team for row in TeamReading.select()} == {"ubuntumembers", "kubuntu-members"}


def test_a_member_who_left_is_asked_about_by_identity(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    enqueue(settings, Job.SYNC_PERSON, person.id)
    run("workers")
    until(lambda: Membership.select().count() == 1)
    outside.world.leave("ada", "ubuntumembers")
    enqueue(settings, Job.SYNC_TEAM, "ubuntumembers")

    until(lambda: Membership.get().first_no_at)
    assert Membership.get().holds, "one no is no no"


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
    monkeypatch.setitem(queues._OPTIONS, "retry", Retry(max=4, interval=1))
    make_domain(now, teams=["ubuntumembers"])
    person = newcomer(outside, settings, "ada", now)
    outside.launchpad.latency = 3
    enqueue(settings, Job.SYNC_PERSON, person.id)
    first = run("workers")
    until(lambda: outside.launchpad.count("/devel/people"))
    kill_with_its_job(first)
    assert Membership.select().count() == 0, "it was in the middle"
    outside.launchpad.latency = 0
    run("bench.quick_worker")

    until(lambda: Membership.select().count() == 1)


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


def test_without_a_broker_nothing_breaks(settings: Settings, db: object) -> None:
    assert enqueue(settings, Job.SYNC_PERSON, 7) is False
    assert wake_outbox(settings) is False


def test_the_outbox_waits_for_a_relay_that_is_not_there(
    embedded: object, run: Run, settings: Settings
) -> None:
    now = utc_now()
    with write():
        tell_ops("name-taken-over", None, {}, "x", now)
    run("workers")
    wake_outbox(settings)

    until(lambda: Notice.get().due_at > now)
    assert Notice.get().sent_at is None
    assert Notice.get().failed_with is None


def test_the_schedule_finds_a_published_key(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    make_domain(now)
    key = create_key(OPERATOR, "proj.example", settings, utc_now())
    outside.resolver.add(key.record_name, "TXT", key.record)
    run("workers.schedule")
    run("workers")

    until(lambda: state_of(DkimKey.get()) is State.IN_USE)
    entry = AuditEntry.get(AuditEntry.verb == "signing-key-in-use")
    assert entry.actor == "job:check_signing_keys"


def test_a_look_for_keys_killed_in_the_middle_is_done_by_the_next_one(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    names = ["proj.example", "srs.proj.example", "mx.proj.example"]
    for name in names:
        key = create_key(OPERATOR, name, settings, utc_now(), algorithm="ed25519")
        outside.resolver.add(key.record_name, "TXT", key.record)
    outside.resolver.latency = 0.5
    enqueue(settings, Job.CHECK_SIGNING_KEYS)
    first = run("workers")
    until(lambda: DkimKey.select().where(DkimKey.published_at.is_null(False)).count() >= 1)
    kill_with_its_job(first)
    outside.resolver.latency = 0
    with broker(settings) as connection:
        connection.flushall()
    enqueue(settings, Job.CHECK_SIGNING_KEYS)
    run("workers")

    until(lambda: DkimKey.select().where(DkimKey.published_at.is_null(False)).count() == 3)
    assert AuditEntry.select().where(AuditEntry.verb == "signing-key-in-use").count() == 3
    assert Notice.select().where(Notice.kind == "signing-key-in-use").count() == 3
    assert first_fault() is None
