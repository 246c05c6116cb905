"""core.people"""

import json

import pytest

from core import people
from core.aliases import ClaimProblem, ClaimRefused, claim
from core.audit import OPERATOR, Actor, first_fault
from core.directories import AccountReading
from core.eligibility import Condition
from core.facts import Answer
from core.models import (
    AccountFact,
    Alias,
    AuditEntry,
    AuditValue,
    Identity,
    Notice,
    Person,
    Recipient,
    Session,
)
from core.people import SignIn, SignInRefused, ban, sign_in, unban
from core.routing import Hold
from core.sessions import find_session
from core.standing import facts_of
from core.sync import PersonReading
from tests.support.arrange import (
    ISSUER,
    TEAM,
    UNKNOWN,
    account,
    later,
    make_alias,
    make_domain,
    make_member,
    make_person,
    make_recipient,
    reading,
)
from tests.support.threads import at_once, in_another_thread

FIRST = "https://login.ubuntu.com/+id/AAAAAAA"
SECOND = "https://login.ubuntu.com/+id/BBBBBBB"
ADA = account("ada", "2009-03-01T10:00:00.123456+00:00")
OTHER_ADA = account("ada", "2024-05-05T05:05:05.000005+00:00")


def arrival(subject: str = FIRST, **hints: object) -> SignIn:
    return SignIn(ISSUER, subject, **hints)


@pytest.fixture
def domain(db, now):
    return make_domain(now)


def verbs() -> list[str]:
    return [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)]


# -- who comes in ---------------------------------------------------------------------------------


def test_somebody_new_gets_a_person_an_identity_and_a_session(db, now):
    person, token = sign_in(arrival(), reading(ADA, TEAM), now)

    assert (person.launchpad_name, person.account_created) == ("ada", ADA.created)
    assert person.display_name == "Ada"
    assert Identity.get().subject == FIRST
    assert find_session(token, now).person.id == person.id
    assert verbs() == ["person-signed-in-first"]
    assert first_fault() is None


def test_the_same_identity_is_the_same_person(db, now):
    one, _ = sign_in(arrival(), reading(ADA), now)
    other, _ = sign_in(arrival(), reading(ADA), later(now, days=1))

    assert one.id == other.id
    assert Person.select().count() == 1
    assert Identity.select().count() == 1


def test_each_sign_in_has_a_session_of_its_own(db, now):
    _, one = sign_in(arrival(), reading(ADA), now)
    _, other = sign_in(arrival(), reading(ADA), now)

    assert one != other
    assert Session.select().count() == 2


def test_the_same_subject_of_another_issuer_is_another_person(db, now):
    one, _ = sign_in(SignIn(ISSUER, "7"), reading(None), now)
    other, _ = sign_in(SignIn("https://other.example/", "7"), reading(None), now)

    assert one.id != other.id


def test_somebody_comes_in_while_launchpad_is_down(db, now):
    person, token = sign_in(arrival(), UNKNOWN, now)

    assert find_session(token, now) is not None
    assert person.launchpad_name is None
    assert person.asked_at is None
    assert facts_of(person).has_account is Answer.UNKNOWN


def test_what_was_known_stays_while_launchpad_is_down(db, now):
    before, _ = sign_in(arrival(), reading(ADA, TEAM), now)
    facts = facts_of(before)
    person, _ = sign_in(arrival(), UNKNOWN, later(now, days=3))

    assert facts_of(person) == facts
    assert (person.launchpad_name, person.asked_at) == ("ada", now)


def test_somebody_without_a_launchpad_account_comes_in_and_is_called_nothing(db, now):
    person, _ = sign_in(arrival(), reading(None), now)

    assert person.launchpad_name is None
    assert person.display_name == ""
    assert facts_of(person).has_account is Answer.NO


def test_a_suspended_account_does_not_come_in(db, now):
    with pytest.raises(SignInRefused, match="suspended"):
        sign_in(arrival(), reading(account(suspended=Answer.YES, valid=Answer.NO)), now)

    assert Person.select().count() == Session.select().count() == 0


