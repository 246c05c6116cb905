"""core.fresh"""

import pytest

from core.database import write
from core.fresh import CodeProblem, code_goes_to, code_of, enter_code, guards_mail, is_fresh, send_code
from core.models import AliasRecipient, Notice, Person, Session
from core.ownership import NotYours
from core.people import SignIn, sign_in
from core.sessions import open_session
from tests.support.arrange import (
    ISSUER,
    UNKNOWN,
    claimed_id,
    later,
    make_alias,
    make_domain,
    make_member,
    make_person,
    make_recipient,
)
from tests.support.threads import at_once


@pytest.fixture
def ada(db, now) -> Person:
    return make_member(now)


@pytest.fixture
def begin(now):
    """Begin a session."""

    def begin(person: Person, **fields: object) -> Session:
        with write():
            open_session(person, now, **fields)
        return Session.select().order_by(Session.id.desc()).get()

    return begin


@pytest.fixture
def session(ada, begin) -> Session:
    """A session for which the provider was asked for a fresh sign-in, and did not say a word about it."""
    return begin(ada, asked_anew=True)


def reload(session: Session) -> Session:
    return Session.get_by_id(session.id)


# -- the provider's word --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "fresh"), [(0, True), (9, True), (10, True), (11, False), (60 * 24, False), (-1, False)]
)
def test_a_sign_in_is_fresh_for_ten_minutes(ada, begin, now, minutes, fresh):
    session = begin(ada, authenticated_at=now)

    assert is_fresh(session, later(now, minutes=minutes)) is fresh


def test_without_a_word_of_the_provider_no_session_is_fresh(ada, begin, now):
    assert not is_fresh(begin(ada), now)
    assert not is_fresh(begin(ada, asked_anew=True), now)


def test_nor_one_of_somebody_without_any_mailbox(begin, db, now):
    """OpenID Connect Core, 3.1.2.1: asked with max_age, a provider must say when; one may be silent."""
    assert not is_fresh(begin(make_person(now), asked_anew=True), now)


def test_there_is_mail_to_guard_from_the_first_mailbox_on_that_gets_it(db, now):
    person = make_person(now)
    waiting = make_recipient(person, now, proven=False)
    alias = make_alias(person, make_domain(now), now, recipients=[waiting])
    assert not guards_mail(person)
    imported = make_recipient(None, now, "ada@work.example.net")
    AliasRecipient.create(alias=alias, recipient=imported, position=1)
    assert guards_mail(person)
    AliasRecipient.delete().where(AliasRecipient.recipient == imported).execute()
    waiting.verified_at = now
    waiting.save()
    assert guards_mail(person)


def test_a_sign_in_says_what_the_provider_said(db, now):
    arrival = SignIn(ISSUER, claimed_id("ada"), authenticated_at=now, asked_anew=True)
    sign_in(arrival, UNKNOWN, now)

    session = Session.get()
    assert (session.authenticated_at, session.asked_anew) == (now, True)


# -- the code instead -----------------------------------------------------------------------------


def test_a_code_makes_a_session_fresh_once(session, settings, now):
    send_code(session.id, now)
    code = code_of(reload(session), settings.secret_key)
    enter_code(session.id, f" {code[:4]} {code[4:]} ", settings.secret_key, later(now, minutes=5))

    assert is_fresh(reload(session), later(now, minutes=15))
    with pytest.raises(CodeProblem):
        enter_code(session.id, code, settings.secret_key, later(now, minutes=6))


def test_the_code_goes_to_the_first_mailbox_that_was_proven(session, ada, now):
    make_recipient(ada, now, "later@evil.example")
    send_code(session.id, now)

    assert code_goes_to(session) == "ada@home.example.net"
    assert Notice.get().recipient.address == "ada@home.example.net"


def test_the_code_goes_to_a_mailbox_in_use_and_to_none_that_was_left(session, ada, now):
    """Whoever has the old mailbox now must not be able to say that they are its former owner."""
    work = make_recipient(ada, now, "ada@work.example.net")
    make_alias(ada, make_domain(now), now, recipients=[work])
    send_code(session.id, now)

    assert code_goes_to(session) == "ada@work.example.net"
    assert Notice.get(Notice.kind == "sign-in-code").recipient == work


