"""Which hosts take mail for a domain: MX by dnspython, with a cache that honours TTLs (RFC 5321 §5.1)."""

import asyncio
import contextlib
import ipaddress
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
from dns.rdatatype import RdataType

from core.settings import split_host_port

_SHORTEST, _LONGEST = 5, 3600
_NEGATIVE = 60
_MOST_CACHED = 10_000
_MOST_HOSTS = 20
T = TypeVar("T")


@dataclass(frozen=True)
class Host:
    """A mail server: its name (for SNI and for people) and one of its addresses."""

    name: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}[{self.address}]:{self.port}"


class DnsError(Exception):
    """No hosts are known for the domain."""


class DnsTemporaryError(DnsError):
    """The resolver gave no answer: nothing is known, try later."""


class DnsPermanentError(DnsError):
    """The domain takes no mail; `enhanced` says why (RFC 3463, RFC 7505)."""

    def __init__(self, enhanced: str) -> None:
        super().__init__(enhanced)
        self.enhanced = enhanced


@dataclass(frozen=True)
class _Cached:
    until: float
    groups: Sequence[Sequence[Host]]
    error: DnsError | None


_Found = tuple[list[list[Host]], float]
"""Hosts in groups of equal preference, the best first, and for how many seconds that counts."""


@dataclass(frozen=True)
class _Records(Generic[T]):
    values: list[T]
    ttl: float


