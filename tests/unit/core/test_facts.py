"""core.facts"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.facts import SECOND_NO_AFTER, Answer, Fact, hold_back, observe
from tests.support.strategies import moments

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

facts = st.none() | st.builds(Fact, st.booleans(), moments, moments, st.none() | moments)
clear_answers = st.sampled_from([Answer.YES, Answer.NO])
readings = st.lists(st.tuples(st.sampled_from(Answer), st.integers(0, 30)))


def after(*steps: tuple[Answer, float]) -> Fact | None:
    """Take readings into account: each an answer and the hour, counted from noon, at which it came."""
    fact = None
    for answer, hour in steps:
        fact = observe(fact, answer, NOON + hour * HOUR)
    return fact


def test_nothing_is_known_after_an_unclear_first_reading():
    assert after((Answer.UNKNOWN, 0)) is None


def test_a_first_yes_counts_at_once():
    assert after((Answer.YES, 0)) == Fact(True, since=NOON, read_at=NOON)


def test_a_first_no_is_known_and_settles_nothing():
    fact = after((Answer.NO, 0))

    assert fact == Fact(False, since=NOON, read_at=NOON, first_no_at=NOON)
    assert (fact.answer, fact.settled) == (Answer.NO, Answer.UNKNOWN)


def test_a_first_no_said_twice_is_settled():
    assert after((Answer.NO, 0), (Answer.NO, 6)) == Fact(False, since=NOON, read_at=NOON + 6 * HOUR)


def test_a_doubted_yes_is_not_settled():
    fact = after((Answer.YES, 0), (Answer.NO, 1))

    assert (fact.answer, fact.settled) == (Answer.YES, Answer.UNKNOWN)


def test_a_second_yes_keeps_the_day_since_when_it_holds():
    assert after((Answer.YES, 0), (Answer.YES, 5)) == Fact(True, since=NOON, read_at=NOON + 5 * HOUR)


def test_one_yes_ends_a_no():
    assert after((Answer.NO, 0), (Answer.YES, 1)) == Fact(True, since=NOON + HOUR, read_at=NOON + HOUR)


def test_a_second_no_keeps_the_day_since_when_it_does_not_hold():
    fact = after((Answer.NO, 0), (Answer.NO, 6), (Answer.NO, 9))

    assert fact == Fact(False, since=NOON, read_at=NOON + 9 * HOUR)


def test_the_first_no_only_casts_doubt_on_a_yes():
    fact = after((Answer.YES, 0), (Answer.NO, 1))

    assert fact == Fact(True, since=NOON, read_at=NOON + HOUR, first_no_at=NOON + HOUR)


def test_a_second_no_after_less_than_six_hours_only_keeps_the_doubt():
    fact = after((Answer.YES, 0), (Answer.NO, 1), (Answer.NO, 6.99))

    assert fact is not None
    assert (fact.holds, fact.first_no_at) == (True, NOON + HOUR)


def test_a_second_no_after_six_hours_ends_a_yes():
    fact = after((Answer.YES, 0), (Answer.NO, 1), (Answer.NO, 7))

    assert fact == Fact(False, since=NOON + 7 * HOUR, read_at=NOON + 7 * HOUR)


def test_many_early_noes_do_not_put_the_end_off():
    fact = after((Answer.YES, 0), *[(Answer.NO, hour) for hour in (1, 2, 3, 4, 5, 6, 7)])

    assert fact is not None
    assert not fact.holds


def test_a_yes_between_takes_the_first_no_back():
    fact = after((Answer.YES, 0), (Answer.NO, 1), (Answer.YES, 2), (Answer.NO, 8))

    assert fact is not None
    assert (fact.holds, fact.first_no_at) == (True, NOON + 8 * HOUR)


def test_an_unclear_reading_between_leaves_the_first_no_standing():
    fact = after((Answer.YES, 0), (Answer.NO, 1), (Answer.UNKNOWN, 3), (Answer.NO, 7))

    assert fact is not None
    assert not fact.holds


def test_a_reading_older_than_the_last_one_changes_nothing():
    newer = after((Answer.YES, 0), (Answer.NO, 5))

    assert observe(newer, Answer.YES, NOON + HOUR) == newer


def test_a_reading_of_the_same_second_counts():
    assert after((Answer.NO, 1), (Answer.YES, 1)) == Fact(True, NOON + HOUR, NOON + HOUR)


def test_two_noes_may_be_asked_to_be_nearer():
    doubted = after((Answer.YES, 0), (Answer.NO, 1))
    for minutes, holds in ((9, True), (10, False)):
        moment = NOON + HOUR + timedelta(minutes=minutes)
        assert observe(doubted, Answer.NO, moment, timedelta(minutes=10)).holds is holds


def test_a_second_no_that_is_held_back_keeps_the_yes_in_doubt():
    doubted = after((Answer.YES, 0), (Answer.NO, 1))
    turned = observe(doubted, Answer.NO, NOON + 7 * HOUR)
    held = hold_back(doubted, turned, NOON + 7 * HOUR)

    assert held == Fact(True, NOON, NOON + 7 * HOUR, first_no_at=NOON + HOUR, held_at=NOON + 7 * HOUR)
    later = observe(held, Answer.NO, NOON + 99 * HOUR)
    assert later == Fact(True, NOON, NOON + 99 * HOUR, NOON + HOUR, NOON + 7 * HOUR)
    assert observe(held, Answer.YES, NOON + 8 * HOUR) == Fact(True, NOON, NOON + 8 * HOUR)


@given(facts, moments)
def test_unknown_never_changes_anything(fact, moment):
    assert observe(fact, Answer.UNKNOWN, moment) == fact


@given(moments, moments, clear_answers)
def test_no_single_reading_ends_a_yes(since, moment, answer):
    fact = observe(Fact(True, since, since), answer, moment)

    assert fact is not None
    assert fact.holds


@given(readings)
def test_a_yes_ends_only_by_two_noes_six_hours_apart_without_a_yes_between(steps):
    fact, hour, noes = None, 0, []
    for answer, pause in steps:
        hour += pause
        moment = NOON + hour * HOUR
        before, fact = fact, observe(fact, answer, moment)
        if answer is Answer.YES:
            noes = []
        elif answer is Answer.NO:
            noes.append(moment)
        if before is not None and before.holds and fact is not None and not fact.holds:
            assert noes[-1] - noes[0] >= SECOND_NO_AFTER


@given(readings)
def test_the_last_clear_reading_is_its_time(steps):
    fact, hour, read_at = None, 0, None
    for answer, pause in steps:
        hour += pause
        fact = observe(fact, answer, NOON + hour * HOUR)
        if answer is not Answer.UNKNOWN:
            read_at = NOON + hour * HOUR

    assert (fact.read_at if fact else None) == read_at


@pytest.mark.parametrize(
    ("fact", "supports"),
    [
        (Fact(True, NOON, NOON), True),
        (Fact(True, NOON - 900 * HOUR, NOON), True),
        (Fact(True, NOON, NOON - 24 * HOUR), True),
        (Fact(True, NOON, NOON - 24 * HOUR - timedelta(seconds=1)), False),
        (Fact(True, NOON, NOON, first_no_at=NOON), False),
        (Fact(False, NOON, NOON), False),
    ],
)
def test_only_an_undoubted_yes_of_the_last_day_supports_a_claim(fact, supports):
    assert fact.supports_claim(NOON) is supports


@pytest.mark.parametrize(("holds", "answer"), [(True, Answer.YES), (False, Answer.NO)])
def test_a_fact_has_its_answer_in_words(holds, answer):
    assert Fact(holds, NOON, NOON).answer is answer
