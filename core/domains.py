"""Domains: add one, change its rules, remove it, find them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

import dns.exception
import dns.resolver
from peewee import IntegrityError
from publicsuffixlist import PublicSuffixList

from core.addresses import AddressError, parse_address, to_ascii_domain
from core.audit import Actor, record
from core.database import connection, database, write
from core.models import Alias, Domain, DomainTeam, RoleGrant, RoleTeam
from core.secrets import new_token
from core.settings import Settings, split_host_port
from core.translation import N_

DNS_SECONDS = 5.0
_STATE = (
    "verified_at", "removed_at", "proof_looked_at", "proof_said", "proof_missing_since", "closed_at",
    "dns_link_nonce",
)  # fmt: skip
"""What a domain that is added again begins without."""


class DomainExists(Exception):
    """The domain is there already."""


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


@dataclass(frozen=True)
class Rules:
    """Who gets which addresses on a domain."""

    teams: tuple[str, ...] = ()
    """Membership in one of them entitles."""
    coc_required: bool = True
    automatic: bool = False
    """Whether members get their address without claiming it (`core.provisioning`)."""
    grace_days: int = 90
    dmarc_policy: str | None = None
    """`none`, `quarantine` or `reject`: the strictest that is followed for the domain's authors."""

    @classmethod
    def of(cls, domain: Domain) -> "Rules":
        """Return the present ones of a domain."""
        teams = DomainTeam.select().where(DomainTeam.domain == domain).order_by(DomainTeam.team)
        names = tuple(row.team for row in teams)
        flags = (domain.coc_required, domain.automatic, domain.grace_days, domain.dmarc_policy)
        return cls(names, *flags)


def dmarc_policies() -> dict[str, str]:
    """Return the strictest DMARC policies that admins let be followed for authors of some domains.

    Raises the database's errors.
    """
    with connection():
        chosen = Domain.select().where(Domain.dmarc_policy.is_null(False), Domain.removed_at.is_null())
        return {row.name: str(row.dmarc_policy) for row in chosen}


def add_domain(
    actor: Actor,
    name: str,
    teams: Iterable[str],
    now: datetime,
    *,
    token: str | None = None,
    waits_for_admin: bool = False,
    **rules: Any,
) -> Domain:
    """Add a domain, not verified yet, with the teams that entitle to it.

    rules: fields of `Rules`. token: of a record that is there already, else a new one. One that was
    removed comes back as a new one, to be proven anew, and with the addresses that it had.

    Raises AddressError when the name is no domain, or a public suffix, and DomainExists when it is there
    already.
    """
    name = to_ascii_domain(name)
    if _suffixes().is_public(name):
        raise AddressError(N_("Strangers have domains below this one, so it cannot be a project's own."))
    wanted = Rules(tuple(sorted(set(teams))), **rules)
    columns = {
        "verification_token": token or new_token(),
        "added_at": now,
        "waits_for_admin": waits_for_admin,
        **dict.fromkeys(_STATE),
    }
    try:
        with write():
            row = locked(Domain.name == name)
            if row is not None and row.removed_at is None:
                raise DomainExists(name)
            domain = row or Domain(name=name)
            for column, value in {**columns, **_columns(wanted)}.items():
                setattr(domain, column, value)
            domain.save()
            _set_teams(domain, wanted)
            values = {"name": name, "again": row is not None, **asdict(wanted)}
            record(actor, "domain-added", {"domain": domain.id}, values, now)
    except IntegrityError:
        raise DomainExists(name) from None
    return domain


def change_rules(actor: Actor, domain: Domain, wanted: Rules, now: datetime) -> bool:
    """Change a domain's rules. Returns False when nothing differs."""
    with write():
        row = locked(Domain.id == domain.id)
        if row is None:
            return False
        before = Rules.of(row)
        if before == wanted:
            return False
        Domain.update(**_columns(wanted)).where(Domain.id == row.id).execute()
        _set_teams(row, wanted)
        values = {"name": row.name, "before": asdict(before), "after": asdict(wanted)}
        record(actor, "domain-rules-changed", {"domain": row.id}, values, now)
    return True


def locked(condition: Any) -> Domain | None:
    """Load a domain and let nobody else change it until the transaction ends."""
    query = Domain.select().where(condition)
    return (query.for_update() if database.obj.for_update else query).first()  # type: ignore[no-any-return]


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _columns(rules: Rules) -> dict[str, Any]:
    return {column: value for column, value in asdict(rules).items() if column != "teams"}


def _set_teams(domain: Domain, rules: Rules) -> None:
    DomainTeam.delete().where(DomainTeam.domain == domain).execute()
    for team in rules.teams:
        DomainTeam.create(domain=domain, team=team)


def remove_domain(actor: Actor, domain: Domain, now: datetime) -> None:
    """Stop serving a domain: from now on its mail is refused. Its addresses stay, for if it is added again.

    The roles that were given on it end. Does nothing twice.
    """
    with write():
        gone = Domain.update(removed_at=now, dns_link_nonce=None).where(
            Domain.id == domain.id, Domain.removed_at.is_null()
        )
        if not gone.execute():
            return
        for table in (RoleGrant, RoleTeam):
            table.delete().where(table.domain == domain).execute()
        addresses = Alias.select().where(Alias.domain == domain).count()
        values = {"name": domain.name, "addresses": addresses}
        record(actor, "domain-removed", {"domain": domain.id}, values, now)


def mark_verified(actor: Actor, domain: Domain, now: datetime) -> None:
    """Write down that the domain is proven. Does nothing twice."""
    with write():
        fresh = Domain.update(verified_at=now).where(Domain.id == domain.id, Domain.verified_at.is_null())
        if fresh.execute():
            domain.verified_at = now
            record(actor, "domain-verified", {"domain": domain.id}, {"name": domain.name}, now)


def verification_record(domain: Domain, prefix: str) -> str:
    """Return the text of the TXT record that proves the domain. prefix: the setting."""
    return prefix + str(domain.verification_token)


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
