"""Role addresses such as `security@`: several owners, each with their own proven recipients.

Admins make them and say who owns them; each owner says where their own copy goes. Whoever is no longer
entitled to the domain is taken out after the grace time, as they would lose an address of their own; the
address itself goes on for the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from peewee import IntegrityError, Value, fn

from core.addresses import is_claimable_local_part
from core.alias_recipients import arrange, attach, is_deliverable, mark_reachable, rows_of
from core.audit import Actor, record
from core.database import write
from core.facts import Answer
from core.lifecycle import Event, Life, Word, step
from core.models import Alias, AliasOwner, Domain, Person, Recipient, by_id
from core.notices import tell_admins, tell_person
from core.ownership import NotYours, lock_people, lock_person
from core.paging import Slice, slice_of
from core.recipients import MAX_RECIPIENTS, RecipientProblem, recipient_for
from core.roles import first_recipient
from core.routing import Entitlement, Hold, Switch
from core.standing import decision_for
from core.translation import N_, ToldError

OWNER, LEFT, ENDS, EMPTY = (
    "role-address-owner",
    "role-address-left",
    "role-address-ends",
    "role-address-empty",
)
"""Kinds of notices: you own it, you do not any more, you will not soon; to admins: nobody owns it now."""


class RoleAddressProblem(ToldError):
    """It cannot be done; the message says why, for the admin who tried."""


@dataclass(frozen=True)
class OwnerView:
    """One owner, with the recipients that they gave the address."""

    owner: AliasOwner
    recipients: Sequence[Recipient]
    reached: bool
    """Whether mail goes to one of them now."""


def role_addresses(
    domains: frozenset[int] | None, after: int | None, *, newest_first: bool = False
) -> Slice[Alias]:
    """Return a page of them with their domains. domains: ids of those that may be seen; None for all."""
    shared = Alias.alias()
    ids = shared.select(shared.id).where(shared.shared == True)  # noqa: E712 -- SQL, by its index
    query = Alias.select(Alias, Domain).join(Domain).where(Alias.id.in_(ids))
    if domains is not None:
        query = query.where(Alias.domain.in_(sorted(domains)))
    return slice_of(query, Alias.id, after, newest_first=newest_first)


def owners_of(alias: Alias) -> list[OwnerView]:
    """Return who stands behind a role address."""
    rows = rows_of(alias)
    owners = AliasOwner.select(AliasOwner, Person).join(Person).where(AliasOwner.alias == alias)
    found = []
    for owner in owners.order_by(AliasOwner.id):
        own = [row.recipient for row in rows if row.recipient.person_id == owner.person_id]
        found.append(OwnerView(owner, own, any(is_deliverable(one, alias) for one in own)))
    return found


def ids_owned_by(person: Person | Value) -> Any:
    """Select the ids of the role addresses that a person owns with others."""
    return AliasOwner.select(AliasOwner.alias).where(AliasOwner.person == person)


def make(actor: Actor, domain: Domain, text: str, owner_ids: Iterable[int], now: datetime) -> Alias:
    """Make a role address with its first owners. Reserved names may be used; one that is somebody's may not.

    text: the name before the @, as typed. Raises RoleAddressProblem.
    """
    name = text.strip().lower()
    if not is_claimable_local_part(name):
        raise RoleAddressProblem(N_("A name has letters from a to z, digits, and dots or - between them."))
    try:
        with write():
            people = lock_people(owner_ids)
            if not people:
                raise RoleAddressProblem(N_("Name at least one owner."))
            fields = {"domain": domain, "local_part": name, "by_self_service": False, "shared": True}
            alias = Alias.create(**fields, switched_at=now, created_at=now)
            record(actor, "role-address-made", _ids(alias), {"alias": alias.text}, now)
            for person in people:
                _add(actor, alias, person, now)
            mark_reachable(alias, now)
            return alias
    except IntegrityError:
        raise RoleAddressProblem(N_("This address is there already, or was somebody's before.")) from None


def add_owner(actor: Actor, alias_id: int, person_id: int, now: datetime) -> bool:
    """Add an owner; their first proven mailbox gets its mail at once. Returns False when they are one.

    Raises RoleAddressProblem for somebody who may not have an address on the domain, and NotYours when
    there is no such role address.
    """
    with write():
        person, alias = lock_person(person_id), _shared(alias_id)
        if AliasOwner.select().where(AliasOwner.alias == alias, AliasOwner.person == person).exists():
            return False
        _add(actor, alias, person, now)
        mark_reachable(alias, now)
        return True


def _add(actor: Actor, alias: Alias, person: Person, now: datetime) -> None:
    if actor == Actor.person(person.id):
        raise RoleAddressProblem(N_("Nobody makes themselves an owner. Ask another admin."))
    if person.banned_at is not None or decision_for(person, alias.domain, now).answer is not Answer.YES:
        name = person.launchpad_name or person.display_name
        text = N_("%(name)s is not entitled to %(domain)s. A waiver for it comes first.")
        raise RoleAddressProblem(text, name=name, domain=alias.domain.name)
    AliasOwner.create(alias=alias, person=person)
    mailbox = first_recipient(person)
    if mailbox is not None:
        attach(alias, mailbox)
    ids = _ids(alias) | {"person": person.id}
    record(actor, "role-owner-added", ids, {"alias": alias.text, "owner": person.launchpad_name}, now)
    _tell(alias, person, OWNER, now)


def remove_owner(actor: Actor, alias_id: int, person_id: int, now: datetime) -> bool:
    """Take an owner out with their recipients; the address goes on for the others. Returns False when done.

    Raises NotYours when there is no such role address.
    """
    with write():
        lock_people([person_id])
        alias = _shared(alias_id)
        owner = AliasOwner.get_or_none(AliasOwner.alias == alias, AliasOwner.person == person_id)
        if owner is None:
            return False
        _take_out(actor, owner, now)
        return True


def _take_out(actor: Actor, owner: AliasOwner, now: datetime) -> None:
    alias, person = owner.alias, owner.person
    owner.delete_instance()
    arrange(alias, [row.recipient_id for row in rows_of(alias) if row.recipient.person_id != person.id], now)
    ids = _ids(alias) | {"person": person.id}
    record(actor, "role-owner-removed", ids, {"alias": alias.text, "owner": person.launchpad_name}, now)
    _tell(alias, person, LEFT, now)
    if not AliasOwner.select().where(AliasOwner.alias == alias).exists():
        key = f"{EMPTY}:{alias.id}:{now.timestamp():.6f}"
        tell_admins(alias.domain, EMPTY, person, {"alias": alias.id}, key, now)


# -- what an owner does -----------------------------------------------------------------------------


def own_role_address(person: Person, alias_id: int) -> Alias:
    """Return a role address that the person owns with others; raises NotYours otherwise."""
    alias = _shared(alias_id)
    own = (AliasOwner.alias == alias) & (AliasOwner.person == person)
    if alias.switch == Switch.GIVEN_UP or not AliasOwner.select().where(own).exists():
        raise NotYours("no such role address of this person")
    return alias


def own_recipients(person: Person, alias: Alias) -> list[Recipient]:
    """Return the recipients that a person gave a role address, in order."""
    return [row.recipient for row in rows_of(alias) if row.recipient.person_id == person.id]


def add_recipient(person_id: int, alias_id: int, text: str, now: datetime) -> Recipient:
    """Add one's own recipient to a role address; it must be proven before mail goes there.

    text: as typed. Raises RecipientProblem for one that cannot be added, and NotYours.
    """
    with write():
        person = lock_person(person_id)
        alias = own_role_address(person, alias_id)
        own = own_recipients(person, alias)
        recipient = recipient_for(person, text, now)
        if recipient in own:
            raise RecipientProblem(N_("Mail for this address goes there already."))
        if len(own) >= MAX_RECIPIENTS:
            text = N_("An address has at most %(most)s recipients. Take one out first.")
            raise RecipientProblem(text, most=MAX_RECIPIENTS)
        attach(alias, recipient)
        mark_reachable(alias, now)
        ids = {"alias": alias.id, "recipient": recipient.id, "person": person.id}
        record(Actor.person(person.id), "recipient-added", ids, {"address": recipient.address}, now)
        return recipient


def remove_recipient(person_id: int, alias_id: int, recipient_id: int, now: datetime) -> bool:
    """Take one's own recipient out of a role address. Returns False when it is out; raises NotYours."""
    with write():
        person = lock_person(person_id)
        alias = own_role_address(person, alias_id)
        there = {row.recipient_id: row.recipient for row in rows_of(alias)}
        recipient = there.get(recipient_id)
        if recipient is None or recipient.person_id != person.id:
            return False
        arrange(alias, [row_id for row_id in there if row_id != recipient_id], now)
        ids = {"alias": alias.id, "recipient": recipient.id, "person": person.id}
        record(Actor.person(person.id), "recipient-removed", ids, {"address": recipient.address}, now)
        return True


