"""The requests that admins decide on: found by filters, and one with everything needed to decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.aliases import ClaimProblem, name_problem
from core.database import begins_with
from core.eligibility import Decision, PersonFacts
from core.history import Change, history_of_person, history_of_rows
from core.models import Alias, Domain, Identity, Person, Waiver
from core.overview import AliasView, alias_views
from core.paging import Slice, slice_of
from core.standing import decision_for, facts_of
from core.translation import Told
from core.waiver_rules import Kind, State, warnings_about
from core.waivers import waivers_of


@dataclass(frozen=True)
class Filter:
    """Which requests are wanted; what is empty does not narrow."""

    state: str = State.ASKED
    """Empty for all."""
    kind: str = ""
    domain: str = ""
    """The name of a domain."""
    search: str = ""
    """The beginning of the person's Launchpad name, or of the name that is asked for."""


def find_waivers(
    wanted: Filter, domains: frozenset[int] | None, after: int | None, *, newest_first: bool
) -> Slice[Waiver]:
    """Return a page of requests with their people and domains.

    domains: ids of those that may be seen; None for all.
    """
    query = Waiver.select(Waiver, Person, Domain).join(Person).switch(Waiver).join(Domain)
    if domains is not None:
        query = query.where(Waiver.domain.in_(list(domains)))
    if wanted.state:
        query = query.where(Waiver.state == wanted.state)
    if wanted.kind:
        query = query.where(Waiver.kind == wanted.kind)
    if wanted.domain:
        query = query.where(
            Waiver.domain.in_([row.id for row in Domain.select().where(Domain.name == wanted.domain)])
        )
    if wanted.search:
        text = wanted.search.strip().lower()
        people = Person.alias()
        named = people.select(people.id).where(begins_with(people.launchpad_name, text))
        query = query.where(Waiver.person.in_(named) | begins_with(Waiver.local_part, text))
    return slice_of(query, Waiver.id, after, newest_first=newest_first)


@dataclass(frozen=True)
class NameHolder:
    """Who has the name that is asked for, or had it, or why nobody is given it."""

    alias: Alias | None
    kept_back: bool


@dataclass(frozen=True)
class Card:
    """One request with everything needed to decide on it."""

    waiver: Waiver
    identities: Sequence[Identity]
    facts: PersonFacts
    decision: Decision
    """What the rules say of the person on that domain."""
    aliases: Sequence[AliasView]
    earlier: Sequence[Waiver]
    """The person's other requests, the newest first."""
    holder: NameHolder | None
    """For another name."""
    warnings: Sequence[Told]
    history: Sequence[Change]
    """What the record says of the person, the newest first; for an admin of some domains only of those."""


def card_of(waiver: Waiver, domains: frozenset[int] | None, now: datetime) -> Card:
    """Gather what an admin decides by. domains: ids of those that they may see; None for all."""
    person = waiver.person
    named = waiver.kind == Kind.LOCAL_PART
    views = [view for view in alias_views(person, now) if domains is None or view.alias.domain_id in domains]
    others = [row for row in waivers_of(person) if row.id != waiver.id]
    return Card(
        waiver,
        list(Identity.select().where(Identity.person == person).order_by(Identity.id)),
        facts_of(person),
        decision_for(person, waiver.domain, now),
        views,
        [row for row in others if domains is None or row.domain_id in domains],
        _holder(waiver) if named else None,
        warnings_about(waiver) if named else [],
        history_of_person(person) if domains is None else _history_on(domains, person, waiver, others),
    )


def _history_on(
    domains: frozenset[int], person: Person, waiver: Waiver, others: Sequence[Waiver]
) -> Sequence[Change]:
    """What the record says of the person's addresses on some domains, and of their requests there."""
    aliases = Alias.select(Alias.id).where(Alias.person == person, Alias.domain.in_(sorted(domains)))
    requests = [row.id for row in (waiver, *others) if row.domain_id in domains]
    return history_of_rows({"alias": [row.id for row in aliases], "waiver": requests})


def _holder(waiver: Waiver) -> NameHolder:
    name, domain = str(waiver.local_part), waiver.domain
    alias = Alias.get_or_none(Alias.domain == domain, Alias.local_part == name)
    return NameHolder(alias, name_problem(domain, name) is ClaimProblem.RESERVED)