def test_an_account_of_unknown_status_comes_in(db, now):
    _, token = sign_in(arrival(), reading(account(suspended=Answer.UNKNOWN)), now)

    assert find_session(token, now) is not None


def test_a_banned_person_does_not_come_in(db, now):
    person, _ = sign_in(arrival(), reading(ADA), now)
    ban(OPERATOR, person, now)

    with pytest.raises(SignInRefused, match="closed"):
        sign_in(arrival(), reading(ADA), now)
    assert Session.select().count() == 0


# -- B34: nobody is known by a name that can change -----------------------------------------------


def test_whoever_takes_a_freed_name_is_another_person_without_the_alias(domain, settings, now):
    ada, _ = sign_in(arrival(email="ada@home.example.net", email_proven=True), reading(ADA, TEAM), now)
    claim(ada.id, domain, None, settings.record_secret, now)
    newcomer, _ = sign_in(
        arrival(SECOND, email="new@home.example.net", email_proven=True), reading(OTHER_ADA, TEAM), now
    )

    assert newcomer.id != ada.id
    with pytest.raises(ClaimRefused) as caught:
        claim(newcomer.id, domain, None, settings.record_secret, now)
    assert caught.value.problem is ClaimProblem.TAKEN
    assert Alias.get().person_id == ada.id


def test_whoever_takes_a_freed_name_is_flagged_to_ops_once(db, now):
    ada, _ = sign_in(arrival(), reading(ADA), now)
    for _ in range(2):
        newcomer, _ = sign_in(arrival(SECOND), reading(OTHER_ADA), now)

    (notice,) = Notice.select()
    assert (notice.kind, notice.recipient) == ("name-taken-over", None)
    assert json.loads(notice.subject_ids) == {"person": ada.id, "newcomer": newcomer.id}


def test_whoever_takes_a_freed_name_later_is_flagged_too(db, now):
    sign_in(arrival(), reading(ADA), now)
    grace = account("grace", OTHER_ADA.created)
    sign_in(arrival(SECOND), reading(grace), now)
    sign_in(arrival(SECOND), reading(OTHER_ADA), later(now, days=1))

    assert [notice.kind for notice in Notice.select()] == ["name-taken-over"]


def test_a_renamed_account_is_the_same_person_under_the_new_name(db, now):
    before, _ = sign_in(arrival(), reading(ADA), now)
    after, _ = sign_in(arrival(), reading(account("ada-new", ADA.created)), later(now, days=1))

    assert after.id == before.id
    assert after.launchpad_name == "ada-new"
    assert Notice.select().count() == 0


def test_a_sign_in_without_hints_keeps_what_was_known(db, now):
    sign_in(arrival(email="ada@home.example.net", email_proven=True, language="ja"), reading(ADA), now)
    person, _ = sign_in(arrival(), reading(ADA), now)

    assert (person.sign_in_email, person.sign_in_email_proven) == ("ada@home.example.net", True)
    assert person.language == "ja"


@pytest.mark.parametrize("hint", ["postmaster", "Ada", "ada ", "ada\r\nBcc: x@evil.example"])
def test_what_a_provider_says_of_names_gives_no_name(db, now, hint):
    person, _ = sign_in(arrival(display_name=hint), UNKNOWN, now)

    assert person.launchpad_name is None
    assert "\n" not in person.display_name


def test_launchpads_name_counts_whatever_the_provider_calls_somebody(db, now):
    person, _ = sign_in(arrival(display_name="Grace"), reading(ADA), now)

    assert (person.launchpad_name, person.display_name) == ("ada", "Ada")


@pytest.mark.parametrize("proven", [True, False])
def test_an_equal_mail_address_joins_nobody(db, now, proven):
    one, _ = sign_in(arrival(email="ada@home.example.net", email_proven=True), reading(ADA), now)
    other, _ = sign_in(arrival(SECOND, email="ada@home.example.net", email_proven=proven), reading(None), now)

    assert one.id != other.id


