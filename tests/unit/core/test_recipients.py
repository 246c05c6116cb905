"""core.recipients"""

import json

import pytest

from core import recipients
from core.aliases import switch
from core.audit import first_fault
from core.database import write
from core.models import Alias, AliasRecipient, AuditEntry, Notice, Person, Recipient
from core.notices import tell_person
from core.ownership import recipients_of
from core.recipients import (
    MAX_RECIPIENTS,
    ProofProblem,
    ProofRefused,
    RecipientProblem,
    add_recipient,
    check_proof,
    move,
    proof_token,
    recipient_for,
    remove_recipient,
    replace_recipient,
    resend_proof,
    suggested_recipient,
    verify_recipient,
)
from core.routing import Switch
from tests.support.arrange import later, make_alias, make_domain, make_member, make_recipient
from tests.support.threads import at_once, in_another_thread


@pytest.fixture
def domain(db, now):
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    return make_member(now)


@pytest.fixture
def alias(ada, domain, now) -> Alias:
    """ada@proj.example, with the one proven recipient ada@home.example.net."""
    return make_alias(ada, domain, now, recipients=[ada.recipients.get()])


@pytest.fixture
def grace(domain, now) -> Person:
    return make_member(now, "grace", created="2010-01-01")


def addresses(alias: Alias) -> list[str]:
    return [recipient.address for recipient in recipients_of(alias)]


def verbs() -> list[str]:
    return [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)]


# -- adding ---------------------------------------------------------------------------------------


def test_an_added_recipient_comes_last_and_waits_for_its_proof(ada, alias, now):
    recipient = add_recipient(ada.id, alias.id, "new@work.example.net", now)

    assert addresses(alias) == ["ada@home.example.net", "new@work.example.net"]
    assert (recipient.verified_at, recipient.proof_sent_at) == (None, now)
    assert recipient.person_id == ada.id


def test_an_added_recipient_gets_one_verification_mail(ada, alias, now):
    recipient = add_recipient(ada.id, alias.id, "new@work.example.net", now)

    (notice,) = Notice.select()
    assert (notice.kind, notice.recipient_id) == ("verify-recipient", recipient.id)
    assert json.loads(notice.subject_ids) == {"recipient": recipient.id}


def test_the_outbox_holds_no_address_and_no_token(ada, alias, now, settings):
    recipient = add_recipient(ada.id, alias.id, "new@work.example.net", now)

    notice = Notice.get()
    assert "new@work" not in notice.subject_ids + notice.unique_key
    assert proof_token(recipient, settings.secret_key) not in notice.subject_ids + notice.unique_key


def test_adding_is_recorded(ada, alias, now):
    add_recipient(ada.id, alias.id, "new@work.example.net", now)

    assert verbs()[-1] == "recipient-added"
    assert first_fault() is None


def test_an_address_keeps_the_spelling_that_was_typed(ada, alias, now):
    recipient = add_recipient(ada.id, alias.id, " New.Name@WORK.example.net ", now)

    assert recipient.address == "New.Name@work.example.net"
    assert recipient.address_key == "new.name@work.example.net"


@pytest.mark.parametrize(
    "spelling", ["ada@home.example.net", "ADA@Home.example.NET.", '"ada"@home.example.net']
)
def test_a_recipient_that_is_there_is_not_added_again(ada, alias, now, spelling):
    with pytest.raises(RecipientProblem, match="already"):
        add_recipient(ada.id, alias.id, spelling, now)

    assert addresses(alias) == ["ada@home.example.net"]
    assert Recipient.select().count() == 1


def test_a_recipient_proven_before_needs_no_new_proof_on_another_alias(ada, alias, domain, now):
    other = make_alias(ada, domain, now, "ada-old")
    add_recipient(ada.id, other.id, "Ada@home.example.net", now)

    assert addresses(other) == ["ada@home.example.net"]
    assert Recipient.select().count() == 1
    assert [notice.kind for notice in Notice.select()] == ["recipients-changed"]


def test_a_recipient_taken_out_and_put_back_gets_no_second_mail(ada, alias, now):
    recipient = add_recipient(ada.id, alias.id, "new@work.example.net", now)
    remove_recipient(ada.id, alias.id, recipient.id, now)
    again = add_recipient(ada.id, alias.id, "new@work.example.net", now)

    assert again.id == recipient.id
    assert Notice.select().count() == 1


