"""Asks DNS, at the resolver or at a name's own servers; tells *there*, *not there* and *unknown* apart."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.reversename

Server = tuple[str, int]
"""Address and port."""

LONGEST_CHAIN = 8
"""So many CNAMEs are followed from one server's word to another's."""
MOST_SERVERS = 8
"""So many of a zone's name servers are asked."""
_PAYLOAD = 1232
"""Octets over UDP that no network cuts to pieces (RFC 9715 §3.1)."""


class Outcome(StrEnum):
    """What DNS says of records."""

    FOUND = "found"
    ABSENT = "absent"
    """A clear answer: there is no such name, or no such record at it."""
    UNKNOWN = "unknown"
    """DNS gave no clear answer: changes nothing."""


@dataclass(frozen=True)
class Reply:
    """An answer to one question."""

    outcome: Outcome
    values: tuple[str, ...] = ()
    """Of TXT the strings of each record joined (RFC 7208 §3.3); names in lower case, without a last dot."""
    alias: str | None = None
    """Where CNAMEs led."""
    authentic: bool = False
    """The resolver has checked DNSSEC's signatures (RFC 4035 §3.2.3)."""
    silent: tuple[str, ...] = ()
    """Name servers of the zone that gave no answer of their own."""


UNKNOWN = Reply(Outcome.UNKNOWN)


class Asker:
    """The questions of one look, all of them within twice the resolver's lifetime; use it in one event loop.

    resolver: whose servers and lifetime count; its cache does not. name_server_port: 53 but in tests.
    """

    def __init__(self, resolver: dns.resolver.Resolver, name_server_port: int = 53) -> None:
        port = resolver.port
        self._resolvers: list[Server] = [(str(address), port) for address in resolver.nameservers]
        self._seconds = float(resolver.lifetime)
        self._port = name_server_port
        self._ends: float | None = None
        self._known: dict[tuple[str, str], asyncio.Future[Reply]] = {}

    async def ask(self, name: str, rtype: str) -> Reply:
        """Ask the resolver, each question once."""
        return await self._once(f"resolver:{name}", rtype, lambda: self._ask_resolvers(name, rtype))

    async def ask_own(self, name: str, rtype: str) -> Reply:
        """Ask the name's own servers, which no cache stands before; unknown when none can be asked."""
        return await self._once(f"own:{name}", rtype, lambda: self._ask_own(name, rtype, 0))

    async def ask_fresh(self, name: str, rtype: str) -> Reply:
        """Ask the name's own servers, and the resolver only when they say nothing clear."""
        own = await self.ask_own(name, rtype)
        if own.outcome is not Outcome.UNKNOWN:
            return own
        return replace(await self.ask(name, rtype), silent=own.silent)

    async def _once(self, name: str, rtype: str, ask: Callable[[], Awaitable[Reply]]) -> Reply:
        key = (name, rtype)
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(ask())
        return await self._known[key]

    async def _ask_resolvers(self, name: str, rtype: str) -> Reply:
        for server in self._resolvers:
            response = await self._query(server, name, rtype, recursive=True)
            reply = _read(response, name, rtype)
            if reply.outcome is not Outcome.UNKNOWN:
                return reply
        return UNKNOWN

    async def _ask_own(self, name: str, rtype: str, depth: int) -> Reply:
        hosts = await self._own_hosts(name)
        if not hosts or depth > LONGEST_CHAIN:
            return UNKNOWN
        replies = await asyncio.gather(*(self._ask_host(host, name, rtype) for host in hosts))
        silent = tuple(
            host
            for host, reply in zip(hosts, replies, strict=True)
            if reply.outcome is Outcome.UNKNOWN and reply.alias is None
        )
        elsewhere = next((reply.alias for reply in replies if _leads_elsewhere(reply)), None)
        if elsewhere is not None:
            target = await self._ask_own(elsewhere, rtype, depth + 1)
            return Reply(target.outcome, target.values, elsewhere, silent=silent + target.silent)
        values = tuple(dict.fromkeys(value for reply in replies for value in reply.values))
        if values:
            return Reply(Outcome.FOUND, values, silent=silent)
        said_no = any(reply.outcome is Outcome.ABSENT for reply in replies)
        return Reply(Outcome.ABSENT if said_no else Outcome.UNKNOWN, silent=silent)

    async def _own_hosts(self, name: str) -> tuple[str, ...]:
        """Find the name servers of the zone that a name is in: its own NS records or those of a parent."""
        while "." in name:
            reply = await self.ask(name, "NS")
            if reply.outcome is Outcome.UNKNOWN:
                return ()
            if reply.outcome is Outcome.FOUND and reply.alias is None:
                return reply.values[:MOST_SERVERS]
            name = name.partition(".")[2]
        return (await self.ask(name, "NS")).values[:MOST_SERVERS] if name else ()

    async def _ask_host(self, host: str, name: str, rtype: str) -> Reply:
        found = await asyncio.gather(self.ask(host, "A"), self.ask(host, "AAAA"))
        for address in [address for reply in found for address in reply.values]:
            response = await self._query((address, self._port), name, rtype, recursive=False)
            if response is not None and response.flags & dns.flags.AA:
                return _read(response, name, rtype)
        return UNKNOWN

    async def _query(
        self, server: Server, name: str, rtype: str, *, recursive: bool
    ) -> dns.message.Message | None:
        """Send a question, twice when nothing comes back; None when that is all that came of it."""
        loop = asyncio.get_running_loop()
        if self._ends is None:
            self._ends = loop.time() + 2 * self._seconds
        try:
            query = dns.message.make_query(name + ".", rtype, use_edns=0, payload=_PAYLOAD)
        except dns.exception.DNSException:
            return None
        query.flags = dns.flags.RD | dns.flags.AD if recursive else dns.flags.Flag(0)
        for _ in range(2):
            seconds = min(self._seconds / 2, self._ends - loop.time())
            if seconds <= 0:
                return None
            try:
                response, _tcp = await dns.asyncquery.udp_with_fallback(
                    query, server[0], timeout=seconds, port=server[1], ignore_unexpected=True
                )
            except dns.exception.Timeout:
                continue
            except (dns.exception.DNSException, OSError, EOFError, ValueError):
                return None
            return response
        return None