# -- what facts and time mean for owners ------------------------------------------------------------


def keep_owner_up(owner: AliasOwner, word: Word, now: datetime, actor: Actor) -> None:
    """Bring one ownership up to date, by the rules for an address of one's own. In a transaction."""
    before = Life(
        Entitlement(owner.entitlement),
        Switch.ON,
        now,
        Hold(owner.hold),
        owner.grace_until,
        owner.grace_told,
    )
    grace = timedelta(days=owner.alias.domain.grace_days)
    after, events = step(before, word, grace, now)
    if after == before:
        return
    if after.entitlement is Entitlement.ENDED:
        _take_out(actor, owner, now)
        return
    owner.entitlement, owner.hold = after.entitlement, after.hold
    owner.grace_until, owner.grace_told = after.grace_until, after.grace_told
    owner.save()
    if replace(after, grace_told=before.grace_told) != before:  # a reminder alone is no change
        ids = _ids(owner.alias) | {"person": owner.person_id}
        values = {"alias": owner.alias.text, "entitlement": after.entitlement, "hold": after.hold}
        record(actor, "role-owner-changed", ids, values, now)
    if after.grace_until is not None and set(events) & {
        Event.GRACE_STARTED,
        Event.GRACE_14_DAYS,
        Event.GRACE_2_DAYS,
    }:
        until = int(after.grace_until.timestamp())
        ids = {"alias": owner.alias_id, "until": until}
        key = f"{ENDS}:{owner.alias_id}:{owner.person_id}:{until}:{after.grace_told}"
        tell_person(owner.person, ENDS, ids, key, now)


