"""Roles: given to identities and never to names, to teams of the directory, or by the settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from peewee import JOIN, fn

from core.audit import Actor, record
from core.database import write
from core.models import (
    Alias,
    AliasRecipient,
    Domain,
    Identity,
    Membership,
    Person,
    Recipient,
    RoleGrant,
    RoleTeam,
    by_id,
)
from core.routing import Switch
from core.translation import N_, ToldError

TEAM_READ_WITHIN = timedelta(hours=24)
"""A team gives its role to whom the directory confirmed as a member so lately."""


class Role(StrEnum):
    """What an admin may do."""

    PROJECT_ADMIN = "project_admin"
    """Everything."""
    DOMAIN_ADMIN = "domain_admin"
    """Decide what concerns their one domain."""
    AUDITOR = "auditor"
    """See everything, change nothing."""


class RoleProblem(ToldError):
    """This role cannot be given so; the message says why."""


@dataclass(frozen=True)
class Authority:
    """What a person may do as an admin now."""

    roles: frozenset[Role] = frozenset()
    own_domains: frozenset[int] = frozenset()
    """Ids of the domains whose admin they are."""

    @property
    def domains(self) -> frozenset[int] | None:
        """Ids of the domains of which they may see what concerns admins; None for all."""
        return None if self.roles & {Role.PROJECT_ADMIN, Role.AUDITOR} else self.own_domains

    def sees(self, domain_id: int) -> bool:
        """Whether they may see what concerns admins of a domain."""
        return self.domains is None or domain_id in self.domains

    def decides(self, domain_id: int) -> bool:
        """Whether they may decide for a domain."""
        return Role.PROJECT_ADMIN in self.roles or domain_id in self.own_domains


def authority_of(person: Person, configured: Sequence[str], now: datetime) -> Authority:
    """Find what a person may do as an admin: by grants, by the settings, and by teams.

    configured: the setting `ADMINS`. A team counts while the directory's last word is a yes
    that is not older than a day.
    """
    if person.banned_at is not None:
        return Authority()
    same = (RoleGrant.issuer == Identity.issuer) & (RoleGrant.subject == Identity.subject)
    granted = RoleGrant.select().join(Identity, on=same).where(Identity.person == person)
    by_team = RoleTeam.select().join(Membership, on=Membership.team == RoleTeam.team)
    rows = [*granted, *by_team.where(Membership.person == person, _is_member(now))]
    found = {(row.role, row.domain_id) for row in rows}
    found |= _configured(configured, person) if configured else set()
    if any(domain is not None for _, domain in found):
        served = {None, *(row.id for row in Domain.select(Domain.id).where(Domain.removed_at.is_null()))}
        found = {(role, domain) for role, domain in found if domain in served}
    return Authority(
        frozenset(Role(role) for role, _ in found),
        frozenset(domain for role, domain in found if role == Role.DOMAIN_ADMIN and domain is not None),
    )


def _is_member(now: datetime) -> Any:
    """Return the condition that a membership is good enough for the team's role."""
    said = (Membership.holds == True) & Membership.first_no_at.is_null()  # noqa: E712 -- SQL
    return said & (Membership.read_at >= now - TEAM_READ_WITHIN)


def _configured(lines: Sequence[str], person: Person) -> set[tuple[str, int | None]]:
    """Return the roles, with their domains, that the settings give to a person's identities."""
    identities = {(row.issuer, row.subject) for row in Identity.select().where(Identity.person == person)}
    found: set[tuple[str, int | None]] = set()
    for line in lines:
        role, issuer, subject = line.split(" ", 2)
        if (issuer, subject) in identities:
            role, _, name = role.partition(":")
            domain = Domain.get_or_none(Domain.name == name.lower()) if name else None
            if bool(name) is (domain is not None):
                found.add((role, domain.id if domain else None))
    return found


def grant(actor: Actor, issuer: str, subject: str, role: Role, domain: Domain | None, now: datetime) -> bool:
    """Give an identity a role, on one domain for a domain admin. Returns False when it had it.

    Raises RoleProblem when somebody gives a role to themselves, and for a domain admin without a domain.
    """
    if (role is Role.DOMAIN_ADMIN) != (domain is not None):
        raise RoleProblem(N_("A domain admin has one domain, the other roles have none."))
    with write():
        owner = Identity.get_or_none(Identity.issuer == issuer, Identity.subject == subject)
        if owner is not None and actor == Actor.person(owner.person_id):
            raise RoleProblem(N_("Nobody gives a role to themselves. Ask another admin."))
        same = RoleGrant.domain.is_null() if domain is None else RoleGrant.domain == domain
        known = RoleGrant.select().where(
            RoleGrant.issuer == issuer, RoleGrant.subject == subject, RoleGrant.role == role, same
        )
        if known.exists():
            return False
        row = RoleGrant.create(issuer=issuer, subject=subject, role=role, domain=domain, granted_at=now)
        values = {
            "issuer": issuer,
            "subject": subject,
            "role": role,
            "domain": domain.name if domain else None,
        }
        record(actor, "role-granted", {"role_grant": row.id}, values, now)
        return True


def revoke(actor: Actor, grant_id: int, now: datetime) -> bool:
    """Take a role that was given to an identity. Returns False when it is gone already."""
    with write():
        row = by_id(RoleGrant, grant_id)
        if row is None:
            return False
        values = {
            "issuer": row.issuer,
            "subject": row.subject,
            "role": row.role,
            "domain": row.domain.name if row.domain else None,
        }
        row.delete_instance()
        record(actor, "role-revoked", {"role_grant": grant_id}, values, now)
        return True


