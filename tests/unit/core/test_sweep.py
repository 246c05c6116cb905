"""core.sweep"""

import pytest

from core.models import DeliveryCount, Notice, Session, StashedAnswer, UsedNonce
from core.notices import tell_ops
from core.openid_state import NONCE_SKEW, stash_answer, take_answer, use_nonce
from core.sessions import find_session, open_session
from core.sweep import sweep
from tests.support.arrange import later, make_person, make_recipient
from tests.support.threads import at_once


@pytest.fixture
def token(db, now) -> str:
    """A session, a nonce and a stashed answer, all of now."""
    use_nonce("nonce", now, now)
    stash_answer({"a": "b"}, now)
    return open_session(make_person(now), now)


def left() -> tuple[int, int, int]:
    return Session.select().count(), UsedNonce.select().count(), StashedAnswer.select().count()


def test_what_may_still_serve_is_kept(token, now):
    sweep(later(now, seconds=60))

    assert left() == (1, 1, 1)


def test_a_nonce_is_kept_while_it_could_be_used_again(token, now):
    last = later(now, seconds=2 * NONCE_SKEW.total_seconds())
    sweep(last)

    assert not use_nonce("nonce", later(now, minutes=5), last)


def test_what_has_served_is_deleted(token, now):
    sweep(later(now, hours=2))
    assert left() == (1, 0, 0)
    sweep(later(now, days=31))

    assert left() == (0, 0, 0)


def test_a_session_in_use_is_kept(token, now):
    find_session(token, later(now, days=29))
    sweep(later(now, days=50))

    assert find_session(token, later(now, days=50)) is not None


def test_an_expired_answer_is_gone_with_or_without_a_sweep(db, now):
    stash_id = stash_answer({"a": "b"}, now)

    assert take_answer(stash_id, later(now, seconds=61)) is None


def test_several_sweeps_at_once_are_one(token, now):
    assert at_once(*[lambda: sweep(later(now, days=31))] * 4) == [None] * 4
    assert left() == (0, 0, 0)


def test_counts_of_deliveries_are_kept_for_90_days(db, now):
    mailbox = make_recipient(make_person(now), now)
    for days in (0, 89, 90, 91):
        day = str(later(now, days=-days).date())
        DeliveryCount.create(recipient=mailbox, day=day, event="delivered", enhanced="", count=1)
    sweep(now)

    assert DeliveryCount.select().count() == 3


@pytest.mark.parametrize("settled", [{"sent_at": "now"}, {"failed_with": "5.1.1"}])
def test_a_notice_that_was_sent_or_refused_is_kept_for_90_days(db, now, settled):
    tell_ops("relay-refused", None, {}, "key", now)
    Notice.update({name: now if value == "now" else value for name, value in settled.items()}).execute()
    sweep(later(now, days=90))
    assert Notice.select().count() == 1
    sweep(later(now, days=90, seconds=1))

    assert Notice.select().count() == 0


def test_a_notice_that_waits_is_kept_however_old_it_is(db, now):
    tell_ops("relay-refused", None, {}, "key", now)
    sweep(later(now, days=1000))

    assert Notice.select().count() == 1
