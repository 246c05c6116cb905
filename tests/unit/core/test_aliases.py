"""core.aliases"""

import json

import pytest
from peewee import IntegrityError

from core import aliases
from core.addresses import parse_address
from core.alias_table import open_alias_table
from core.aliases import (
    ClaimProblem,
    ClaimRefused,
    claim,
    give_up,
    local_part_of,
    name_problem,
    switch,
)
from core.audit import first_fault
from core.database import write
from core.eligibility import Condition
from core.facts import Answer
from core.models import (
    AccountFact,
    Alias,
    AliasRecipient,
    AuditEntry,
    Domain,
    ErasedOwner,
    Identity,
    Membership,
    Notice,
    Person,
    Recipient,
    ReservedName,
)
from core.ownership import recipients_of
from core.recipients import RecipientProblem, proof_token, verify_recipient
from core.roles import Role
from core.routing import Entitlement, Fate, Hold, Switch, route
from core.secrets import derive_key, keyed_hash
from core.standing import store_memberships
from tests.support.arrange import (
    ISSUER,
    TEAM,
    claimed_id,
    entitle,
    later,
    make_admin,
    make_alias,
    make_domain,
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
    """Entitled to ada@proj.example, with one proven recipient."""
    return make_member(now)


@pytest.fixture
def take(domain, settings, now):
    """Claim on the domain, as somebody."""

    def take(person: Person, recipient: str | None = None, *, on: Domain = domain, moment=now) -> Alias:
        return claim(person.id, on, recipient, settings.record_secret, moment)

    return take


@pytest.fixture
def fate(settings, db):
    """What mail for an address gets, as the relay says it."""
    table = open_alias_table(settings.database_url)
    return lambda address, moment: route(table, parse_address(address), settings.ops_address, moment)


def refusal(call) -> ClaimRefused:
    """Return the refusal that a claim ends in, and see that it changed nothing."""
    before = rows()
    with pytest.raises(ClaimRefused) as caught:
        call()
    assert rows() == before
    return caught.value


def rows() -> list[int]:
    return [table.select().count() for table in (Alias, AliasRecipient, Recipient, Notice, AuditEntry)]


def verbs() -> list[str]:
    return [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)]


def rename(person: Person, name: str) -> Person:
    Person.update(launchpad_name=name).where(Person.id == person.id).execute()
    return Person.get_by_id(person.id)


# -- a claim --------------------------------------------------------------------------------------


def test_a_claim_gives_the_launchpad_name_on_the_domain(ada, take, now):
    alias = take(ada)

    assert alias.text == "ada@proj.example"
    assert (alias.person_id, alias.created_at) == (ada.id, now)
    assert (alias.entitlement, alias.switch, alias.hold) == (Entitlement.ENTITLED, Switch.ON, Hold.NONE)
    assert alias.unreachable_since is None


def test_mail_flows_from_the_moment_of_the_claim(ada, take, fate, now):
    assert fate("ada@proj.example", now).fate is Fate.UNKNOWN_ADDRESS
    take(ada)

    assert fate("ada@proj.example", now).recipients == ("ada@home.example.net",)


def test_the_name_is_claimed_in_lower_case(ada, take):
    rename(ada, "Ada")

    assert take(ada).local_part == "ada"


def test_a_claim_is_recorded(ada, take):
    alias = take(ada)

    entry = AuditEntry.select().order_by(AuditEntry.id.desc()).first()
    assert (entry.actor, entry.verb) == (f"person:{ada.id}", "alias-claimed")
    assert json.loads(entry.subject_ids)["alias"] == alias.id
    assert first_fault() is None


def test_the_admins_of_the_domain_are_told_once(ada, take, domain, now):
    make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain)
    for _ in range(2):
        take(ada)

    (notice,) = Notice.select()
    assert (notice.kind, notice.recipient.address) == ("address-created", "kaia@admins.example.net")
    assert notice.person_id == ada.id


def test_without_admins_the_ops_address_is_told(ada, take):
    take(ada)

    assert Notice.get().recipient is None


def test_the_same_claim_twice_is_one_claim(ada, take, now):
    one = take(ada)
    other = take(ada, moment=later(now, hours=1))

    assert one.id == other.id
    assert Alias.select().count() == 1
    assert verbs().count("alias-claimed") == 1


def test_each_domain_has_its_own_names(ada, take, now):
    other = make_domain(now, "other.example")

    assert take(ada).id != take(ada, on=other).id


# -- where the mail goes --------------------------------------------------------------------------


