"""What a RCPT gets: a route, or a rewritten sender that mail comes back to, becomes a target or a reply."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.addresses import Address, AddressError, quote_local_part
from core.routing import Fate, Reply, Route
from mailauth.srs import Srs, SrsError, is_srs
from relay import replies
from relay.deliver import Target
from relay.directory import Directory
from relay.message import Message
from relay.outcome import About, Kind, Result
from relay.path import parse_mailbox
from relay.trace import Tracer

MAX_PATH = 254  # octets, RFC 5321 §4.5.3.1.3 without the brackets
_BOUNCE = "bounce="


class Refused(Exception):
    """The recipient is not taken; `reply` says why. `is_guess`: it counts against the client."""

    def __init__(self, reply: Reply, *, is_guess: bool = False) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.is_guess = is_guess


class Senders:
    """The envelope senders that we write ourselves, and their way back.

    srs: for forwarded mail. bounces: the same scheme under another key, for mail of our own; there
    the recipient stands in the place of the sender, so that a late bounce names who does not get it.
    """

    def __init__(self, srs: Srs, bounces: Srs, clock: Callable[[], float] = time.time) -> None:
        self.domain = srs.domain
        self._srs = srs
        self._bounces = bounces
        self._clock = clock

    def forwarded(self, sender: Address | None) -> str:
        """Return the envelope sender for a forwarded message; null stays null."""
        if sender is None:
            return ""
        path = self._path(self._srs.forward(sender.local_part, sender.domain, self._clock()))
        # Too long for a path: a late bounce cannot find its way back then, but the mail goes.
        return path if len(path.encode()) <= MAX_PATH else self.own(Address("postmaster", self.domain))

    def own(self, recipient: Address) -> str:
        """Return the envelope sender for mail of our own to a recipient."""
        rewritten = self._bounces.forward(recipient.local_part, recipient.domain, self._clock())
        path = self._path(_BOUNCE + rewritten.removeprefix("SRS0="))
        return path if len(path.encode()) <= MAX_PATH else ""

    def original(self, local_part: str) -> Address:
        """Lead a rewritten sender back. Raises SrsError."""
        return Address(*self._srs.reverse(local_part, self._clock()))

    def bounced(self, local_part: str) -> Address:
        """Return whom a bounce of our own mail is about. Raises SrsError."""
        rest = local_part[len(_BOUNCE) :]
        return Address(*self._bounces.reverse("SRS0=" + rest, self._clock()))

    def _path(self, local_part: str) -> str:
        return f"{quote_local_part(local_part)}@{self.domain}"


def is_own_bounce(local_part: str) -> bool:
    """Whether a local part has the form of our own mail's envelope sender."""
    return local_part.lower().startswith(_BOUNCE)


@dataclass(frozen=True)
class Accepted:
    """A recipient that was taken.

    is_report: mail to a rewritten sender, which is looked through before it is passed on.
    bounced: the address that a bounce of our own mail is about; nothing is passed on then.
    """

    target: Target
    is_role: bool = False
    is_report: bool = False
    bounced: str = ""
    is_own: bool = False
    """Our own mail: one recipient a transaction."""

    @property
    def is_never_refused(self) -> bool:
        """Whether its mail goes on whatever DMARC says: RFC 5321 §4.5.1, and bounces, which come once."""
        return self.is_role or self.is_report


class Acceptor:
    """Decides at RCPT. Every method raises DirectoryUnavailable.

    hostname: ours; its postmaster, and the SRS domain's, is `ops_address`.
    """

    def __init__(self, directory: Directory, senders: Senders, hostname: str, ops_address: str) -> None:
        self.directory = directory
        self._senders = senders
        self._own_domains = frozenset({hostname, senders.domain})
        self._ops_address = ops_address

    async def accept(self, address: Address, sender: Address | None, outward: str) -> Accepted:
        """Take a recipient, or raise Refused.

        sender: the envelope sender as it came. outward: what stands for it in forwarded mail.
        """
        if address.domain == self._senders.domain and (
            is_srs(address.local_part) or is_own_bounce(address.local_part)
        ):
            return self._return(address, sender)
        route = await self.directory.route(address)
        if route.fate is Fate.DELIVER:
            return Accepted(await self.target(route, outward), route.is_role)
        if address.domain in self._own_domains and address.local_part.lower() in ("postmaster", "abuse"):
            return Accepted(Target(address.text, (self._ops_address,), outward, marks=(address.key,)), True)
        raise Refused(route.reply, is_guess=route.fate in (Fate.UNKNOWN_ADDRESS, Fate.UNKNOWN_DOMAIN))

    async def target(self, route: Route, outward: str) -> Target:
        """Turn a route that delivers into a target; a recipient on a domain of ours is followed once."""
        recipients: list[str] = []
        marks = [route.alias]
        for recipient in route.recipients:
            if await self._is_ours(recipient):
                inner = await self.directory.route(parse_mailbox(recipient))
                found = [each for each in inner.recipients if not await self._is_ours(each)]
                marks.append(inner.alias)
            else:
                found = [recipient]
            recipients += [each for each in found if each not in recipients]
        refused = None if recipients else Result(Kind.REFUSED, "5.4.6", About.MAILBOX)
        return Target(
            route.alias, tuple(recipients), outward, route.alias_id, route.order, tuple(marks), refused
        )

    async def _is_ours(self, recipient: str) -> bool:
        return await self.directory.serves(recipient.rpartition("@")[2])

    def _return(self, address: Address, sender: Address | None) -> Accepted:
        """Mail to a rewritten sender: bounces only (RFC 5321 §4.5.5), and only where the hash is ours."""
        if sender is not None:
            raise Refused(replies.RETURN_FOR_BOUNCES, is_guess=True)
        try:
            if is_own_bounce(address.local_part):
                bounced = self._senders.bounced(address.local_part).text
                return Accepted(Target(address.text, (), ""), bounced=bounced)
            original = parse_mailbox(self._senders.original(address.local_part).text)
        except (SrsError, AddressError):
            raise Refused(replies.FORGED_RETURN, is_guess=True) from None
        return Accepted(Target(address.text, (original.text,), ""), is_report=True)


def refuse_loops(targets: list[Target], message: Message, tracer: Tracer) -> list[Target]:
    """Refuse the aliases that a message has passed before."""
    if not message.loop_marks:
        return targets
    looped = Result(Kind.REFUSED, "5.4.6", About.MESSAGE)
    return [
        replace(target, refused=looped)
        if any(tracer.loop_mark(mark) in message.loop_marks for mark in target.marks)
        else target
        for target in targets
    ]
