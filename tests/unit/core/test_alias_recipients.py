"""core.alias_recipients, and the use cases on it: one recipient takes another's place, and who is told"""

import pytest

from core.alias_recipients import mark_reachable
from core.database import write
from core.models import Alias, AliasRecipient, AuditEntry, Domain, Notice, Person, Recipient
from core.ownership import NotYours, recipients_of
from core.recipients import (
    CHANGE_MAILS_A_DAY,
    MAX_RECIPIENTS,
    RecipientProblem,
    add_recipient,
    ask_for_proof,
    move,
    proof_token,
    remove_recipient,
    replace_recipient,
    verify_recipient,
)
from tests.support.arrange import later, make_alias, make_domain, make_member, make_recipient

HOME, WORK, NEW = "ada@home.example.net", "ada@work.example.net", "new@work.example.net"


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    return make_member(now)


@pytest.fixture
def home(ada) -> Recipient:
    return ada.recipients.get()


@pytest.fixture
def work(ada, now) -> Recipient:
    return make_recipient(ada, now, WORK)


@pytest.fixture
def alias(ada, domain, home, work, now) -> Alias:
    """ada@proj.example, with two proven recipients."""
    return make_alias(ada, domain, now, recipients=[home, work])


@pytest.fixture
def other(ada, domain, home, now) -> Alias:
    """Another alias of the same person, with the first of them."""
    return make_alias(ada, domain, now, "ada-old", recipients=[home])


def addresses(alias: Alias) -> list[str]:
    return [recipient.address for recipient in recipients_of(alias)]


def waiting(alias: Alias) -> dict[str, int | None]:
    """Which recipients wait for whose place."""
    rows = AliasRecipient.select().where(AliasRecipient.alias == alias)
    return {row.recipient.address: row.replaces for row in rows if row.replaces is not None}


def prove(recipient: Recipient, settings, now) -> None:
    """Follow the link in the newest mail."""
    recipient = Recipient.get_by_id(recipient.id)
    token = proof_token(recipient, settings.secret_key)
    verify_recipient(token, recipient.person_id, settings.secret_key, now)


def told() -> list[tuple[str, str]]:
    """Whom notices of a change are for, by kind."""
    changed = Notice.kind.in_(("recipients-changed", "recipient-removed"))
    return sorted((notice.kind, notice.recipient.address) for notice in Notice.select().where(changed))


def replace(alias, old, text, now, *, everywhere=False) -> Recipient:
    return replace_recipient(alias.person_id, alias.id, old.id, text, now, everywhere=everywhere)


# -- one takes another's place --------------------------------------------------------------------


def test_a_new_one_takes_the_place_when_it_is_proven_and_not_before(ada, alias, home, settings, now):
    new = replace(alias, home, NEW, now)

    assert waiting(alias) == {NEW: home.id}
    assert set(addresses(alias)) == {HOME, WORK, NEW}
    prove(new, settings, now)
    assert addresses(alias) == [NEW, WORK]
    assert waiting(alias) == {}


def test_one_proven_before_takes_the_place_at_once(ada, alias, work, now):
    proven = make_recipient(ada, now, NEW)

    assert replace(alias, work, NEW, now) == proven
    assert addresses(alias) == [HOME, NEW]


def test_everywhere_means_every_alias_of_the_person_that_uses_it(alias, other, home, settings, now):
    new = replace(alias, home, NEW, now, everywhere=True)
    prove(new, settings, now)

    assert addresses(alias) == [NEW, WORK]
    assert addresses(other) == [NEW]


def test_for_one_alias_the_others_stay_as_they_are(alias, other, home, settings, now):
    prove(replace(alias, home, NEW, now), settings, now)

    assert addresses(other) == [HOME]


def test_everywhere_leaves_another_persons_aliases_alone(alias, domain, home, settings, now):
    grace = make_member(now, "grace", created="2010-01-01")
    hers = make_alias(grace, domain, now, "grace", recipients=[home])
    prove(replace(alias, home, NEW, now, everywhere=True), settings, now)

    assert addresses(hers) == [HOME]


def test_one_that_is_there_already_stands_once(alias, home, now):
    replace(alias, home, WORK, now)

    assert addresses(alias) == [WORK]


def test_a_second_thought_gives_way_to_a_third(alias, home, settings, now):
    replace(alias, home, "typo@work.example.net", now)
    new = replace(alias, home, NEW, now)

    assert waiting(alias) == {NEW: home.id}
    prove(new, settings, now)
    assert addresses(alias) == [NEW, WORK]


def test_the_place_is_kept_when_the_order_changes_meanwhile(ada, alias, home, work, settings, now):
    new = replace(alias, home, NEW, now)
    move(ada.id, alias.id, work.id, -9, now)
    assert waiting(alias) == {NEW: home.id}
    prove(new, settings, now)

    assert addresses(alias) == [WORK, NEW]


def test_one_whose_place_is_gone_comes_all_the_same(ada, alias, home, settings, now):
    new = replace(alias, home, NEW, now)
    remove_recipient(ada.id, alias.id, home.id, now)
    assert waiting(alias) == {}
    prove(new, settings, now)

    assert set(addresses(alias)) == {WORK, NEW}


def test_one_that_waits_can_be_taken_back(ada, alias, home, now):
    new = replace(alias, home, NEW, now)
    remove_recipient(ada.id, alias.id, new.id, now)

    assert addresses(alias) == [HOME, WORK]


