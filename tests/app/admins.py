"""People with a role, signed in at the portal."""

from core.audit import OPERATOR
from core.database import utc_now
from core.models import Domain, Identity, Person, RoleGrant
from core.roles import Role, grant
from devtools.accounts import Account
from tests.support.records import person_of
from tests.support.webclient import Client


def give(person: Person, role: Role, domain_name: str = "") -> None:
    """Give somebody a role as the operator does, on a domain for a domain admin."""
    domain = Domain.get(Domain.name == domain_name) if domain_name else None
    for identity in Identity.select().where(Identity.person == person):
        grant(OPERATOR, identity.issuer, identity.subject, role, domain, utc_now())


def sign_in_as(client: Client, account: Account, role: Role | None = None, domain_name: str = "") -> Person:
    """Sign in, with a role if one is given; return the person."""
    client.sign_in(account.name)
    person = person_of(account)
    if role is not None:
        give(person, role, domain_name)
    return person


class Admin:
    """Somebody with a role, in front of the admins' pages. domain_name: of a domain admin."""

    def __init__(self, client: Client, account: Account, role: Role, domain_name: str = "") -> None:
        self.client = client
        self.account = account
        self.person = sign_in_as(client, account, role, domain_name)

    def leave(self) -> None:
        """Take the role back, so that other tests have the admins that they know."""
        subjects = [row.subject for row in Identity.select().where(Identity.person == self.person)]
        RoleGrant.delete().where(RoleGrant.subject.in_(subjects)).execute()
