"""core.outbox, with a real LMTP server in the relay's place"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from core import outbox, runtime
from core.database import write
from core.models import Alias, Notice, Person, Recipient
from core.notices import tell_goodbye, tell_ops, tell_person, tell_recipient
from core.outbox import GIVE_UP_AFTER, LEASE, LONGEST_PAUSE, SHORTEST_PAUSE, send_due
from core.recipients import add_recipient, proof_token, resend_proof, verify_recipient
from tests.support.arrange import later, make_alias, make_domain, make_member, make_recipient
from tests.support.killed import Killed
from tests.support.lmtp import LmtpServer
from tests.support.threads import at_once


class Clock:
    """The present moment, which a test moves."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **units: float) -> None:
        self.moment = later(self.moment, **units)


@pytest.fixture
def clock(now, monkeypatch) -> Clock:
    clock = Clock(now)
    monkeypatch.setattr(outbox, "utc_now", clock)
    return clock


@pytest.fixture
def relay(settings) -> Iterator[LmtpServer]:
    server = LmtpServer(settings.relay_socket)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ada(db, now) -> Person:
    return make_member(now)


@pytest.fixture
def alias(ada, now) -> Alias:
    return make_alias(ada, make_domain(now), now, recipients=[ada.recipients.get()])


@pytest.fixture
def notice(ada, clock, now) -> Notice:
    """One notice for ada, due now."""
    tell_person(ada, "identity-joined", {"person": ada.id}, "key", now)
    return Notice.get()


@pytest.fixture
def proof(ada, alias, clock, now) -> Recipient:
    """A recipient whose verification mail is due now."""
    return add_recipient(ada.id, alias.id, "new@work.example.net", now)


def stored(row):
    return type(row).get_by_id(row.id)


# -- delivered ------------------------------------------------------------------------------------


def test_a_due_notice_is_sent_once(relay, notice, settings, clock):
    assert send_due(settings) == 1
    assert send_due(settings) == 0

    (message,) = relay.received
    assert message.recipient == "ada@home.example.net"
    assert b"Another sign-in" in message.content
    assert stored(notice).sent_at == clock()
    assert stored(notice).lease_until is None


def test_its_envelope_sender_is_left_to_the_relay(relay, notice, settings):
    send_due(settings)

    assert relay.received[0].sender == ""


def test_all_due_notices_are_sent_in_their_order(relay, ada, settings, clock, now):
    for number in range(5):
        tell_ops("identity-joined", ada, {"person": ada.id}, f"key{number}", later(now, minutes=-number))

    assert send_due(settings) == 5
    dates = [message.content.partition(b"Date: ")[2].partition(b"\r\n")[0] for message in relay.received]
    assert dates == sorted(dates)


def test_nothing_is_sent_before_its_time(relay, notice, settings, clock):
    Notice.update(due_at=later(clock(), minutes=5)).execute()
    assert send_due(settings) == 0
    clock.forward(minutes=5)

    assert send_due(settings) == 1


def test_an_empty_outbox_needs_no_relay(db, settings, clock):
    assert send_due(settings) == 0


def test_what_was_proven_meanwhile_is_settled_without_a_mail(relay, proof, ada, settings, now):
    verify_recipient(proof_token(proof, settings.secret_key), ada.id, settings.secret_key, now)
    Notice.delete().where(Notice.kind == "recipients-changed").execute()

    assert send_due(settings) == 0
    assert relay.connections == 0
    assert Notice.get().failed_with == "settled"
    assert stored(proof).proof_refused is None


# -- later ----------------------------------------------------------------------------------------


def test_a_temporary_refusal_is_tried_again(relay, notice, settings, clock):
    relay.replies["dot"] = "451 4.3.0 later"
    assert send_due(settings) == 0
    del relay.replies["dot"]
    assert send_due(settings) == 0
    clock.forward(seconds=60)

    assert send_due(settings) == 1


