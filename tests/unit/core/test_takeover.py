"""core.takeover"""

from datetime import timedelta

import pytest

from core import takeover
from core.aliases import ClaimProblem, ClaimRefused, claim
from core.audit import OPERATOR, first_fault
from core.database import write
from core.models import (
    Alias,
    AliasRecipient,
    AuditEntry,
    Domain,
    Identity,
    Notice,
    Person,
    Recipient,
    Reservation,
)
from core.outbox import write_letter
from core.ownership import NotYours
from core.people import ban
from core.routing import Entitlement
from core.takeover import (
    CODE,
    CODE_LASTS,
    CODES_A_DAY,
    MAX_TRIES,
    TakeoverProblem,
    code_of,
    enter_code,
    give,
    offers_for,
    send_code,
    take_over,
)
from tests.support.arrange import (
    claimed_id,
    later,
    make_domain,
    make_kept,
    make_member,
    make_person,
    make_recipient,
)
from tests.support.threads import at_once


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    return make_member(now)


@pytest.fixture
def kept(domain, now) -> Alias:
    return make_kept(domain, now, "ada", "ada", "ada@old.example.net", "ada@second.example.net")


def signs_in_with(person: Person, address: str, *, proven: bool = True) -> Person:
    with write():
        person.sign_in_email, person.sign_in_email_proven = address, proven
        person.save()
    return person


def sent_code(settings) -> str:
    return code_of(Reservation.get(), settings.secret_key)


def recipients(alias: Alias) -> list[str]:
    rows = AliasRecipient.select().where(AliasRecipient.alias == alias).order_by(AliasRecipient.position)
    return [row.recipient.address for row in rows]


# -- who is asked ---------------------------------------------------------------------------------


def test_only_the_identity_of_the_list_is_offered_the_address(kept, ada, domain, now):
    eve = make_member(now, "eve")

    assert [offer.alias for offer in offers_for(ada, now)] == [kept]
    assert offers_for(eve, now) == []
    for call in (
        lambda: take_over(eve.id, kept.id, now),
        lambda: send_code(eve.id, kept.id, now),
        lambda: enter_code(eve.id, kept.id, "12345678", "secret", now),
    ):
        with pytest.raises(NotYours):
            call()
    assert not Notice.select().exists()


def test_the_name_alone_gives_nothing(domain, now):
    """Somebody has the name now whose identity is another one than that of the list."""
    alias = make_kept(domain, now, "ada", "ada")
    newcomer = make_person(now, "ada", subject=claimed_id("somebody-else"))

    assert offers_for(newcomer, now) == []
    with pytest.raises(NotYours):
        send_code(newcomer.id, alias.id, now)


def test_while_a_name_is_not_looked_up_nobody_is_offered_the_address(domain, ada, now):
    make_kept(domain, now, "ada", "ada", found=False)

    assert offers_for(ada, now) == []


def test_a_kept_address_cannot_be_claimed_past_the_proof(kept, ada, domain, settings, now):
    with pytest.raises(ClaimRefused) as refused:
        claim(ada.id, domain, None, settings.record_secret, now)

    assert refused.value.problem is ClaimProblem.KEPT
    assert Alias.get().person_id is None
    make_kept(domain, now, "zoe", "zoe2")
    with pytest.raises(ClaimRefused) as refused:
        claim(make_member(now, "zoe").id, domain, None, settings.record_secret, now)
    assert refused.value.problem is ClaimProblem.TAKEN


# -- by the sign-in address -----------------------------------------------------------------------


@pytest.mark.parametrize("address", ["ada@old.example.net", "ADA@Second.example.net"])
def test_a_proven_sign_in_address_among_the_recipients_is_proof(kept, ada, now, address):
    signs_in_with(ada, address)
    assert offers_for(ada, now)[0].by_sign_in

    alias = take_over(ada.id, kept.id, now)

    assert (alias.id, alias.person_id, alias.reserved_subject) == (kept.id, ada.id, None)
    assert recipients(alias) == ["ada@old.example.net", "ada@second.example.net"]
    assert not Reservation.select().exists()
    rows = {row.address: row for row in Recipient.select().where(Recipient.person == ada)}
    proven = next(a for a in recipients(alias) if a == address.lower())
    other = next(a for a in recipients(alias) if a != proven)
    assert rows[proven].verified_at == now
    assert (rows[other].verified_at, rows[other].imported_at) == (None, now)
    entry = AuditEntry.get(AuditEntry.verb == "alias-taken-over")
    assert entry.actor == f"person:{ada.id}"
    assert first_fault() is None


def test_every_mailbox_is_told_who_took_over(kept, ada, now):
    signs_in_with(ada, "ada@old.example.net")

    take_over(ada.id, kept.id, now)

    told = [row.recipient.address for row in Notice.select().where(Notice.kind == "taken-over")]
    assert sorted(told) == ["ada@old.example.net", "ada@second.example.net"]


