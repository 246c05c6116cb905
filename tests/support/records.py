"""What is in the database, counted, to show that something refused left nothing behind."""

import contextlib
from collections.abc import Iterator

from core.models import (
    AccountFact,
    Alias,
    AliasRecipient,
    AuditEntry,
    Identity,
    Membership,
    Notice,
    Person,
    Recipient,
    Session,
)
from devtools.accounts import Account

LASTING = (
    Person,
    Identity,
    Session,
    Recipient,
    Alias,
    AliasRecipient,
    Notice,
    AuditEntry,
    AccountFact,
    Membership,
)
"""All but the nonces and stashed answers, which the hourly sweep takes away."""


def counts() -> dict[str, int]:
    """Return how many rows each lasting table has."""
    return {table.__name__: table.select().count() for table in LASTING}


def person_of(account: Account) -> Person:
    """Return the person who signed in by an account's first identity, whatever it is called by now."""
    identity = Identity.get(Identity.subject.endswith(f"/+id/{account.suffixes[0]}"))
    return identity.person  # type: ignore[no-any-return]


@contextlib.contextmanager
def nothing_created() -> Iterator[None]:
    """Hold that what is done inside adds no row and takes none away."""
    before = counts()
    yield
    assert counts() == before
