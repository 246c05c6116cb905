"""What a person sees of their domains: one row each, with the same few queries for 6 and for 40."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.addresses import is_claimable_local_part
from core.aliases import ClaimProblem, local_part_of
from core.eligibility import Decision
from core.erased import names_left_by
from core.models import Alias, AliasRecipient, Domain, Person, Recipient, ReservedName
from core.reserved import is_reserved
from core.routing import AliasFacts, Entitlement, Fate, Hold, RouteRecipient, Switch, alias_fate
from core.standing import standings_of


@dataclass(frozen=True)
class AliasView:
    """One of a person's aliases, with its recipients in order and what mail gets now."""

    alias: Alias
    recipients: Sequence[Recipient]
    fate: Fate


@dataclass(frozen=True)
class DomainRow:
    """One domain, as one person sees it."""

    domain: Domain
    decision: Decision
    local_part: str | None
    """The name that the person would get, or None without a Launchpad account."""
    aliases: Sequence[AliasView]
    problem: ClaimProblem | None = None
    """Why the name cannot be claimed even by someone who is entitled."""


def domain_rows(person: Person, now: datetime, record_secret: str | None = None) -> list[DomainRow]:
    """Make the rows of all domains for a person.

    record_secret: the setting, to know an erased owner again; without it their name counts as taken.
    """
    local_part = local_part_of(person)
    own: dict[int, list[AliasView]] = {}
    for view in alias_views(person, now):
        own.setdefault(view.alias.domain_id, []).append(view)
    standings = standings_of(person, now)
    domains = [standing.domain.id for standing in standings]
    problems = _problems(person, local_part, domains, record_secret)
    return [
        DomainRow(
            standing.domain,
            standing.decision,
            local_part,
            own.get(standing.domain.id, ()),
            problems.get(standing.domain.id),
        )
        for standing in standings
    ]


def alias_views(person: Person, now: datetime, alias_id: int | None = None) -> list[AliasView]:
    """Load a person's aliases that are not given up, or one of them."""
    query = (
        Alias.select(Alias, Domain)
        .join(Domain)
        .where(Alias.person == person, Alias.switch != Switch.GIVEN_UP, Domain.removed_at.is_null())
        .order_by(Alias.id)
    )
    aliases = [alias for alias in query if alias_id in (None, alias.id)]
    recipients: dict[int, list[Recipient]] = {}
    rows = (
        AliasRecipient.select(AliasRecipient, Recipient)
        .join(Recipient)
        .where(AliasRecipient.alias.in_([alias.id for alias in aliases]))
        .order_by(AliasRecipient.position)
    )
    for row in rows:
        recipients.setdefault(row.alias_id, []).append(row.recipient)
    return [_view(alias, recipients.get(alias.id, []), now) for alias in aliases]


def _view(alias: Alias, recipients: list[Recipient], now: datetime) -> AliasView:
    facts = AliasFacts(
        alias.id,
        Entitlement(alias.entitlement),
        Switch(alias.switch),
        alias.switched_at,
        Hold(alias.hold),
        alias.grace_until,
        alias.unreachable_since,
        [RouteRecipient(row.address, _is_deliverable(row, alias)) for row in recipients],
    )
    return AliasView(alias, recipients, alias_fate(facts, now))


def _is_deliverable(recipient: Recipient, alias: Alias) -> bool:
    """Whether mail may go there, as the relay's query says: proven by the owner, or imported."""
    if recipient.imported_at is not None:
        return True
    return recipient.verified_at is not None and recipient.person_id == alias.person_id


def _problems(
    person: Person, local_part: str | None, domains: Sequence[int], record_secret: str | None
) -> Mapping[int, ClaimProblem]:
    """Say for each domain why this name cannot be claimed there, in two queries for all domains."""
    if local_part is None:
        return {}
    if not is_claimable_local_part(local_part):
        return dict.fromkeys(domains, ClaimProblem.IMPOSSIBLE)
    if is_reserved(local_part):
        return dict.fromkeys(domains, ClaimProblem.RESERVED)
    kept_back = {row.domain_id for row in ReservedName.select().where(ReservedName.local_part == local_part)}
    problems = {i: ClaimProblem.RESERVED for i in domains if i in kept_back or None in kept_back}
    others = (Alias.person != person) | Alias.person.is_null()
    taken = list(
        Alias.select(Alias.id, Alias.domain, Alias.person).where(Alias.local_part == local_part, others)
    )
    ownerless = [row.id for row in taken if row.person_id is None]
    again = names_left_by(person, record_secret, ownerless) if record_secret else set()
    for row in taken:
        if row.id not in again:
            problems.setdefault(row.domain_id, ClaimProblem.TAKEN)
    return problems