def test_the_same_address_of_another_person_is_a_recipient_of_its_own(ada, alias, grace, now):
    theirs = make_recipient(grace, now, "shared@work.example.net")
    mine = add_recipient(ada.id, alias.id, "shared@work.example.net", now)

    assert mine.id != theirs.id
    assert mine.verified_at is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "ada@localhost",
        "a@b@c.example",
        "new@work.example.net\r\nBcc: x@evil.example",
        "a" * 10_000,
    ],
)
def test_what_is_no_address_is_named_and_changes_nothing(ada, alias, now, text):
    with pytest.raises(RecipientProblem) as caught:
        add_recipient(ada.id, alias.id, text, now)

    assert str(caught.value).endswith(".")
    assert Recipient.select().count() == 1
    assert Notice.select().count() == 0


@pytest.mark.parametrize(
    "spelling",
    [
        *("x@proj.example", "x@PROJ.example", "x@proj.example.", "x@ｐｒｏｊ.example", '"x"@proj.example'),
        *("x@bücher.example", "x@XN--BCHER-KVA.example", "x@unverified.example"),
    ],
)
def test_an_address_on_one_of_our_own_domains_is_refused_in_any_spelling(ada, alias, now, spelling):
    make_domain(now, "bücher.example")
    unverified = make_domain(now, "unverified.example")
    unverified.verified_at = None
    unverified.save()

    with pytest.raises(RecipientProblem, match="itself"):
        add_recipient(ada.id, alias.id, spelling, now)


def test_a_sixth_recipient_is_refused(ada, alias, now):
    for number in range(MAX_RECIPIENTS - 1):
        add_recipient(ada.id, alias.id, f"{number}@work.example.net", now)

    with pytest.raises(RecipientProblem, match="at most 5"):
        add_recipient(ada.id, alias.id, "sixth@work.example.net", now)
    assert len(addresses(alias)) == 5
    assert not Recipient.select().where(Recipient.address == "sixth@work.example.net").exists()
    assert Notice.select().count() == 4


def test_many_recipients_added_at_once_are_five_at_most(ada, alias, now):
    calls = [lambda n=n: add_recipient(ada.id, alias.id, f"{n}@work.example.net", now) for n in range(12)]
    results = at_once(*calls)

    assert [result for result in results if not isinstance(result, Recipient | RecipientProblem)] == []
    assert sum(isinstance(result, Recipient) for result in results) == 4
    assert len(addresses(alias)) == 5
    positions = sorted(row.position for row in AliasRecipient.select().where(AliasRecipient.alias == alias))
    assert positions == [0, 1, 2, 3, 4]
    assert first_fault() is None


def test_one_recipient_added_many_times_at_once_is_added_once(ada, alias, now):
    results = at_once(*[lambda: add_recipient(ada.id, alias.id, "new@work.example.net", now)] * 8)

    assert sum(isinstance(result, Recipient) for result in results) == 1
    assert sum(isinstance(result, RecipientProblem) for result in results) == 7
    assert Notice.select().count() == 1


def test_an_alias_of_somebody_else_cannot_be_added_to(ada, alias, grace, now):
    with pytest.raises(LookupError):
        add_recipient(grace.id, alias.id, "grace@work.example.net", now)

    assert addresses(alias) == ["ada@home.example.net"]


def test_an_alias_that_was_given_up_cannot_be_added_to(ada, alias, now):
    Alias.update(switch=Switch.GIVEN_UP).execute()

    with pytest.raises(LookupError):
        add_recipient(ada.id, alias.id, "new@work.example.net", now)


def test_an_alias_that_is_not_there_cannot_be_added_to(ada, now):
    with pytest.raises(LookupError):
        add_recipient(ada.id, 999_999, "new@work.example.net", now)


@pytest.mark.parametrize(
    "address",
    [
        '"' + '\\"' * 62 + '"@' + ".".join(["a" * 60] * 4),
        "a" * 64 + "@" + ".".join(["a" * 60] * 4),
        "鈴木@home.example.net",
    ],
)
def test_the_longest_and_oddest_legal_addresses_are_taken(ada, alias, now, address):
    assert add_recipient(ada.id, alias.id, address, now).id


