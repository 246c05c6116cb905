"""core.notices"""

import json

import pytest

from core.database import write
from core.models import Notice
from core.notices import tell_admins, tell_ops, tell_person, tell_recipient
from core.roles import Role
from tests.support.arrange import later, make_admin, make_domain, make_member, make_person, make_recipient
from tests.support.threads import at_once


@pytest.fixture
def ada(db, now):
    return make_member(now)


def destinations() -> list[str | None]:
    return [notice.recipient and notice.recipient.address for notice in Notice.select().order_by(Notice.id)]


def test_a_notice_is_due_at_once(ada, now):
    tell_ops("kind", ada, {"person": ada.id}, "key", now)

    notice = Notice.get()
    assert (notice.made_at, notice.due_at) == (now, now)
    assert (notice.sent_at, notice.failed_with, notice.lease_until) == (None, None, None)
    assert (notice.kind, notice.person_id, json.loads(notice.subject_ids)) == ("kind", ada.id, {"person": ada.id})


def test_the_same_key_is_one_mail(ada, now):
    for hours in range(3):
        tell_ops("kind", ada, {}, "key", later(now, hours=hours))

    assert Notice.get().made_at == now
    assert Notice.select().count() == 1


def test_the_same_key_at_once_is_one_mail(ada, now):
    def tell():
        with write():
            tell_ops("kind", ada, {}, "key", now)

    assert at_once(*[tell] * 6) == [None] * 6
    assert Notice.select().count() == 1


def test_other_keys_are_other_mails(ada, now):
    tell_ops("kind", ada, {}, "key", now)
    tell_ops("kind", ada, {}, "other", now)

    assert Notice.select().count() == 2


def test_a_notice_goes_with_the_change_that_failed(ada, now):
    with pytest.raises(ZeroDivisionError), write():
        tell_ops("kind", ada, {}, "key", now)
        raise ZeroDivisionError

    assert Notice.select().count() == 0


def test_a_recipient_is_told_although_it_is_not_proven(ada, now):
    tell_recipient(make_recipient(ada, now, "new@work.example.net", proven=False), "kind", {}, "key", now)

    assert destinations() == ["new@work.example.net"]


def test_a_person_is_told_at_the_first_proven_recipient(ada, now):
    make_recipient(ada, now, "second@home.example.net")
    tell_person(ada, "kind", {}, "key", now)

    assert destinations() == ["ada@home.example.net"]


def test_a_person_without_a_proven_recipient_is_not_told(db, now):
    grace = make_person(now, "grace")
    make_recipient(grace, now, proven=False)
    tell_person(grace, "kind", {}, "key", now)

    assert Notice.select().count() == 0


def test_each_admin_of_a_domain_is_told_once(ada, now):
    domain = make_domain(now)
    for name in ("kaia", "lars"):
        make_admin(now, name, Role.DOMAIN_ADMIN, domain)
    for _ in range(2):
        tell_admins(domain, "kind", ada, {}, "key", now)

    assert sorted(destinations()) == ["kaia@admins.example.net", "lars@admins.example.net"]


def test_the_ops_address_stands_in_for_missing_admins(ada, now):
    tell_admins(make_domain(now), "kind", ada, {}, "key", now)

    assert destinations() == [None]


