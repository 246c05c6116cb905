"""Sender Policy Framework: may this client send for this domain (RFC 7208)?

`check` evaluates; `spf_record` reads records; `spf_macro` expands macros.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeVar

from mailauth.names import ascii_name, askable, is_within
from mailauth.resolver import Answer, Outcome, Resolver
from mailauth.spf_macro import Macros, MacroString, parse_macros
from mailauth.spf_record import Mechanism, Record, SpfSyntaxError, Term, parse_record

Address = IPv4Address | IPv6Address
A = TypeVar("A", bound=Answer[Any])

MAX_TERMS = 10
"""Terms that ask DNS, in all records of one check (section 4.6.4)."""
MAX_VOID = 2
"""Terms for which DNS has nothing (section 4.6.4)."""
MAX_HOSTS = 10
"""Hosts of one `mx`, names of one `ptr` (section 4.6.4)."""


class Status(Enum):
    """Results of a check (section 2.6)."""

    NONE = "none"
    """No domain to check, or it has no record."""
    NEUTRAL = "neutral"
    """The domain says nothing of this client."""
    PASS = "pass"  # noqa: S105 - a word of the RFC
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    """DNS did not answer; later it may."""
    PERMERROR = "permerror"
    """The records cannot be evaluated until the domain's owner repairs them."""


class Problem(Enum):
    """Why the result is an error."""

    SYNTAX = "malformed record"
    SEVERAL_RECORDS = "several records"
    TOO_MANY_TERMS = "more than 10 terms that ask DNS"
    TOO_MANY_VOID = "more than 2 terms without an answer"
    TOO_MANY_HOSTS = "more than 10 mail exchangers"
    NO_TARGET = "include or redirect to a domain without a record"
    DNS = "no answer from DNS"


class Identity(Enum):
    """Which name was checked (sections 2.3 and 2.4)."""

    MAIL_FROM = "mailfrom"
    HELO = "helo"
    """The sender is null, so the client's own name stands for it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What SPF says. domain: the checked one, None if there was none to check.

    explanation: the domain's own words on a FAIL, if asked for; they are a stranger's text.
    """

    status: Status
    identity: Identity
    domain: str | None
    sender: str
    problem: Problem | None = None
    explanation: str | None = None


class _Error(Exception):
    """Ends a check with an error."""

    def __init__(self, status: Status, problem: Problem) -> None:
        super().__init__(problem.value)
        self.status = status
        self.problem = problem


_QUALIFIERS = {"+": Status.PASS, "-": Status.FAIL, "~": Status.SOFTFAIL, "?": Status.NEUTRAL}