def test_the_first_proven_recipient_takes_the_mail(ada, take, now):
    make_recipient(ada, now, "second@home.example.net")

    assert [recipient.address for recipient in recipients_of(take(ada))] == ["ada@home.example.net"]


def test_somebody_without_a_proven_recipient_must_name_one(domain, take, now):
    ada = entitle(make_person(now), now)
    make_recipient(ada, now, "unproven@home.example.net", proven=False)

    for nothing in (None, ""):
        assert refusal(lambda n=nothing: take(ada, n)).problem is ClaimProblem.NEEDS_RECIPIENT


def test_a_recipient_named_at_the_claim_waits_for_its_proof(domain, take, fate, settings, now):
    ada = entitle(make_person(now), now)
    alias = take(ada, "new@work.example.net")

    assert alias.unreachable_since == now
    assert fate("ada@proj.example", now).fate is Fate.NO_RECIPIENT_YET
    assert fate("ada@proj.example", later(now, days=3)).fate is Fate.NO_RECIPIENT

    (recipient,) = recipients_of(alias)
    verify_recipient(proof_token(recipient, settings.secret_key), ada.id, settings.secret_key, now)
    assert fate("ada@proj.example", now).recipients == ("new@work.example.net",)


def test_a_recipient_named_at_the_claim_gets_a_verification_mail(domain, take, now):
    ada = entitle(make_person(now), now)
    take(ada, "new@work.example.net")

    assert {notice.kind for notice in Notice.select()} == {"verify-recipient", "address-created"}


@pytest.mark.parametrize(
    "text", ["new", "new@localhost", "new@proj.example", "new@PROJ.example.", "a@b@c.example"]
)
def test_a_claim_with_an_impossible_recipient_changes_nothing(domain, take, now, text):
    ada = entitle(make_person(now), now)
    before = rows()

    with pytest.raises(RecipientProblem):
        take(ada, text)
    assert rows() == before


# -- why a claim is refused -----------------------------------------------------------------------


def test_a_name_of_somebody_else_is_taken(ada, take, now):
    take(ada)
    other = make_member(now, "ada", subject=claimed_id("other"), created="2024-05-05")

    assert refusal(lambda: take(other)).problem is ClaimProblem.TAKEN


@pytest.mark.parametrize(
    "change", [{"switch": Switch.GIVEN_UP}, {"entitlement": Entitlement.ENDED}, {"hold": Hold.BAN}]
)
def test_a_name_once_given_stays_taken(ada, take, now, change):
    take(ada)
    Alias.update(change).execute()
    other = make_member(now, "ada", subject=claimed_id("other"), created="2024-05-05")

    assert refusal(lambda: take(other)).problem is ClaimProblem.TAKEN


def test_a_role_address_is_taken(ada, take, domain, now):
    make_alias(None, domain, now, "ada", by_self_service=False)

    assert refusal(lambda: take(ada)).problem is ClaimProblem.TAKEN


def test_a_name_reserved_for_another_identity_is_taken(ada, take, domain, now):
    make_alias(None, domain, now, "ada", reserved_issuer=ISSUER, reserved_subject=claimed_id("other"))

    assert refusal(lambda: take(ada)).problem is ClaimProblem.TAKEN


@pytest.mark.parametrize(
    "name", ["postmaster", "abuse", "admin", "root", "noreply", "Hostmaster", "srs0", "srs1-x"]
)
def test_a_name_of_office_is_reserved(ada, take, name):
    assert refusal(lambda: take(rename(ada, name))).problem is ClaimProblem.RESERVED


def test_a_name_that_admins_keep_back_is_reserved(ada, take, domain, now):
    other = make_domain(now, "other.example")
    ReservedName.create(domain=domain, local_part="ada")

    assert refusal(lambda: take(ada)).problem is ClaimProblem.RESERVED
    assert take(ada, on=other).id


def test_a_name_kept_back_everywhere_is_reserved_everywhere(ada, take):
    ReservedName.create(domain=None, local_part="ada")

    assert refusal(lambda: take(ada)).problem is ClaimProblem.RESERVED


@pytest.mark.parametrize("name", ["ada+lab", "ada.", "a..b", "a" * 65])
def test_a_name_that_is_no_plain_local_part_is_impossible(ada, take, name):
    assert refusal(lambda: take(rename(ada, name))).problem is ClaimProblem.IMPOSSIBLE


def holds(fact: str, answer: bool | None) -> None:
    """Have a fact of everybody's account say yes or no, or be unknown."""
    rows = AccountFact.update(holds=bool(answer)) if answer is not None else AccountFact.delete()
    rows.where(AccountFact.fact == fact).execute()


