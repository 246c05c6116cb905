"""core.ownership"""

import pytest

from core import runtime
from core.database import connection, write
from core.models import Person
from core.ownership import NotYours, lock_person, own_alias, recipients_of
from core.routing import Switch
from tests.support.arrange import make_alias, make_domain, make_member, make_person, make_recipient
from tests.support.threads import in_another_thread


@pytest.fixture
def ada(db, now) -> Person:
    return make_member(now)


@pytest.fixture
def alias(ada, now):
    return make_alias(ada, make_domain(now), now, recipients=[ada.recipients.get()])


def test_the_owner_gets_the_alias(ada, alias):
    assert own_alias(ada, alias.id).id == alias.id


def test_nobody_else_gets_it(alias, now):
    with pytest.raises(LookupError):
        own_alias(make_person(now, "grace"), alias.id)


def test_the_owner_does_not_get_it_after_giving_it_up(ada, alias):
    alias.switch = Switch.GIVEN_UP
    alias.save()

    with pytest.raises(LookupError):
        own_alias(ada, alias.id)


def test_recipients_come_in_their_order(ada, alias, now):
    made = [make_recipient(ada, now, f"{name}@home.example.net") for name in "zyx"]
    other = make_alias(ada, alias.domain, now, "other", recipients=made)

    assert recipients_of(other) == made
    assert [recipient.address for recipient in recipients_of(alias)] == ["ada@home.example.net"]


def test_a_locked_person_waits_for_nobody_else(ada):
    order: list[str] = []

    def second():
        with write():
            lock_person(ada.id)
            order.append("second")

    with write():
        lock_person(ada.id)
        thread = in_another_thread(second, wait=0.2)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]


def test_two_people_do_not_wait_for_each_other_on_postgresql(settings_of_all_tests, postgres_url, now):
    runtime.prepare(settings_of_all_tests.model_copy(update={"database_url": postgres_url}))
    with connection():
        ada, grace = make_person(now), make_person(now, "grace")

        def lock_the_other():
            with write():
                lock_person(grace.id)

        with write():
            lock_person(ada.id)
            assert not in_another_thread(lock_the_other, wait=5).is_alive()


def test_somebody_who_was_erased_cannot_be_locked(ada, db):
    with pytest.raises(NotYours), write():
        lock_person(ada.id + 1000)
