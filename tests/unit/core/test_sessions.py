"""core.sessions"""

import pytest

from core.audit import OPERATOR
from core.models import Person, Session
from core.people import ban
from core.secrets import token_hash
from core.sessions import (
    LASTS,
    end_all_sessions,
    end_session,
    end_session_of,
    find_session,
    open_session,
    sessions_of,
)
from tests.support.arrange import later, make_person


@pytest.fixture
def ada(db, now) -> Person:
    return make_person(now)


@pytest.fixture
def token(ada, now) -> str:
    return open_session(ada, now)


def test_an_open_session_is_found_with_its_person(token, ada, now):
    assert find_session(token, now).person.id == ada.id


def test_each_session_has_a_token_of_its_own(ada, now):
    assert open_session(ada, now) != open_session(ada, now)


def test_the_token_is_not_stored(token):
    assert token not in Session.get().token_hash


@pytest.mark.parametrize("guess", ["", "x", "ü", "a" * 10_000, "' OR 1=1 --"])
def test_another_token_finds_nothing(token, now, guess):
    assert find_session(guess, now) is None


def test_what_is_stored_is_no_token(token, now):
    assert find_session(Session.get().token_hash, now) is None


def test_a_session_lasts_thirty_days_after_its_last_use(token, now):
    last = later(now, seconds=LASTS.total_seconds())

    assert find_session(token, last) is not None
    assert find_session(token, later(last, days=29)) is not None
    assert find_session(token, later(last, days=29 + 31)) is None


def test_a_session_that_is_not_used_ends(token, now):
    assert find_session(token, later(now, days=30, hours=1)) is None


def test_use_within_the_hour_writes_nothing(token, now, db):
    before = Session.get().seen_at
    find_session(token, later(now, minutes=59))

    assert Session.get().seen_at == before == now


def test_use_is_noted_to_the_hour(token, now):
    find_session(token, later(now, hours=5, minutes=40))

    assert Session.get().seen_at == later(now, hours=5)


def test_a_session_that_was_ended_is_gone_at_once(token, ada, now):
    other = open_session(ada, now)
    end_session(token)

    assert find_session(token, now) is None
    assert find_session(other, now) is not None


def test_ending_a_session_twice_does_nothing(token):
    end_session(token)
    end_session(token)


def test_everywhere_is_everywhere_and_only_mine(token, ada, now):
    grace = make_person(now, "grace")
    second, hers = open_session(ada, now), open_session(grace, now)
    end_all_sessions(ada)

    assert find_session(token, now) is None
    assert find_session(second, now) is None
    assert find_session(hers, now) is not None


def test_a_banned_person_has_no_session(token, ada, now):
    Person.update(banned_at=now).execute()

    assert find_session(token, now) is None


def test_a_ban_ends_sessions_for_good(token, ada, now):
    ban(OPERATOR, ada, now)
    Person.update(banned_at=None).execute()

    assert find_session(token, now) is None


# -- a person's own sessions ----------------------------------------------------------------------


def test_live_sessions_are_listed_the_last_used_first(ada, now):
    old = open_session(ada, later(now, hours=-5))
    new = open_session(ada, now)
    open_session(ada, now - LASTS - LASTS)
    open_session(make_person(now, "grace"), now)

    assert [row.token_hash for row in sessions_of(ada, now)] == [token_hash(new), token_hash(old)]


def test_one_of_them_is_ended_by_its_number(ada, now):
    kept, ended = open_session(ada, now), open_session(ada, now)
    end_session_of(ada, find_session(ended, now).id)

    assert find_session(ended, now) is None
    assert find_session(kept, now) is not None


def test_nobody_ends_the_session_of_somebody_else(token, now):
    end_session_of(make_person(now, "grace"), Session.get().id)

    assert find_session(token, now) is not None