NOT_ENTITLED = {
    "no member": (lambda now: Membership.update(holds=False).execute(), Condition.TEAM_MEMBER),
    "membership unknown": (lambda now: Membership.delete().execute(), Condition.TEAM_MEMBER),
    "account not valid": (lambda now: holds("valid", False), Condition.ACCOUNT_VALID),
    "account unknown": (lambda now: holds("valid", None), Condition.ACCOUNT_VALID),
    "not signed": (lambda now: holds("coc_signed", False), Condition.COC_SIGNED),
    "signature unknown": (lambda now: holds("coc_signed", None), Condition.COC_SIGNED),
    "banned": (lambda now: Person.update(banned_at=now).execute(), Condition.NOT_BANNED),
    "no account": (lambda now: Person.update(launchpad_name=None).execute(), Condition.HAS_ACCOUNT),
}


@pytest.mark.parametrize(("change", "condition"), NOT_ENTITLED.values(), ids=NOT_ENTITLED)
def test_somebody_who_is_not_entitled_is_refused_with_the_reasons(ada, take, now, change, condition):
    change(now)

    refused = refusal(lambda: take(ada))
    assert refused.problem is ClaimProblem.NOT_ENTITLED
    assert [reason.condition for reason in refused.decision.missing] == [condition]


@pytest.mark.parametrize("change", [{"verified_at": None}, {"removed_at": 1}])
def test_a_domain_that_is_unverified_or_removed_gives_nothing(ada, take, now, change):
    Domain.update({key: value and now for key, value in change.items()}).execute()

    assert refusal(lambda: take(ada, on=Domain.get())).problem is ClaimProblem.NOT_ENTITLED


def test_a_domain_removed_meanwhile_gives_nothing(ada, take, domain, now):
    Domain.update(removed_at=now).execute()

    assert refusal(lambda: take(ada, on=domain)).problem is ClaimProblem.NOT_ENTITLED


def test_facts_older_than_a_day_are_stale(ada, take, now):
    assert refusal(lambda: take(ada, moment=later(now, hours=24, seconds=1))).problem is ClaimProblem.STALE
    assert take(ada, moment=later(now, hours=24)).id


def test_a_doubted_membership_is_stale(ada, take, now):
    with write():
        store_memberships(ada, {TEAM: Answer.NO}, now)

    assert refusal(lambda: take(ada)).problem is ClaimProblem.STALE


# -- one name, and one more after a rename --------------------------------------------------------


def test_after_a_rename_the_new_name_may_be_taken_and_the_old_one_stays(ada, take, fate, now):
    take(ada)
    take(rename(ada, "ada-new"))

    assert {alias.local_part for alias in ada.aliases} == {"ada", "ada-new"}
    assert fate("ada@proj.example", now).fate is fate("ada-new@proj.example", now).fate is Fate.DELIVER


def test_a_third_name_within_twelve_months_is_refused(ada, take, now):
    take(ada)
    take(rename(ada, "ada-two"), moment=later(now, hours=1))
    third = rename(ada, "ada-three")

    assert refusal(lambda: take(third, moment=later(now, hours=2))).problem is ClaimProblem.ONE_NAME


def test_a_third_name_after_twelve_months_may_be_taken_but_no_fourth(ada, take, now):
    take(ada)
    take(rename(ada, "ada-two"))
    next_year = later(now, days=365)
    entitle(ada, next_year)
    ada = rename(ada, "ada-three")

    assert refusal(lambda: take(ada, moment=later(next_year, days=-364))).problem is ClaimProblem.ONE_NAME
    take(ada, moment=next_year)
    ada = rename(ada, "ada-four")
    assert refusal(lambda: take(ada, moment=next_year)).problem is ClaimProblem.ONE_NAME


def test_a_name_given_up_counts_as_one(ada, take, now):
    give_up(ada.id, take(ada).id, now)
    give_up(ada.id, take(rename(ada, "ada-two")).id, now)
    third = rename(ada, "ada-three")

    assert refusal(lambda: take(third)).problem is ClaimProblem.ONE_NAME


def test_a_name_that_an_admin_gave_does_not_count(ada, take, domain, now):
    make_alias(ada, domain, now, "board", by_self_service=False)
    make_alias(ada, domain, now, "council", by_self_service=False)

    assert take(ada).id
    assert take(rename(ada, "ada-two")).id


def test_names_on_another_domain_do_not_count(ada, take, now):
    other = make_domain(now, "other.example")
    for name in ("ada", "ada-two"):
        take(rename(ada, name), on=other)

    assert take(rename(ada, "ada-three")).id


# -- a name that was given up, ended, or whose owner was erased -----------------------------------


