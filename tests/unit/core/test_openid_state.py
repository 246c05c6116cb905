"""core.openid_state"""

import pytest

from core.models import StashedAnswer, UsedNonce
from core.openid_state import STASH_MOST, StashFull, stash_answer, take_answer, use_nonce
from tests.support.arrange import later
from tests.support.threads import at_once

NONCE = "https://login.ubuntu.com/+openid 2026-11-26T12:00:00Zabc"


def test_a_nonce_is_taken_once(db, now):
    assert use_nonce(NONCE, now, now)
    assert not use_nonce(NONCE, now, now)
    assert use_nonce(NONCE + "d", now, now)


def test_a_nonce_used_by_many_at_once_is_taken_once(db, now):
    results = at_once(*[lambda: use_nonce(NONCE, now, now)] * 8)

    assert sorted(results) == [False] * 7 + [True]


@pytest.mark.parametrize(
    ("minutes", "taken"), [(-5, True), (-5.1, False), (5, True), (5.1, False), (-360, False)]
)
def test_a_nonce_is_five_minutes_old_at_most_and_not_from_the_future(db, now, minutes, taken):
    assert use_nonce(NONCE, later(now, minutes=minutes), now) is taken
    assert UsedNonce.select().count() == taken


def test_a_used_nonce_stays_used_as_long_as_it_would_be_taken(db, now):
    use_nonce(NONCE, later(now, minutes=5), now)

    assert not use_nonce(NONCE, later(now, minutes=5), later(now, minutes=10))


@pytest.mark.parametrize("nonce", ["", "x" * 255, "x" * 5000, "n\u0000ul", "ü" * 255])
def test_an_odd_nonce_is_taken_once_or_not_at_all(db, now, nonce):
    use_nonce(nonce, now, now)

    assert not use_nonce(nonce, now, now)


FIELDS = {"openid.mode": "id_res", "openid.sreg.fullname": "鈴木 純 & \r\n", "openid.sig": "a+b/c="}


def test_stashed_fields_come_back_as_they_were(db, now):
    assert take_answer(stash_answer(FIELDS, now), now) == FIELDS


def test_stashed_fields_come_back_once(db, now):
    stash_id = stash_answer(FIELDS, now)
    take_answer(stash_id, now)

    assert take_answer(stash_id, now) is None
    assert StashedAnswer.select().count() == 0


def test_of_many_who_take_the_fields_at_once_one_gets_them(db, now):
    stash_id = stash_answer(FIELDS, now)
    results = at_once(*[lambda: take_answer(stash_id, now)] * 8)

    assert [result for result in results if result is not None] == [FIELDS]


def test_stashed_fields_are_kept_for_sixty_seconds(db, now):
    early, late = stash_answer(FIELDS, now), stash_answer(FIELDS, now)

    assert take_answer(early, later(now, seconds=60)) == FIELDS
    assert take_answer(late, later(now, seconds=61)) is None


@pytest.mark.parametrize("stash_id", ["", "x", "ü", "x" * 10_000, "' OR 1=1 --"])
def test_another_id_brings_nothing(db, now, stash_id):
    stash_answer(FIELDS, now)

    assert take_answer(stash_id, now) is None


def test_the_id_is_not_stored(db, now):
    stash_id = stash_answer(FIELDS, now)

    assert stash_id not in StashedAnswer.get().id_hash


def test_each_answer_has_an_id_of_its_own(db, now):
    assert stash_answer(FIELDS, now) != stash_answer(FIELDS, now)


def test_an_answer_over_the_limit_is_refused(db, now):
    room = 64 * 1024 - len('{"f": ""}')

    assert take_answer(stash_answer({"f": "x" * room}, now), now)
    with pytest.raises(ValueError, match="64 KiB"):
        stash_answer({"f": "x" * (room + 1)}, now)
    assert StashedAnswer.select().count() == 0


def test_answers_out_of_time_make_room(db, now):
    stash_answer(FIELDS, later(now, minutes=-2))
    kept = stash_answer(FIELDS, now)

    assert StashedAnswer.select().count() == 1
    assert take_answer(kept, now) == FIELDS


def test_so_many_answers_wait_at_the_same_time_and_no_more(db, now):
    rows = [
        {"id_hash": str(n), "fields": "{}", "expires_at": later(now, seconds=60)} for n in range(STASH_MOST)
    ]
    StashedAnswer.insert_many(rows).execute()

    with pytest.raises(StashFull):
        stash_answer(FIELDS, now)
    assert stash_answer(FIELDS, later(now, seconds=61))
    assert StashedAnswer.select().count() == 1
