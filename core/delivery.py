"""What the relay reports of deliveries: counts by recipient and day, marks, and word to the owners.

Nothing here knows a sender, a subject, or another server's words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from peewee import EXCLUDED

from core.addresses import AddressError, parse_address
from core.database import connection, utc_now, write
from core.models import Alias, AliasRecipient, DeliveryCount, Recipient, by_id
from core.notices import tell_ops, tell_owner
from core.translation import N_


class Event(StrEnum):
    """What is counted."""

    DELIVERED = "delivered"
    """The recipient's server said 250: a mark *failing* goes."""
    REFUSED_MAILBOX = "refused-mailbox"
    """Refused for good because of the mailbox: the recipient is marked failing."""
    REFUSED_MESSAGE = "refused-message"
    """Refused for good because of this message or its sender."""
    REFUSED_HERE = "refused-here"
    """Refused by this relay: the author's domain asks to refuse what it did not authenticate (DMARC)."""
    DEFERRED = "deferred"
    LEFT_OUT = "left-out"
    """The alias counts as served without this recipient: its owner is told, once a day at most."""
    ABOUT_US = "about-us"
    """A server refuses this relay: the ops address is told. `recipient` holds the domain only."""


@dataclass(frozen=True)
class Count:
    """So many events of one kind on one day (UTC)."""

    event: Event
    alias_id: int | None
    recipient: str
    day: date
    enhanced: str
    count: int = 1


_WHY = {
    "5.1.1": N_("its server says that there is no such mailbox"),
    "5.1.2": N_("its domain takes no mail"),
    "5.1.10": N_("its domain says that it takes no mail"),
    "5.2.1": N_("its server says that the mailbox is switched off"),
    "5.2.2": N_("its server says that the mailbox is full"),
    "5.2.3": N_("its server says that the mailbox takes no message of that size"),
}


def why_refused(enhanced: str) -> str:
    """Say in our own words why a mailbox refuses mail, for translation. enhanced: status code (RFC 3463)."""
    return _WHY.get(enhanced, N_("its server refuses mail for this mailbox"))


class MessageClass(StrEnum):
    """What a refusal that is about a message and not the mailbox is about, as its code says (RFC 3463)."""

    DISOWNED = "disowned"
    """Refused here already: the author's domain disowns it (DMARC)."""
    POLICY = "policy"
    """The server's policy: taken for spam, or the sender failed its checks."""
    SIZE = "size"
    CONTENT = "content"
    """It cannot take this kind of content."""
    SENDER = "sender"
    """It does not believe the sender's address."""
    OTHER = "other"


_CLASSES = {
    "5.1.7": MessageClass.SENDER,
    "5.1.8": MessageClass.SENDER,
    "5.2.3": MessageClass.SIZE,
    "5.3.4": MessageClass.SIZE,
}


def message_class(enhanced: str) -> MessageClass:
    """Say what a refusal of a message is about. enhanced: status code (RFC 3463)."""
    subject = {"5.6": MessageClass.CONTENT, "5.7": MessageClass.POLICY}
    return _CLASSES.get(enhanced) or subject.get(enhanced[:3], MessageClass.OTHER)


@dataclass(frozen=True)
class Refusals:
    """How many messages of one class a recipient's server refused, and the last day (UTC) of it."""

    recipient: Recipient
    kind: MessageClass
    count: int
    last: date


def refusals_of(recipients: Sequence[Recipient], since: date) -> list[Refusals]:
    """Count the messages that were refused for each of these recipients since a day, by class."""
    rows = DeliveryCount.select().where(
        DeliveryCount.recipient.in_([recipient.id for recipient in recipients]),
        DeliveryCount.event.in_([Event.REFUSED_MESSAGE, Event.REFUSED_HERE]),
        DeliveryCount.day >= str(since),
    )
    known = {recipient.id: recipient for recipient in recipients}
    found: dict[tuple[int, MessageClass], Refusals] = {}
    for row in rows.order_by(DeliveryCount.day):
        is_ours = row.event == Event.REFUSED_HERE
        key = (row.recipient_id, MessageClass.DISOWNED if is_ours else message_class(row.enhanced))
        before = found[key].count if key in found else 0
        last = date.fromisoformat(row.day)
        found[key] = Refusals(known[key[0]], key[1], before + row.count, last)
    return sorted(found.values(), key=lambda one: (one.recipient.id, -one.count, one.kind))