# -- two identities of one account ----------------------------------------------------------------


def test_a_second_identity_of_the_same_account_joins_its_person(db, now):
    person, _ = sign_in(arrival(email="ada@home.example.net", email_proven=True), reading(ADA), now)
    joined, _ = sign_in(arrival(SECOND), reading(ADA), later(now, days=1))

    assert joined.id == person.id
    assert {identity.subject for identity in person.identities} == {FIRST, SECOND}
    assert Person.select().count() == 1


def test_a_joined_identity_is_told_to_the_person_and_recorded(db, now):
    _person, _ = sign_in(arrival(email="ada@home.example.net", email_proven=True), reading(ADA), now)
    sign_in(arrival(SECOND), reading(ADA), now)

    (notice,) = Notice.select()
    assert (notice.kind, notice.recipient.address) == ("identity-joined", "ada@home.example.net")
    assert verbs()[-1] == "identity-joined"
    values = AuditValue.select().order_by(AuditValue.entry.desc()).get().values
    assert json.loads(values) == {"issuer": ISSUER, "subject": SECOND}


def test_each_joined_identity_is_told(db, now):
    sign_in(arrival(email="ada@home.example.net", email_proven=True), reading(ADA), now)
    for subject in (SECOND, SECOND, "https://login.ubuntu.com/+id/" + "C" * 220):
        sign_in(arrival(subject), reading(ADA), now)

    assert Notice.select().count() == 2


def test_accounts_of_the_same_name_but_another_birth_are_not_joined(db, now):
    one, _ = sign_in(arrival(), reading(ADA), now)
    other, _ = sign_in(arrival(SECOND), reading(OTHER_ADA), now)

    assert one.id != other.id


def test_an_identity_does_not_join_while_launchpad_is_down(db, now):
    one, _ = sign_in(arrival(), reading(ADA), now)
    other, _ = sign_in(arrival(SECOND), UNKNOWN, now)

    assert one.id != other.id


def test_a_second_identity_of_a_banned_person_does_not_come_in(db, now):
    person, _ = sign_in(arrival(), reading(ADA), now)
    ban(OPERATOR, person, now)

    with pytest.raises(SignInRefused):
        sign_in(arrival(SECOND), reading(ADA), now)
    assert Identity.select().count() == 1


# -- the first recipient --------------------------------------------------------------------------


def test_a_proven_sign_in_address_is_the_first_recipient(db, now):
    person, _ = sign_in(arrival(email="Ada@home.example.net", email_proven=True), reading(ADA), now)

    recipient = Recipient.get()
    assert (recipient.person_id, recipient.address) == (person.id, "Ada@home.example.net")
    assert (recipient.address_key, recipient.verified_at) == ("ada@home.example.net", now)
    assert verbs() == ["person-signed-in-first", "recipient-proven-at-sign-in"]


@pytest.mark.parametrize("proof", [{"email_proven": False}, {}])
def test_an_unproven_sign_in_address_is_no_recipient(db, now, proof):
    sign_in(arrival(email="ada@home.example.net", **proof), reading(ADA), now)

    assert Recipient.select().count() == 0


@pytest.mark.parametrize("spelling", ["ada@proj.example", "ada@PROJ.example.", '"ada"@ｐｒｏｊ.example'])
def test_an_address_on_our_own_domain_is_no_recipient(domain, now, spelling):
    person, _ = sign_in(arrival(email=spelling, email_proven=True), reading(ADA), now)

    assert Recipient.select().count() == 0
    assert person.sign_in_email == "ada@proj.example"


@pytest.mark.parametrize(
    "text", ["ada", "ada@localhost", "a@b@c.example", "ada@home.example.net\r\nBcc: x@y.example"]
)
def test_a_hint_that_is_no_address_is_no_hint(db, now, text):
    person, _ = sign_in(arrival(email=text, email_proven=True), reading(ADA), now)

    assert person.sign_in_email is None
    assert Recipient.select().count() == 0


