"""Aliases: claim one, switch it, give it up."""

from datetime import datetime, timedelta
from enum import StrEnum

from peewee import IntegrityError

from core.addresses import is_claimable_local_part
from core.alias_recipients import attach, mark_reachable
from core.audit import Actor, record
from core.database import write
from core.domains import served_domains
from core.eligibility import Decision
from core.erased import names_left_by, owner_hashes
from core.facts import Answer
from core.models import Alias, Domain, ErasedOwner, Person, Recipient, ReservedName
from core.notices import LATER_ENDS, tell_admins, tell_person
from core.ownership import lock_person, own_alias, recipients_of
from core.recipients import recipient_for
from core.reserved import brands, is_reserved, looks_like
from core.roles import first_recipient
from core.routing import LATER_LASTS, Entitlement, Switch
from core.standing import decision_for

NEXT_NAME_AFTER = timedelta(days=365)
"""After a rename the new name may be taken too, once in this time."""


class ClaimProblem(StrEnum):
    """Why a claim was refused."""

    TAKEN = "taken"
    RESERVED = "reserved"
    IMPOSSIBLE = "impossible"
    NOT_ENTITLED = "not-entitled"
    STALE = "stale"
    """Entitled by what was last known, but nobody has confirmed it within 24 hours."""
    ONE_NAME = "one-name"
    NEEDS_RECIPIENT = "needs-recipient"


