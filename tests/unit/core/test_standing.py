"""core.standing"""

import pytest

from core.facts import Answer
from core.models import AccountFact, Domain, DomainTeam, Membership, Person
from core.standing import (
    decision_for,
    facts_of,
    mapped_teams,
    standings_of,
    store_account_facts,
    store_memberships,
)
from tests.support.arrange import TEAM, entitle, later, make_domain, make_person


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    return make_person(now)


def test_of_a_newcomer_nothing_is_known(db, now):
    person = Person.create(created_at=now)

    facts = facts_of(person)
    assert (facts.banned, facts.has_account) == (False, Answer.UNKNOWN)
    assert (facts.valid, facts.coc_signed, facts.memberships) == (None, None, {})


def test_somebody_with_a_launchpad_name_has_an_account(ada):
    assert facts_of(ada).has_account is Answer.YES


def test_somebody_of_whom_launchpad_knows_nothing_has_no_account(db, now):
    person = Person.create(created_at=now, asked_at=now)

    assert facts_of(person).has_account is Answer.NO


def test_a_banned_person_is_banned(ada, now):
    ada.banned_at = now

    assert facts_of(ada).banned


def test_answers_come_back_as_they_were_stored(ada, now):
    store_account_facts(ada, {"valid": Answer.YES, "coc_signed": Answer.NO}, now)
    store_memberships(ada, {TEAM: Answer.YES, "other": Answer.NO}, now)

    facts = facts_of(ada)
    assert (facts.valid.answer, facts.coc_signed.answer) == (Answer.YES, Answer.NO)
    assert {team: fact.answer for team, fact in facts.memberships.items()} == {
        TEAM: Answer.YES,
        "other": Answer.NO,
    }
    assert facts.valid.read_at == now


def test_unknown_answers_store_nothing(ada, now):
    store_account_facts(ada, {"valid": Answer.UNKNOWN, "coc_signed": Answer.UNKNOWN}, now)
    store_memberships(ada, {TEAM: Answer.UNKNOWN}, now)

    assert AccountFact.select().count() == Membership.select().count() == 0


def test_unknown_answers_change_nothing(ada, now):
    entitle(ada, now)
    before = facts_of(ada)
    store_account_facts(ada, {"valid": Answer.UNKNOWN, "coc_signed": Answer.UNKNOWN}, later(now, days=9))
    store_memberships(ada, {TEAM: Answer.UNKNOWN}, later(now, days=9))

    assert facts_of(ada) == before


def test_a_first_no_is_stored_as_a_doubt(ada, now):
    entitle(ada, now)
    store_memberships(ada, {TEAM: Answer.NO}, later(now, hours=1))

    fact = facts_of(ada).memberships[TEAM]
    assert (fact.holds, fact.since, fact.first_no_at) == (True, now, later(now, hours=1))


def test_a_team_that_was_not_asked_about_stays_as_it_is(ada, now):
    entitle(ada, now, TEAM, "other")
    store_memberships(ada, {TEAM: Answer.NO}, later(now, hours=1))

    assert facts_of(ada).memberships["other"].first_no_at is None


def test_facts_of_others_are_not_changed_by_mine(ada, now):
    grace = entitle(make_person(now, "grace"), now)
    before = facts_of(grace)
    for hours in (1, 8):
        store_account_facts(ada, {"valid": Answer.NO}, later(now, hours=hours))
        store_memberships(ada, {TEAM: Answer.NO}, later(now, hours=hours))

    assert facts_of(grace) == before
    assert facts_of(ada).valid.answer is facts_of(ada).memberships[TEAM].answer is Answer.NO


def test_facts_of_others_are_not_mine(ada, now):
    entitle(make_person(now, "grace"), now)

    assert facts_of(ada).memberships == {}


def test_an_entitled_person_may_claim(ada, domain, now):
    entitle(ada, now)

    assert decision_for(ada, domain, now).claimable


def test_a_domain_that_is_not_verified_entitles_nobody(ada, domain, now):
    entitle(ada, now)
    domain.verified_at = None

    assert decision_for(ada, domain, now).answer is Answer.NO


def test_a_removed_domain_entitles_nobody(ada, domain, now):
    entitle(ada, now)
    domain.removed_at = now

    assert decision_for(ada, domain, now).answer is Answer.NO


def test_the_standings_are_the_decisions_of_all_domains(ada, domain, now):
    other = make_domain(now, "other.example", ["other", "more"], coc_required=False)
    make_domain(now, "third.example", [])
    entitle(ada, now)

    standings = standings_of(ada, now)
    assert [standing.domain.name for standing in standings] == [
        "proj.example",
        "other.example",
        "third.example",
    ]
    assert standings[0].decision == decision_for(ada, domain, now)
    assert standings[1].decision == decision_for(ada, other, now)
    assert [standing.decision.answer for standing in standings] == [Answer.YES, Answer.UNKNOWN, Answer.NO]


def test_a_removed_domain_is_not_shown(ada, domain, now):
    Domain.update(removed_at=now).execute()

    assert standings_of(ada, now) == []


def test_many_domains_cost_no_more_queries_than_one(ada, domain, now, db, monkeypatch):
    def queries() -> int:
        count = 0
        execute = db.obj.execute_sql

        def counted(*args, **kwargs):
            nonlocal count
            count += 1
            return execute(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(db.obj, "execute_sql", counted)
            standings_of(ada, now)
        return count

    one = queries()
    for number in range(20):
        make_domain(now, f"d{number}.example")

    assert queries() == one


def test_only_teams_of_domains_that_are_there_are_mapped(domain, now):
    make_domain(now, "other.example", ["other", TEAM])
    make_domain(now, "gone.example", ["gone"])
    Domain.update(removed_at=now).where(Domain.name == "gone.example").execute()

    assert mapped_teams() == {TEAM, "other"}


def test_without_domains_no_team_is_mapped(db):
    assert DomainTeam.select().count() == 0
    assert mapped_teams() == set()