def test_each_try_sends_the_same_message(relay, proof, settings, clock):
    contents = []
    relay.at_dot = lambda message: contents.append(message.content)
    relay.replies["dot"] = "451 4.3.0 later"
    for _ in range(3):
        send_due(settings)
        clock.forward(hours=1)

    assert len(contents) == 3
    assert len(set(contents)) == 1


def test_a_relay_that_is_not_there_is_tried_again(notice, settings, clock):
    assert send_due(settings) == 0

    assert stored(notice).failed_with is None
    assert stored(notice).due_at == clock() + SHORTEST_PAUSE


def test_the_pauses_grow_up_to_four_hours(relay, notice, settings, clock):
    relay.replies["rcpt"] = "450 4.2.0 later"
    pauses = []
    for _ in range(14):
        send_due(settings)
        pauses.append(stored(notice).due_at - clock())
        clock.moment = stored(notice).due_at

    assert pauses[0] == SHORTEST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert relay.connections == 14


def test_it_is_given_up_after_five_days(relay, notice, settings, clock, now):
    relay.replies["rcpt"] = "450 4.2.0 later"
    while stored(notice).failed_with is None:
        send_due(settings)
        clock.moment = max(stored(notice).due_at, later(clock(), minutes=1))
        assert clock() < now + GIVE_UP_AFTER + timedelta(days=1)

    assert clock() > now + GIVE_UP_AFTER
    assert stored(notice).failed_with == "4.2.0"
    connections = relay.connections
    clock.forward(days=10)
    send_due(settings)
    assert relay.connections == connections


def test_a_mail_that_never_got_through_shows_at_its_recipient(relay, proof, settings, clock):
    relay.replies["rcpt"] = "450 4.2.0 later"
    Notice.update(made_at=later(clock(), days=-6)).execute()
    send_due(settings)

    assert Notice.get().failed_with == "4.2.0"
    assert stored(proof).proof_refused == "4.2.0"


def test_a_link_that_expired_while_it_waited_is_not_sent(relay, proof, settings, clock):
    clock.forward(hours=73)

    assert send_due(settings) == 0
    assert relay.received == []


# -- refused --------------------------------------------------------------------------------------


def test_a_refusal_for_good_is_final(relay, notice, settings, clock):
    relay.replies["dot"] = "550 5.1.1 no such user"
    send_due(settings)
    clock.forward(days=1)
    send_due(settings)

    assert stored(notice).failed_with == "5.1.1"
    assert relay.connections == 1


def test_a_refused_verification_mail_shows_at_its_recipient(relay, proof, settings):
    relay.replies["dot"] = "550 5.1.1 no such user"
    send_due(settings)

    assert stored(proof).proof_refused == "5.1.1"


@pytest.mark.parametrize("proven", [True, False])
def test_another_mail_that_was_refused_does_not_mark_the_recipient(relay, ada, settings, clock, now, proven):
    recipient = make_recipient(ada, now, "other@work.example.net", proven=proven)
    tell_recipient(recipient, "identity-joined", {"person": ada.id}, "key", now)
    relay.replies["dot"] = "550 5.1.1 no such user"
    send_due(settings)

    assert Notice.get().failed_with == "5.1.1"
    assert stored(recipient).proof_refused is None


def test_an_older_mail_that_is_settled_does_not_mark_the_recipient(relay, proof, ada, settings, clock, now):
    clock.forward(minutes=2)
    resend_proof(ada.id, proof.id, clock())

    assert send_due(settings) == 1
    assert sorted(str(row.failed_with) for row in Notice.select()) == ["None", "settled"]
    assert stored(proof).proof_refused is None


def test_one_refused_mail_does_not_stop_the_next(relay, ada, settings, clock, now):
    for number in range(3):
        tell_ops("identity-joined", ada, {"person": ada.id}, f"key{number}", now)
    relay.replies["dot"] = "550 5.7.1 no"
    send_due(settings)

    assert [row.failed_with for row in Notice.select()] == ["5.7.1"] * 3


