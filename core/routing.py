"""Where mail for an address goes: one pure function from stored facts to a Route.

The relay, `waypost route` and the pages all ask here, so they cannot disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from core.addresses import MAX_LOCAL, Address, quote_local_part
from core.reserved import ROLE_NAMES

LATER_LASTS = timedelta(days=3)
"""How long "try later" is said before it becomes "refused"."""


class Entitlement(StrEnum):
    """First fact of an alias: may its owner have it?"""

    ENTITLED = "entitled"
    GRACE = "grace"
    ENDED = "ended"


class Switch(StrEnum):
    """Second fact of an alias: what its owner wants."""

    ON = "on"
    OFF_LATER = "off-later"
    OFF_REFUSED = "off-refused"
    GIVEN_UP = "given-up"


class Hold(StrEnum):
    """Third fact of an alias: who has stopped it."""

    NONE = "none"
    ADMIN = "admin"
    BAN = "ban"
    LAUNCHPAD = "launchpad"


class Order(StrEnum):
    """To whom of its recipients an alias delivers: its owner's choice."""

    ALL = "all"
    FIRST = "first"
    """To the first that takes it; the next one is tried after a permanent refusal only."""


class Fate(StrEnum):
    """What happens to mail for an address."""

    DELIVER = "deliver"
    UNKNOWN_DOMAIN = "unknown-domain"
    UNKNOWN_ADDRESS = "unknown-address"
    HELD = "held"
    ENDED = "ended"
    OFF_LATER = "off-later"
    OFF_REFUSED = "off-refused"
    NO_RECIPIENT_YET = "no-recipient-yet"
    NO_RECIPIENT = "no-recipient"


@dataclass(frozen=True)
class Reply:
    """An SMTP reply: code, enhanced status code (RFC 3463) and a sentence of our own."""

    code: int
    enhanced: str
    text: str

    @property
    def is_temporary(self) -> bool:
        """Whether the sender's server should try again."""
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


REPLIES = {
    Fate.DELIVER: Reply(250, "2.1.5", "Recipient ok"),
    Fate.UNKNOWN_DOMAIN: Reply(550, "5.1.2", "This server takes no mail for that domain"),
    Fate.UNKNOWN_ADDRESS: Reply(550, "5.1.1", "No such address"),
    Fate.HELD: Reply(550, "5.2.1", "This address is suspended"),
    Fate.ENDED: Reply(550, "5.1.6", "This address has ended"),
    Fate.OFF_LATER: Reply(450, "4.2.1", "This address is switched off for a while, try later"),
    Fate.OFF_REFUSED: Reply(550, "5.2.1", "This address is switched off"),
    Fate.NO_RECIPIENT_YET: Reply(450, "4.2.1", "This address has no mailbox yet, try later"),
    Fate.NO_RECIPIENT: Reply(550, "5.2.1", "This address has no mailbox"),
}


@dataclass(frozen=True)
class RouteRecipient:
    """One outside address behind an alias."""

    address: str
    deliverable: bool
    """Verified by its owner, or imported by an admin and marked so (invariant 6)."""
    recipient_id: int = field(default=0, compare=False)
    """Its row, by which a cache finds what a change of it concerns."""


@dataclass(frozen=True)
class AliasFacts:
    """What is stored of one alias, as far as mail is concerned."""

    alias_id: int
    entitlement: Entitlement
    switch: Switch
    switched_at: datetime
    hold: Hold
    grace_until: datetime | None = None
    unreachable_since: datetime | None = None
    """Since when no recipient is verified; None while one is."""
    recipients: Sequence[RouteRecipient] = ()
    """In the owner's order, those that are failing last."""
    order: Order = Order.ALL
    keeps_tag: bool = False
    """Whether `ada+list@` goes to `recipient+list@`."""


class AliasTable(Protocol):
    """Where stored facts come from: `core.alias_table` has one for each database."""

    def serves(self, domain: str) -> bool:
        """Whether the domain is one of ours and verified."""

    def find(self, domain: str, local_part: str) -> AliasFacts | None:
        """Return the facts of one alias, its recipients in order, or None."""

    def admin_recipients(self, domain: str) -> Sequence[str]:
        """Return the first verified recipient of each admin of the domain."""

    def aliases_of(self, recipients: Sequence[str]) -> dict[str, str]:
        """Return which of these addresses are recipients of ours, each with an alias that leads there."""


