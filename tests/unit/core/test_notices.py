"""core.notices"""

import json

import pytest

from core.database import write
from core.models import Notice
from core.notices import tell_admins, tell_ops, tell_owner, tell_person, tell_recipient
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
    assert (notice.kind, notice.person_id, json.loads(notice.subject_ids)) == (
        "kind",
        ada.id,
        {"person": ada.id},
    )


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


# -- what is wrong with a mailbox goes where it may still get through -----------------------------


@pytest.fixture
def failing(ada, now):
    """ada's only recipient, which refuses her mail."""
    recipient = ada.recipients.get()
    recipient.failing_since = now
    recipient.save()
    return recipient


def tell(person, now) -> list[str | None]:
    person.save()
    tell_owner(person, "kind", {}, "key", now)
    return sorted(
        notice.person.sign_in_email if notice.to_sign_in else notice.recipient.address
        for notice in Notice.select()
    )


def test_the_owner_is_told_at_every_mailbox_that_works(ada, failing, now):
    make_recipient(ada, now, "two@home.example.net")
    make_recipient(ada, now, "three@home.example.net")
    make_recipient(ada, now, "unproven@home.example.net", proven=False)

    assert tell(ada, now) == ["three@home.example.net", "two@home.example.net"]


def test_the_owner_is_told_at_a_proven_sign_in_address(ada, failing, now):
    ada.sign_in_email, ada.sign_in_email_proven = "login@post.example.com", True

    assert tell(ada, now) == ["login@post.example.com"]


def test_a_sign_in_address_that_is_not_proven_is_told_nothing(ada, failing, now):
    ada.sign_in_email = "login@post.example.com"

    assert tell(ada, now) == []


def test_a_sign_in_address_on_our_own_domain_is_told_nothing(ada, failing, now):
    make_domain(now)
    ada.sign_in_email, ada.sign_in_email_proven = "ada@proj.example", True

    assert tell(ada, now) == []


def test_one_mailbox_is_told_once_in_any_spelling(ada, now):
    ada.sign_in_email, ada.sign_in_email_proven = "ADA@home.example.net", True

    assert tell(ada, now) == ["ada@home.example.net"]


def test_the_same_trouble_is_told_once(ada, now):
    for _ in range(2):
        told = tell(ada, now)

    assert told == ["ada@home.example.net"]
