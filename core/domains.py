"""Domains: add one, prove that it is ours, list them."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import dns.exception
import dns.resolver
from peewee import IntegrityError

from core.addresses import AddressError, parse_address, to_ascii_domain
from core.audit import Actor, record
from core.database import write
from core.models import Domain, DomainTeam
from core.secrets import new_token
from core.settings import Settings, split_host_port

PREFIX = "waypost-site-verification="
DNS_SECONDS = 5.0


class DomainExists(Exception):
    """The domain is there already."""


class TxtOutcome(StrEnum):
    """What the domain's TXT records say."""

    FOUND = "found"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    """DNS did not answer: changes nothing."""


class Use(StrEnum):
    """What Waypost uses a name in DNS for."""

    ADDRESSES = "addresses"
    """People have addresses on it."""
    RETURN_PATHS = "return paths"
    """SRS_DOMAIN: the envelope senders of all that the relay sends."""
    OWN_MAIL = "own mail"
    """Domain of MAIL_FROM."""
    RELAY = "relay"
    """RELAY_HOSTNAME."""


def is_ours(domain: str) -> bool:
    """Whether a domain is served here, so that it cannot stand behind an alias.

    domain: in lower case and A-labels.
    """
    return Domain.select().where(Domain.name == domain, Domain.removed_at.is_null()).exists()


def uses_of(name: str, settings: Settings) -> set[Use]:
    """Return what a name is used for here; nothing when it is none of ours.

    name: in lower case and A-labels.
    """
    named = {
        Use.RETURN_PATHS: settings.srs_domain,
        Use.OWN_MAIL: parse_address(settings.mail_from).domain,
        Use.RELAY: settings.relay_hostname,
    }
    uses = {use for use, of in named.items() if of == name}
    return uses | {Use.ADDRESSES} if is_ours(name) else uses


def find_domain(name: str) -> Domain | None:
    """Return a domain that is served here, by its name as somebody typed it; None when it is none."""
    try:
        return Domain.get_or_none(Domain.name == to_ascii_domain(name), Domain.removed_at.is_null())
    except AddressError:
        return None


def served_domains() -> list[Domain]:
    """Return the domains whose mail is passed on: proven and not removed, in the order of their adding."""
    proven = Domain.verified_at.is_null(False) & Domain.removed_at.is_null()
    return list(Domain.select().where(proven).order_by(Domain.id))


def add_domain(
    actor: Actor,
    name: str,
    teams: Iterable[str],
    now: datetime,
    *,
    coc_required: bool = True,
    automatic: bool = False,
) -> Domain:
    """Add a domain, not verified yet, with the teams that entitle to it.

    automatic: whether members get their address without claiming it (`core.provisioning`).

    Raises AddressError when the name is no domain and DomainExists when it is there already.
    """
    name = to_ascii_domain(name)
    try:
        return _add_domain(actor, name, sorted(set(teams)), coc_required, automatic, now)
    except IntegrityError:
        raise DomainExists(name) from None


def _add_domain(
    actor: Actor, name: str, teams: list[str], coc_required: bool, automatic: bool, now: datetime
) -> Domain:
    with write():
        domain = Domain.create(
            name=name,
            verification_token=new_token(),
            coc_required=coc_required,
            automatic=automatic,
            added_at=now,
        )
        for team in teams:
            DomainTeam.create(domain=domain, team=team)
        values = {"name": name, "teams": teams, "coc_required": coc_required, "automatic": automatic}
        record(actor, "domain-added", {"domain": domain.id}, values, now)
    return domain


def verification_record(domain: Domain) -> str:
    """Return the text of the TXT record that proves the domain."""
    return PREFIX + str(domain.verification_token)


def look_for_record(domain: Domain, resolver: dns.resolver.Resolver) -> TxtOutcome:
    """Look for the TXT record at the apex and at `_waypost.<domain>`; network work, writes nothing.

    One record's strings are joined with nothing between (RFC 7208 §3.3); the match is exact.
    """
    outcomes = [
        _has_txt(resolver, name, verification_record(domain))
        for name in (domain.name, f"_waypost.{domain.name}")
    ]
    if TxtOutcome.FOUND in outcomes:
        return TxtOutcome.FOUND
    return TxtOutcome.UNKNOWN if TxtOutcome.UNKNOWN in outcomes else TxtOutcome.ABSENT


def mark_verified(actor: Actor, domain: Domain, now: datetime) -> None:
    """Write down that the domain is proven. Does nothing twice."""
    with write():
        fresh = Domain.update(verified_at=now).where(Domain.id == domain.id, Domain.verified_at.is_null())
        if fresh.execute():
            domain.verified_at = now
            record(actor, "domain-verified", {"domain": domain.id}, {"name": domain.name}, now)


def make_resolver(host_port: tuple[str, int] | None) -> dns.resolver.Resolver:
    """Make a DNS resolver: the one given as (address, port), or the system's."""
    resolver = dns.resolver.Resolver(configure=host_port is None)
    if host_port is not None:
        resolver.nameservers, resolver.port = [host_port[0]], host_port[1]
    resolver.lifetime = DNS_SECONDS
    return resolver


def resolver_of(settings: Settings) -> dns.resolver.Resolver:
    """Make the DNS resolver that the settings name."""
    return make_resolver(split_host_port(settings.resolver) if settings.resolver else None)


def look_up_texts(resolver: dns.resolver.Resolver, name: str) -> list[bytes] | None:
    """Return the TXT records of a name, the strings of each joined; None when DNS gave no clear answer."""
    try:
        answer = resolver.resolve(name, "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException:
        return None
    return [b"".join(record.strings) for record in answer]


def _has_txt(resolver: dns.resolver.Resolver, name: str, wanted: str) -> TxtOutcome:
    texts = look_up_texts(resolver, name)
    if texts is None:
        return TxtOutcome.UNKNOWN
    return TxtOutcome.FOUND if wanted.encode() in texts else TxtOutcome.ABSENT
