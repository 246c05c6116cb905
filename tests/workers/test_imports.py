"""Imports by real workers over the embedded broker, with names looked up at the pretend Launchpad."""

import pytest

from core.audit import Actor, first_fault
from core.import_rules import Fate
from core.import_runs import State, approve, begin, counts_of
from core.models import Alias, ImportLine, ImportRun, Recipient, Reservation
from core.queues import Job, broker, enqueue
from core.reservations import NameState
from tests.support.arrange import later, make_domain
from tests.workers.processes import kill_with_its_job, until

ADMIN = Actor.person(1)


def state(run_id: int) -> str:
    return str(ImportRun.get_by_id(run_id).state)


def content(many: int) -> bytes:
    """A list without names, so that none is looked up."""
    return b"".join(b"p%d@proj.example,p%d@home.example.net\n" % (i, i) for i in range(many))


def test_an_import_is_judged_then_brought_in_and_its_names_are_looked_up(
    embedded, run, settings, outside, now
):
    make_domain(now)
    outside.world.register("newcomer")
    text = (
        b"ada@proj.example,ada@home.example.net,ada\n"
        b"x@proj.example,x@home.example.net,nobody-at-all\n"
        b"new@proj.example,n@home.example.net,newcomer\n"
        b"bad@proj.example,bad@proj.example,ada\n"
    )
    known = begin(ADMIN, text, later(now, days=-400), now)
    run("workers")

    enqueue(settings, Job.IMPORT_FILE, known.id, state(known.id))
    until(lambda: state(known.id) == State.CHECKED)
    assert counts_of(known) == {Fate.NEW: 3, Fate.LOOP: 1}
    assert not Alias.select().exists()

    approve(ADMIN, known.id, now)
    enqueue(settings, Job.IMPORT_FILE, known.id, state(known.id))
    until(lambda: state(known.id) == State.DONE)
    assert counts_of(known) == {Fate.RESERVED: 3, Fate.LOOP: 1}
    assert ImportRun.get().content is None

    until(lambda: not Reservation.select().where(Reservation.state == NameState.ASKING).exists())
    states = {row.alias.local_part: row.state for row in Reservation.select()}
    assert states == {
        "ada": NameState.FOUND, "x": NameState.NO_ACCOUNT, "new": NameState.TOO_YOUNG
    }  # fmt: skip
    ada = Alias.get(Alias.local_part == "ada")
    assert ada.reserved_issuer == settings.openid_provider_url
    assert ada.reserved_subject == outside.ubuntu_one.claimed_id("ada")
    assert Alias.get(Alias.local_part == "new").reserved_subject is None
    assert first_fault() is None


def test_a_worker_that_is_killed_in_the_middle_leaves_what_can_be_gone_on_with(
    embedded, run, settings, outside, now
):
    make_domain(now)
    many = 1500
    known = begin(ADMIN, content(many), None, now)
    worker = run("workers")
    enqueue(settings, Job.IMPORT_FILE, known.id, state(known.id))
    until(lambda: state(known.id) == State.CHECKED)
    approve(ADMIN, known.id, now)
    enqueue(settings, Job.IMPORT_FILE, known.id, state(known.id))
    until(lambda: Alias.select().count() >= 100)
    kill_with_its_job(worker)
    made = Alias.select().count()
    assert made < many, "it was done before it was killed"
    assert Reservation.select().count() == Recipient.select().count() == made
    assert state(known.id) == State.RUNNING

    with broker(settings) as connection:
        connection.flushall()  # and whatever the broker knew of it
    enqueue(settings, Job.RESOLVE_NAMES)  # as the schedule does
    run("workers")
    until(lambda: state(known.id) == State.DONE)

    assert Alias.select().count() == Recipient.select().count() == Reservation.select().count() == many
    assert counts_of(known) == {Fate.RESERVED: many}
    assert ImportLine.select().count() == many
    assert first_fault() is None


@pytest.mark.parametrize("kind", ["503-html", "html-200"])
def test_while_launchpad_is_down_nobody_gets_an_address_and_nothing_is_lost(
    embedded, run, settings, outside, now, kind
):
    make_domain(now)
    outside.launchpad.fail(kind, "/~")
    known = begin(ADMIN, b"ada@proj.example,ada@home.example.net,ada\n", None, now)
    ImportRun.update(state=State.RUNNING).execute()
    run("workers")
    enqueue(settings, Job.IMPORT_FILE, known.id, state(known.id))
    until(lambda: Reservation.select().where(Reservation.state == NameState.UNCLEAR).exists())
    assert Alias.get().reserved_subject is None

    outside.launchpad.heal()
    Reservation.update(asked_at=later(now, days=-1)).execute()
    found = Reservation.select().where(Reservation.state == NameState.FOUND)
    until(lambda: enqueue(settings, Job.RESOLVE_NAMES) and found.exists())  # the first may run still
