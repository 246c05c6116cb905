"""How a person stands: what is known of them, and what that means on each domain."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from peewee import JOIN, Value

from core.brake import Brake
from core.eligibility import Decision, DomainRules, PersonFacts, decide
from core.facts import SECOND_NO, SECOND_NO_AFTER, Answer, Fact, hold_back, observe
from core.models import AccountFact, Domain, DomainTeam, Membership, Person, RoleTeam, Waiver
from core.prepared import Prepared

MANY = 20
"""From so many rows on that are alike, one statement makes them."""


_KNOWN = {
    AccountFact: Prepared(
        lambda value: AccountFact.select().where(AccountFact.person.in_(value.each("people")))
    ),
    Membership: Prepared(
        lambda value: Membership.select().where(Membership.person.in_(value.each("people")))
    ),
}
_GRANTED = (Waiver.kind == "domain") & (Waiver.state == "granted")
_WAIVERS = Prepared(lambda value: Waiver.select().where(Waiver.person.in_(value.each("people")), _GRANTED))


def facts_of(person: Person) -> PersonFacts:
    """Load what is known of a person."""
    return facts_of_all([person])[person.id]


def facts_of_all(people: Iterable[Person]) -> dict[int, PersonFacts]:
    """Load what is known of several people, by their ids, with three queries."""
    people = list(people)
    ids = [person.id for person in people]
    account: dict[int, dict[str, Fact]] = {}
    teams: dict[int, dict[str, Fact]] = {}
    for fact in _KNOWN[AccountFact](people=ids):
        account.setdefault(fact.person_id, {})[fact.fact] = _fact(fact)
    for membership in _KNOWN[Membership](people=ids):
        teams.setdefault(membership.person_id, {})[membership.team] = _fact(membership)
    waivers = _waivers(_WAIVERS(people=ids))
    return {
        person.id: PersonFacts(
            banned=person.banned_at is not None,
            has_account=_has_account(person),
            valid=account.get(person.id, {}).get("valid"),
            coc_signed=account.get(person.id, {}).get("coc_signed"),
            memberships=teams.get(person.id, {}),
            not_suspended=account.get(person.id, {}).get("not_suspended"),
            waivers=waivers.get(person.id, {}),
        )
        for person in people
    }


def _has_account(person: Person) -> Answer:
    return Answer.YES if person.launchpad_name else Answer.NO if person.asked_at else Answer.UNKNOWN


def _waivers(granted: Iterable[Waiver]) -> dict[int, dict[int, datetime | None]]:
    """Return for each of some people the domains that waivers open for them, each with its last end."""
    found: dict[int, dict[int, datetime | None]] = {}
    for row in granted:
        own = found.setdefault(row.person_id, {})
        ends = own.get(row.domain_id, row.ends_at)
        own[row.domain_id] = max(ends, row.ends_at) if ends and row.ends_at else None
    return found


def rules_of(domain: Domain, teams: tuple[str, ...]) -> DomainRules:
    """Put a domain's row and its teams into the form in which rules are decided."""
    open_now = domain.closed_at is None and not domain.waits_for_admin
    verified = domain.verified_at is not None and domain.removed_at is None and open_now
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
    return [Standing(domain, decide(facts, rules, now)) for domain, rules in rules_of_all()]


_DOMAINS = Prepared(
    lambda _value: (
        Domain.select(Domain, DomainTeam.team)
        .join(DomainTeam, JOIN.LEFT_OUTER, attr="row")
        .where(Domain.removed_at.is_null())
        .order_by(Domain.id, DomainTeam.team)
    )
)


def rules_of_all() -> list[tuple[Domain, DomainRules]]:
    """Load every domain that is not removed, with its rules, in the order in which they were added."""
    domains: dict[int, Domain] = {}
    teams: dict[int, list[str]] = {}
    for domain in _DOMAINS():
        domains.setdefault(domain.id, domain)
        row = getattr(domain, "row", None)
        teams.setdefault(domain.id, []).extend([] if row is None or row.team is None else [row.team])
    return [(domain, rules_of(domain, tuple(teams[domain.id]))) for domain in domains.values()]


_TEAMS = Prepared(
    lambda _value: DomainTeam.select(DomainTeam.team).join(Domain).where(Domain.removed_at.is_null())
)
_ROLE_TEAMS = Prepared(lambda _value: RoleTeam.select(RoleTeam.team))