def grant_to_team(actor: Actor, team: str, role: Role, domain: Domain | None, now: datetime) -> bool:
    """Give a role to the members of a team of the directory. Returns False when they had it.

    Whoever is in it gets the role, and who decides that is the directory. So only the operator's command
    does this. Raises RoleProblem as `grant` does.
    """
    if (role is Role.DOMAIN_ADMIN) != (domain is not None):
        raise RoleProblem(N_("A domain admin has one domain, the other roles have none."))
    same = RoleTeam.domain.is_null() if domain is None else RoleTeam.domain == domain
    with write():
        if RoleTeam.select().where(RoleTeam.team == team, RoleTeam.role == role, same).exists():
            return False
        row = RoleTeam.create(team=team, role=role, domain=domain, granted_at=now)
        values = {"team": team, "role": role, "domain": domain.name if domain else None}
        record(actor, "role-granted-to-team", {"role_team": row.id}, values, now)
        return True


def revoke_from_team(actor: Actor, role_team_id: int, now: datetime) -> bool:
    """Take a role from a team. Returns False when it is gone already."""
    with write():
        row = by_id(RoleTeam, role_team_id)
        if row is None:
            return False
        values = {"team": row.team, "role": row.role, "domain": row.domain.name if row.domain else None}
        row.delete_instance()
        record(actor, "role-revoked-from-team", {"role_team": role_team_id}, values, now)
        return True


def grants() -> list[RoleGrant]:
    """Return all roles given to identities, with their domains."""
    query = RoleGrant.select(RoleGrant, Domain).join(Domain, JOIN.LEFT_OUTER)
    return list(query.order_by(RoleGrant.id))


def team_grants() -> list[RoleTeam]:
    """Return all roles given to teams, with their domains."""
    return list(RoleTeam.select(RoleTeam, Domain).join(Domain, JOIN.LEFT_OUTER).order_by(RoleTeam.id))


def people_behind(rows: Sequence[RoleGrant]) -> dict[tuple[str, str], Person]:
    """Return who has signed in with the identities of some grants, by issuer and subject."""
    query = Identity.select(Identity, Person).join(Person)
    issuers, subjects = {row.issuer for row in rows}, {row.subject for row in rows}
    found = query.where(Identity.issuer.in_(list(issuers)), Identity.subject.in_(list(subjects)))
    return {(row.issuer, row.subject): row.person for row in found}


def candidates(who: str, issuer: str) -> list[Identity]:
    """Return the identities, with their people, that are meant by a name of the directory or a subject.

    issuer: of the subject; the setting `identity_issuer`.
    """
    query = Identity.select(Identity, Person).join(Person)
    named = query.where(Person.launchpad_name == who.lower())
    meant = query.where(Identity.issuer == issuer, Identity.subject == who)
    return list({row.id: row for row in [*named, *meant]}.values())


def admin_recipients(domain: Domain) -> list[Recipient]:
    """Return the first verified recipient of each admin of a domain; of the project's if it has none."""
    of_domain = (RoleGrant.role == Role.DOMAIN_ADMIN) & (RoleGrant.domain == domain)
    for condition in (of_domain, RoleGrant.role == Role.PROJECT_ADMIN):
        grants = list(RoleGrant.select().where(condition))
        behind = people_behind(grants)
        people = {person.id: person for row in grants if (person := behind.get((row.issuer, row.subject)))}
        reached = [first_recipient(people[key]) for key in sorted(people) if people[key].banned_at is None]
        found = [recipient for recipient in reached if recipient is not None]
        if found:
            return found
    return []


def admins_besides(domain: Domain, configured: Sequence[str], now: datetime) -> list[Person]:
    """Return the admins of a domain, and of the project, whose role comes from a team or the settings.

    configured: the setting `ADMINS`. Mail for admins does not go to them, but to the ops address.
    """
    decides = (RoleTeam.role == Role.PROJECT_ADMIN) | (RoleTeam.domain == domain)
    teams = Membership.select(Membership.person).join(RoleTeam, on=Membership.team == RoleTeam.team)
    ids = {row.person_id for row in teams.where(_is_member(now), decides)}
    for role, issuer, subject in (line.split(" ", 2) for line in configured):
        if role.lower() in (Role.PROJECT_ADMIN, f"{Role.DOMAIN_ADMIN}:{domain.name}"):
            own = Identity.select(Identity.person).where(
                Identity.issuer == issuer, Identity.subject == subject
            )
            ids |= {row.person_id for row in own}
    return list(Person.select().where(Person.id.in_(ids), Person.banned_at.is_null()).order_by(Person.id))


def first_recipient(person: Person) -> Recipient | None:
    """Return the mailbox where a person is reached: the first verified one, or None.

    One that gets the mail of an address of theirs goes before one that was taken out of all of them, and
    one that works before one that refuses mail.
    """
    in_use = (
        AliasRecipient.select(AliasRecipient.id)
        .join(Alias)
        .where(
            AliasRecipient.recipient == Recipient.id,
            AliasRecipient.replaces.is_null(),
            Alias.person == person,
            Alias.switch != Switch.GIVEN_UP,
        )
    )
    return (  # type: ignore[no-any-return]
        Recipient.select()
        .where(Recipient.person == person, Recipient.verified_at.is_null(False))
        .order_by(fn.EXISTS(in_use).desc(), Recipient.failing_since.is_null().desc(), Recipient.id)
        .first()
    )