def take_all_out(person, alias, moment):
    """Leave an alias without recipients."""
    for recipient in recipients_of(alias):
        remove_recipient(person.id, alias.id, recipient.id, moment)


def send_proofs(person, alias, count, moment):
    """Have so many verification mails sent for a person: to new recipients, one after the other."""
    for number in range(count):
        add_recipient(person.id, alias.id, f"{number}-{moment.timestamp()}@work.example.net", moment)
        take_all_out(person, alias, moment)


def test_twenty_verification_mails_a_day_are_sent_for_a_person_at_most(ada, alias, now):
    send_proofs(ada, alias, 20, now)

    with pytest.raises(RecipientProblem, match="tomorrow"):
        add_recipient(ada.id, alias.id, "more@work.example.net", later(now, hours=23))
    with pytest.raises(RecipientProblem, match="tomorrow"):
        resend_proof(ada.id, Recipient.select().order_by(Recipient.id.desc()).get().id, later(now, hours=23))
    assert Notice.select().where(Notice.kind == "verify-recipient").count() == 20
    assert not Recipient.select().where(Recipient.address == "more@work.example.net").exists()
    assert add_recipient(ada.id, alias.id, "more@work.example.net", later(now, hours=24)).id


def test_mails_of_other_people_and_other_kinds_do_not_count(ada, alias, grace, domain, now):
    send_proofs(grace, make_alias(grace, domain, now, "grace"), 20, now)
    for number in range(20):
        tell_person(ada, "identity-joined", {"person": ada.id}, f"key{number}", now)

    assert add_recipient(ada.id, alias.id, "new@work.example.net", now).id


@pytest.mark.parametrize(
    ("address", "suggested"),
    [
        ("login@post.example.com", "login@post.example.com"),
        ("ada@proj.example", ""),
        (None, ""),
        ("", ""),
    ],
)
def test_the_sign_in_address_is_suggested_where_it_can_be_a_recipient(ada, address, suggested):
    ada.sign_in_email = address

    assert suggested_recipient(ada, ["other.example", "proj.example"]) == suggested


# -- order ----------------------------------------------------------------------------------------


@pytest.fixture
def three(ada, alias, now) -> list[int]:
    """The ids of three proven recipients of the alias, in order."""
    with write():
        for position, name in enumerate(("b", "c"), 1):
            recipient = make_recipient(ada, now, f"{name}@home.example.net")
            AliasRecipient.create(alias=alias, recipient=recipient, position=position)
    return [recipient.id for recipient in recipients_of(alias)]


def test_recipients_are_put_into_another_order(ada, alias, three, now):
    move(ada.id, alias.id, three[0], 2, now)

    assert [recipient.id for recipient in recipients_of(alias)] == [three[1], three[2], three[0]]
    assert verbs()[-1] == "recipients-set"


def test_a_recipient_is_taken_out(ada, alias, three, now):
    remove_recipient(ada.id, alias.id, three[1], now)

    assert [recipient.id for recipient in recipients_of(alias)] == [three[0], three[2]]
    assert Recipient.select().count() == 3


def test_one_added_after_another_was_taken_out_comes_last(ada, alias, three, now):
    remove_recipient(ada.id, alias.id, three[0], now)
    added = add_recipient(ada.id, alias.id, "new@work.example.net", now)

    assert [recipient.id for recipient in recipients_of(alias)] == [three[1], three[2], added.id]


def test_what_was_set_before_and_after_is_recorded(ada, alias, three, now):
    remove_recipient(ada.id, alias.id, three[2], now)

    entry = AuditEntry.select().order_by(AuditEntry.id.desc()).first()
    values = json.loads(entry.auditvalue_set.get().values)
    assert values["before"] == ["ada@home.example.net", "b@home.example.net", "c@home.example.net"]
    assert values["after"] == ["ada@home.example.net", "b@home.example.net"]


@pytest.mark.parametrize(
    ("which", "by", "order"), [(2, -1, (0, 2, 1)), (0, 1, (1, 0, 2)), (1, -1, (1, 0, 2)), (2, -2, (2, 0, 1))]
)
def test_a_recipient_is_moved(ada, alias, three, now, which, by, order):
    move(ada.id, alias.id, three[which], by, now)

    assert [recipient.id for recipient in recipients_of(alias)] == [three[i] for i in order]


