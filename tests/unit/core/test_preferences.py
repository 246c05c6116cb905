"""core.preferences"""

from pathlib import Path

import pytest

from core.account import choose_notices
from core.database import write
from core.models import Domain, Notice, Person
from core.notices import tell_admins, tell_goodbye, tell_ops, tell_owner, tell_person, tell_recipient
from core.preferences import FOR_ADMINS, KINDS, MUTABLE, Topic, topics_for
from core.roles import Role
from tests.support.arrange import make_admin, make_domain, make_member

TEMPLATES = Path(__file__).parents[3] / "core" / "templates" / "letters"

ALWAYS = {
    *("verify-recipient", "identity-joined", "sign-in-code", "account-deleted", "name-taken-over"),
    *("recipient-failing", "recipient-left-out", "relay-refused", "problems"),
    *("signing-key-in-use", "signing-key-missing"),
}
"""What guards an account, and what was promised: the owner hears of mail that did not arrive."""


@pytest.fixture
def ada(db, now) -> Person:
    return make_member(now)


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


def mute_all(person: Person, now) -> None:
    choose_notices(person.id, [], now)


def test_what_may_be_switched_off_is_a_mail_that_there_is():
    assert {path.stem for path in TEMPLATES.glob("*.txt")} >= MUTABLE
    assert set(KINDS) == set(Topic)


def test_what_guards_an_account_or_was_promised_cannot_be_switched_off():
    assert {path.stem for path in TEMPLATES.glob("*.txt")} >= ALWAYS
    assert not MUTABLE & ALWAYS


def test_only_admins_choose_what_goes_to_admins(ada, domain, now):
    admin = make_admin(now, "grace", Role.DOMAIN_ADMIN, domain)

    assert topics_for(ada) == [Topic.REQUESTS]
    assert set(topics_for(admin)) == set(Topic) > set(FOR_ADMINS)


def test_what_is_switched_off_is_not_written(ada, now):
    mute_all(ada, now)
    with write():
        tell_person(ada, "waiver-granted", {}, "one", now)
        tell_owner(ada, "waiver-refused", {}, "two", now)
        tell_recipient(ada.recipients.get(), "waiver-refused", {}, "three", now)

    assert not Notice.select().exists()


def test_the_sign_in_address_is_the_same_person(ada, now):
    ada.sign_in_email, ada.sign_in_email_proven = "ada@sso.example.net", True
    ada.save()
    mute_all(ada, now)
    with write():
        tell_owner(Person.get_by_id(ada.id), "waiver-refused", {}, "two", now)

    assert not Notice.select().exists()


@pytest.mark.parametrize("kind", sorted(ALWAYS))
def test_what_cannot_be_switched_off_always_comes(ada, now, kind):
    Person.update(muted=f'["{kind}", "requests"]').execute()
    with write():
        tell_person(ada, kind, {}, "one", now)

    assert Notice.get().kind == kind


def test_an_admin_who_wants_no_word_of_new_addresses_gets_none_and_the_others_do(ada, domain, now):
    quiet = make_admin(now, "quiet", Role.DOMAIN_ADMIN, domain)
    make_admin(now, "grace", Role.DOMAIN_ADMIN, domain)
    choose_notices(quiet.id, [Topic.REQUESTS_OF_OTHERS], now)
    with write():
        tell_admins(domain, "address-created", ada, {}, "one", now)
        tell_admins(domain, "waiver-asked", ada, {}, "two", now)

    told = [(row.kind, row.recipient.person.launchpad_name) for row in Notice.select().order_by(Notice.id)]
    assert told == [("address-created", "grace"), ("waiver-asked", "quiet"), ("waiver-asked", "grace")]


def test_nobody_in_particular_has_no_preferences(ada, now):
    mute_all(ada, now)
    with write():
        tell_ops("address-created", ada, {}, "one", now)
        tell_goodbye(["x@home.example.net"], now)

    assert Notice.select().count() == 2