def test_one_that_waits_for_a_place_takes_none_of_the_five(ada, alias, home, now):
    replace(alias, home, NEW, now)
    for number in range(MAX_RECIPIENTS - 2):
        add_recipient(ada.id, alias.id, f"{number}@work.example.net", now)

    with pytest.raises(RecipientProblem, match="at most 5"):
        add_recipient(ada.id, alias.id, "more@work.example.net", now)


def test_an_imported_one_can_be_replaced_and_taken_out(ada, domain, settings, now):
    imported = [make_recipient(None, now, f"{name}@old.example.net") for name in ("a", "b")]
    alias = make_alias(ada, domain, now, recipients=imported)
    remove_recipient(ada.id, alias.id, imported[0].id, now)
    prove(replace(alias, imported[1], NEW, now), settings, now)

    assert addresses(alias) == [NEW]


@pytest.mark.parametrize("typed", [HOME, "ADA@home.example.net", "not an address", "ada@proj.example", ""])
def test_what_cannot_take_the_place_changes_nothing(alias, home, now, typed):
    with pytest.raises(RecipientProblem):
        replace(alias, home, typed, now)

    assert addresses(alias) == [HOME, WORK]


def test_nobody_replaces_what_is_not_theirs_or_not_there(ada, alias, other, home, work, domain, now):
    grace = make_member(now, "grace", created="2010-01-01")
    for person, where, old in (
        (grace, alias, home),
        (ada, other, work),
        (ada, alias, grace.recipients.get()),
    ):
        with pytest.raises(NotYours):
            replace_recipient(person.id, where.id, old.id, NEW, now, everywhere=True)

    assert addresses(alias) == [HOME, WORK]


def test_each_alias_has_its_entries(alias, other, home, settings, now):
    before = AuditEntry.select().count()
    prove(replace(alias, home, NEW, now, everywhere=True), settings, now)

    verbs = [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id).offset(before)]
    assert verbs == [
        *("recipient-to-be-replaced", "recipient-to-be-replaced"),
        *("recipient-proven", "recipient-replaced", "recipient-replaced"),
    ]


# -- who is told ----------------------------------------------------------------------------------


def test_those_who_had_the_mail_are_told_of_one_that_is_proven(ada, alias, settings, now):
    add_recipient(ada.id, alias.id, NEW, now)
    assert told() == []
    prove(Recipient.get(Recipient.address == NEW), settings, now)

    assert told() == [("recipients-changed", HOME), ("recipients-changed", WORK)]


def test_a_first_recipient_is_told_nothing_when_it_is_proven(ada, domain, settings, now):
    new = make_recipient(ada, now, NEW, proven=False)
    make_alias(ada, domain, now, recipients=[new])
    with write():
        ask_for_proof(new, now)
    prove(new, settings, now)

    assert told() == []


def test_one_proven_before_is_told_with_the_others(ada, alias, now):
    make_recipient(ada, now, NEW)
    add_recipient(ada.id, alias.id, NEW, now)

    assert told() == [("recipients-changed", address) for address in (HOME, WORK, NEW)]


def test_one_that_is_taken_out_is_told_and_those_who_stay(ada, alias, home, now):
    remove_recipient(ada.id, alias.id, home.id, now)

    assert told() == [("recipient-removed", HOME), ("recipients-changed", WORK)]


def test_of_one_that_never_got_mail_nobody_hears(ada, alias, now):
    new = add_recipient(ada.id, alias.id, NEW, now)
    remove_recipient(ada.id, alias.id, new.id, now)

    assert told() == []


def test_a_replacement_on_two_aliases_is_one_mail_for_those_who_stay(alias, other, home, settings, now):
    prove(replace(alias, home, NEW, now, everywhere=True), settings, now)

    assert told() == [
        *[("recipient-removed", HOME)] * 2,
        ("recipients-changed", WORK),
    ]


def test_the_order_alone_is_told_to_nobody(ada, alias, work, now):
    move(ada.id, alias.id, work.id, -1, now)

    assert told() == []


def test_there_is_an_end_to_the_mails_about_changes(ada, alias, home, work, now):
    with pytest.raises(RecipientProblem, match="tomorrow"):
        for number in range(CHANGE_MAILS_A_DAY):
            remove_recipient(ada.id, alias.id, work.id, later(now, minutes=number))
            add_recipient(ada.id, alias.id, WORK, later(now, minutes=number))

    assert CHANGE_MAILS_A_DAY <= len(told()) <= CHANGE_MAILS_A_DAY + MAX_RECIPIENTS
    assert add_recipient(ada.id, alias.id, NEW, later(now, days=2))


# -- since when nobody is there -------------------------------------------------------------------


def test_an_imported_recipient_makes_an_alias_reachable(domain, now):
    alias = make_alias(None, domain, now, recipients=[make_recipient(None, now)], unreachable_since=now)
    with write():
        mark_reachable(alias, now)

    assert Alias.get_by_id(alias.id).unreachable_since is None


@pytest.mark.parametrize(("which", "by"), [("work", -1), ("home", 1)])
def test_one_that_waits_for_a_place_follows_it_and_is_in_nobodys_way(
    alias, home, work, settings, now, which, by
):
    """Its owner sees two mailboxes, so one press changes their order."""
    new = replace(alias, home, NEW, now)
    move(alias.person_id, alias.id, (work if which == "work" else home).id, by, now)

    assert addresses(alias) == [WORK, HOME, NEW]
    prove(new, settings, now)
    assert addresses(alias) == [WORK, NEW]