def mapped_teams() -> set[str]:
    """Return every team that entitles to some domain or gives a role: only those are kept of a person."""
    return {row.team for ask in (_TEAMS, _ROLE_TEAMS) for row in ask()}


def store_account_facts(person: Person, answers: Mapping[str, Answer], now: datetime) -> None:
    """Take readings of an account (`valid`, `coc_signed`, `not_suspended`) in. In a transaction."""
    store_facts(AccountFact, {person.id: answers}, now)


def store_memberships(person: Person, answers: Mapping[str, Answer], now: datetime) -> None:
    """Take readings of one person's memberships, by team name, into account. In a transaction."""
    store_facts(Membership, {person.id: answers}, now)


def store_facts(
    table: type[AccountFact] | type[Membership],
    answers: Mapping[int, Mapping[str, Answer]],
    now: datetime,
) -> set[int]:
    """Take readings of many people into account, with a few statements for all of them.

    answers: by person and by the fact's or the team's name. In a transaction that has locked the
    people. Returns those of whom something else is known now than before.
    """
    name = AccountFact.fact if table is AccountFact else Membership.team
    known = {(row.person_id, getattr(row, name.name)): row for row in _KNOWN[table](people=list(answers))}
    brake = Brake(now)
    fresh: dict[tuple[str, Fact], list[int]] = {}
    confirmed: list[int] = []
    changed: set[int] = set()
    for person_id, said in answers.items():
        for what, answer in said.items():
            row = known.get((person_id, what))
            old = _fact(row) if row else None
            new = observe(old, answer, now, SECOND_NO.get(what, SECOND_NO_AFTER))
            new = _braked(table, what, old, new, brake, now)
            if new is None or new == old:
                continue
            if row is None:
                fresh.setdefault((what, new), []).append(person_id)
            elif old is not None and replace(old, read_at=new.read_at) == new:
                confirmed.append(row.id)
            else:
                table.update(**_columns(table, row, new)).where(table.id == row.id).execute()
            if old is None or old.settled is not new.settled or old.holds is not new.holds:
                changed.add(person_id)
    _insert(table, name, fresh)
    if confirmed:
        table.update(read_at=now).where(table.id.in_(confirmed)).execute()
    return changed


def _insert(table: type[Any], name: Any, fresh: Mapping[tuple[str, Fact], list[int]]) -> None:
    """Insert facts of people; of many people with the same one, the database makes the rows itself."""
    few: list[dict[str, object]] = []
    for (what, fact), person_ids in fresh.items():
        columns = {name.name: what, **_columns(table, None, fact)}
        if len(person_ids) < MANY:
            few += [{"person": person_id, **columns} for person_id in person_ids]
            continue
        fields = [table._meta.fields[column] for column, value in columns.items() if value is not None]
        values = [Value(field.db_value(columns[field.name]), converter=False) for field in fields]
        people = Person.select(Person.id, *values).where(Person.id.in_(person_ids))
        table.insert_from(people, [table.person, *fields]).execute()
    if few:
        table.insert_many(few).execute()


def _braked(
    table: type[Any], what: str, old: Fact | None, new: Fact | None, brake: Brake, now: datetime
) -> Fact | None:
    """Return what a reading leads to when the brakes are minded; `new` most of the time."""
    if old is None or new is None or new.settled is Answer.YES:
        return new
    if table is Membership:
        return old if brake.holds_team(what) else new
    turns = old.holds and not new.holds
    return hold_back(old, new, now) if turns and brake.holds_accounts() else new


def _fact(row: AccountFact | Membership) -> Fact:
    return Fact(row.holds, row.since, row.read_at, row.first_no_at, getattr(row, "held_at", None))


def _columns(table: type[Any], row: Any, fact: Fact) -> dict[str, object]:
    """Return what is stored of a fact; of an account's fact also when it was held back and when it turned."""
    columns: dict[str, object] = {
        "holds": fact.holds, "since": fact.since, "read_at": fact.read_at, "first_no_at": fact.first_no_at
    }  # fmt: skip
    if table is AccountFact:
        turned = row is not None and row.holds and not fact.holds
        before = row.turned_at if row is not None and not fact.holds else None
        columns |= {"held_at": fact.held_at, "turned_at": fact.since if turned else before}
    return columns
