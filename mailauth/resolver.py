"""DNS as mail authentication asks for it: five questions, four outcomes, no exceptions.

`Resolver` is what the other modules are given. `DnsResolver` asks real servers, one a process, with
a cache. `Limited` holds the questions of one message within a time and a number.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar, cast

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from mailauth.names import askable

T = TypeVar("T")


class Outcome(Enum):
    """What became of a question."""

    FOUND = "found"
    NO_DATA = "no data"
    """The name exists, and has no record of this type."""
    NO_SUCH_NAME = "no such name"
    TEMPORARY = "temporary"
    """No answer, or none that says anything: it may be different later."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """An outcome, and the records when it is FOUND."""

    outcome: Outcome
    records: tuple[T, ...] = ()

    @property
    def void(self) -> bool:
        """Whether DNS said for sure that nothing is there."""
        return self.outcome in (Outcome.NO_DATA, Outcome.NO_SUCH_NAME)


@dataclass(frozen=True, slots=True, order=True)
class Mx:
    """A mail exchanger; the host of a null MX (RFC 7505) is empty."""

    preference: int
    host: str


class Resolver(Protocol):
    """Asks DNS. Names come without a last dot; host names in answers too, in lower case."""

    async def txt(self, name: str) -> Answer[bytes]:
        """Ask for the text records of a name, the strings of each joined."""
        ...

    async def a(self, name: str) -> Answer[IPv4Address]:
        """Ask for the IPv4 addresses of a name."""
        ...

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        """Ask for the IPv6 addresses of a name."""
        ...

    async def mx(self, name: str) -> Answer[Mx]:
        """Ask for the mail exchangers of a name."""
        ...

    async def ptr(self, address: IPv4Address | IPv6Address) -> Answer[str]:
        """Ask for the names of an address."""
        ...


class DnsResolver:
    """Asks name servers by dnspython, keeps answers for as long as they allow, counts everything.

    nameservers, port: the servers to ask; None takes those of the system. timeout: seconds for one
    question over all servers. entries: how many answers are kept. max_ttl, max_negative_ttl:
    seconds for which an answer is kept at most (RFC 2308 section 5 for the second).
    Temporary outcomes are not kept. The same question asked twice at once is sent once.
    """

    def __init__(
        self,
        nameservers: list[str] | None = None,
        port: int = 53,
        *,
        timeout: float = 5.0,
        entries: int = 20_000,
        max_ttl: float = 86_400.0,
        max_negative_ttl: float = 900.0,
    ) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=nameservers is None)
        if nameservers is not None:
            self._resolver.nameservers = list(nameservers)
            self._resolver.port = port
        self._timeout = timeout
        self._entries = entries
        self._max_ttl = max_ttl
        self._max_negative_ttl = max_negative_ttl
        self._cache: OrderedDict[tuple[str, str], tuple[float, Answer[Any]]] = OrderedDict()
        self._running: dict[tuple[str, str], asyncio.Task[Answer[Any]]] = {}
        self.counts: Counter[str] = Counter()
        """Questions by type, `cached`, `shared`, and each outcome of those that were sent."""

    async def txt(self, name: str) -> Answer[bytes]:
        """See Resolver."""
        return await self._ask(name, "TXT", lambda record: b"".join(record.strings))

    async def a(self, name: str) -> Answer[IPv4Address]:
        """See Resolver."""
        return await self._ask(name, "A", lambda record: IPv4Address(record.address))

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        """See Resolver."""
        return await self._ask(name, "AAAA", lambda record: IPv6Address(record.address))

    async def mx(self, name: str) -> Answer[Mx]:
        """See Resolver."""
        return await self._ask(name, "MX", lambda record: Mx(record.preference, _host(record.exchange)))

    async def ptr(self, address: IPv4Address | IPv6Address) -> Answer[str]:
        """See Resolver."""
        return await self._ask(address.reverse_pointer, "PTR", lambda record: _host(record.target))

    async def _ask(self, name: str, kind: str, read: Callable[[Any], T]) -> Answer[T]:
        self.counts[kind] += 1
        key = (name.lower(), kind)
        if found := self._cached(key):
            self.counts["cached"] += 1
            return cast(Answer[T], found)
        if not askable(name):
            return Answer(Outcome.NO_SUCH_NAME)
        task = self._running.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._send(key, read))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        else:
            self.counts["shared"] += 1
        # One asker's time running out must not take the answer from the others.
        return cast(Answer[T], await asyncio.shield(task))

    def _cached(self, key: tuple[str, str]) -> Answer[Any] | None:
        kept = self._cache.get(key)
        if kept is None:
            return None
        if kept[0] <= monotonic():
            del self._cache[key]
            return None
        self._cache.move_to_end(key)
        return kept[1]

    async def _send(self, key: tuple[str, str], read: Callable[[Any], T]) -> Answer[T]:
        answer, ttl = await self._query(key, read)
        self.counts[answer.outcome.value] += 1
        if answer.outcome is not Outcome.TEMPORARY and ttl > 0:
            self._cache[key] = (monotonic() + ttl, answer)
            while len(self._cache) > self._entries:
                self._cache.popitem(last=False)
        return answer

    async def _query(self, key: tuple[str, str], read: Callable[[Any], T]) -> tuple[Answer[T], float]:
        name, kind = key
        try:
            # From labels, not from text: SPF's macros make names with any characters in them.
            asked = dns.name.Name(
                [label.encode("idna" if not label.isascii() else "ascii") for label in name.split(".")]
                + [b""]
            )
            found = await self._resolver.resolve(
                asked, kind, raise_on_no_answer=False, lifetime=self._timeout, search=False
            )
        except dns.resolver.NXDOMAIN as error:
            return Answer(Outcome.NO_SUCH_NAME), min(_negative_ttl(error), self._max_negative_ttl)
        except (UnicodeError, dns.name.NameTooLong, dns.name.LabelTooLong, dns.name.EmptyLabel):
            return Answer(Outcome.NO_SUCH_NAME), self._max_negative_ttl
        except (dns.exception.DNSException, OSError, EOFError, ValueError):
            return Answer(Outcome.TEMPORARY), 0.0
        left = float(found.chaining_result.minimum_ttl)
        if found.rrset is None:
            return Answer(Outcome.NO_DATA), min(left, self._max_negative_ttl)
        return Answer(Outcome.FOUND, tuple(read(record) for record in found.rrset)), min(left, self._max_ttl)


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    """Return for how long the name may be taken for missing (RFC 2308 section 5)."""
    ttls = [
        min(rrset.ttl, *(record.minimum for record in rrset))
        for response in error.kwargs.get("responses", {}).values()
        for rrset in response.authority
        if rrset.rdtype == dns.rdatatype.SOA
    ]
    return float(min(ttls, default=0))


def _host(name: dns.name.Name) -> str:
    """Return a host name as text; what is no plain name becomes one that DNS has not."""
    return name.to_text(omit_final_dot=True).lower().removeprefix("@").removesuffix(".")


class Limited:
    """The questions of one message: within some seconds and a number, then every outcome is TEMPORARY.

    Make one for each message. questions: more than RFC 7208 section 4.6.4 lets SPF ask (10 terms of
    10 hosts), with ten signatures and fifty ARC sets.
    """

    def __init__(self, resolver: Resolver, seconds: float = 20.0, questions: int = 250) -> None:
        self._resolver = resolver
        self._until = monotonic() + seconds
        self._left = questions

    async def txt(self, name: str) -> Answer[bytes]:
        """See Resolver."""
        return await self._within(lambda: self._resolver.txt(name))

    async def a(self, name: str) -> Answer[IPv4Address]:
        """See Resolver."""
        return await self._within(lambda: self._resolver.a(name))

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        """See Resolver."""
        return await self._within(lambda: self._resolver.aaaa(name))

    async def mx(self, name: str) -> Answer[Mx]:
        """See Resolver."""
        return await self._within(lambda: self._resolver.mx(name))

    async def ptr(self, address: IPv4Address | IPv6Address) -> Answer[str]:
        """See Resolver."""
        return await self._within(lambda: self._resolver.ptr(address))

    async def _within(self, ask: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
        self._left -= 1
        seconds = self._until - monotonic()
        if self._left < 0 or seconds <= 0:
            return Answer(Outcome.TEMPORARY)
        try:
            async with asyncio.timeout(seconds):
                return await ask()
        except TimeoutError:
            return Answer(Outcome.TEMPORARY)