class MailExchangers:
    """Finds the hosts of a domain.

    resolver: `address:port`, None for the system's. port: where other servers listen.
    own_names: our host names. patience: seconds that one domain may take.
    """

    def __init__(
        self,
        resolver: str | None,
        port: int,
        own_names: Sequence[str],
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._own_names = frozenset(name.lower() for name in own_names)
        self._patience = patience
        self._clock = clock
        self._cache: dict[str, _Cached] = {}
        self._running: dict[str, asyncio.Task[_Cached]] = {}
        self._resolver = dns.asyncresolver.Resolver(configure=resolver is None)
        if resolver is not None:
            address, resolver_port = split_host_port(resolver)
            self._resolver.nameservers = [address]
            self._resolver.port = resolver_port
        self._resolver.timeout = patience / 4
        self._resolver.lifetime = patience / 2  # once for MX, once for the addresses

    async def hosts(self, domain: str) -> list[Host]:
        """Return the hosts of a domain in the order to try them.

        Hosts of equal preference are shuffled, so that they share the load. Raises DnsError.
        """
        return await self._cached(domain, lambda: self._look_up(domain))

    async def addresses(self, name: str, port: int) -> list[Host]:
        """Return the addresses of one host, a smarthost. Raises DnsError."""
        return await self._cached(f"[{name}]:{port}", lambda: self._smarthost(name, port))

    async def _cached(self, key: str, look_up: Callable[[], Awaitable[_Found]]) -> list[Host]:
        cached = self._cache.get(key)
        if cached is None or cached.until < self._clock():
            cached = await self._refresh(key, look_up)
        if cached.error is not None:
            raise cached.error
        groups = cached.groups
        if len(groups) == 1 and len(groups[0]) == 1:
            return list(groups[0])
        return [host for group in groups for host in random.sample(group, len(group))]

    async def _refresh(self, key: str, look_up: Callable[[], Awaitable[_Found]]) -> _Cached:
        """Ask once, however many want to know."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, look_up))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: str, look_up: Callable[[], Awaitable[_Found]]) -> _Cached:
        error: DnsError | None = None
        groups: list[list[Host]] = []
        ttl: float = _NEGATIVE
        try:
            async with asyncio.timeout(self._patience):
                groups, ttl = await look_up()
        except DnsPermanentError as permanent:
            error = permanent
        except (DnsTemporaryError, TimeoutError):
            return _Cached(0, [], DnsTemporaryError())
        cached = _Cached(self._clock() + min(max(ttl, _SHORTEST), _LONGEST), groups, error)
        if len(self._cache) >= _MOST_CACHED:
            self._cache.clear()
        self._cache[key] = cached
        return cached

    async def _smarthost(self, name: str, port: int) -> _Found:
        with contextlib.suppress(ValueError):
            return [[Host(name, str(ipaddress.ip_address(name)), port)]], _LONGEST
        records = await self._host(name, port)
        if not records.values:
            raise DnsTemporaryError
        return [records.values], records.ttl

    async def _look_up(self, domain: str) -> _Found:
        records = await self._query(domain, RdataType.MX)
        if records is None:
            raise DnsPermanentError("5.1.2")  # NXDOMAIN
        if not records.values:
            return await self._implicit(domain)
        exchangers = [(mx.preference, str(mx.exchange).rstrip(".").lower()) for mx in records.values]
        if [name for _, name in exchangers] == [""]:
            raise DnsPermanentError("5.1.10")  # null MX, RFC 7505
        ours = [preference for preference, name in exchangers if name in self._own_names]
        if ours:
            # RFC 5321 §5.1: from our own preference on, mail would come back to us.
            exchangers = [(preference, name) for preference, name in exchangers if preference < min(ours)]
            if not exchangers:
                raise DnsPermanentError("5.4.6")
        return await self._groups(
            [(preference, name) for preference, name in exchangers if name], records.ttl
        )

    async def _implicit(self, domain: str) -> _Found:
        """No MX at all: the domain's own addresses stand in (RFC 5321 §5.1)."""
        hosts = await self._host(domain, self._port)
        if not hosts.values:
            raise DnsPermanentError("5.1.2")
        return [hosts.values], hosts.ttl

    async def _groups(self, exchangers: list[tuple[int, str]], ttl: float) -> _Found:
        exchangers = sorted(exchangers)[:_MOST_HOSTS]
        answers = await asyncio.gather(
            *(self._host(name, self._port) for _, name in exchangers), return_exceptions=True
        )
        groups: dict[int, list[Host]] = {}
        is_unsure = False
        for (preference, _), answer in zip(exchangers, answers, strict=True):
            if isinstance(answer, BaseException):
                is_unsure = True
            elif answer.values:
                groups.setdefault(preference, []).extend(answer.values)
                ttl = min(ttl, answer.ttl)
        if not groups:
            raise DnsTemporaryError if is_unsure else DnsPermanentError("5.1.2")
        return [groups[preference] for preference in sorted(groups)], ttl

    async def _host(self, name: str, port: int) -> _Records[Host]:
        """Return both address families of a host; one may be missing or fail, not both."""
        answers = await asyncio.gather(
            self._query(name, RdataType.AAAA), self._query(name, RdataType.A), return_exceptions=True
        )
        found = [answer for answer in answers if isinstance(answer, _Records)]
        hosts = [Host(name, record.address, port) for answer in found for record in answer.values]
        if not hosts and any(isinstance(answer, BaseException) for answer in answers):
            raise DnsTemporaryError
        return _Records(
            [host for host in hosts if self._is_outside(host)],
            min((answer.ttl for answer in found if answer.values), default=_NEGATIVE),
        )

    def _is_outside(self, host: Host) -> bool:
        """Whether an address can be another server's: nobody's MX record opens this machine's own ports."""
        address = ipaddress.ip_address(host.address)
        is_strange = address.is_loopback or address.is_unspecified or address.is_multicast
        return not (is_strange and host.port == 25)

    async def _query(self, name: str, kind: RdataType) -> "_Records[Any] | None":
        """Ask for one record set; None when the name does not exist. Raises DnsTemporaryError."""
        try:
            answer = await self._resolver.resolve(dns.name.from_text(name), kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return None
        except (dns.name.NameTooLong, dns.name.LabelTooLong, dns.name.EmptyLabel):
            return None
        except (dns.exception.DNSException, OSError, EOFError):
            raise DnsTemporaryError from None
        values = list(answer.rrset) if answer.rrset is not None else []
        return _Records(values, answer.rrset.ttl if answer.rrset is not None else _NEGATIVE)