@pytest.mark.parametrize(("which", "by"), [(0, -1), (2, 1), (0, -9), (2, 9), (1, 0)])
def test_past_the_end_nothing_moves_and_nothing_is_recorded(ada, alias, three, now, which, by):
    before = verbs()
    move(ada.id, alias.id, three[which], by, now)

    assert [recipient.id for recipient in recipients_of(alias)] == three
    assert verbs() == before


def test_a_recipient_that_is_out_already_is_not_moved_or_removed_again(ada, alias, three, now):
    remove_recipient(ada.id, alias.id, three[1], now)
    before = verbs()
    move(ada.id, alias.id, three[1], -1, now)
    remove_recipient(ada.id, alias.id, three[1], now)

    assert [recipient.id for recipient in recipients_of(alias)] == [three[0], three[2]]
    assert verbs() == before


def test_two_who_take_different_recipients_out_at_once_both_succeed(ada, alias, three, now):
    calls = [lambda r=recipient: remove_recipient(ada.id, alias.id, r, now) for recipient in three[:2]]

    assert at_once(*calls) == [None, None]
    assert [recipient.id for recipient in recipients_of(alias)] == [three[2]]


def test_many_moves_at_once_lose_nobody(ada, alias, three, now):
    results = at_once(*[lambda r=recipient: move(ada.id, alias.id, r, -1, now) for recipient in three * 3])

    assert results == [None] * 9
    assert {recipient.id for recipient in recipients_of(alias)} == set(three)


def move_up(person_id, alias_id, recipient_id, now):
    move(person_id, alias_id, recipient_id, -1, now)


@pytest.mark.parametrize("change", [move_up, remove_recipient])
def test_nobody_else_moves_or_removes_my_recipients(ada, alias, three, grace, now, change):
    with pytest.raises(LookupError):
        change(grace.id, alias.id, three[1], now)
    with pytest.raises(LookupError):
        change(ada.id, alias.id, grace.recipients.get().id, now)

    assert [recipient.id for recipient in recipients_of(alias)] == three


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 2**100])
def test_a_number_that_no_row_can_have_is_of_nobody(ada, alias, now, number):
    calls = [
        lambda: add_recipient(ada.id, number, "new@work.example.net", now),
        lambda: move_up(ada.id, alias.id, number, now),
        lambda: remove_recipient(ada.id, alias.id, number, now),
        lambda: replace_recipient(ada.id, alias.id, number, "new@work.example.net", now, everywhere=True),
        lambda: remove_recipient(ada.id, number, ada.recipients.get().id, now),
        lambda: resend_proof(ada.id, number, now),
        lambda: switch(ada.id, number, Switch.ON, now),
    ]
    for call in calls:
        with pytest.raises(LookupError):
            call()


# -- since when nobody is there -------------------------------------------------------------------


def unreachable_since(alias: Alias):
    return Alias.get_by_id(alias.id).unreachable_since


def test_taking_the_last_proven_recipient_out_makes_an_alias_unreachable(ada, alias, now):
    take_all_out(ada, alias, later(now, hours=1))

    assert unreachable_since(alias) == later(now, hours=1)


def test_an_unproven_recipient_alone_does_not_make_it_reachable(ada, alias, now):
    take_all_out(ada, alias, later(now, hours=1))
    add_recipient(ada.id, alias.id, "new@work.example.net", later(now, hours=2))

    assert unreachable_since(alias) == later(now, hours=1)


def test_adding_a_proven_recipient_makes_it_reachable(ada, alias, now):
    take_all_out(ada, alias, later(now, hours=1))
    add_recipient(ada.id, alias.id, "ada@home.example.net", later(now, hours=2))

    assert unreachable_since(alias) is None


def test_proving_a_recipient_makes_all_aliases_with_it_reachable(ada, domain, now, settings):
    recipient = make_recipient(ada, now, "new@work.example.net", proven=False)
    aliases = [
        make_alias(ada, domain, now, name, recipients=[recipient], unreachable_since=now)
        for name in ("a", "b")
    ]
    verify_recipient(token_for(recipient, now, settings), ada.id, settings.secret_key, now)

    assert [unreachable_since(alias) for alias in aliases] == [None, None]