class ClaimRefused(Exception):
    """The claim was refused; nothing was changed."""

    def __init__(self, problem: ClaimProblem, decision: Decision | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.decision = decision


def local_part_of(person: Person) -> str | None:
    """Return the local part that a person may claim: their Launchpad name; None without an account."""
    return person.launchpad_name.lower() if person.launchpad_name else None


def name_problem(domain: Domain, local_part: str) -> ClaimProblem | None:
    """Say why self-service never hands out this local part on this domain, or None."""
    here = (ReservedName.domain == domain) | ReservedName.domain.is_null()
    kept_back = ReservedName.select().where(here, ReservedName.local_part == local_part).exists()
    if kept_back or is_reserved(local_part, brands(each.name for each in served_domains())):
        return ClaimProblem.RESERVED
    return None if is_claimable_local_part(local_part) else ClaimProblem.IMPOSSIBLE


def reserved_name_like(domain: Domain, local_part: str) -> str | None:
    """Return the reserved name for which this one may be taken, to be flagged to admins; or None."""
    here = (ReservedName.domain == domain) | ReservedName.domain.is_null()
    added = {row.local_part for row in ReservedName.select(ReservedName.local_part).where(here)}
    return looks_like(local_part, added | brands(each.name for each in served_domains()))


def claim(person_id: int, domain: Domain, recipient: str | None, record_secret: str, now: datetime) -> Alias:
    """Give a person the alias with their Launchpad name on a domain.

    recipient: where mail shall go, for a person who has no verified recipient yet; it must be
    proven before mail flows. record_secret: the setting, to know an erased owner again.

    The same claim twice is one claim. Raises ClaimRefused, and RecipientProblem for a recipient
    that cannot be one. Of two people who claim a name at once, the unique index lets one have it.
    """
    try:
        return _claim(person_id, domain, recipient, record_secret, now)
    except IntegrityError:
        return _claim(person_id, domain, recipient, record_secret, now)  # the other one is there now


def _claim(person_id: int, domain: Domain, recipient: str | None, record_secret: str, now: datetime) -> Alias:
    with write():
        person = lock_person(person_id)
        domain = Domain.get_by_id(domain.id)  # it may have been removed since the page was shown
        local_part = local_part_of(person)
        decision = decision_for(person, domain, now)
        if decision.answer is not Answer.YES or local_part is None:
            raise ClaimRefused(ClaimProblem.NOT_ENTITLED, decision)
        if not decision.claimable:
            raise ClaimRefused(ClaimProblem.STALE, decision)
        problem = name_problem(domain, local_part)
        if problem is not None:
            raise ClaimRefused(problem)
        alias = Alias.get_or_none(Alias.domain == domain, Alias.local_part == local_part)
        if alias is not None:
            return _take_again(alias, person, recipient, record_secret, now)
        if _has_other_name(person, domain, local_part, record_secret, now):
            raise ClaimRefused(ClaimProblem.ONE_NAME)
        target = _first_target(person, recipient, now)
        return give_new(Actor.person(person.id), person, domain, local_part, target, now)


def _take_again(
    alias: Alias, person: Person, address: str | None, record_secret: str, now: datetime
) -> Alias:
    """A name that was given before: its owner may have it again, nobody else may."""
    if alias.person_id != person.id and not names_left_by(person, record_secret, [alias.id]):
        raise ClaimRefused(ClaimProblem.TAKEN)
    if (
        alias.person_id == person.id
        and alias.switch != Switch.GIVEN_UP
        and alias.entitlement == Entitlement.ENTITLED
    ):
        return alias
    target = None if recipients_of(alias) else _first_target(person, address, now)
    return give_again(Actor.person(person.id), alias, person, target, now)


def give_again(actor: Actor, alias: Alias, person: Person, target: Recipient | None, now: datetime) -> Alias:
    """Give somebody a name that was theirs before. In a transaction.

    target: where mail shall go, for a name that has no recipient any more.
    """
    alias.person = person
    ErasedOwner.delete().where(ErasedOwner.alias == alias).execute()
    alias.entitlement, alias.grace_until, alias.grace_told = Entitlement.ENTITLED, None, None
    alias.switch, alias.switched_at = Switch.ON, now
    alias.save()
    if target is not None:
        attach(alias, target)
    mark_reachable(alias, now)
    record(actor, "alias-taken-again", _ids(alias, person), {"alias": alias.text}, now)
    return alias


def _has_other_name(
    person: Person, domain: Domain, local_part: str, record_secret: str, now: datetime
) -> bool:
    """Whether one name a person and domain (after a rename: one more in 12 months) is used up.

    A name that they left when they were erased counts too, from that day on.
    """
    left = ErasedOwner.select(ErasedOwner.alias).where(
        ErasedOwner.owner.in_(owner_hashes(person, record_secret))
    )
    others = list(
        Alias.select()
        .where(
            (Alias.person == person) | Alias.id.in_(left),
            Alias.domain == domain,
            Alias.local_part != local_part,
            Alias.by_self_service == True,  # noqa: E712 -- SQL
        )
        .order_by(Alias.created_at)
    )
    return any(now - alias.created_at < NEXT_NAME_AFTER for alias in others[1:])


def give_new(
    actor: Actor,
    person: Person,
    domain: Domain,
    local_part: str,
    target: Recipient | None,
    now: datetime,
    *,
    by_self_service: bool = True,
) -> Alias:
    """Give somebody a name that was nobody's. In a transaction; raises IntegrityError when it is somebody's.

    target: where mail shall go; None when nothing is known yet.
    """
    alias = Alias.create(
        domain=domain,
        local_part=local_part,
        person=person,
        by_self_service=by_self_service,
        switched_at=now,
        created_at=now,
        looks_like=reserved_name_like(domain, local_part) if by_self_service else None,
    )
    if target is not None:
        attach(alias, target)
    mark_reachable(alias, now)
    values = {"alias": alias.text, "recipient": target.address if target is not None else None}
    verb = "alias-claimed" if by_self_service else "alias-granted"
    record(actor, verb, _ids(alias, person), values, now)
    tell_admins(domain, "address-created", person, {"alias": alias.id}, f"created:{alias.id}", now)
    return alias


def _first_target(person: Person, address: str | None, now: datetime) -> Recipient:
    """Return where mail shall go at first: what the person has proven, else what they typed."""
    proven = first_recipient(person)
    if proven is None and not address:
        raise ClaimRefused(ClaimProblem.NEEDS_RECIPIENT)
    return proven or recipient_for(person, address or "", now)


def switch(person_id: int, alias_id: int, to: Switch, now: datetime) -> Alias:
    """Switch an alias on or off, as its owner. Raises NotYours when it is not theirs or given up."""
    with write():
        person = lock_person(person_id)
        alias = own_alias(person, alias_id)
        if alias.switch != to:
            values = {"alias": alias.text, "before": alias.switch, "after": to}
            alias.switch, alias.switched_at = to, now
            alias.save()
            verb = "alias-given-up" if to is Switch.GIVEN_UP else "alias-switched"
            record(Actor.person(person.id), verb, _ids(alias, person), values, now)
            if to is Switch.OFF_LATER:
                since = int(now.timestamp())
                ids, key = {"alias": alias.id, "since": since}, f"{LATER_ENDS}:{alias.id}:{since}"
                tell_person(person, LATER_ENDS, ids, key, now, due=now + LATER_LASTS - timedelta(days=1))
        return alias


def give_up(person_id: int, alias_id: int, now: datetime) -> Alias:
    """Give an alias up: mail is refused, the name stays with the person and goes to nobody else."""
    return switch(person_id, alias_id, Switch.GIVEN_UP, now)


def _ids(alias: Alias, person: Person) -> dict[str, int]:
    return {"alias": alias.id, "person": person.id, "domain": alias.domain_id}
