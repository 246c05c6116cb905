"""What an admin decides about a domain: that it is served, by which rules, with which admins and names."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from core.addresses import AddressError, to_ascii_domain
from core.audit import Actor, record
from core.database import write
from core.directories import Deadline, Directory
from core.domain_proof import look_for_admin
from core.domains import DomainExists, Rules, add_domain, change_rules, remove_domain
from core.models import Alias, Domain, Identity, Person, ReservedName, RoleGrant
from core.roles import Role, RoleProblem, grant, revoke
from core.secrets import derive_key, equal, keyed_hash, new_token
from core.settings import Settings
from core.translation import N_, ToldError

ASK_SECONDS = 4.0
"""For everything that a form asks the directory, while its page waits."""
MOST_GRACE = 730  # days
MOST_NAMES = 200
MOST_COUNTED = 100
"""Of so many addresses a page says *or more*."""
POLICIES = ("none", "quarantine", "reject")
_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,99}")
_LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9._+-]{0,62}[a-z0-9])?")


class DomainProblem(ToldError):
    """It cannot be done so; the message says why, for the admin."""


@dataclass(frozen=True)
class Wanted:
    """A domain as an admin wants it."""

    rules: Rules
    reserved: tuple[str, ...] = ()
    """Local parts that nobody gets by self-service there."""


@dataclass(frozen=True)
class TeamLook:
    """What the directory says of a team now."""

    team: str
    members: int | None
    """None when it gave no clear answer."""
    gone: bool = False
    """Whether it clearly says that there is no such team."""


def wanted_of(
    teams: Iterable[str],
    *,
    coc_required: bool,
    automatic: bool,
    grace: str,
    dmarc: str,
    reserved: Iterable[str],
) -> Wanted:
    """Make a wish out of what was typed. Raises DomainProblem."""
    names, kept = sorted(set(teams)), sorted({name.lower() for name in reserved})
    if not names:
        raise DomainProblem(N_("Name a team: without one nobody is entitled."))
    for team in names:
        check_team(team)
    for name in kept:
        if not _LOCAL_PART.fullmatch(name):
            raise DomainProblem(N_("%(name)s cannot stand before the @."), name=name[:70])
    if max(len(names), len(kept)) > MOST_NAMES:
        raise DomainProblem(N_("%(most)s names at most."), most=MOST_NAMES)
    if not re.fullmatch("[0-9]{1,3}", grace) or not 1 <= int(grace) <= MOST_GRACE:
        raise DomainProblem(N_("The time of grace is 1 to %(most)s days."), most=MOST_GRACE)
    if dmarc and dmarc not in POLICIES:
        raise DomainProblem(N_("A DMARC policy is none, quarantine or reject."))
    return Wanted(Rules(tuple(names), coc_required, automatic, int(grace), dmarc or None), tuple(kept))


def check_team(name: str) -> None:
    """Raise DomainProblem for what can be no name of a team."""
    if not _TEAM.fullmatch(name):
        raise DomainProblem(N_("%(team)s is no name of a team."), team=name[:40])


def refuse_own_name(name: str, settings: Settings) -> None:
    """Raise DomainProblem for a name on which nobody can have an address: Waypost itself has it.

    name: in lower case and A-labels.
    """
    if name == urlsplit(settings.public_url).hostname:
        raise DomainProblem(N_("This is the name of this portal."))
    if name == settings.srs_domain:
        raise DomainProblem(
            N_("Bounces come back to this domain (SRS_DOMAIN), so nobody has addresses on it.")
        )


def new_name(typed: str, settings: Settings) -> str:
    """Return the one form of a domain that may be added. Raises DomainProblem."""
    try:
        name = to_ascii_domain(typed.strip())
    except AddressError:
        raise DomainProblem(N_("A domain looks like example.org.")) from None
    refuse_own_name(name, settings)
    if Domain.select().where(Domain.name == name, Domain.removed_at.is_null()).exists():
        raise DomainProblem(N_("%(domain)s is there already."), domain=name)
    return name


def add(
    actor: Actor,
    name: str,
    wanted: Wanted,
    admins: Iterable[Identity],
    now: datetime,
    configured: Sequence[str] = (),
) -> Domain:
    """Add a domain with all that belongs to it, or nothing. configured: the setting `ADMINS`.

    It gives out no names before one of its admins, or of the project's, has a mailbox that takes mail.
    Raises DomainProblem.
    """
    rules = wanted.rules
    try:
        with write():
            domain = add_domain(
                actor,
                name,
                rules.teams,
                now,
                waits_for_admin=True,
                coc_required=rules.coc_required,
                automatic=rules.automatic,
                grace_days=rules.grace_days,
                dmarc_policy=rules.dmarc_policy,
            )
            _reserve(actor, domain, wanted.reserved, now)
            for identity in admins:
                grant(actor, identity.issuer, identity.subject, Role.DOMAIN_ADMIN, domain, now)
            look_for_admin(actor, domain, now, configured)
    except DomainExists:
        raise DomainProblem(N_("%(domain)s is there already."), domain=name) from None
    except (AddressError, RoleProblem) as error:
        raise DomainProblem(error.text, **error.values) from None
    return domain


def change(actor: Actor, domain: Domain, wanted: Wanted, now: datetime) -> bool:
    """Change a domain's rules and kept names. Returns False when nothing differs."""
    with write():
        changed = change_rules(actor, domain, wanted.rules, now)
        return _reserve(actor, domain, wanted.reserved, now) or changed


