"""Carries out what facts and time mean for aliases (`core.lifecycle`), in the transaction of the change."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from peewee import chunked, fn

from core.audit import Actor, record
from core.database import connection, write
from core.eligibility import DomainRules, PersonFacts, settled
from core.facts import NOT, Answer
from core.lifecycle import Event, Life, Word, step
from core.models import AccountFact, Alias, AliasOwner, Domain, DomainTeam, Membership, Person
from core.notices import tell_person
from core.ownership import lock_people
from core.prepared import Prepared
from core.role_addresses import keep_owner_up
from core.routing import Entitlement, Hold, Switch
from core.sessions import end_all_sessions
from core.standing import facts_of_all, rules_of_all

JOB = Actor("job:upkeep")
CHUNK = 50
"""People brought up to date in one transaction, so that nobody waits long for the lock."""


_ALIASES = Prepared(
    lambda value: (
        Alias.select(Alias, Domain)
        .join(Domain)
        .where(Alias.person.in_(value.each("people")), Domain.removed_at.is_null())
        .order_by(Alias.id)
    )
)
_OWNERS = Prepared(
    lambda value: (
        AliasOwner.select(AliasOwner, Alias, Domain)
        .join(Alias)
        .join(Domain)
        .where(AliasOwner.person.in_(value.each("people")), Domain.removed_at.is_null())
        .order_by(AliasOwner.id)
    )
)


def keep_up(people: Iterable[Person], now: datetime, actor: Actor = JOB) -> None:
    """Bring all aliases of some people up to date with what is known of them.

    people: locked by the transaction in which this runs. Does nothing when all is as it should be.
    """
    by_id = {person.id: person for person in people}
    aliases, owners = (list(ask(people=list(by_id))) for ask in (_ALIASES, _OWNERS))
    if not aliases and not owners:
        return
    facts = facts_of_all(by_id.values())
    rules = {domain.id: rules for domain, rules in rules_of_all()}
    for alias in aliases:
        person = by_id[alias.person_id or 0]
        _keep_up_one(alias, person, _word(facts[person.id], rules[alias.domain_id], now), now, actor)
    for owner in owners:
        word = _word(facts[owner.person_id], rules[owner.alias.domain_id], now)
        keep_owner_up(owner, word, now, actor)
    for person_id, known in facts.items():
        if _suspended(known) is Answer.YES:
            end_all_sessions(by_id[person_id])


def _word(facts: PersonFacts, rules: DomainRules, now: datetime) -> Word:
    return Word(settled(facts, rules, now), _suspended(facts), facts.banned)


def _suspended(facts: PersonFacts) -> Answer:
    return NOT[facts.not_suspended.settled] if facts.not_suspended is not None else Answer.UNKNOWN


def _keep_up_one(alias: Alias, person: Person, word: Word, now: datetime, actor: Actor) -> None:
    before = life_of(alias)
    after, events = step(before, word, timedelta(days=alias.domain.grace_days), now)
    if after == before:
        return
    alias.entitlement, alias.grace_until, alias.grace_told = (
        after.entitlement, after.grace_until, after.grace_told
    )  # fmt: skip
    alias.switch, alias.hold = after.switch, after.hold
    alias.save()
    ids = {"alias": alias.id, "person": person.id, "domain": alias.domain_id}
    for verb, values in _changes(before, after):
        record(actor, verb, ids, {"alias": alias.text, **values}, now)
    until = after.grace_until or before.grace_until
    for event in events:
        subjects = ids if until is None else ids | {"until": int(until.timestamp())}
        tell_person(person, event, subjects, _key(event, alias, until, now), now)


def _key(event: Event, alias: Alias, until: datetime | None, now: datetime) -> str:
    """Return what makes a notice one: of grace its end, of a suspension its moment."""
    moment = now if event in (Event.SUSPENDED, Event.SUSPENSION_LIFTED) or until is None else until
    return f"{event}:{alias.id}:{int(moment.timestamp())}"


def life_of(alias: Alias) -> Life:
    """Put an alias's row into the form in which its life is decided."""
    return Life(
        Entitlement(alias.entitlement),
        Switch(alias.switch),
        alias.switched_at,
        Hold(alias.hold),
        alias.grace_until,
        alias.grace_told,
    )


_VERBS = {
    Entitlement.GRACE: "alias-grace-started",
    Entitlement.ENTITLED: "alias-grace-lifted",
    Entitlement.ENDED: "alias-ended",
}


def _changes(before: Life, after: Life) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield what is recorded of a change: of each of the three facts for itself; a reminder is none."""
    if after.entitlement is not before.entitlement:
        yield _VERBS[after.entitlement], {"until": after.grace_until or before.grace_until}
    if after.hold is not before.hold:
        verb = "alias-released" if after.hold is Hold.NONE else "alias-held"
        yield verb, {"before": before.hold, "after": after.hold}
    if after.switch is not before.switch:
        yield "alias-switched", {"before": before.switch, "after": after.switch}


def keep_all_up(now: datetime) -> int:
    """Bring every alias up to date for which time, or a changed rule, may mean something.

    Opens its own connection and short transactions. Returns how many people were looked at.
    """
    with connection():
        people = _candidates()
        for some in chunked(people, CHUNK):
            with write():
                keep_up(lock_people(some), now)
    return len(people)


def _candidates() -> list[int]:
    """Find the owners of aliases that are not at rest; more than will change, never fewer."""
    waiting = (Alias.entitlement == Entitlement.GRACE) | (Alias.switch == Switch.OFF_LATER)
    denied = fn.EXISTS(
        AccountFact.select(1).where(
            AccountFact.person == Alias.person,
            AccountFact.holds == False,  # noqa: E712 -- SQL
            AccountFact.first_no_at.is_null(),
        )
    )
    in_a_team = fn.EXISTS(
        Membership.select(1)
        .join(DomainTeam, on=DomainTeam.team == Membership.team)
        .where(
            Membership.person == Alias.person,
            DomainTeam.domain == Alias.domain,
            Membership.holds == True,  # noqa: E712 -- SQL
        )
    )
    lost = (Alias.entitlement == Entitlement.ENTITLED) & (denied | ~in_a_team)
    query: Any = (
        Alias.select(Alias.person)
        .where(Alias.person.is_null(False), Alias.switch != Switch.GIVEN_UP, waiting | lost)
        .order_by(Alias.person)
        .distinct()
    )
    owners: Any = AliasOwner.select(AliasOwner.person).distinct()  # of role addresses, and so few
    return sorted({person_id for rows in (query, owners) for (person_id,) in rows.tuples()})
