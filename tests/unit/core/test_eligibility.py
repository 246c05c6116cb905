"""core.eligibility"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.eligibility import Condition, DomainRules, PersonFacts, decide
from core.facts import Answer, Fact
from tests.support.strategies import moments

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

YES = Fact(True, NOW - 1000 * HOUR, NOW - HOUR)
NO = Fact(False, NOW - 1000 * HOUR, NOW - HOUR)
OLD = Fact(True, NOW - 1000 * HOUR, NOW - 25 * HOUR)
DOUBTED = Fact(True, NOW - 1000 * HOUR, NOW, first_no_at=NOW)

MEMBER = PersonFacts(
    banned=False, has_account=Answer.YES, valid=YES, coc_signed=YES, memberships={"staff": YES}
)
RULES = DomainRules(verified=True, coc_required=True, teams=("members", "staff"))


def test_a_member_with_all_facts_fresh_is_entitled_and_may_claim():
    decision = decide(MEMBER, RULES, NOW)

    assert decision.answer is Answer.YES
    assert decision.claimable
    assert decision.missing == ()


@pytest.mark.parametrize(
    ("person", "rules", "condition"),
    [
        (MEMBER, replace(RULES, verified=False), Condition.DOMAIN_VERIFIED),
        (replace(MEMBER, banned=True), RULES, Condition.NOT_BANNED),
        (replace(MEMBER, has_account=Answer.NO), RULES, Condition.HAS_ACCOUNT),
        (replace(MEMBER, valid=NO), RULES, Condition.ACCOUNT_VALID),
        (replace(MEMBER, coc_signed=NO), RULES, Condition.COC_SIGNED),
        (replace(MEMBER, memberships={"staff": NO, "members": NO}), RULES, Condition.TEAM_MEMBER),
    ],
)
def test_each_failing_condition_is_named_and_refuses(person, rules, condition):
    decision = decide(person, rules, NOW)

    assert decision.answer is Answer.NO
    assert not decision.claimable
    assert [reason.condition for reason in decision.missing] == [condition]


@pytest.mark.parametrize(
    ("person", "condition"),
    [
        (replace(MEMBER, has_account=Answer.UNKNOWN), Condition.HAS_ACCOUNT),
        (replace(MEMBER, valid=None), Condition.ACCOUNT_VALID),
        (replace(MEMBER, coc_signed=None), Condition.COC_SIGNED),
        (replace(MEMBER, memberships=None), Condition.TEAM_MEMBER),
        (replace(MEMBER, memberships={}), Condition.TEAM_MEMBER),
        (replace(MEMBER, memberships={"staff": NO}), Condition.TEAM_MEMBER),
    ],
)
def test_each_missing_fact_is_unknown_and_neither_a_yes_nor_a_no(person, condition):
    decision = decide(person, RULES, NOW)

    assert decision.answer is Answer.UNKNOWN
    assert not decision.claimable
    assert [reason.condition for reason in decision.missing] == [condition]


def test_a_no_weighs_more_than_an_unknown():
    decision = decide(replace(MEMBER, valid=None, coc_signed=NO), RULES, NOW)

    assert decision.answer is Answer.NO
    assert [reason.condition for reason in decision.missing] == [Condition.COC_SIGNED]


def test_all_failing_conditions_are_named_at_once():
    decision = decide(replace(MEMBER, banned=True, valid=NO, coc_signed=NO, memberships={}), RULES, NOW)

    named = [reason.condition for reason in decision.missing]
    assert named == [Condition.NOT_BANNED, Condition.ACCOUNT_VALID, Condition.COC_SIGNED]


def test_without_an_account_nothing_else_is_asked_of_it():
    decision = decide(PersonFacts(banned=False, has_account=Answer.NO), RULES, NOW)

    assert [reason.condition for reason in decision.reasons][-1] is Condition.HAS_ACCOUNT


def test_a_domain_may_do_without_the_code_of_conduct():
    decision = decide(replace(MEMBER, coc_signed=NO), replace(RULES, coc_required=False), NOW)

    assert decision.claimable
    assert Condition.COC_SIGNED not in [reason.condition for reason in decision.reasons]


def test_membership_in_one_of_the_teams_is_enough():
    decision = decide(replace(MEMBER, memberships={"members": NO, "staff": YES}), RULES, NOW)

    assert decision.claimable
    assert decision.team is not None
    assert decision.team.teams == ("staff",)


def test_a_team_that_is_not_mapped_entitles_to_nothing():
    decision = decide(replace(MEMBER, memberships={"other": YES, "staff": NO, "members": NO}), RULES, NOW)

    assert decision.answer is Answer.NO


def test_a_domain_without_teams_entitles_nobody():
    assert decide(MEMBER, replace(RULES, teams=()), NOW).answer is Answer.NO


def test_a_no_of_membership_names_all_teams_that_would_do():
    decision = decide(replace(MEMBER, memberships={"staff": NO, "members": NO}), RULES, NOW)

    assert decision.team is not None
    assert decision.team.teams == ("members", "staff")


@pytest.mark.parametrize("fact", [OLD, DOUBTED])
@pytest.mark.parametrize("field", ["valid", "coc_signed"])
def test_an_account_fact_that_is_old_or_in_doubt_entitles_but_allows_no_claim(field, fact):
    decision = decide(replace(MEMBER, **{field: fact}), RULES, NOW)

    assert decision.answer is Answer.YES
    assert not decision.claimable


@pytest.mark.parametrize("fact", [OLD, DOUBTED])
def test_a_membership_that_is_old_or_in_doubt_entitles_but_allows_no_claim(fact):
    decision = decide(replace(MEMBER, memberships={"staff": fact}), RULES, NOW)

    assert decision.answer is Answer.YES
    assert not decision.claimable


@pytest.mark.parametrize("weaker", [OLD, DOUBTED])
def test_of_two_memberships_the_one_that_allows_a_claim_counts(weaker):
    decision = decide(replace(MEMBER, memberships={"members": weaker, "staff": YES}), RULES, NOW)

    assert decision.claimable


def test_facts_are_fresh_for_24_hours_to_the_second():
    last = replace(YES, read_at=NOW - 24 * HOUR)
    person = PersonFacts(False, Answer.YES, last, last, {"staff": last})

    assert decide(person, RULES, NOW).claimable
    assert not decide(person, RULES, NOW + timedelta(seconds=1)).claimable


def test_the_age_shown_is_that_of_the_oldest_fact():
    assert decide(replace(MEMBER, coc_signed=OLD), RULES, NOW).oldest_reading == OLD.read_at


def test_there_is_no_age_where_nothing_was_read():
    nobody = PersonFacts(banned=False, has_account=Answer.UNKNOWN)

    assert decide(nobody, RULES, NOW).oldest_reading is None


facts = st.builds(Fact, st.booleans(), moments, moments, st.none() | moments)
people = st.builds(
    PersonFacts,
    st.booleans(),
    st.sampled_from(Answer),
    st.none() | facts,
    st.none() | facts,
    st.none() | st.dictionaries(st.sampled_from(["members", "staff", "other"]), facts),
)
rules = st.builds(
    DomainRules, st.booleans(), st.booleans(), st.lists(st.sampled_from(["members", "staff"]), unique=True)
)


@given(people, rules, moments)
def test_whoever_may_claim_fulfils_every_condition_by_fresh_facts(person, domain, moment):
    decision = decide(person, domain, moment)

    held = [fact for team, fact in (person.memberships or {}).items() if team in domain.teams]
    needed = [person.valid] + ([person.coc_signed] if domain.coc_required else [])
    fulfilled = (
        domain.verified
        and not person.banned
        and person.has_account is Answer.YES
        and all(fact is not None and fact.supports_claim(moment) for fact in needed)
        and any(fact.supports_claim(moment) for fact in held)
    )
    assert decision.claimable is fulfilled


@given(people, rules, moments)
def test_a_no_or_unknown_always_names_what_is_missing(person, domain, moment):
    decision = decide(person, domain, moment)

    assert (decision.missing == ()) is (decision.answer is Answer.YES)


# -- waivers --------------------------------------------------------------------------------------

OPEN = replace(RULES, domain_id=7)


@pytest.mark.parametrize(
    "memberships", [{"staff": NO, "members": NO}, {}, {"staff": OLD}, {"staff": DOUBTED}]
)
@pytest.mark.parametrize("until", [None, NOW + timedelta(seconds=1)])
def test_a_waiver_stands_in_for_a_team_that_does_not_hold_firmly(memberships, until):
    decision = decide(replace(MEMBER, memberships=memberships, waivers={7: until}), OPEN, NOW)

    assert decision.claimable
    assert decision.team is None
    assert [reason.until for reason in decision.reasons if reason.condition is Condition.WAIVER] == [until]


def test_a_team_that_holds_firmly_goes_before_a_waiver():
    decision = decide(replace(MEMBER, waivers={7: None}), OPEN, NOW)

    assert decision.team == decide(MEMBER, OPEN, NOW).team is not None


@pytest.mark.parametrize("waivers", [{8: None}, {7: NOW}, {7: NOW - HOUR}, {}])
def test_a_waiver_for_another_domain_or_over_changes_nothing(waivers):
    nobody = replace(MEMBER, memberships={"staff": NO, "members": NO})

    assert decide(replace(nobody, waivers=waivers), OPEN, NOW) == decide(nobody, OPEN, NOW)


@pytest.mark.parametrize(
    ("person", "rules"),
    [
        (MEMBER, replace(OPEN, verified=False)),
        (replace(MEMBER, banned=True), OPEN),
        (replace(MEMBER, has_account=Answer.NO), OPEN),
        (replace(MEMBER, valid=NO), OPEN),
        (replace(MEMBER, coc_signed=NO), OPEN),
    ],
)
def test_a_waiver_stands_in_for_nothing_else(person, rules):
    assert decide(replace(person, waivers={7: None}), rules, NOW).answer is Answer.NO