def remove(actor: Actor, domain: Domain, typed: str, now: datetime) -> None:
    """Remove a domain whose name was typed. Raises DomainProblem when another one was."""
    if typed.strip().lower().removesuffix(".") != domain.name:
        raise DomainProblem(N_("Type the domain's name to remove it."))
    remove_domain(actor, domain, now)


def reserved_on(domain: Domain) -> list[str]:
    """Return the local parts that are kept back on a domain alone."""
    rows = ReservedName.select().where(ReservedName.domain == domain).order_by(ReservedName.local_part)
    return [row.local_part for row in rows]


def addresses_on(domain: Domain) -> int:
    """Count the addresses that there are on a domain, also those given up; `MOST_COUNTED` at most."""
    return int(Alias.select(Alias.id).where(Alias.domain == domain).limit(MOST_COUNTED).count())


def _reserve(actor: Actor, domain: Domain, names: tuple[str, ...], now: datetime) -> bool:
    before = reserved_on(domain)
    if before == list(names):
        return False
    ReservedName.delete().where(ReservedName.domain == domain).execute()
    for name in names:
        ReservedName.create(domain=domain, local_part=name)
    values = {"name": domain.name, "before": before, "after": list(names)}
    record(actor, "domain-reserved-names", {"domain": domain.id}, values, now)
    return True


# -- what the directory says ----------------------------------------------------------------------


def look_up_teams(directory: Directory, teams: Iterable[str], seconds: float = ASK_SECONDS) -> list[TeamLook]:
    """Ask the directory how many members each team has now; network work."""
    deadline, found = Deadline(seconds), []
    for team in teams:
        said = _Total()
        reading = directory.members(team, deadline, said)
        count = len(reading.members) if reading.members is not None else said.total
        found.append(TeamLook(team, count, reading.gone))
    return found


class _Total:
    """Keeps how many members a team has by its first page, also when there is no time for the others."""

    total: int | None = None

    def __call__(self, _read: int, total: int | None) -> None:
        self.total = total


def identities_named(
    directory: Directory, names: Iterable[str], issuer: str, seconds: float = ASK_SECONDS
) -> list[Identity]:
    """Return the identities of people here that have these names at the directory now; network work.

    A role is tied to the identity and never to the name. Raises DomainProblem for a name that nobody
    here has, or that the directory does not confirm.
    """
    deadline = Deadline(seconds)
    each = dict.fromkeys(name.lower() for name in names)
    return [_identity_named(directory, name, issuer, deadline) for name in each]


