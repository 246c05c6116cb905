"""What the brakes hold for an admin: what it is, who would lose what by it, and the admin's word."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from peewee import chunked

from core.audit import Actor, record
from core.database import EPOCH, utc_now, write
from core.eligibility import DomainRules, PersonFacts, settled
from core.facts import Answer, Fact
from core.models import AccountFact, Alias, Domain, Membership, Person, TeamReading, TeamSync
from core.overview import alias_views_of_all
from core.ownership import lock_people
from core.routing import Entitlement, Switch
from core.standing import facts_of_all, rules_of_all
from core.team_sync import lock_team
from core.upkeep import CHUNK, keep_up


@dataclass(frozen=True)
class Loss:
    """Somebody who would lose something, and the addresses that would go."""

    person: Person
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class HeldTeam:
    """The reading of a team that nobody acts on."""

    team: str
    reading_id: int | None
    """None when the team could not be read at all: then there is nothing to confirm."""
    since: datetime
    why: str
    losses: tuple[Loss, ...]
    """The members here whom it does not name, or the first of them; each would be asked about before anything
    is taken away."""
    missing: int = 0
    """How many these are in all."""


@dataclass(frozen=True)
class HeldAccount:
    """What changed of a person's account while too many changed at once."""

    fact_id: int
    fact: str
    """`valid`, `coc_signed` or `not_suspended`, which it was and would no longer be."""
    since: datetime
    loss: Loss


def held_teams_now(most: int | None = None) -> list[HeldTeam]:
    """Return every team whose last reading is held or could not be read, by name.

    most: of so many members of each the loss is looked for; of all when it is None.
    """
    last = {row.team: row for row in TeamReading.select().order_by(TeamReading.id)}
    held = [_held_team(row, most) for row in last.values() if row.held_because]
    for unread in TeamSync.select().where(TeamSync.problem.is_null(False)):
        since = unread.problem_since or unread.began_at
        held.append(HeldTeam(unread.team, None, since, str(unread.problem), ()))
    return sorted(held, key=lambda one: one.team)


def held_accounts_now(most: int | None = None) -> list[HeldAccount]:
    """Return the held changes of accounts, the oldest first, those of a person together; so many at most."""
    held = AccountFact.select().where(AccountFact.held_at > EPOCH)
    rows = list(held.order_by(AccountFact.held_at, AccountFact.person, AccountFact.id).limit(most))
    people = {
        person.id: person for person in Person.select().where(Person.id.in_([r.person_id for r in rows]))
    }

    def without(facts: PersonFacts) -> PersonFacts:
        return replace(facts, valid=_unless_held(facts.valid), coc_signed=_unless_held(facts.coc_signed))

    lost = _lost(people.values(), without)
    suspended = [people[row.person_id] for row in rows if row.fact == "not_suspended"]
    for person_id, views in alias_views_of_all(suspended, utc_now()).items():
        lost[person_id] = tuple(view.alias.text for view in views)
    return [
        HeldAccount(row.id, row.fact, row.held_at, Loss(people[row.person_id], lost.get(row.person_id, ())))
        for row in rows
    ]


def _held_team(reading: TeamReading, most: int | None) -> HeldTeam:
    named = set(json.loads(reading.names))
    in_it = (Membership.team == reading.team) & (Membership.holds == True)  # noqa: E712 -- SQL
    members = Person.select(Person.id, Person.launchpad_name).join(Membership).where(in_it)
    rows: Any = members.order_by(Person.id).tuples()
    missing = [row[0] for row in rows if row[1] not in named]
    losses = _losses_of_team(reading, missing[:most])
    return HeldTeam(
        reading.team, reading.id, reading.read_at, str(reading.held_because), losses, len(missing)
    )


def _losses_of_team(reading: TeamReading, missing: Sequence[int]) -> tuple[Loss, ...]:
    people = [
        person
        for some in chunked(missing, CHUNK)
        for person in Person.select().where(Person.id.in_(some)).order_by(Person.id)
    ]

    def without(facts: PersonFacts) -> PersonFacts:
        teams = dict(facts.memberships or {})
        teams[reading.team] = _gone(teams[reading.team])
        return replace(facts, memberships=teams)

    lost = _lost(people, without)
    return tuple(Loss(person, lost.get(person.id, ())) for person in people)