@pytest.mark.parametrize(
    ("address", "proven"),
    [
        ("ada@old.example.net", False),
        ("ada@home.example.net", True),
        ("ada@old.example.net.evil.example", True),
    ],
)
def test_another_sign_in_address_is_no_proof(kept, ada, now, address, proven):
    signs_in_with(ada, address, proven=proven)

    assert not offers_for(ada, now)[0].by_sign_in
    with pytest.raises(TakeoverProblem):
        take_over(ada.id, kept.id, now)
    assert Alias.get().person_id is None


def test_a_mailbox_that_the_person_has_already_takes_the_imported_ones_place(domain, ada, now):
    own = ada.recipients.get()
    kept = make_kept(domain, now, "ada", "ada", "ada@old.example.net", "Ada@home.example.net")
    signs_in_with(ada, "ada@old.example.net")

    alias = take_over(ada.id, kept.id, now)

    assert recipients(alias) == ["ada@old.example.net", "ada@home.example.net"]
    assert own in [row.recipient for row in AliasRecipient.select()]
    assert Recipient.select().where(Recipient.person.is_null()).count() == 0


def test_a_mailbox_that_waited_for_its_proof_goes_on_getting_the_addresss_mail(domain, ada, now):
    make_recipient(ada, now, "ada@old.example.net", proven=False)
    kept = make_kept(domain, now, "ada", "ada", "ada@first.example.net", "ada@old.example.net")
    signs_in_with(ada, "ada@first.example.net")

    alias = take_over(ada.id, kept.id, now)

    assert recipients(alias) == ["ada@first.example.net", "ada@old.example.net"]
    own = Recipient.get(Recipient.address == "ada@old.example.net")
    assert (own.verified_at, own.imported_at) == (None, now)


def test_from_then_on_it_lives_like_any_address(domain, now):
    """Its owner is clearly in none of the teams: its grace time begins, and not before."""
    from core.facts import Answer
    from core.standing import store_account_facts, store_memberships

    person = make_person(now, "ada")
    kept = make_kept(domain, now, "ada", "ada")
    with write():
        for moment in (now, later(now, hours=12)):
            store_account_facts(person, {"valid": Answer.YES, "coc_signed": Answer.YES}, moment)
            store_memberships(person, {"proj-members": Answer.NO}, moment)
    assert Alias.get().entitlement == Entitlement.ENTITLED
    signs_in_with(person, "ada@old.example.net")

    take_over(person.id, kept.id, later(now, hours=13))

    assert Alias.get().entitlement == Entitlement.GRACE


# -- by a code ------------------------------------------------------------------------------------


def test_a_code_goes_to_the_first_recipient_and_proves_the_owner_once(kept, ada, settings, now):
    send_code(ada.id, kept.id, now)
    notice = Notice.get(Notice.kind == CODE)
    letter = write_letter(notice, settings, now)
    assert letter.to == "ada@old.example.net"
    code = sent_code(settings)
    assert code.encode() in letter.message
    assert b"second.example.net" not in letter.message

    alias = enter_code(ada.id, kept.id, f" {code[:4]} {code[4:]} ", settings.secret_key, now)

    assert alias.person_id == ada.id
    assert Recipient.get(Recipient.address == "ada@old.example.net").verified_at == now
    assert Recipient.get(Recipient.address == "ada@second.example.net").verified_at is None
    with pytest.raises(NotYours):
        enter_code(ada.id, kept.id, code, settings.secret_key, now)
    assert write_letter(Notice.get(Notice.kind == CODE), settings, now) is None


def test_the_next_address_gets_its_code_in_the_same_second(kept, ada, domain, settings, now):
    """Rows of reservations are deleted, and SQLite gives their ids again."""
    send_code(ada.id, kept.id, now)
    enter_code(ada.id, kept.id, sent_code(settings), settings.secret_key, now)
    second = make_kept(domain, now, "second", "ada", "ada@other.example.net")

    send_code(ada.id, second.id, now)

    told = [row.recipient.address for row in Notice.select().where(Notice.kind == CODE).order_by(Notice.id)]
    assert told == ["ada@old.example.net", "ada@other.example.net"]


def test_a_code_ends_after_an_hour(kept, ada, settings, now):
    send_code(ada.id, kept.id, now)
    code = sent_code(settings)
    late = later(now, seconds=CODE_LASTS.total_seconds() + 1)

    with pytest.raises(TakeoverProblem, match="does not count any more"):
        enter_code(ada.id, kept.id, code, settings.secret_key, late)
    assert offers_for(ada, late)[0].code_sent_at is None
    assert write_letter(Notice.get(), settings, late) is None