def test_a_name_given_up_may_be_taken_again_by_the_same_person(ada, take, fate, now):
    alias = take(ada)
    give_up(ada.id, alias.id, now)
    assert fate("ada@proj.example", now).fate is Fate.ENDED
    again = take(ada, moment=later(now, hours=1))

    assert (again.id, again.switch, again.switched_at) == (alias.id, Switch.ON, later(now, hours=1))
    assert verbs()[-1] == "alias-taken-again"
    assert fate("ada@proj.example", later(now, hours=1)).fate is Fate.DELIVER


def test_a_name_given_up_goes_to_nobody_who_takes_the_launchpad_name(ada, take, now):
    give_up(ada.id, take(ada).id, now)
    rename(ada, "ada-new")
    newcomer = make_member(now, "ada", subject=claimed_id("newcomer"), created="2024-05-05")

    assert refusal(lambda: take(newcomer)).problem is ClaimProblem.TAKEN


@pytest.mark.parametrize("entitlement", [Entitlement.GRACE, Entitlement.ENDED])
def test_an_ending_is_over_when_the_owner_claims_again(ada, take, now, entitlement):
    alias = take(ada)
    Alias.update(entitlement=entitlement, grace_until=later(now, days=-1)).execute()
    again = take(ada)

    assert (again.id, again.entitlement, again.grace_until) == (alias.id, Entitlement.ENTITLED, None)


def test_claiming_again_does_not_lift_a_hold(ada, take, now):
    give_up(ada.id, take(ada).id, now)
    Alias.update(hold=Hold.ADMIN).execute()

    assert take(ada).hold == Hold.ADMIN


def test_claiming_again_does_not_switch_an_alias_on(ada, take, now):
    switch(ada.id, take(ada).id, Switch.OFF_REFUSED, now)

    assert take(ada).switch == Switch.OFF_REFUSED


@pytest.fixture
def erased(domain, settings, now) -> Alias:
    """ada@proj.example, whose owner was erased; nothing is left but the name and a hash."""
    owner = keyed_hash(derive_key(settings.record_secret, "erased owner"), ISSUER, claimed_id("ada"))
    alias = make_alias(None, domain, now, "ada", switch=Switch.GIVEN_UP)
    ErasedOwner.create(alias=alias, owner=owner)
    return alias


def test_an_erased_owner_may_take_the_name_again(erased, take, fate, now):
    again = take(make_member(now))

    assert again.id == erased.id
    assert not ErasedOwner.select().exists()
    assert fate("ada@proj.example", now).recipients == ("ada@home.example.net",)


def test_an_erased_owner_is_known_by_any_of_their_identities(erased, take, now):
    back = make_member(now, subject=claimed_id("second"))
    Identity.create(issuer=ISSUER, subject=claimed_id("ada"), person=back, added_at=now)

    assert take(back).id == erased.id


def test_an_erased_owner_without_a_recipient_must_name_one(erased, take, now):
    back = entitle(make_person(now), now)

    assert refusal(lambda: take(back)).problem is ClaimProblem.NEEDS_RECIPIENT
    alias = take(back, "new@work.example.net")
    assert [recipient.address for recipient in recipients_of(alias)] == ["new@work.example.net"]
    assert alias.unreachable_since == now


def test_nobody_else_takes_the_name_of_an_erased_owner(erased, take, now):
    other = make_member(now, subject=claimed_id("other"))

    assert refusal(lambda: take(other)).problem is ClaimProblem.TAKEN


def test_the_same_subject_of_another_issuer_is_not_the_erased_owner(erased, take, now):
    other = make_member(now, subject=claimed_id("other"))
    Identity.create(issuer="https://other.example/", subject=claimed_id("ada"), person=other, added_at=now)

    assert refusal(lambda: take(other)).problem is ClaimProblem.TAKEN


# -- at once (B59, invariant 4) -------------------------------------------------------------------


def test_twenty_claims_of_one_person_at_once_are_one_claim(ada, take):
    results = at_once(*[lambda: take(ada)] * 20)

    assert [result for result in results if isinstance(result, Exception)] == []
    assert len({alias.id for alias in results}) == 1
    assert Alias.select().count() == AliasRecipient.select().count() == Notice.select().count() == 1
    assert verbs().count("alias-claimed") == 1
    assert first_fault() is None


