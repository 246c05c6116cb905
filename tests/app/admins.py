"""Somebody with a role, in front of the admins' pages."""

from core.audit import OPERATOR
from core.database import utc_now
from core.models import Domain, Identity, RoleGrant
from core.roles import Role, grant
from devtools.accounts import Account
from tests.support.records import person_of
from tests.support.webclient import Client


class Admin:
    """Somebody who has signed in and then got a role. domain: the one of a domain admin, by its name."""

    def __init__(self, client: Client, account: Account, role: Role, domain: str = "") -> None:
        self.client = client
        self.account = account
        client.sign_in(account.name)
        self.person = person_of(account)
        identity = Identity.get(Identity.person == self.person)
        row = Domain.get(Domain.name == domain) if domain else None
        grant(OPERATOR, identity.issuer, identity.subject, role, row, utc_now())

    def leave(self) -> None:
        """Take the role back, so that other tests have the admins that they know."""
        subjects = [row.subject for row in Identity.select().where(Identity.person == self.person)]
        RoleGrant.delete().where(RoleGrant.subject.in_(subjects)).execute()
