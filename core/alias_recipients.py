"""The recipients of an alias as rows in order: put one in, let one take another's place, tell about it.

Everything here runs in the transaction of a use case (`core.recipients`, `core.aliases`).
"""

from collections.abc import Iterable
from datetime import datetime

from core.audit import Actor, record
from core.models import Alias, AliasOwner, AliasRecipient, Person, Recipient
from core.notices import tell_recipient
from core.routing import Hold, Switch


def is_deliverable(recipient: Recipient, alias: Alias) -> bool:
    """Whether mail may go there, as the relay's query says: proven by an owner, or imported."""
    if recipient.imported_at is not None:
        return True
    if recipient.verified_at is None or recipient.person_id is None:
        return False
    if recipient.person_id == alias.person_id:
        return True
    owner = (AliasOwner.alias == alias) & (AliasOwner.person == recipient.person_id)
    return AliasOwner.select().where(owner, AliasOwner.hold == Hold.NONE).exists()


def rows_of(alias: Alias) -> list[AliasRecipient]:
    """Return an alias's rows in order, each with its recipient."""
    query = (
        AliasRecipient.select(AliasRecipient, Recipient)
        .join(Recipient)
        .where(AliasRecipient.alias == alias)
        .order_by(AliasRecipient.position, AliasRecipient.id)
    )
    return list(query)


def aliases_with(recipient: Recipient, person: Person) -> list[Alias]:
    """Return a person's aliases, but those given up, that have this recipient."""
    query = (
        Alias.select()
        .join(AliasRecipient)
        .where(AliasRecipient.recipient == recipient, Alias.person == person, Alias.switch != Switch.GIVEN_UP)
        .order_by(Alias.id)
    )
    return list(query)


def attach(alias: Alias, recipient: Recipient) -> None:
    """Put a recipient at the end of an alias."""
    position = AliasRecipient.select().where(AliasRecipient.alias == alias).count()
    AliasRecipient.create(alias=alias, recipient=recipient, position=position)


def arrange(alias: Alias, order: Iterable[int], now: datetime) -> None:
    """Keep only these recipients of an alias, in this order. order: their ids."""
    rows = {row.recipient_id: row for row in rows_of(alias)}
    for position, recipient_id in enumerate(order):
        row = rows.pop(recipient_id)
        row.position = position
        row.save()
    for row in rows.values():
        row.delete_instance()
        AliasRecipient.update(replaces=None).where(
            AliasRecipient.alias == alias, AliasRecipient.replaces == row.recipient_id
        ).execute()
    mark_reachable(alias, now)


def put_in_place(actor: Actor, alias: Alias, old: Recipient, new: Recipient, now: datetime) -> None:
    """Let a recipient take another one's place on an alias: at once when it is proven, else as soon as it is.

    Whatever else waited for that place gives way.
    """
    waiting = (AliasRecipient.alias == alias) & (AliasRecipient.replaces == old.id)
    AliasRecipient.delete().where(waiting, AliasRecipient.recipient != new).execute()
    there = {row.recipient_id: row for row in rows_of(alias)}
    row = there.get(new.id) or AliasRecipient(alias=alias, recipient=new)
    row.replaces, row.position = old.id, there[old.id].position
    row.save()
    if is_deliverable(new, alias):
        take_place(actor, row, now)
        return
    ids = {"alias": alias.id, "recipient": new.id}
    record(actor, "recipient-to-be-replaced", ids, {"before": old.address, "after": new.address}, now)


def take_place(actor: Actor, row: AliasRecipient, now: datetime) -> None:
    """Take the recipient out whose place this proven one gets, and tell both."""
    alias, new = row.alias, row.recipient
    old = AliasRecipient.get_or_none(AliasRecipient.alias == alias, AliasRecipient.recipient == row.replaces)
    row.replaces = None
    if old is not None:
        row.position = old.position
        old.delete_instance()
    row.save()
    mark_reachable(alias, now)
    if old is not None:
        if is_deliverable(old.recipient, alias):
            tell_removed(alias, old.recipient, now)
        values = {"before": old.recipient.address, "after": new.address}
        record(actor, "recipient-replaced", {"alias": alias.id, "recipient": new.id}, values, now)


def tell_removed(alias: Alias, recipient: Recipient, now: datetime) -> None:
    """Tell a recipient that an alias's mail no longer comes to it; never where it goes instead."""
    ids = {"alias": alias.id, "recipient": recipient.id}
    key = f"removed:{alias.id}:{recipient.id}:{now.timestamp():.6f}"
    tell_recipient(recipient, "recipient-removed", ids, key, now)


def tell_changed(aliases: Iterable[Alias], now: datetime, but: Recipient | None = None) -> None:
    """Tell every working recipient of these aliases where their mail goes now: one mail each.

    but: one that knows it already.
    """
    told = {
        row.recipient_id: (row.recipient, alias)
        for alias in aliases
        if not alias.shared  # its owners do not see each other's mailboxes
        for row in rows_of(alias)
        if is_deliverable(row.recipient, alias) and row.recipient != but
    }
    for recipient, alias in told.values():
        ids = {"alias": alias.id, "recipient": recipient.id}
        key = f"changed:{recipient.id}:{now.timestamp():.6f}"
        tell_recipient(recipient, "recipients-changed", ids, key, now)


def mark_reachable(alias: Alias, now: datetime) -> None:
    """Note since when nobody is there to take an alias's mail, or that somebody is."""
    proven = (
        AliasRecipient.select()
        .join(Recipient)
        .where(
            AliasRecipient.alias == alias,
            Recipient.verified_at.is_null(False) | Recipient.imported_at.is_null(False),
        )
        .exists()
    )
    since = None if proven else alias.unreachable_since or now
    if since != alias.unreachable_since:
        alias.unreachable_since = since
        alias.save()