def test_a_person_who_has_recipients_gets_no_further_one_by_signing_in(db, now):
    sign_in(arrival(email="ada@home.example.net", email_proven=True), reading(ADA), now)
    sign_in(arrival(email="other@home.example.net", email_proven=True), reading(ADA), now)

    assert [recipient.address for recipient in Recipient.select()] == ["ada@home.example.net"]


def test_an_address_that_is_proven_later_is_the_first_recipient_then(db, now):
    sign_in(arrival(email="ada@home.example.net", email_proven=False), reading(ADA), now)
    sign_in(arrival(email="ada@home.example.net", email_proven=True), reading(ADA), now)

    assert Recipient.get().verified_at == now


@pytest.mark.parametrize(
    "address", ['"' + '\\"' * 62 + '"@' + ".".join(["a" * 60] * 4), "ä" * 32 + "@home.example.net"]
)
def test_an_odd_but_legal_sign_in_address_is_taken(db, now, address):
    person, _ = sign_in(arrival(email=address, email_proven=True), reading(ADA), now)

    assert Recipient.get().person_id == person.id


@pytest.mark.parametrize(
    ("language", "kept"), [("ja", "ja"), ("en", "en"), ("de", "en"), (None, "en"), ("x" * 99, "en")]
)
def test_only_languages_of_ours_are_kept(db, now, language, kept):
    person, _ = sign_in(arrival(language=language), reading(ADA), now)

    assert person.language == kept


# -- at once --------------------------------------------------------------------------------------


def test_one_new_identity_in_many_tabs_is_one_person(db, now):
    hint = {"email": "ada@home.example.net", "email_proven": True}
    results = at_once(*[lambda: sign_in(arrival(**hint), reading(ADA, TEAM), now)] * 8)

    assert [result for result in results if isinstance(result, Exception)] == []
    assert len({person.id for person, _ in results}) == 1
    assert Person.select().count() == Identity.select().count() == Recipient.select().count() == 1
    assert AccountFact.select().count() == 3
    assert first_fault() is None


def test_two_new_identities_of_one_account_at_once_are_one_person(db, now):
    results = at_once(*[lambda s=s: sign_in(arrival(s), reading(ADA), now) for s in (FIRST, SECOND)] * 3)

    assert [result for result in results if isinstance(result, Exception)] == []
    assert Person.select().count() == 1


def test_a_ban_during_a_sign_in_holds(db, now, monkeypatch):
    person, _ = sign_in(arrival(), reading(ADA, TEAM), now)
    store, others = people.store_reading, []

    def store_while_an_admin_bans(*args):
        others.append(in_another_thread(lambda: ban(OPERATOR, person, now), wait=0.3))
        store(*args)

    monkeypatch.setattr(people, "store_reading", store_while_an_admin_bans)
    _, token = sign_in(arrival(), reading(ADA, TEAM), now)
    others[0].join()

    assert Person.get().banned_at == now
    assert find_session(token, now) is None


# -- bans -----------------------------------------------------------------------------------------


def test_a_ban_holds_all_aliases_and_ends_all_sessions(domain, now):
    ada = make_member(now)
    sign_in(SignIn(ISSUER, ada.identities.get().subject), reading(ADA, TEAM), now)
    for name in ("ada", "ada-old"):
        make_alias(ada, domain, now, name)
    ban(Actor.person(99), ada, now)

    assert Person.get().banned_at == now
    assert {alias.hold for alias in Alias.select()} == {Hold.BAN}
    assert Session.select().count() == 0


def test_a_ban_touches_nobody_else(domain, now):
    ada, grace = make_member(now), make_member(now, "grace", created="2010-01-01")
    make_alias(grace, domain, now, "grace")
    ban(OPERATOR, ada, now)

    assert Alias.get().hold == Hold.NONE
    assert Person.get_by_id(grace.id).banned_at is None