def record(counts: Sequence[Count], now: datetime | None = None) -> None:
    """Take counts for good: when this returns, whoever must be told will be told.

    Raises the database's errors, and then nothing was taken.
    """
    now = now or utc_now()
    with connection(), write():
        for count in sorted(counts, key=lambda c: (c.recipient, c.event)):
            if count.event is Event.ABOUT_US:
                key = f"about-us:{count.day}:{count.enhanced}:{count.recipient}"
                tell_ops("relay-refused", None, {}, key[:200], now)
                continue
            for recipient in _rows_of(count):
                _add(recipient, count)
                _mark(recipient, count, now)


def _rows_of(count: Count) -> Iterable[Recipient]:
    """Find the recipients of an address: behind one alias, or wherever it stands when none is named.

    A sub-address counts for the whole one.
    """
    try:
        address = parse_address(count.recipient)
    except AddressError:
        return []
    stem = f"{address.local_part.partition('+')[0].lower()}@{address.domain}"
    rows = Recipient.select().where(Recipient.address_key.in_([address.key, stem]))
    if count.alias_id is not None:
        of_alias = AliasRecipient.select(AliasRecipient.recipient)
        rows = rows.where(Recipient.id.in_(of_alias.where(AliasRecipient.alias == count.alias_id)))
    found = list(rows)
    return [row for row in found if row.address_key == address.key] or found


def _add(recipient: Recipient, count: Count) -> None:
    DeliveryCount.insert(
        recipient=recipient, day=str(count.day), event=count.event, enhanced=count.enhanced, count=count.count
    ).on_conflict(
        conflict_target=[
            DeliveryCount.recipient, DeliveryCount.day, DeliveryCount.event, DeliveryCount.enhanced,
        ],
        update={DeliveryCount.count: DeliveryCount.count + EXCLUDED.count},
    ).execute()  # fmt: skip


def _mark(recipient: Recipient, count: Count, now: datetime) -> None:
    """Set or take away the mark *failing*, and tell the owner what they must know."""
    this = Recipient.id == recipient.id
    if count.event is Event.DELIVERED:
        failing = Recipient.failing_since.is_null(False)
        Recipient.update(failing_since=None, failing_with=None).where(this, failing).execute()
    elif count.event is Event.REFUSED_MAILBOX:
        since = recipient.failing_since or now
        Recipient.update(failing_since=since, failing_with=count.enhanced).where(this).execute()
        _tell_owners(recipient, count, "recipient-failing", now)
    elif count.event is Event.LEFT_OUT:
        _tell_owners(recipient, count, "recipient-left-out", now)


def _tell_owners(recipient: Recipient, count: Count, kind: str, now: datetime) -> None:
    """Tell the recipient's person, or the alias's owner for an imported one, once a day at most."""
    alias = _alias_of(recipient, count.alias_id)
    person = recipient.person or (alias.person if alias is not None else None)
    if alias is not None and person is not None:
        ids = {"recipient": recipient.id, "alias": alias.id}
        tell_owner(person, kind, ids, f"{kind}:{recipient.id}:{count.day}", now)


def _alias_of(recipient: Recipient, alias_id: int | None) -> Alias | None:
    """Return the alias that is named, else the first one that the recipient stands behind."""
    if alias_id is not None:
        return by_id(Alias, alias_id)  # type: ignore[no-any-return]
    behind = AliasRecipient.get_or_none(AliasRecipient.recipient == recipient)
    return behind.alias if behind is not None else None
