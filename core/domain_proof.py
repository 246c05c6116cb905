"""The proof that a domain is the project's: a TXT record, looked for once a day as long as it is served.

Three answers count: the record is there, it is not there, or nobody knows now. After a week of *not there*
the domain gives out no new names, until it is found again. Mail is passed on all the while: that stops only
when an admin removes the domain. Safe to run twice at once and to kill at any line.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dns.resolver

from core.audit import Actor, record
from core.database import connection, write
from core.dns_asking import Asker, Outcome, Reply
from core.domains import locked, mark_verified, resolver_of, verification_record
from core.models import Domain
from core.notices import tell_admins
from core.roles import admin_recipients, admins_besides, first_recipient
from core.settings import Settings

LOOK_EVERY = timedelta(hours=23)
"""A proven domain is looked at once a day, at about the same hour."""
WARNED_AFTER = timedelta(days=1)
CLOSES_AFTER = timedelta(days=7)
MISSING = "domain-record-missing"
CLOSED = "domain-closed"


@dataclass(frozen=True)
class Look:
    """What was seen when the record of a domain was looked for."""

    outcome: Outcome
    others: tuple[str, ...] = ()
    """Other records with the same prefix: of another service, or of an earlier adding of the domain."""
    silent: tuple[str, ...] = ()
    """Name servers of the domain that gave no answer of their own."""


def asker_of(settings: Settings) -> Asker:
    """Make an asker of the servers that the settings name."""
    return Asker(resolver_of(settings), settings.name_server_port)


def places(domain: str) -> tuple[str, str]:
    """Return the names at which the record may stand; a CNAME leaves no room for it at the first."""
    return domain, f"_waypost.{domain}"


async def look(domain: Domain, prefix: str, asker: Asker) -> Look:
    """Look for the record, at the resolver and at the domain's own servers; writes nothing.

    A whole record must be equal to it: upper and lower case count.
    """
    names, wanted = places(domain.name), verification_record(domain, prefix)
    both = [(asker.ask(name, "TXT"), asker.ask_own(name, "TXT")) for name in names]
    replies = await asyncio.gather(*(asyncio.gather(*pair) for pair in both))
    outcomes = [judge(wanted, *pair) for pair in replies]
    texts = {text for pair in replies for reply in pair for text in reply.values}
    others = tuple(sorted(text for text in texts if text.startswith(prefix) and text != wanted))
    silent = tuple(sorted({host for _, own in replies for host in own.silent}))
    best = next((one for one in (Outcome.FOUND, Outcome.UNKNOWN) if one in outcomes), Outcome.ABSENT)
    return Look(best, others, silent)


def judge(wanted: str, resolver: Reply, own: Reply) -> Outcome:
    """Say whether a name has the record, by what the resolver and the name's own servers say.

    Their own servers know a new record before caches do. But their answers are not checked by DNSSEC: so
    they count for nothing where the resolver fails, as it does for bogus ones, and not against its
    authenticated *no*.
    """
    if resolver.outcome is Outcome.UNKNOWN:
        return Outcome.UNKNOWN
    if wanted in resolver.values:
        return Outcome.FOUND
    if wanted in own.values:
        return Outcome.UNKNOWN if resolver.authentic else Outcome.FOUND
    return Outcome.ABSENT


def look_for_record(
    domain: Domain, resolver: dns.resolver.Resolver, prefix: str, name_server_port: int = 53
) -> Look:
    """Do what `look` does, where no event loop runs."""
    return asyncio.run(look(domain, prefix, Asker(resolver, name_server_port)))


def check_domain(actor: Actor, domain: Domain, settings: Settings, now: datetime) -> Look:
    """Look for a domain's record now, and do what follows. Network work comes before the transaction."""
    seen = look_for_record(
        domain, resolver_of(settings), settings.verification_prefix, settings.name_server_port
    )
    take_look(actor, domain, seen.outcome, now, settings.admins)
    return seen