def test_without_a_mailbox_it_goes_to_the_proven_sign_in_address(begin, db, now):
    person = make_person(now)
    person.sign_in_email, person.sign_in_email_proven = "ada@sso.example.net", True
    person.save()
    session = begin(person, asked_anew=True)
    send_code(session.id, now)

    assert code_goes_to(session) == "ada@sso.example.net"
    assert Notice.get().to_sign_in


def test_without_any_address_there_is_no_code(begin, db, now):
    session = begin(make_person(now), asked_anew=True)

    assert code_goes_to(session) is None
    with pytest.raises(CodeProblem, match="admins"):
        send_code(session.id, now)
    assert not Notice.select().exists()


def test_no_code_stands_in_where_the_provider_was_not_asked(ada, begin, now):
    session = begin(ada)

    assert code_goes_to(session) is None
    with pytest.raises(CodeProblem):
        send_code(session.id, now)


@pytest.mark.parametrize("typed", ["", "0", "x" * 100, "１２３４５６７８", "00000000\n", "\x00"])
def test_a_wrong_code_does_not_count(session, settings, now, typed):
    send_code(session.id, now)

    with pytest.raises(CodeProblem, match="not the code"):
        enter_code(session.id, typed, settings.secret_key, now)
    assert not is_fresh(reload(session), now)


def test_after_five_tries_the_right_code_does_not_count_either(session, settings, now):
    send_code(session.id, now)
    code = code_of(reload(session), settings.secret_key)
    for _ in range(5):
        with pytest.raises(CodeProblem, match="not the code"):
            enter_code(session.id, "no", settings.secret_key, now)

    with pytest.raises(CodeProblem, match="new one"):
        enter_code(session.id, code, settings.secret_key, now)


def test_tries_at_once_are_all_counted(session, settings, now):
    send_code(session.id, now)

    def guess():
        with pytest.raises(CodeProblem):
            enter_code(session.id, "no", settings.secret_key, now)

    assert at_once(*[guess] * 4) == [None] * 4
    assert reload(session).code_tries == 4


def test_a_code_of_yesterday_does_not_count(session, settings, now):
    send_code(session.id, now)
    code = code_of(reload(session), settings.secret_key)

    with pytest.raises(CodeProblem, match="new one"):
        enter_code(session.id, code, settings.secret_key, later(now, minutes=16))


def test_a_code_counts_only_after_it_was_asked_for(session, settings, now):
    with pytest.raises(CodeProblem):
        enter_code(session.id, code_of(session, settings.secret_key), settings.secret_key, now)


def test_a_new_code_takes_the_place_of_the_one_before(session, settings, now):
    send_code(session.id, now)
    old = code_of(reload(session), settings.secret_key)
    send_code(session.id, later(now, minutes=1))

    with pytest.raises(CodeProblem):
        enter_code(session.id, old, settings.secret_key, later(now, minutes=1))
    new = code_of(reload(session), settings.secret_key)
    enter_code(session.id, new, settings.secret_key, later(now, minutes=1))


def test_a_code_is_sent_once_a_minute(session, now):
    send_code(session.id, now)

    with pytest.raises(CodeProblem, match="less than a minute"):
        send_code(session.id, later(now, seconds=59))
    assert Notice.select().count() == 1


def test_a_code_is_for_its_session_alone(session, ada, begin, settings, now):
    other = begin(ada, asked_anew=True)
    send_code(session.id, now)
    send_code(other.id, now)
    code = code_of(reload(session), settings.secret_key)

    with pytest.raises(CodeProblem):
        enter_code(other.id, code, settings.secret_key, now)


def test_a_session_that_has_ended_gets_no_code(session, settings, now):
    session.delete_instance()

    with pytest.raises(NotYours):
        send_code(session.id, now)
    with pytest.raises(NotYours):
        enter_code(session.id, "0", settings.secret_key, now)
