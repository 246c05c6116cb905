"""core.delivery"""

import json
from datetime import date, timedelta

import pytest

from core import delivery
from core.alias_table import open_alias_table
from core.delivery import Count, Event, MessageClass, message_class, record, refusals_of, why_refused
from core.models import Alias, AliasRecipient, DeliveryCount, Notice, Person, Recipient
from tests.support.arrange import later, make_alias, make_domain, make_member, make_recipient
from tests.support.threads import at_once

DAY = date(2026, 11, 26)
HOME = "ada@home.example.net"


@pytest.fixture
def ada(db, now) -> Person:
    return make_member(now)


@pytest.fixture
def alias(ada, now) -> Alias:
    """ada@proj.example with two recipients, of which the second works for sure."""
    second = make_recipient(ada, now, "second@work.example.net")
    return make_alias(
        ada, make_domain(now), now, recipients=[ada.recipients.order_by(Recipient.id).get(), second]
    )


@pytest.fixture
def report(alias, now):
    """Report one count of the alias."""

    def report(
        event: Event, enhanced: str = "", *, recipient: str = HOME, count: int = 1, day: date = DAY
    ) -> None:
        record([Count(event, alias.id, recipient, day, enhanced, count)], now)

    return report


def counts() -> dict[tuple[str, str, str, str], int]:
    rows = DeliveryCount.select().order_by(DeliveryCount.id)
    return {(row.recipient.address, row.day, row.event, row.enhanced): row.count for row in rows}


def home() -> Recipient:
    return Recipient.get(Recipient.address == HOME)


def told() -> list[tuple[str, str | None]]:
    rows = Notice.select().order_by(Notice.id)
    return [(row.kind, row.recipient and row.recipient.address) for row in rows]


def test_counts_add_up_by_recipient_day_event_and_code(report):
    report(Event.DELIVERED, count=2)
    report(Event.DELIVERED, count=3)
    report(Event.DEFERRED, "4.2.2")
    report(Event.DELIVERED, day=date(2026, 11, 27))

    assert counts() == {
        (HOME, "2026-11-26", "delivered", ""): 5,
        (HOME, "2026-11-26", "deferred", "4.2.2"): 1,
        (HOME, "2026-11-27", "delivered", ""): 1,
    }


def test_counts_reported_at_once_add_up(alias, now):
    def report_ten():
        for _ in range(10):
            record([Count(Event.DELIVERED, alias.id, HOME, DAY, "")], now)

    assert at_once(*[report_ten] * 4) == [None] * 4
    assert sum(counts().values()) == 40


def test_two_recipients_reported_in_any_order_at_once_add_up(alias, now):
    rows = [
        Count(Event.REFUSED_MAILBOX, alias.id, to, DAY, "5.2.2") for to in (HOME, "second@work.example.net")
    ]
    calls = [lambda r=some: record(r, now) for some in (rows, rows[::-1])] * 4

    assert at_once(*calls) == [None] * 8
    assert set(counts().values()) == {8}


@pytest.mark.parametrize(
    "spelling",
    ["ADA@home.example.net", "ada@HOME.example.net", "ada+proj@home.example.net", '"ada"@home.example.net'],
)
def test_any_spelling_and_sub_address_counts_for_the_recipient(report, spelling):
    report(Event.DELIVERED, recipient=spelling)

    assert list(counts()) == [(HOME, "2026-11-26", "delivered", "")]


def test_a_recipient_with_a_plus_of_its_own_is_found_exactly(report, ada, alias, now):
    plus = make_recipient(ada, now, "ada+proj@home.example.net")
    AliasRecipient.create(alias=alias, recipient=plus, position=2)
    report(Event.DELIVERED, recipient="ada+proj@home.example.net")

    assert [address for address, *_ in counts()] == ["ada+proj@home.example.net"]


@pytest.mark.parametrize(
    "recipient", ["other@home.example.net", "no address", "", "ada@elsewhere.example.net"]
)
def test_what_is_no_recipient_of_the_alias_is_not_counted(report, recipient):
    report(Event.DELIVERED, recipient=recipient)

    assert counts() == {}