def _read(response: dns.message.Message | None, name: str, rtype: str) -> Reply:
    """Take a response apart. A CNAME whose end the server did not tell is unknown, but names the end."""
    if response is None or response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return UNKNOWN
    asked = dns.name.from_text(name + ".")
    authentic = bool(response.flags & dns.flags.AD)
    answered: Any = response  # only answers to queries come here, and these have chains
    try:
        chain = answered.resolve_chaining()
    except (dns.exception.DNSException, AttributeError):
        return UNKNOWN
    alias = _host(chain.canonical_name) if chain.canonical_name != asked else None
    if chain.answer is not None:
        values = tuple(_text(record) for record in chain.answer)
        return Reply(Outcome.FOUND, values, alias, authentic)
    authoritative = bool(response.flags & dns.flags.AA) and not response.flags & dns.flags.RA
    if alias is not None and authoritative and response.rcode() == dns.rcode.NOERROR:
        return Reply(Outcome.UNKNOWN, (), alias)
    return Reply(Outcome.ABSENT, (), alias, authentic)


def _leads_elsewhere(reply: Reply) -> bool:
    return reply.outcome is Outcome.UNKNOWN and reply.alias is not None


def _text(record: Any) -> str:
    if record.rdtype == dns.rdatatype.TXT:
        return b"".join(record.strings).decode("utf-8", "backslashreplace")
    if record.rdtype == dns.rdatatype.MX:
        return f"{record.preference} {_host(record.exchange)}"
    if record.rdtype in (dns.rdatatype.NS, dns.rdatatype.PTR, dns.rdatatype.CNAME):
        return _host(record.target)
    return str(record.to_text())


def _host(name: dns.name.Name) -> str:
    return name.to_text().lower().removesuffix(".")


def reverse_name(address: str) -> str:
    """Return the name at which the PTR record of an IP address stands (RFC 1035 §3.5, RFC 3596 §2.5)."""
    return _host(dns.reversename.from_address(address))