def _unless_held(fact: Fact | None) -> Fact | None:
    return _gone(fact) if fact is not None and fact.held_at is not None else fact


def _gone(fact: Fact) -> Fact:
    return Fact(False, fact.since, fact.read_at)


def _lost(
    people: Iterable[Person], without: Callable[[PersonFacts], PersonFacts]
) -> dict[int, tuple[str, ...]]:
    """Find which addresses of some people would go when their facts were others."""
    people = list(people)
    facts = {person_id: without(known) for person_id, known in facts_of_all(people).items()}
    rules: Mapping[int, DomainRules] = {domain.id: its_rules for domain, its_rules in rules_of_all()}
    aliases = (
        Alias.select(Alias, Domain)
        .join(Domain)
        .where(
            Alias.person.in_(list(facts)),
            Alias.entitlement == Entitlement.ENTITLED,
            Alias.switch != Switch.GIVEN_UP,
            Domain.removed_at.is_null(),
        )
        .order_by(Alias.id)
    )
    lost: dict[int, tuple[str, ...]] = {}
    for alias in aliases:
        person_id = alias.person_id or 0
        if settled(facts[person_id], rules[alias.domain_id], utc_now()) is Answer.NO:
            lost[person_id] = (*lost.get(person_id, ()), alias.text)
    return lost


def confirm_team(actor: Actor, reading_id: int, now: datetime) -> bool:
    """Accept a held reading: the next one is measured against it, and those it does not name are asked about.

    Two clear *no* of each are needed still. Returns False when it is not held any more, or when
    there is a newer one.
    """
    return _decide_team(actor, reading_id, now, accept=True)


def discard_team(actor: Actor, reading_id: int, now: datetime) -> bool:
    """Forget a held reading; the next one is held again when it is no better. Returns False as above."""
    return _decide_team(actor, reading_id, now, accept=False)


def _decide_team(actor: Actor, reading_id: int, now: datetime, *, accept: bool) -> bool:
    is_held = (TeamReading.id == reading_id) & TeamReading.held_because.is_null(False)
    with write():
        row = TeamReading.get_or_none(is_held)
        if row is None:
            return False
        lock_team(row.team)
        if not TeamReading.select().where(is_held).exists():
            return False  # somebody else has decided just now
        newer = TeamReading.select().where(TeamReading.team == row.team, TeamReading.id > row.id)
        if newer.exists():
            return False
        values = {"team": row.team, "held_because": row.held_because, "count": row.count}
        if accept:
            TeamReading.update(held_because=None).where(TeamReading.id == row.id).execute()
        else:
            row.delete_instance()
        verb = "reading-confirmed" if accept else "reading-discarded"
        record(actor, verb, {"team_reading": row.id}, values, now)
        return True


def confirm_accounts(actor: Actor, fact_ids: Iterable[int], now: datetime) -> int:
    """Let held changes of accounts count, with all that follows. Returns how many there still were."""
    return _decide_accounts(actor, fact_ids, now, accept=True)


def discard_accounts(actor: Actor, fact_ids: Iterable[int], now: datetime) -> int:
    """Forget held changes of accounts: two *no* are needed anew. Returns how many there still were."""
    return _decide_accounts(actor, fact_ids, now, accept=False)


def _decide_accounts(actor: Actor, fact_ids: Iterable[int], now: datetime, *, accept: bool) -> int:
    decided = 0
    chosen = (AccountFact.id.in_(sorted(fact_ids))) & AccountFact.held_at.is_null(False)
    people = sorted({row.person_id for row in AccountFact.select().where(chosen)})
    columns: dict[str, object] = {"first_no_at": None, "held_at": None}
    if accept:  # the admin knows of it: it does not count against those who follow
        columns |= {"holds": False, "since": now, "turned_at": None}
    for some in chunked(people, CHUNK):
        with write():
            locked = lock_people(some)
            for person in locked:
                mine = chosen & (AccountFact.person == person)
                facts = [row.fact for row in AccountFact.select().where(mine).order_by(AccountFact.id)]
                AccountFact.update(columns).where(mine).execute()
                verb = "account-change-confirmed" if accept else "account-change-discarded"
                if facts:
                    record(actor, verb, {"person": person.id}, {"facts": facts}, now)
                decided += len(facts)
            keep_up(locked, now, actor)
    return decided