def test_the_same_address_behind_another_persons_alias_is_left_alone(report, alias, now):
    grace = make_member(now, "grace", created="2010-01-01")
    theirs = make_recipient(grace, now, HOME)
    make_alias(grace, alias.domain, now, "grace", recipients=[theirs])
    report(Event.REFUSED_MAILBOX, "5.1.1")

    assert Recipient.get_by_id(theirs.id).failing_since is None
    assert len(counts()) == 1


def test_without_an_alias_the_address_counts_wherever_it_stands(alias, now):
    grace = make_member(now, "grace", created="2010-01-01")
    make_alias(grace, alias.domain, now, "grace", recipients=[make_recipient(grace, now, HOME)])
    record([Count(Event.REFUSED_MAILBOX, None, HOME, DAY, "5.1.1")], now)

    marked = Recipient.select().where(Recipient.failing_with == "5.1.1")
    assert [row.address for row in marked] == [HOME, HOME]
    assert {notice.person.launchpad_name for notice in Notice.select()} == {"ada", "grace"}


# -- the mark "failing" ---------------------------------------------------------------------------


def test_a_refusing_mailbox_is_marked_with_its_code(report, now):
    report(Event.REFUSED_MAILBOX, "5.2.2")

    assert (home().failing_since, home().failing_with) == (now, "5.2.2")


def test_the_mark_keeps_its_first_moment_and_its_last_code(alias, report, now):
    report(Event.REFUSED_MAILBOX, "5.2.2")
    record([Count(Event.REFUSED_MAILBOX, alias.id, HOME, DAY, "5.1.1")], later(now, days=1))

    assert (home().failing_since, home().failing_with) == (now, "5.1.1")


def test_a_delivery_takes_the_mark_away(report):
    report(Event.REFUSED_MAILBOX, "5.2.2")
    report(Event.DELIVERED)

    assert (home().failing_since, home().failing_with) == (None, None)


@pytest.mark.parametrize("event", [Event.REFUSED_MESSAGE, Event.DEFERRED, Event.LEFT_OUT])
def test_nothing_else_sets_or_takes_the_mark(report, now, event):
    report(event, "5.7.1")
    assert home().failing_since is None
    report(Event.REFUSED_MAILBOX, "5.2.2")
    report(event, "5.7.1")

    assert home().failing_since == now


def test_a_mark_does_not_stop_mail(report, alias, settings):
    report(Event.REFUSED_MAILBOX, "5.2.2")

    facts = open_alias_table(settings.database_url).find("proj.example", "ada")
    assert [recipient.deliverable for recipient in facts.recipients] == [True, True]


# -- who is told ----------------------------------------------------------------------------------


def test_the_owner_of_a_refusing_mailbox_is_told_at_another_one(report):
    report(Event.REFUSED_MAILBOX, "5.2.2")

    assert told() == [("recipient-failing", "second@work.example.net")]


def test_the_owner_is_told_once_a_day(report):
    for _ in range(3):
        report(Event.REFUSED_MAILBOX, "5.2.2")
    assert len(told()) == 1
    report(Event.REFUSED_MAILBOX, "5.2.2", day=date(2026, 11, 27))

    assert len(told()) == 2


def test_the_owner_is_told_of_what_was_left_out(report):
    report(Event.LEFT_OUT, "5.7.1")

    assert ("recipient-left-out", "second@work.example.net") in told()


@pytest.mark.parametrize("event", [Event.DELIVERED, Event.DEFERRED, Event.REFUSED_MESSAGE])
def test_the_owner_is_not_told_of_what_passes(report, event):
    report(event, "4.2.0")

    assert told() == []


def test_ops_are_told_once_a_day_that_a_server_refuses_the_relay(db, now):
    domain = ".".join(["home"] * 48 + ["example"])
    for day in (DAY, DAY, date(2026, 11, 27)):
        record([Count(Event.ABOUT_US, None, domain, day, "5.7.1")], now)

    assert told() == [("relay-refused", None)] * 2
    assert counts() == {}