def unmapped(address: Address) -> Address:
    """Return an IPv4 address for its IPv6-mapped form, which is the same client (section 5)."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


async def check(
    client: Address,
    helo: str,
    sender: str,
    resolver: Resolver,
    *,
    receiver: str = "unknown",
    now: float = 0.0,
    explain: bool = False,
) -> Result:
    """Check whether a client may use a sender's domain (`check_host`, section 4).

    client: the IP address of the connection. helo: what it called itself. sender: the envelope
    sender without brackets, empty for a null one; then HELO is checked. receiver: our host name and
    now: seconds since 1970, for macros of the explanation. explain: fetch the explanation of a FAIL.
    """
    identity = Identity.MAIL_FROM if sender else Identity.HELO
    if not sender:
        sender = f"postmaster@{helo}"
    local, at, domain = sender.rpartition("@")
    # A sender without a local part counts as postmaster (section 4.3).
    if not at or not local:
        local = "postmaster"
    name = ascii_name(domain)
    # Malformed, or no name with a dot: nothing to check (section 4.3).
    if name is None or "." not in name:
        return Result(Status.NONE, identity, None, sender)
    client = unmapped(client)
    evaluation = _Evaluation(client, resolver, Macros(client, local, domain, helo, receiver, now), explain)
    try:
        status, explanation = await evaluation.host(name, top=True)
    except _Error as error:
        return Result(error.status, identity, name, sender, error.problem)
    return Result(status, identity, name, sender, explanation=explanation)


@dataclass(slots=True)
class _Evaluation:
    """One check: its counts go through all its records."""

    client: Address
    resolver: Resolver
    macros: Macros
    explain: bool
    terms: int = 0
    void: int = 0
    _validated: dict[str, list[str]] = field(default_factory=dict)

    async def host(self, domain: str, *, top: bool) -> tuple[Status, str | None]:
        """Evaluate the record of a domain. top: an explanation of it counts (section 6.2)."""
        record = await self._record(domain)
        if record is None:
            return Status.NONE, None
        for term in record.terms:
            if await self._matches(term, domain):
                status = _QUALIFIERS[term.qualifier]
                if status is Status.FAIL and top and self.explain and record.explanation:
                    return status, await self._explanation(record.explanation, domain)
                return status, None
        if record.redirect is None:
            # The default result (section 4.7).
            return Status.NEUTRAL, None
        self._count_term()
        target = await self._expand(record.redirect, domain)
        result = await self.host(target, top=top) if askable(target) else (Status.NONE, None)
        if result[0] is Status.NONE:
            # Section 6.1.
            raise _Error(Status.PERMERROR, Problem.NO_TARGET)
        return result

    async def _record(self, domain: str) -> Record | None:
        """Find the one record of a domain (sections 4.4 and 4.5)."""
        answer = _final(await self.resolver.txt(domain))
        found = [
            text for text in answer.records if text[:6].lower() == b"v=spf1" and text[6:7] in (b"", b" ")
        ]
        if not found:
            return None
        if len(found) > 1:
            raise _Error(Status.PERMERROR, Problem.SEVERAL_RECORDS)
        try:
            return parse_record(found[0])
        except SpfSyntaxError:
            raise _Error(Status.PERMERROR, Problem.SYNTAX) from None

    async def _matches(self, term: Term, domain: str) -> bool:
        match term.mechanism:
            case Mechanism.ALL:
                return True
            case Mechanism.IP4 | Mechanism.IP6:
                assert term.network is not None
                return self.client in term.network
        self._count_term()
        target = domain if term.target is None else await self._expand(term.target, domain)
        if not askable(target):
            # A name that DNS cannot have matches nothing, and nothing can be included from there.
            if term.mechanism is Mechanism.INCLUDE:
                raise _Error(Status.PERMERROR, Problem.NO_TARGET)
            return False
        match term.mechanism:
            case Mechanism.INCLUDE:
                return await self._include(target)
            case Mechanism.A:
                addresses = _final(await self._addresses(target))
                self._count_void(addresses)
                return self._is_among(addresses.records, term)
            case Mechanism.MX:
                return await self._mx(target, term)
            case Mechanism.PTR:
                return bool(await self._names(target, counted=True))
            case _:
                # `exists` asks for A whatever the client's family is (section 5.7).
                exists = _final(await self.resolver.a(target))
                self._count_void(exists)
                return exists.outcome is Outcome.FOUND

    async def _include(self, target: str) -> bool:
        """Evaluate an included record: only its PASS matches (section 5.2)."""
        status, _ = await self.host(target, top=False)
        if status is Status.NONE:
            raise _Error(Status.PERMERROR, Problem.NO_TARGET)
        return status is Status.PASS

    async def _mx(self, target: str, term: Term) -> bool:
        """Look up the hosts of a domain and their addresses at the same time (section 5.4).

        The addresses are part of the term: the two void look-ups are counted by terms (section
        4.6.4), so that IPv4-only hosts do no harm when the client uses IPv6.
        """
        answer = _final(await self.resolver.mx(target))
        self._count_void(answer)
        if len(answer.records) > MAX_HOSTS:
            raise _Error(Status.PERMERROR, Problem.TOO_MANY_HOSTS)
        hosts = [mx.host for mx in sorted(answer.records) if askable(mx.host)]
        found = await asyncio.gather(*(self._addresses(host) for host in hosts))
        if any(self._is_among(addresses.records, term) for addresses in found):
            return True
        for addresses in found:
            _final(addresses)
        return False

    async def _names(self, target: str, *, counted: bool) -> list[str]:
        """Return the client's names which lead back to it, those at or below `target` (section 5.5).

        At most ten are looked at, and a DNS error only means that a name is not among them.
        """
        key = target.lower() if counted else ""
        if key in self._validated:
            return self._validated[key]
        answer = await self.resolver.ptr(self.client)
        if counted:
            self._count_void(answer)
        names = [name for name in answer.records[:MAX_HOSTS] if askable(name)]
        if counted:
            names = [name for name in names if is_within(name, key)]
        found = await asyncio.gather(*(self._addresses(name) for name in names))
        self._validated[key] = [
            name for name, addresses in zip(names, found, strict=True) if self.client in addresses.records
        ]
        return self._validated[key]

    async def _addresses(self, name: str) -> Answer[IPv4Address] | Answer[IPv6Address]:
        if isinstance(self.client, IPv4Address):
            return await self.resolver.a(name)
        return await self.resolver.aaaa(name)

    def _is_among(self, addresses: Iterable[Address], term: Term) -> bool:
        shift = 32 - term.bits4 if isinstance(self.client, IPv4Address) else 128 - term.bits6
        wanted = int(self.client) >> shift
        return any(int(address) >> shift == wanted for address in addresses)

    async def _expand(self, text: MacroString, domain: str) -> str:
        """Expand a domain-spec into a name of at most 253 characters, cut from the left (section 7.3)."""
        validated = await self._validated_name(domain) if text.needs_validated_name else ""
        name = self.macros.expand(text, domain, validated).removesuffix(".")
        while len(name) > 253 and "." in name:
            name = name.partition(".")[2]
        return name

    async def _validated_name(self, domain: str) -> str:
        """Return the value of `%{p}`: the domain itself, a name below it, any name, or "unknown"."""
        names = await self._names(domain, counted=False)
        if domain in names:
            return domain
        return next((name for name in names if is_within(name, domain)), names[0] if names else "unknown")

    async def _explanation(self, text: MacroString, domain: str) -> str | None:
        """Fetch and expand an explanation; whatever is wrong with it, there is none (section 6.2)."""
        target = await self._expand(text, domain)
        if not askable(target):
            return None
        answer = await self.resolver.txt(target)
        if answer.outcome is not Outcome.FOUND or len(answer.records) != 1 or not answer.records[0].isascii():
            return None
        words = parse_macros(answer.records[0].decode("ascii"), explanation=True)
        if words is None:
            return None
        validated = await self._validated_name(domain) if words.needs_validated_name else ""
        return self.macros.expand(words, domain, validated)

    def _count_term(self) -> None:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise _Error(Status.PERMERROR, Problem.TOO_MANY_TERMS)

    def _count_void(self, answer: Answer[Any]) -> None:
        self.void += answer.void
        if self.void > MAX_VOID:
            raise _Error(Status.PERMERROR, Problem.TOO_MANY_VOID)


def _final(answer: A) -> A:
    """Return an answer that says something, or end the check with a temporary error (section 4.4)."""
    if answer.outcome is Outcome.TEMPORARY:
        raise _Error(Status.TEMPERROR, Problem.DNS)
    return answer