def is_ending(alias: Alias, person: Person | None, until: int) -> bool:
    """Whether a person's ownership still ends at that moment (seconds)."""
    owner = AliasOwner.get_or_none(AliasOwner.alias == alias, AliasOwner.person == person)
    return owner is not None and owner.grace_until is not None and int(owner.grace_until.timestamp()) == until


def count_owners(aliases: Iterable[Alias]) -> dict[int, int]:
    """Return how many owners each of some role addresses has, by their ids."""
    query: Any = AliasOwner.select(AliasOwner.alias, fn.COUNT(1)).group_by(AliasOwner.alias)
    return dict(query.where(AliasOwner.alias.in_([alias.id for alias in aliases])).tuples())


def _shared(alias_id: int) -> Alias:
    alias = by_id(Alias, alias_id)
    if alias is None or not alias.shared:
        raise NotYours("no such role address")
    return alias  # type: ignore[no-any-return]


def _tell(alias: Alias, person: Person, kind: str, now: datetime) -> None:
    key = f"{kind}:{alias.id}:{person.id}:{now.timestamp():.6f}"
    tell_person(person, kind, {"alias": alias.id}, key, now)


def _ids(alias: Alias) -> dict[str, int]:
    return {"alias": alias.id, "domain": alias.domain_id}