def test_a_proof_during_the_sending_stays_proven(relay, proof, ada, settings, now):
    def prove(_message):
        at_once(
            lambda: verify_recipient(
                proof_token(proof, settings.secret_key), ada.id, settings.secret_key, now
            )
        )

    relay.at_dot = prove
    relay.replies["dot"] = "550 5.1.1 no such user"
    send_due(settings)

    assert (stored(proof).verified_at, stored(proof).proof_refused) == (now, None)


# -- what cannot be written -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken", [{"kind": "kind-of-a-newer-version"}, {"subject_ids": "{"}, {"subject_ids": '{"newer": 1}'}]
)
def test_a_notice_that_cannot_be_written_stops_no_other_and_is_given_up_in_the_end(
    relay, notice, ada, settings, clock, now, broken
):
    Notice.update(broken).execute()
    tell_person(ada, "identity-joined", {"person": ada.id}, "good", later(now, seconds=1))
    clock.forward(minutes=1)

    assert send_due(settings) == 1
    assert stored(notice).failed_with is None
    clock.forward(days=6)
    send_due(settings)
    assert stored(notice).failed_with is not None


def test_a_notice_whose_subject_is_gone_is_settled(relay, alias, ada, settings, clock, now):
    tell_ops("address-created", ada, {"alias": alias.id}, "key", now)
    alias.delete_instance()

    assert send_due(settings) == 0
    assert Notice.get().failed_with == "settled"


def test_a_person_who_is_erased_during_the_sending_leaves_nothing(relay, notice, ada, settings):
    relay.at_dot = lambda _: at_once(lambda: Person.delete().execute())

    assert send_due(settings) == 1
    assert Notice.select().count() == 0


@pytest.mark.parametrize("reply", ["250 2.0.0 ok", "550 5.1.1 no"])
def test_the_last_mail_to_somebody_who_was_erased_leaves_no_address(relay, db, settings, clock, now, reply):
    tell_goodbye(["ada@home.example.net"], now)
    relay.replies["dot"] = reply
    came = []
    relay.at_dot = came.append
    send_due(settings)

    assert [message.recipient for message in came] == ["ada@home.example.net"]
    assert Notice.select().count() == 0


def test_it_is_tried_again_for_five_days_and_then_given_up(db, settings, clock, now):
    tell_goodbye(["ada@home.example.net"], now)
    send_due(settings)
    assert Notice.get().address == "ada@home.example.net"
    clock.forward(days=5, seconds=1)
    send_due(settings)

    assert Notice.select().count() == 0


# -- several at once, and one that dies -----------------------------------------------------------


def test_several_senders_at_once_send_each_mail_once(relay, ada, settings, clock, now):
    with write():
        for number in range(20):
            tell_ops("identity-joined", ada, {"person": ada.id}, f"key{number}", now)
    results = at_once(*[lambda: send_due(settings)] * 4)

    assert sum(results) == 20
    ids = [message.content.partition(b"Message-ID:")[2].split()[0] for message in relay.received]
    assert len(ids) == len(set(ids)) == 20


def test_while_one_sender_waits_for_the_reply_another_leaves_the_mail_alone(relay, notice, settings):
    others = []
    relay.at_dot = lambda _: others.extend(at_once(lambda: send_due(settings)))
    send_due(settings)

    assert others == [0]
    assert len(relay.received) == 1


@pytest.mark.parametrize("line", ["write_letter", "submit", "_finish"])
def test_a_killed_sender_lets_go_when_its_lease_ends(relay, notice, settings, clock, monkeypatch, line):
    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(outbox, line, die)
        with pytest.raises(Killed):
            send_due(settings)
    clock.forward(seconds=LEASE.total_seconds())
    assert send_due(settings) == 0
    clock.forward(seconds=1)

    assert send_due(settings) == 1
    assert stored(notice).sent_at == clock()


def test_the_log_tells_of_no_address(relay, proof, settings, capsys):
    runtime.prepare(settings.model_copy(update={"log_level": "DEBUG"}))
    send_due(settings)

    told = capsys.readouterr().err
    assert '"kind": "verify-recipient"' in told
    assert "work.example.net" not in told


def test_the_outbox_keeps_ids_only(notice):
    assert list(json.loads(notice.subject_ids)) == ["person"]
