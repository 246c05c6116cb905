"""Roles, given to identities and never to names."""

from datetime import datetime
from enum import StrEnum

from peewee import fn

from core.audit import Actor, record
from core.database import write
from core.models import Alias, AliasRecipient, Domain, Identity, Person, Recipient, RoleGrant
from core.routing import Switch


class Role(StrEnum):
    """What an admin may do."""

    PROJECT_ADMIN = "project_admin"
    DOMAIN_ADMIN = "domain_admin"
    AUDITOR = "auditor"


def grant(actor: Actor, issuer: str, subject: str, role: Role, domain: Domain | None, now: datetime) -> bool:
    """Give an identity a role, on one domain for a domain admin. Returns False when it had it."""
    with write():
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


def admin_recipients(domain: Domain) -> list[Recipient]:
    """Return the first verified recipient of each admin of a domain; of the project's if it has none."""
    of_domain = (RoleGrant.role == Role.DOMAIN_ADMIN) & (RoleGrant.domain == domain)
    for condition in (of_domain, RoleGrant.role == Role.PROJECT_ADMIN):
        people = (
            Person.select()
            .join(Identity)
            .join(
                RoleGrant, on=(RoleGrant.issuer == Identity.issuer) & (RoleGrant.subject == Identity.subject)
            )
            .where(condition, Person.banned_at.is_null())
            .order_by(Person.id)
            .distinct()
        )
        found = [first for person in people if (first := first_recipient(person)) is not None]
        if found:
            return found
    return []


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
