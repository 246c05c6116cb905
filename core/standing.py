"""How a person stands: what is known of them, and what that means on each domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.eligibility import Decision, DomainRules, PersonFacts, decide
from core.facts import Answer, Fact, observe
from core.models import AccountFact, Domain, DomainTeam, Membership, Person, Waiver


def facts_of(person: Person) -> PersonFacts:
    """Load what is known of a person."""
    account = {row.fact: _fact(row) for row in AccountFact.select().where(AccountFact.person == person)}
    teams = {row.team: _fact(row) for row in Membership.select().where(Membership.person == person)}
    has_account = Answer.YES if person.launchpad_name else Answer.NO if person.asked_at else Answer.UNKNOWN
    return PersonFacts(
        banned=person.banned_at is not None,
        has_account=has_account,
        valid=account.get("valid"),
        coc_signed=account.get("coc_signed"),
        memberships=teams,
        waivers=_waivers(person),
    )


def _waivers(person: Person) -> dict[int, datetime | None]:
    """Return the domains that waivers open for a person, each with its last end."""
    rows = Waiver.select().where(Waiver.person == person, Waiver.kind == "domain", Waiver.state == "granted")
    found: dict[int, datetime | None] = {}
    for row in rows:
        ends = found.get(row.domain_id, row.ends_at)
        found[row.domain_id] = max(ends, row.ends_at) if ends and row.ends_at else None
    return found


def rules_of(domain: Domain, teams: tuple[str, ...]) -> DomainRules:
    """Put a domain's row and its teams into the form in which rules are decided."""
    verified = domain.verified_at is not None and domain.removed_at is None
    return DomainRules(verified, domain.coc_required, teams, domain.id)


def teams_of(domain: Domain) -> tuple[str, ...]:
    """Return the names of the teams that entitle to a domain."""
    rows = DomainTeam.select().where(DomainTeam.domain == domain).order_by(DomainTeam.team)
    return tuple(row.team for row in rows)


def decision_for(person: Person, domain: Domain, now: datetime) -> Decision:
    """Decide for one domain."""
    return decide(facts_of(person), rules_of(domain, teams_of(domain)), now)


@dataclass(frozen=True)
class Standing:
    """One domain and how the person stands there."""

    domain: Domain
    decision: Decision


def standings_of(person: Person, now: datetime) -> list[Standing]:
    """Decide for every domain, with the same few queries however many there are."""
    facts = facts_of(person)
    teams: dict[int, list[str]] = {}
    for row in DomainTeam.select().order_by(DomainTeam.team):
        teams.setdefault(row.domain_id, []).append(row.team)
    domains = Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.id)
    return [
        Standing(domain, decide(facts, rules_of(domain, tuple(teams.get(domain.id, ()))), now))
        for domain in domains
    ]


def mapped_teams() -> set[str]:
    """Return every team that entitles to some domain: the only ones that are kept of a person."""
    query = DomainTeam.select(DomainTeam.team).join(Domain).where(Domain.removed_at.is_null())
    return {row.team for row in query}


def store_account_facts(person: Person, answers: Mapping[str, Answer], now: datetime) -> None:
    """Take readings of the account (`valid`, `coc_signed`) into account. In a transaction."""
    known = {row.fact: row for row in AccountFact.select().where(AccountFact.person == person)}
    for name, answer in answers.items():
        row = known.get(name)
        fact = observe(_fact(row) if row else None, answer, now)
        if fact is not None:
            _save(row or AccountFact(person=person, fact=name), fact)


def store_memberships(person: Person, answers: Mapping[str, Answer], now: datetime) -> None:
    """Take readings of memberships, by team name, into account. In a transaction."""
    known = {row.team: row for row in Membership.select().where(Membership.person == person)}
    for team, answer in answers.items():
        row = known.get(team)
        fact = observe(_fact(row) if row else None, answer, now)
        if fact is not None:
            _save(row or Membership(person=person, team=team), fact)


def _fact(row: AccountFact | Membership) -> Fact:
    return Fact(row.holds, row.since, row.read_at, row.first_no_at)


def _save(row: AccountFact | Membership, fact: Fact) -> None:
    row.holds, row.since = fact.holds, fact.since
    row.read_at, row.first_no_at = fact.read_at, fact.first_no_at
    row.save()
