"""What a person sees of their domains: one row each, with the same few queries for 6 and for 40."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import JOIN, Value

from core.addresses import is_claimable_local_part
from core.alias_recipients import is_deliverable
from core.aliases import ClaimProblem, local_part_of
from core.delivery import why_refused
from core.eligibility import Decision
from core.erased import owner_hashes
from core.facts import Answer
from core.models import MOST_ID, Alias, AliasRecipient, Domain, ErasedOwner, Person, Recipient, ReservedName
from core.prepared import Prepared, Slots
from core.recipients import suggested_recipient
from core.reservations import ids_kept_for
from core.reserved import brands, is_reserved
from core.role_addresses import ids_owned_by
from core.routing import LATER_LASTS, AliasFacts, Entitlement, Fate, Hold, RouteRecipient, Switch, alias_fate
from core.standing import standings_of
from core.takeover import Offer, offers_for

CHECK_EVERY = timedelta(minutes=15)
"""How often the directory is asked about everyone: the schedule's own number."""


@dataclass(frozen=True)
class AliasView:
    """One of a person's aliases, with its recipients in order and what mail gets now."""

    alias: Alias
    rows: Sequence[AliasRecipient]
    fate: Fate

    @property
    def recipients(self) -> Sequence[Recipient]:
        """The recipients in order, those that wait for another's place left out."""
        return [row.recipient for row in self.rows if row.replaces is None]

    @property
    def later_ends(self) -> datetime | None:
        """When "try later" becomes "refused", while senders hear that."""
        if self.fate is Fate.OFF_LATER:
            return self.alias.switched_at + LATER_LASTS  # type: ignore[no-any-return]
        if self.fate is Fate.NO_RECIPIENT_YET and self.alias.unreachable_since is not None:
            return self.alias.unreachable_since + LATER_LASTS  # type: ignore[no-any-return]
        return None

    def waiting_for(self, recipient: Recipient) -> Recipient | None:
        """Return the one that takes a recipient's place as soon as it is proven."""
        return next((row.recipient for row in self.rows if row.replaces == recipient.id), None)


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

    @property
    def has_own_name(self) -> bool:
        """Whether the name that the person would get is theirs already."""
        return any(view.alias.local_part == self.local_part for view in self.aliases)

    @property
    def next_check(self) -> datetime | None:
        """When the schedule asks the directory again, None when it was never asked."""
        read_at = self.decision.oldest_reading
        return None if read_at is None else read_at + CHECK_EVERY


@dataclass(frozen=True)
class Failing:
    """A recipient whose server refuses mail for it for good, behind one of a person's aliases."""

    alias: Alias
    recipient: Recipient

    @property
    def why(self) -> str:
        """Our own sentence on it."""
        return why_refused(self.recipient.failing_with or "")


@dataclass(frozen=True)
class Overview:
    """Everything of a person's home page."""

    rows: Sequence[DomainRow]
    """Their own addresses first, then what they may claim, then the others."""
    failing: Sequence[Failing]
    has_recipient: bool
    """Whether a claim needs no word on where mail shall go."""
    suggested: str
    """What that word may be."""
    offers: Sequence[Offer] = ()
    """What was imported and waits for their proof that it is theirs."""
    role_addresses: Sequence[Alias] = ()
    """What they own with others."""


_PROVEN = Prepared(
    lambda value: (
        Recipient.select(Recipient.id)
        .where(Recipient.person == value("person"), Recipient.verified_at.is_null(False))
        .limit(1)
    )
)


def overview_of(person: Person, now: datetime, record_secret: str | None = None) -> Overview:
    """Load everything of a person's home page.

    record_secret: the setting, to know an erased owner again; without it their name counts as taken.
    """
    local_part = local_part_of(person)
    own: dict[int, list[AliasView]] = {}
    views = alias_views(person, now)
    for view in views:
        own.setdefault(view.alias.domain_id, []).append(view)
    standings = standings_of(person, now)
    names = {standing.domain.id: standing.domain.name for standing in standings}
    problems = dict(_problems(person, local_part, names, record_secret))
    beside = list(_KEPT_OR_SHARED(person=person.id))
    offers = offers_for(person, now, [alias for alias in beside if not alias.shared])
    kept = {offer.alias.domain_id for offer in offers if offer.alias.local_part == local_part}
    problems |= {domain: ClaimProblem.KEPT for domain in kept if problems.get(domain) is ClaimProblem.TAKEN}
    rows = [
        DomainRow(
            standing.domain,
            standing.decision,
            local_part,
            own.get(standing.domain.id, ()),
            problems.get(standing.domain.id),
        )
        for standing in standings
    ]
    return Overview(
        sorted(rows, key=_rank),
        failing_among(views),
        _has_proven_one(person, views) or any(_PROVEN(person=person.id)),
        suggested_recipient(person, names.values()),
        offers,
        [alias for alias in beside if alias.shared],
    )


def _all_kept_or_shared(value: Slots) -> Any:
    """Ask for what is kept for a person, and for what they own with others, in one query."""
    ids = ids_kept_for(value("person")) | ids_owned_by(value("person"))
    query = Alias.select(Alias, Domain).join(Domain).where(Alias.id.in_(ids), Domain.removed_at.is_null())
    return query.where(Alias.switch != Switch.GIVEN_UP).order_by(Alias.id)


_KEPT_OR_SHARED = Prepared(_all_kept_or_shared)


def _has_proven_one(person: Person, views: Sequence[AliasView]) -> bool:
    """Whether a proven recipient of theirs is seen behind one of their aliases, without another query."""
    behind = (row.recipient for view in views for row in view.rows)
    return any(one.person_id == person.id and one.verified_at is not None for one in behind)