# -- the proof ------------------------------------------------------------------------------------


def token_for(recipient: Recipient, now, settings) -> str:
    with write():
        recipients.ask_for_proof(recipient, now)
    return proof_token(recipient, settings.secret_key)


@pytest.fixture
def unproven(ada, alias, now) -> Recipient:
    return add_recipient(ada.id, alias.id, "new@work.example.net", now)


@pytest.fixture
def token(unproven, settings) -> str:
    return proof_token(unproven, settings.secret_key)


@pytest.fixture
def prove(ada, settings, now):
    def prove(token, person=ada, moment=now):
        return verify_recipient(token, person.id, settings.secret_key, moment)

    return prove


def refusal(call) -> ProofProblem:
    with pytest.raises(ProofRefused) as caught:
        call()
    return caught.value.problem


def test_the_link_proves_its_recipient(prove, token, unproven, now):
    assert prove(token).id == unproven.id

    assert Recipient.get_by_id(unproven.id).verified_at == now
    assert verbs()[-1] == "recipient-proven"
    assert first_fault() is None


def test_looking_at_the_link_proves_nothing(token, ada, unproven, settings, now):
    for _ in range(2):
        assert check_proof(token, ada.id, settings.secret_key, now).id == unproven.id

    assert Recipient.get_by_id(unproven.id).verified_at is None


def test_the_link_proves_once(prove, token, unproven, now):
    prove(token)

    assert refusal(lambda: prove(token, moment=later(now, hours=1))) is ProofProblem.USED
    assert Recipient.get_by_id(unproven.id).verified_at == now


def test_the_link_used_many_times_at_once_proves_once(token, ada, settings, now):
    results = at_once(*[lambda: verify_recipient(token, ada.id, settings.secret_key, now)] * 8)

    assert sum(isinstance(result, Recipient) for result in results) == 1
    assert {result.problem for result in results if isinstance(result, ProofRefused)} == {ProofProblem.USED}
    assert verbs().count("recipient-proven") == 1


def test_the_link_lasts_72_hours(prove, token, now):
    last = later(now, hours=72)

    assert refusal(lambda: prove(token, moment=later(last, seconds=1))) is ProofProblem.EXPIRED
    assert prove(token, moment=last).verified_at == last


def test_another_person_proves_nothing_with_it(prove, token, grace, unproven):
    assert refusal(lambda: prove(token, person=grace)) is ProofProblem.OTHER_PERSON
    assert Recipient.get_by_id(unproven.id).verified_at is None


def test_a_newer_mail_makes_the_older_link_useless(prove, token, unproven, ada, settings, now):
    resend_proof(ada.id, unproven.id, later(now, minutes=2))

    assert refusal(lambda: prove(token)) is ProofProblem.BROKEN
    prove(proof_token(Recipient.get_by_id(unproven.id), settings.secret_key))


def test_each_try_of_a_mail_has_the_same_link(unproven, settings):
    assert proof_token(unproven, settings.secret_key) == proof_token(
        Recipient.get_by_id(unproven.id), settings.secret_key
    )


def test_a_link_made_with_another_secret_is_broken(prove, unproven):
    assert (
        refusal(lambda: prove(proof_token(unproven, "another secret, of 32 characters")))
        is ProofProblem.BROKEN
    )