def test_of_two_people_with_one_name_who_claim_at_once_one_gets_it(ada, take, now):
    other = make_member(now, "Ada", subject=claimed_id("other"), created="2024-05-05")
    results = at_once(*[lambda p=person: take(p) for person in (ada, other) for _ in range(10)])

    assert Alias.select().count() == 1
    owner = Alias.get().person_id
    for result, person in zip(results, [ada] * 10 + [other] * 10, strict=True):
        if person.id == owner:
            assert isinstance(result, Alias), result
        else:
            assert isinstance(result, ClaimRefused), result
            assert result.problem is ClaimProblem.TAKEN
    assert first_fault() is None


def test_many_people_who_claim_different_names_at_once_all_get_theirs(domain, take, now):
    people = [make_member(now, f"person{number}") for number in range(12)]
    results = at_once(*[lambda p=person: take(p) for person in people])

    assert [alias.local_part for alias in results] == [f"person{number}" for number in range(12)]
    assert first_fault() is None


def test_claims_under_two_names_at_once_keep_to_the_rule(ada, take, now):
    take(ada)
    take(rename(ada, "ada-two"))
    ada = rename(ada, "ada-three")
    results = at_once(*[lambda: take(ada)] * 6)

    assert {result.problem for result in results} == {ClaimProblem.ONE_NAME}
    assert Alias.select().count() == 2


def test_a_claim_while_membership_is_withdrawn_rests_on_one_or_the_other(ada, take, now):
    def withdraw():
        with write():
            store_memberships(ada, {TEAM: Answer.NO}, now)

    result, withdrawn = at_once(lambda: take(ada), withdraw)

    assert withdrawn is None
    assert isinstance(result, Alias) or result.problem is ClaimProblem.STALE


# -- the owner's switch ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (Switch.OFF_LATER, Fate.OFF_LATER),
        (Switch.OFF_REFUSED, Fate.OFF_REFUSED),
        (Switch.GIVEN_UP, Fate.ENDED),
        (Switch.ON, Fate.DELIVER),
    ],
)
def test_a_switch_counts_for_mail_at_once(ada, take, fate, now, to, expected):
    alias = take(ada)
    switch(ada.id, alias.id, to, now)

    assert fate("ada@proj.example", now).fate is expected


def test_a_switch_is_recorded_with_before_and_after(ada, take, now):
    switch(ada.id, take(ada).id, Switch.OFF_LATER, later(now, hours=1))

    entry = AuditEntry.select().order_by(AuditEntry.id.desc()).first()
    values = json.loads(entry.auditvalue_set.get().values)
    assert entry.verb == "alias-switched"
    assert (values["before"], values["after"]) == ("on", "off-later")
    assert Alias.get().switched_at == later(now, hours=1)
    assert first_fault() is None


def test_the_same_switch_twice_keeps_its_time_and_is_recorded_once(ada, take, now):
    alias = take(ada)
    for hours in (1, 50):
        switch(ada.id, alias.id, Switch.OFF_LATER, later(now, hours=hours))

    assert Alias.get().switched_at == later(now, hours=1)
    assert verbs().count("alias-switched") == 1


def test_giving_up_is_recorded_as_such(ada, take, now):
    give_up(ada.id, take(ada).id, now)

    assert verbs()[-1] == "alias-given-up"


@pytest.mark.parametrize("to", list(Switch))
def test_a_name_given_up_cannot_be_switched(ada, take, now, to):
    alias = take(ada)
    give_up(ada.id, alias.id, now)

    with pytest.raises(LookupError):
        switch(ada.id, alias.id, to, now)


def test_nobody_else_can_switch_my_alias(ada, take, now):
    alias = take(ada)
    grace = make_member(now, "grace", created="2010-01-01")

    with pytest.raises(LookupError):
        switch(grace.id, alias.id, Switch.OFF_REFUSED, now)
    with pytest.raises(LookupError):
        give_up(grace.id, alias.id, now)
    assert Alias.get().switch == Switch.ON


def test_a_switch_does_not_lift_a_hold(ada, take, fate, now):
    alias = take(ada)
    Alias.update(hold=Hold.BAN).execute()
    switch(ada.id, alias.id, Switch.OFF_REFUSED, now)
    switch(ada.id, alias.id, Switch.ON, now)

    assert fate("ada@proj.example", now).fate is Fate.HELD


# -- small helpers --------------------------------------------------------------------------------


def test_somebody_without_an_account_has_no_local_part():
    assert local_part_of(Person(launchpad_name=None)) is None


def test_a_free_plain_name_has_no_problem(domain):
    assert name_problem(domain, "ada") is None


def test_a_database_that_refuses_twice_is_not_hidden(ada, take, monkeypatch):
    def refuse(*_):
        raise IntegrityError("refused")

    monkeypatch.setattr(aliases, "give_new", refuse)
    with pytest.raises(IntegrityError):
        take(ada)
