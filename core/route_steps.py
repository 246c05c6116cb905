"""What `core.routing` asked on its way to a route, and what it was told: the why of an answer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import dns.exception
import dns.resolver

from core.addresses import Address, parse_address
from core.alias_table import SqlAliasTable
from core.database import database
from core.routing import AliasFacts, AliasTable, Fate, Route, alias_fate, route


class Asked(StrEnum):
    """A question of the routing."""

    DOMAIN = "domain"
    """Is it served here, and proven?"""
    NAME = "name"
    """Is there an alias of this name?"""
    ADMINS = "admins"
    """Who are the domain's admins, for a role name?"""


@dataclass(frozen=True)
class Step:
    """One question, in the order in which they were asked, with its answer."""

    asked: Asked
    about: str
    """A domain, or the address whose alias was looked for."""
    found: bool
    fate: Fate | None = None
    """What the alias that was found makes of mail."""
    facts: AliasFacts | None = None


class _Listening:
    """An alias table that writes down what it is asked."""

    def __init__(self, table: AliasTable, now: datetime) -> None:
        self._table, self._now = table, now
        self.steps: list[Step] = []

    def serves(self, domain: str) -> bool:
        served = self._table.serves(domain)
        self.steps.append(Step(Asked.DOMAIN, domain, served))
        return served

    def find(self, domain: str, local_part: str) -> AliasFacts | None:
        facts = self._table.find(domain, local_part)
        fate = alias_fate(facts, self._now) if facts is not None else None
        self.steps.append(Step(Asked.NAME, f"{local_part}@{domain}", facts is not None, fate, facts))
        return facts

    def admin_recipients(self, domain: str) -> Sequence[str]:
        found = self._table.admin_recipients(domain)
        self.steps.append(Step(Asked.ADMINS, domain, bool(found)))
        return found

    def aliases_of(self, recipients: Sequence[str]) -> dict[str, str]:
        return self._table.aliases_of(recipients)


def route_with_steps(
    table: AliasTable, address: Address, ops_address: str, now: datetime
) -> tuple[Route, list[Step]]:
    """Route as `core.routing.route` does, which is what is called; return the steps beside its answer.

    Whatever the table raises passes through.
    """
    listening = _Listening(table, now)
    found = route(listening, address, ops_address, now)
    return found, listening.steps


class _OwnConnection:
    """The connection that this process holds already."""

    def rows(self, sql: str, *values: str) -> list[Any]:
        text = sql.replace("?", "%s") if database.obj.for_update else sql
        return list(database.execute_sql(text, values).fetchall())


def stored_aliases() -> AliasTable:
    """Return the alias table as the relay sees it, over the connection of this request or command."""
    return SqlAliasTable(_OwnConnection())


class Hosts(StrEnum):
    """What DNS says of where a recipient's domain takes mail (RFC 5321 §5.1)."""

    MX = "mx"
    ADDRESS = "address"
    """No MX records; mail goes to the domain's own address."""
    NO_MAIL = "no-mail"
    """A null MX (RFC 7505): it takes none."""
    NONE = "none"
    """There is no such domain, or nothing that takes mail."""
    UNKNOWN = "unknown"
    """DNS did not answer clearly: the relay would try again later."""


@dataclass(frozen=True)
class MailHosts:
    """A recipient's domain and the servers that take its mail, the preferred first."""

    domain: str
    outcome: Hosts
    names: tuple[str, ...] = field(default=())


FEW, SECONDS = 5, 4.0
"""So many domains of recipients are looked up in DNS, and so long in all, since somebody waits."""


def hosts_of(resolver: dns.resolver.Resolver, recipients: Sequence[str]) -> dict[str, MailHosts]:
    """Ask DNS about the domains of some recipients, of the first few; network work of 4 s at most."""
    end = time.monotonic() + SECONDS
    domains = {recipient: parse_address(recipient).domain for recipient in recipients}
    few = list(dict.fromkeys(domains.values()))[:FEW]
    found = {domain: mail_hosts(resolver, domain, end - time.monotonic()) for domain in few}
    return {recipient: found[domain] for recipient, domain in domains.items() if domain in found}


def mail_hosts(resolver: dns.resolver.Resolver, domain: str, seconds: float = SECONDS) -> MailHosts:
    """Ask DNS where a domain takes mail; network work, of so many seconds at most."""
    end = time.monotonic() + seconds
    if seconds <= 0:
        return MailHosts(domain, Hosts.UNKNOWN)
    try:
        answer = resolver.resolve(domain, "MX", lifetime=seconds)
        records = sorted((row.preference, row.exchange) for row in answer)
    except dns.resolver.NoAnswer:
        return _own_address(resolver, domain, end)
    except dns.resolver.NXDOMAIN:
        return MailHosts(domain, Hosts.NONE)
    except dns.exception.DNSException:
        return MailHosts(domain, Hosts.UNKNOWN)
    names = tuple(exchange.to_text(omit_final_dot=True) for _, exchange in records)
    if names in (("",), (".",), ("@",)):
        return MailHosts(domain, Hosts.NO_MAIL)
    return MailHosts(domain, Hosts.MX, names)


def _own_address(resolver: dns.resolver.Resolver, domain: str, end: float) -> MailHosts:
    outcome = Hosts.NONE
    for kind in ("A", "AAAA"):
        try:
            resolver.resolve(domain, kind, lifetime=max(0.1, end - time.monotonic()))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            continue
        except dns.exception.DNSException:
            outcome = Hosts.UNKNOWN
        else:
            return MailHosts(domain, Hosts.ADDRESS, (domain,))
    return MailHosts(domain, outcome)