def test_a_banned_person_may_claim_nothing(domain, settings, now):
    ada = make_member(now)
    ban(OPERATOR, ada, now)

    with pytest.raises(ClaimRefused) as caught:
        claim(ada.id, domain, None, settings.record_secret, now)
    assert caught.value.decision.missing[0].condition is Condition.NOT_BANNED


def test_lifting_a_ban_lifts_its_holds_and_no_other(domain, now):
    ada = make_member(now)
    make_alias(ada, domain, now, "ada")
    make_alias(ada, domain, now, "held", hold=Hold.ADMIN)
    make_alias(ada, domain, now, "suspended", hold=Hold.LAUNCHPAD)
    ban(OPERATOR, ada, now)
    unban(OPERATOR, ada, now)

    holds = {alias.local_part: alias.hold for alias in Alias.select()}
    assert holds == {"ada": Hold.NONE, "held": Hold.ADMIN, "suspended": Hold.LAUNCHPAD}
    assert Person.get().banned_at is None


@pytest.mark.parametrize("change", [ban, unban])
def test_a_change_made_twice_is_one_change_also_with_an_old_object(domain, now, change):
    ada = make_member(now)
    if change is unban:
        ban(OPERATOR, ada, now)
    before = len(verbs())
    for moment in (now, later(now, days=1)):
        change(OPERATOR, Person(id=ada.id), moment)

    assert len(verbs()) == before + 1
    assert Person.get().banned_at in (None, now)


def test_a_ban_with_an_old_object_brings_nothing_old_back(db, now):
    old = make_person(now, "ada")
    Person.update(launchpad_name="ada-new").execute()
    ban(OPERATOR, old, now)

    assert Person.get().launchpad_name == "ada-new"


def test_a_ban_and_its_end_are_recorded_with_the_actor(db, now):
    ada = make_person(now)
    ban(Actor.person(7), ada, now)
    unban(OPERATOR, ada, now)

    entries = [(entry.actor, entry.verb) for entry in AuditEntry.select().order_by(AuditEntry.id)]
    assert entries == [("person:7", "person-banned"), ("operator", "person-unbanned")]
    assert first_fault() is None


def test_a_ban_during_a_claim_holds_the_new_alias(domain, settings, now):
    ada = make_member(now)
    calls = [
        lambda: claim(ada.id, domain, None, settings.record_secret, now),
        lambda: ban(OPERATOR, ada, now),
    ]
    claimed, banned = at_once(*calls)

    assert banned is None
    assert isinstance(claimed, Alias | ClaimRefused)
    assert {alias.hold for alias in Alias.select()} <= {Hold.BAN}


def test_a_proven_address_of_somebody_banned_adds_nothing(db, now):
    person, _ = sign_in(arrival(), reading(ADA), now)
    ban(OPERATOR, person, now)
    with pytest.raises(SignInRefused):
        sign_in(arrival(email="ada@home.example.net", email_proven=True), reading(ADA), now)

    assert Recipient.select().count() == 0
    assert Person.get().sign_in_email is None


def test_an_unclear_account_reading_with_teams_changes_nothing(db, now):
    person, _ = sign_in(arrival(), reading(ADA, TEAM), now)
    facts = facts_of(person)
    odd = PersonReading(AccountReading(Answer.UNKNOWN), frozenset({TEAM}))
    person, _ = sign_in(arrival(), odd, later(now, days=1))

    assert facts_of(person) == facts


def test_a_recipient_typed_before_stays_when_the_sign_in_address_is_proven(db, now):
    person, _ = sign_in(arrival(), reading(ADA), now)
    make_recipient(person, now, "typed@home.example.net", proven=False)
    sign_in(arrival(email="ada@home.example.net", email_proven=True), reading(ADA), now)

    assert Recipient.select().where(Recipient.address == "typed@home.example.net").exists()