def test_the_owner_of_a_taken_over_alias_is_told_of_its_imported_mailbox(report, ada, alias, now):
    imported = make_recipient(None, now, "old@home.example.net")
    AliasRecipient.create(alias=alias, recipient=imported, position=2)
    report(Event.REFUSED_MAILBOX, "5.1.1", recipient="old@home.example.net")

    notice = Notice.select().order_by(Notice.id).first()
    assert notice.person_id == ada.id
    assert json.loads(notice.subject_ids) == {"recipient": imported.id, "alias": alias.id}


def test_nobody_is_told_of_the_mailbox_of_a_name_that_nobody_has_taken_over(alias, now):
    imported = make_recipient(None, now, "old@home.example.net")
    reserved = make_alias(None, alias.domain, now, "reserved", recipients=[imported])
    record([Count(Event.REFUSED_MAILBOX, reserved.id, "old@home.example.net", DAY, "5.1.1")], now)

    assert told() == []
    assert Recipient.get_by_id(imported.id).failing_with == "5.1.1"


def test_an_owner_whose_alias_is_gone_is_no_error(report, alias, now):
    alias.delete_instance(recursive=True)
    report(Event.REFUSED_MAILBOX, "5.2.2")

    assert counts() == {}


def test_a_batch_is_taken_whole_or_not_at_all(alias, now, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(delivery, "tell_owner", fail)
    batch = [
        Count(Event.DELIVERED, alias.id, HOME, DAY, ""),
        Count(Event.REFUSED_MAILBOX, alias.id, HOME, DAY, "5.1.1"),
    ]
    with pytest.raises(ZeroDivisionError):
        record(batch, now)

    assert counts() == {}
    assert home().failing_since is None


def test_nothing_to_report_is_nothing(db, now):
    record([], now)

    assert counts() == {}


@pytest.mark.parametrize(
    ("enhanced", "words"),
    [
        ("5.1.1", "no such mailbox"),
        ("5.2.2", "full"),
        ("5.9.9", "refuses"),
        ("", "refuses"),
        ("text", "refuses"),
    ],
)
def test_the_reason_is_said_in_words_of_our_own(enhanced, words):
    assert words in why_refused(enhanced)


# -- refusals of messages, by class ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("enhanced", "kind"),
    [
        ("5.7.1", MessageClass.POLICY),
        ("5.7.26", MessageClass.POLICY),
        ("5.3.4", MessageClass.SIZE),
        ("5.2.3", MessageClass.SIZE),
        ("5.6.7", MessageClass.CONTENT),
        ("5.1.7", MessageClass.SENDER),
        ("5.1.8", MessageClass.SENDER),
        ("5.3.0", MessageClass.OTHER),
        ("5.0.0", MessageClass.OTHER),
        ("", MessageClass.OTHER),
    ],
)
def test_each_code_has_a_class(enhanced, kind):
    assert message_class(enhanced) is kind


def test_refused_messages_are_counted_by_recipient_and_class_with_the_last_day(report):
    report(Event.REFUSED_MESSAGE, "5.7.1", count=2, day=DAY - timedelta(days=3))
    report(Event.REFUSED_MESSAGE, "5.7.26", count=3)
    report(Event.REFUSED_MESSAGE, "5.3.4", day=DAY - timedelta(days=1))
    report(Event.REFUSED_MESSAGE, "5.7.1", recipient="second@work.example.net")
    report(Event.DELIVERED, count=9)
    report(Event.REFUSED_MAILBOX, "5.1.1", count=9)

    found = refusals_of(list(Recipient.select()), DAY - timedelta(days=30))
    assert [(one.recipient.address, one.kind, one.count, one.last) for one in found] == [
        (HOME, MessageClass.POLICY, 5, DAY),
        (HOME, MessageClass.SIZE, 1, DAY - timedelta(days=1)),
        ("second@work.example.net", MessageClass.POLICY, 1, DAY),
    ]


def test_older_refusals_and_other_recipients_are_not_counted(report, alias):
    report(Event.REFUSED_MESSAGE, "5.7.1", day=DAY - timedelta(days=31))
    report(Event.REFUSED_MESSAGE, "5.7.1", recipient="second@work.example.net")

    assert refusals_of([home()], DAY - timedelta(days=30)) == []
    assert refusals_of([], DAY) == []