def test_after_five_wrong_tries_the_right_code_does_not_count_either(kept, ada, settings, now):
    send_code(ada.id, kept.id, now)
    code = sent_code(settings)
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    for typed in [wrong, "", code[:7], code + "0", "ä"][:MAX_TRIES]:
        with pytest.raises(TakeoverProblem, match="not the code"):
            enter_code(ada.id, kept.id, typed, settings.secret_key, now)

    with pytest.raises(TakeoverProblem, match="does not count any more"):
        enter_code(ada.id, kept.id, code, settings.secret_key, now)
    assert Alias.get().person_id is None


def test_many_tries_at_once_are_counted_one_by_one(kept, ada, settings, now):
    send_code(ada.id, kept.id, now)
    wrong = f"{(int(sent_code(settings)) + 1) % 10**8:08d}"

    results = at_once(*[lambda: enter_code(ada.id, kept.id, wrong, settings.secret_key, now)] * 7)

    assert sum("not the code" in str(result) for result in results) == MAX_TRIES


def test_without_a_code_nothing_can_be_entered(kept, ada, settings, now):
    code = sent_code(settings)
    with pytest.raises(TakeoverProblem, match="does not count any more"):
        enter_code(ada.id, kept.id, code, settings.secret_key, now)


def test_an_earlier_code_and_that_of_another_person_do_not_count(kept, ada, settings, now):
    send_code(ada.id, kept.id, now)
    first = sent_code(settings)
    second = make_person(now, "ada2")
    Identity.update(person=second).where(Identity.person == ada).execute()
    with pytest.raises(TakeoverProblem):
        enter_code(second.id, kept.id, first, settings.secret_key, now)
    send_code(second.id, kept.id, later(now, minutes=2))
    with pytest.raises(TakeoverProblem):
        enter_code(second.id, kept.id, first, settings.secret_key, later(now, minutes=2))


def test_codes_are_sent_once_a_minute_and_a_few_a_day(kept, ada, now):
    send_code(ada.id, kept.id, now)
    with pytest.raises(TakeoverProblem, match="less than a minute"):
        send_code(ada.id, kept.id, later(now, seconds=59))
    for number in range(1, CODES_A_DAY):
        send_code(ada.id, kept.id, later(now, minutes=number))
    with pytest.raises(TakeoverProblem, match="tomorrow"):
        send_code(ada.id, kept.id, later(now, minutes=30))
    assert Notice.select().count() == CODES_A_DAY
    send_code(ada.id, kept.id, now + timedelta(days=1, hours=1))


def test_the_mailbox_of_several_addresses_gets_no_more_than_that(domain, ada, now):
    kept = [make_kept(domain, now, name, "ada", "ADA@old.example.net") for name in ("one", "two", "three")]
    with pytest.raises(TakeoverProblem, match="tomorrow"):
        for number in range(10):
            send_code(ada.id, kept[number % 3].id, later(now, minutes=number))
    assert Notice.select().count() == CODES_A_DAY


def test_the_code_is_compared_in_constant_time(monkeypatch, kept, ada, settings, now):
    send_code(ada.id, kept.id, now)
    asked = []
    monkeypatch.setattr(takeover, "equal", lambda *pair: asked.append(pair) or False)
    with pytest.raises(TakeoverProblem):
        enter_code(ada.id, kept.id, sent_code(settings), settings.secret_key, now)
    assert len(asked) == 1


# -- by an admin ----------------------------------------------------------------------------------


def test_an_admin_may_give_it_to_somebody_else(kept, now):
    eve = make_member(now, "eve")

    give(OPERATOR, kept.id, eve.id, now)

    assert Alias.get().person_id == eve.id
    entry = AuditEntry.get(AuditEntry.verb == "alias-taken-over")
    assert entry.actor == "operator"
    rows = Recipient.select().where(Recipient.address.in_(recipients(kept)))
    assert [row.verified_at for row in rows] == [None, None]
    with pytest.raises(NotYours):
        give(OPERATOR, kept.id, eve.id, now)


def test_nobody_who_is_banned_gets_it(kept, ada, now):
    ban(OPERATOR, ada, now)
    with pytest.raises(NotYours):
        give(OPERATOR, kept.id, ada.id, now)


def test_two_ways_at_once_hand_it_over_once(kept, ada, settings, now):
    signs_in_with(ada, "ada@old.example.net")
    send_code(ada.id, kept.id, now)
    code, eve = sent_code(settings), make_member(now, "eve")

    results = at_once(
        lambda: take_over(ada.id, kept.id, now),
        lambda: enter_code(ada.id, kept.id, code, settings.secret_key, now),
        lambda: give(OPERATOR, kept.id, eve.id, now),
    )

    assert sum(isinstance(result, Alias) for result in results) == 1, results
    assert sum(isinstance(result, NotYours) for result in results) == 2, results
    assert AuditEntry.select().where(AuditEntry.verb == "alias-taken-over").count() == 1
