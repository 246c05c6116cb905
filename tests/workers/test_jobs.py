"""Jobs in real worker processes, over the embedded broker, against the pretend Launchpad."""

from datetime import timedelta

from rq import Queue
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from core.audit import OPERATOR
from core.database import utc_now, write
from core.domains import add_domain, verification_record
from core.models import (
    AccountFact,
    Alias,
    AuditEntry,
    DkimKey,
    Domain,
    Membership,
    Notice,
    Person,
    TeamReading,
)
from core.notices import tell_ops
from core.queues import QUEUES, Job, broker, enqueue, job_id, wake_outbox
from core.routing import Entitlement
from core.settings import Settings
from core.signing_keys import State, create_key, state_of
from core.standing import facts_of
from devtools.servers import PretendServers
from tests.support.arrange import make_alias, make_domain
from tests.workers.processes import Run, newcomer, until
from workers import schedule


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


def test_the_schedule_proves_a_domain_whose_record_is_published(
    embedded: object, run: Run, settings: Settings, outside: PretendServers, now: object
) -> None:
    domain = add_domain(OPERATOR, "waits.example.org", [], now)
    outside.resolver.add(domain.name, "TXT", verification_record(domain, settings.verification_prefix))
    run("workers.schedule")
    run("workers")

    until(lambda: Domain.get().verified_at is not None)
    assert AuditEntry.get(AuditEntry.verb == "domain-verified").actor == "job:check_domains"