@dataclass(frozen=True)
class Route:
    """Everything that is to be known about mail for one address."""

    address: Address
    fate: Fate
    alias: str = ""
    """The alias that was found, `local@domain`: also in reports, in place of a private address."""
    alias_id: int | None = None
    """Row of the alias; None for a role name that goes to the domain's admins."""
    recipients: tuple[str, ...] = ()
    order: Order = Order.ALL
    is_role: bool = False
    """`postmaster`, `abuse` and the like: never refused by policy."""
    reply: Reply = field(default=REPLIES[Fate.DELIVER])


def alias_fate(facts: AliasFacts, now: datetime) -> Fate:
    """Decide what mail for an alias gets, from its three independent facts.

    Hold comes first, then the end, then the owner's switch, then whether anyone is there to take it.
    """
    if facts.hold is not Hold.NONE:
        return Fate.HELD
    over = (
        facts.entitlement is Entitlement.GRACE and facts.grace_until is not None and facts.grace_until <= now
    )
    if facts.entitlement is Entitlement.ENDED or over or facts.switch is Switch.GIVEN_UP:
        return Fate.ENDED
    if facts.switch is Switch.OFF_REFUSED:
        return Fate.OFF_REFUSED
    if facts.switch is Switch.OFF_LATER:
        return Fate.OFF_LATER if now < facts.switched_at + LATER_LASTS else Fate.OFF_REFUSED
    if any(recipient.deliverable for recipient in facts.recipients):
        return Fate.DELIVER
    since = facts.unreachable_since or now
    return Fate.NO_RECIPIENT_YET if now < since + LATER_LASTS else Fate.NO_RECIPIENT


def route(table: AliasTable, address: Address, ops_address: str, now: datetime) -> Route:
    """Find where mail for an address goes.

    The whole local part is looked up first, then what stands before the first `+`. The RFC 2142
    names reach the domain's admins, else the ops address, unless an alias of that name delivers.
    Whatever the table raises (the database is busy or gone) passes through: the caller answers
    "try later" and never "no such address".
    """
    if not table.serves(address.domain):
        return Route(address, Fate.UNKNOWN_DOMAIN, reply=REPLIES[Fate.UNKNOWN_DOMAIN])
    whole = address.local_part.lower()
    stem = whole.partition("+")[0]
    names = [whole] if stem in ("", whole) else [whole, stem]
    found = Route(address, Fate.UNKNOWN_ADDRESS, reply=REPLIES[Fate.UNKNOWN_ADDRESS])
    for name in names:
        facts = table.find(address.domain, name)
        if facts is not None:
            found = _from_facts(address, name, facts, now)
            break
    if found.fate is not Fate.DELIVER and names[-1] in ROLE_NAMES:
        admins = tuple(table.admin_recipients(address.domain)) or (ops_address,)
        alias = f"{names[-1]}@{address.domain}"
        return Route(address, Fate.DELIVER, alias, recipients=admins, is_role=True)
    return found


def _from_facts(address: Address, name: str, facts: AliasFacts, now: datetime) -> Route:
    fate = alias_fate(facts, now)
    tag = address.local_part[len(name) :] if facts.keeps_tag else ""
    recipients = tuple(_tagged(r.address, tag) for r in facts.recipients if r.deliverable)
    return Route(
        address,
        fate,
        alias=f"{name}@{address.domain}",
        alias_id=facts.alias_id,
        recipients=recipients if fate is Fate.DELIVER else (),
        order=facts.order,
        is_role=name in ROLE_NAMES,
        reply=REPLIES[fate],
    )


def _tagged(recipient: str, tag: str) -> str:
    """Put a sub-address's tag (`+list`) into a recipient, where it leaves a plain dot-atom.

    A tag out of a quoted local part could carry an @ or SMTP parameters into our own RCPT.
    """
    local_part, _, domain = recipient.rpartition("@")
    longer = f"{local_part}{tag}"
    fits = len(longer.encode()) <= MAX_LOCAL and quote_local_part(longer) == longer
    return f"{longer}@{domain}" if tag and fits and (tag.isascii() or not recipient.isascii()) else recipient
