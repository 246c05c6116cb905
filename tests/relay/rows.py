"""Rows for the tests that use a real database: `ada@proj.example`."""

from datetime import UTC, datetime

from core.database import connection, write
from core.models import Alias, AliasRecipient, Domain, Recipient

ADDRESS = "ada@home.example.net"


def add_rows() -> None:
    """Make the domain, the recipient, and the alias `ada`."""
    now = datetime.now(UTC)
    with connection(), write():
        Domain.create(name="proj.example", verification_token="t", verified_at=now, added_at=now)
        Recipient.create(address=ADDRESS, address_key=ADDRESS, imported_at=now, added_at=now)
    add_alias("ada")


def add_alias(name: str) -> None:
    """Add an alias for the one recipient."""
    now = datetime.now(UTC)
    with connection(), write():
        alias = Alias.create(domain=Domain.get(), local_part=name, switched_at=now, created_at=now)
        AliasRecipient.create(alias=alias, recipient=Recipient.get(), position=0)