def _identity_named(directory: Directory, name: str, issuer: str, deadline: Deadline) -> Identity:
    known = (Person.launchpad_name == name) & Person.banned_at.is_null() & (Identity.issuer == issuer)
    rows = list(Identity.select(Identity, Person).join(Person).where(known))
    if not rows:
        text = N_("Nobody named %(name)s has signed in here yet. Let them sign in first.")
        raise DomainProblem(text, name=name[:100])
    for row in rows:
        email = row.person.sign_in_email if row.person.sign_in_email_proven else None
        account = directory.resolve(row.subject, deadline, issuer=row.issuer, email=email).account
        if account is not None and account.name == name:
            return row
    text = N_("It is not confirmed now that %(name)s is the person who signed in here. Try again.")
    raise DomainProblem(text, name=name)


# -- its admins -----------------------------------------------------------------------------------


def admins_of(domain: Domain) -> list[tuple[RoleGrant, Person | None]]:
    """Return the roles given on a domain, each with the person who has it, if they are here."""
    rows = RoleGrant.select().where(RoleGrant.domain == domain, RoleGrant.role == Role.DOMAIN_ADMIN)
    found = []
    for row in rows.order_by(RoleGrant.id):
        owner = Identity.get_or_none(Identity.issuer == row.issuer, Identity.subject == row.subject)
        found.append((row, owner.person if owner is not None else None))
    return found


def add_admin(actor: Actor, domain: Domain, identity: Identity, now: datetime) -> None:
    """Make somebody an admin of a domain. Raises DomainProblem when they are the actor, or are one."""
    try:
        with write():
            if not grant(actor, identity.issuer, identity.subject, Role.DOMAIN_ADMIN, domain, now):
                raise DomainProblem(N_("This person is an admin of the domain already."))
            look_for_admin(actor, domain, now)
    except RoleProblem as error:
        raise DomainProblem(error.text, **error.values) from None


def remove_admin(actor: Actor, domain: Domain, grant_id: int, now: datetime) -> bool:
    """Take the role from an admin of a domain. Returns False when it is no role on this domain."""
    row = RoleGrant.get_or_none(RoleGrant.id == grant_id, RoleGrant.domain == domain)
    return row is not None and revoke(actor, row.id, now)


# -- the link for the DNS operator ----------------------------------------------------------------


def make_link(actor: Actor, domain: Domain, now: datetime) -> None:
    """Make the link with which the domain's DNS page is seen without sign-in; an older one stops working."""
    _set_link(actor, "dns-link-made", domain, new_token(), now)


def revoke_link(actor: Actor, domain: Domain, now: datetime) -> None:
    """Have the link work no more."""
    if domain.dns_link_nonce is not None:
        _set_link(actor, "dns-link-revoked", domain, None, now)


def _set_link(actor: Actor, verb: str, domain: Domain, nonce: str | None, now: datetime) -> None:
    with write():
        Domain.update(dns_link_nonce=nonce).where(Domain.id == domain.id).execute()
        domain.dns_link_nonce = nonce
        record(actor, verb, {"domain": domain.id}, {"name": domain.name}, now)


def link_token(domain: Domain, secret_key: str) -> str | None:
    """Return what stands in the link; None while there is none. Cannot be made from the database alone."""
    if domain.dns_link_nonce is None:
        return None
    key = derive_key(secret_key, "dns link")
    return f"{domain.id}-{keyed_hash(key, str(domain.id), domain.dns_link_nonce)[:40]}"


def domain_of_link(token: str, secret_key: str) -> Domain | None:
    """Return the domain whose link this is; None for one that was revoked or was never made."""
    number, _, _mac = token.partition("-")
    if not re.fullmatch("[1-9][0-9]{0,8}", number):
        return None
    domain = Domain.get_or_none(Domain.id == int(number), Domain.removed_at.is_null())
    right = link_token(domain, secret_key) if domain is not None else None
    return domain if right is not None and equal(token, right) else None