_ANSWERS = [Answer.YES, Answer.UNKNOWN, Answer.NO]


def _rank(row: DomainRow) -> tuple[bool, int]:
    return not row.aliases, _ANSWERS.index(row.decision.answer)


_OWN_ALIASES = Prepared(
    lambda value: (
        Alias.select(Alias, Domain.id, Domain.name, AliasRecipient, Recipient)
        .join(Domain)
        .join_from(Alias, AliasRecipient, JOIN.LEFT_OUTER, attr="row")
        .join(Recipient, JOIN.LEFT_OUTER)
        .where(Alias.person.in_(value.each("people")), Alias.id.between(value("first"), value("last")))
        .where(Alias.switch != value("left_out"), Domain.removed_at.is_null())
        .order_by(Alias.id, AliasRecipient.position, AliasRecipient.id)
    )
)


def alias_views(
    person: Person, now: datetime, alias_id: int | None = None, *, given_up: bool = False
) -> list[AliasView]:
    """Load a person's aliases, or one of them; of their domains the name alone.

    given_up: with those that they gave up.
    """
    if alias_id is not None and not 0 < alias_id < MOST_ID:
        return []
    return _views([person.id], now, alias_id, given_up)


def alias_views_of_all(people: Iterable[Person], now: datetime) -> Mapping[int, list[AliasView]]:
    """Load the aliases of several people, by the people's ids, with one query."""
    found: dict[int, list[AliasView]] = {}
    for view in _views(sorted(person.id for person in people), now):
        found.setdefault(view.alias.person_id or 0, []).append(view)
    return found


def _views(
    people: list[int], now: datetime, alias_id: int | None = None, given_up: bool = False
) -> list[AliasView]:
    aliases: dict[int, Alias] = {}
    rows: dict[int, list[AliasRecipient]] = {}
    left_out = "" if given_up else Switch.GIVEN_UP.value
    found = _OWN_ALIASES(people=people, first=alias_id or 0, last=alias_id or MOST_ID, left_out=left_out)
    for alias in found:
        aliases.setdefault(alias.id, alias)
        row = getattr(alias, "row", None)
        rows.setdefault(alias.id, []).extend([] if row is None or row.id is None else [row])
    return [_view(alias, rows[alias.id], now) for alias in aliases.values()]


def failing_of(person: Person, now: datetime) -> list[Failing]:
    """Return which recipients of a person's aliases are failing."""
    query = (
        AliasRecipient.select()
        .join(Alias)
        .switch(AliasRecipient)
        .join(Recipient)
        .where(Alias.person == person, Recipient.failing_since.is_null(False))
    )
    return failing_among(alias_views(person, now)) if query.exists() else []


def failing_among(views: Sequence[AliasView]) -> list[Failing]:
    """Return each recipient that is failing once, with the first alias that it stands behind."""
    found: dict[int, Failing] = {}
    for view in views:
        for row in view.rows:
            if row.recipient.failing_since is not None and is_deliverable(row.recipient, view.alias):
                found.setdefault(row.recipient_id, Failing(view.alias, row.recipient))
    return list(found.values())


def _view(alias: Alias, rows: list[AliasRecipient], now: datetime) -> AliasView:
    facts = AliasFacts(
        alias.id,
        Entitlement(alias.entitlement),
        Switch(alias.switch),
        alias.switched_at,
        Hold(alias.hold),
        alias.grace_until,
        alias.unreachable_since,
        [RouteRecipient(row.recipient.address, is_deliverable(row.recipient, alias)) for row in rows],
    )
    return AliasView(alias, rows, alias_fate(facts, now))


def _names_taken_or_kept(value: Slots) -> Any:
    """Ask on which domains a name is taken by others, and on which it is kept for the project."""
    others = (Alias.person != value("person")) | Alias.person.is_null()
    served = Domain.select(Domain.id).where(Domain.removed_at.is_null())
    named = Alias.domain.in_(served) & (Alias.local_part == value("name"))  # as the unique index has it
    left = ErasedOwner.alias == Alias.id
    taken = Alias.select(Alias.domain, Value(1), ErasedOwner.owner).join(
        ErasedOwner, JOIN.LEFT_OUTER, on=left
    )
    kept = ReservedName.select(ReservedName.domain, Value(0), Value("")).where(
        ReservedName.local_part == value("name")
    )
    return taken.where(named, others).union_all(kept).tuples()


_NAMES = Prepared(_names_taken_or_kept)


def _problems(
    person: Person, local_part: str | None, domains: Mapping[int, str], record_secret: str | None
) -> Mapping[int, ClaimProblem]:
    """Say for each domain why this name cannot be claimed there, in one query for all domains.

    domains: their names by their ids.
    """
    if local_part is None:
        return {}
    if not is_claimable_local_part(local_part):
        return dict.fromkeys(domains, ClaimProblem.IMPOSSIBLE)
    if is_reserved(local_part, brands(domains.values())):
        return dict.fromkeys(domains, ClaimProblem.RESERVED)
    found = list(_NAMES(person=person.id, name=local_part))
    problems = {domain: ClaimProblem.TAKEN for domain, is_taken, _ in found if is_taken}
    if record_secret is not None and any(owner for _, _, owner in found):
        hashes = owner_hashes(person, record_secret)
        for domain in {domain for domain, _, owner in found if owner in hashes}:
            del problems[domain]  # it was theirs before
    kept_back = {domain for domain, is_taken, _ in found if not is_taken}
    return problems | {
        domain: ClaimProblem.RESERVED for domain in domains if domain in kept_back or None in kept_back
    }