def check_domains(actor: Actor, settings: Settings, now: datetime) -> None:
    """Check the domains whose day is over, and those that wait for something. Opens its own connections."""
    with connection():
        served = list(Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.id))
    for domain in served:
        if _is_due(domain, now):
            outcome = look_for_record(
                domain, resolver_of(settings), settings.verification_prefix, settings.name_server_port
            ).outcome
            with connection():
                take_look(actor, domain, outcome, now, settings.admins)


def _is_due(domain: Domain, now: datetime) -> bool:
    waits = domain.verified_at is None or domain.waits_for_admin or domain.closed_at is not None
    return waits or domain.proof_looked_at is None or now - domain.proof_looked_at >= LOOK_EVERY


def take_look(
    actor: Actor, domain: Domain, outcome: Outcome, now: datetime, configured: Sequence[str] = ()
) -> None:
    """Write down what a look has found, and do what follows for the names that the domain gives out.

    configured: the setting `ADMINS`.
    """
    with write():
        row = locked((Domain.id == domain.id) & Domain.removed_at.is_null())
        if row is None:
            return
        row.proof_looked_at, row.proof_said = now, outcome
        if outcome is Outcome.FOUND:
            _found(actor, row, now)
        elif outcome is Outcome.ABSENT and row.verified_at is not None:
            _absent(actor, row, now)
        row.save()
        look_for_admin(actor, row, now, configured)


def look_for_admin(actor: Actor, domain: Domain, now: datetime, configured: Sequence[str] = ()) -> None:
    """Let a domain that waits for an admin give out names, if one can be reached now. In a transaction.

    configured: the setting `ADMINS`.
    """
    if not domain.waits_for_admin:
        return
    waits = (Domain.id == domain.id) & (Domain.waits_for_admin == True)  # noqa: E712 -- SQL
    if (
        has_working_admin(domain, now, configured)
        and Domain.update(waits_for_admin=False).where(waits).execute()
    ):
        domain.waits_for_admin = False
        _record(actor, "domain-has-admin", domain, now)


def has_working_admin(domain: Domain, now: datetime, configured: Sequence[str] = ()) -> bool:
    """Whether one of its admins, or the project's where it has none, has a mailbox that takes mail.

    configured: the setting `ADMINS`.
    """
    if any(recipient.failing_since is None for recipient in admin_recipients(domain)):
        return True
    others = map(first_recipient, admins_besides(domain, configured, now))
    return any(recipient is not None and recipient.failing_since is None for recipient in others)


def gives_out_names(domain: Domain) -> bool:
    """Whether new names may be given on a domain: by claims, by itself, and by waivers."""
    proven = domain.verified_at is not None and domain.closed_at is None
    return bool(proven and domain.removed_at is None and not domain.waits_for_admin)


def _found(actor: Actor, row: Domain, now: datetime) -> None:
    if row.verified_at is None:
        mark_verified(actor, row, now)
    if row.closed_at is not None:
        _record(actor, "domain-reopened", row, now)
    elif row.proof_missing_since is not None:
        _record(actor, "domain-record-back", row, now)
    row.proof_missing_since = row.closed_at = None


def _absent(actor: Actor, row: Domain, now: datetime) -> None:
    if row.proof_missing_since is None:
        row.proof_missing_since = now
        _record(actor, "domain-record-missing", row, now)
    missing_for, kind = now - row.proof_missing_since, MISSING
    if missing_for >= CLOSES_AFTER and row.closed_at is None:
        row.closed_at, kind = now, CLOSED
        _record(actor, "domain-closed", row, now)
    elif missing_for < WARNED_AFTER or row.closed_at is not None:
        return
    key = f"{kind}:{row.id}:{int(row.proof_missing_since.timestamp())}"
    tell_admins(row, kind, None, {"domain": row.id}, key, now)


def _record(actor: Actor, verb: str, domain: Domain, now: datetime) -> None:
    record(actor, verb, {"domain": domain.id}, {"name": domain.name}, now)
