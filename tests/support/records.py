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
    Table,
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
def nothing_created(*but: type[Table]) -> Iterator[None]:
    """Hold that what is done inside adds no row and takes none away, `but` in some tables."""
    before = counts()
    yield
    after = counts()
    changed = {name: after[name] - count for name, count in before.items() if after[name] != count}
    assert changed.keys() <= {table.__name__ for table in but}, changed