FORGERIES = {
    "mac changed": lambda n, e, m: f"{n}.{e}.{m[:-1]}{'0' if m[-1] != '0' else '1'}",
    "mac shortened": lambda n, e, m: f"{n}.{e}.{m[:-1]}",
    "mac lengthened": lambda n, e, m: f"{n}.{e}.{m}0",
    "mac in capitals": lambda n, e, m: f"{n}.{e}.{m.upper()}",
    "mac empty": lambda n, e, m: f"{n}.{e}.",
    "mac missing": lambda n, e, m: f"{n}.{e}",
    "mac beyond ascii": lambda n, e, m: f"{n}.{e}.ü{m}",
    "mac with a lone surrogate": lambda n, e, m: f"{n}.{e}.\udcff",
    "mac with a nul": lambda n, e, m: f"{n}.{e}.\x00",
    "a fourth part": lambda n, e, m: f"{n}.{e}.{m}.",
    "a second longer": lambda n, e, m: f"{n}.{int(e) + 1}.{m}",
    "thirty years longer": lambda n, e, m: f"{n}.{int(e) + 10**9}.{m}",
    "expiry negative": lambda n, e, m: f"{n}.-{e}.{m}",
    "expiry empty": lambda n, e, m: f"{n}..{m}",
    "expiry endless": lambda n, e, m: f"{n}.{'9' * 150}.{m}",
    "expiry with an odd digit": lambda n, e, m: f"{n}.²{e}.{m}",
    "number empty": lambda n, e, m: f".{e}.{m}",
    "number of nobody": lambda n, e, m: f"{int(n) + 1000}.{e}.{m}",
    "number of 15 digits": lambda n, e, m: f"{'9' * 15}.{e}.{m}",
    "number of 40 digits": lambda n, e, m: f"{'9' * 40}.{e}.{m}",
    "number in other digits": lambda n, e, m: f"٣.{e}.{m}",
    "number after a blank": lambda n, e, m: f" {n}.{e}.{m}",
    "number negative": lambda n, e, m: f"-{n}.{e}.{m}",
    "far too long": lambda n, e, m: f"{n}.{e}.{m}" + "x" * 10_000,
    "nothing": lambda n, e, m: "",
    "only dots": lambda n, e, m: "..",
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_link_that_was_tampered_with_is_broken(prove, token, unproven, forge):
    assert refusal(lambda: prove(forge(*token.split(".")))) is ProofProblem.BROKEN
    assert Recipient.get_by_id(unproven.id).verified_at is None


def test_a_recipient_without_an_open_proof_cannot_be_proven(prove, ada, settings):
    recipient = ada.recipients.get()

    assert refusal(lambda: prove(proof_token(recipient, settings.secret_key))) is ProofProblem.USED


# -- sending the proof again ----------------------------------------------------------------------


def test_the_mail_is_sent_again_once_a_minute_at_most(ada, unproven, now):
    with pytest.raises(RecipientProblem, match="minute"):
        resend_proof(ada.id, unproven.id, later(now, seconds=59))
    resend_proof(ada.id, unproven.id, later(now, seconds=60))

    assert Notice.select().count() == 2
    with pytest.raises(RecipientProblem):
        resend_proof(ada.id, unproven.id, later(now, seconds=61))


def test_the_mail_asked_for_many_times_at_once_is_sent_again_once(ada, unproven, now):
    results = at_once(*[lambda: resend_proof(ada.id, unproven.id, later(now, minutes=2))] * 6)

    assert sum(isinstance(result, Recipient) for result in results) == 1
    assert Notice.select().count() == 2


def test_sending_again_forgets_that_it_was_refused(ada, unproven, now):
    Recipient.update(proof_refused="5.1.1").execute()
    resend_proof(ada.id, unproven.id, later(now, minutes=2))

    assert Recipient.get_by_id(unproven.id).proof_refused is None


def test_a_proven_recipient_needs_no_mail(ada, alias, now):
    with pytest.raises(LookupError):
        resend_proof(ada.id, ada.recipients.get().id, now)

    assert Notice.select().count() == 0


def test_nobody_else_can_have_the_mail_sent_again(grace, unproven, now):
    with pytest.raises(LookupError):
        resend_proof(grace.id, unproven.id, later(now, minutes=2))


def test_a_proof_during_a_resend_stays_proven(ada, unproven, token, settings, now, monkeypatch):
    ask, others = recipients.ask_for_proof, []

    def ask_while_the_link_is_used(recipient, moment):
        def use_the_link():
            try:
                verify_recipient(token, ada.id, settings.secret_key, now)
            except ProofRefused as refused:
                others.append(refused)

        others.append(in_another_thread(use_the_link, wait=0.3))
        ask(recipient, moment)

    monkeypatch.setattr(recipients, "ask_for_proof", ask_while_the_link_is_used)
    resend_proof(ada.id, unproven.id, later(now, minutes=2))
    others[0].join()

    proven = Recipient.get_by_id(unproven.id).verified_at is not None
    assert proven is ("recipient-proven" in verbs())


def test_finding_a_recipient_makes_none_anew(ada, now):
    with write():
        found = recipient_for(ada, "ADA@home.example.net", now)

    assert found.id == ada.recipients.get().id
    assert Notice.select().count() == 0
