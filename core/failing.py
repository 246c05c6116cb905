"""The mailboxes that refuse mail, as admins see them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from peewee import JOIN, fn

from core.database import EPOCH
from core.models import Alias, AliasRecipient, Domain, Person, Recipient
from core.paging import PAGE_SIZE, Slice


def failing_recipients(
    domains: frozenset[int] | None, after: int | None, *, newest_first: bool = False
) -> Slice[Recipient]:
    """Return a page of them with their people.

    domains: ids of those whose mailboxes may be seen; None for all. after: the id of the last row of the
    page before; one that works again meanwhile, or is gone, leads to the beginning.
    """
    since = Recipient.failing_since
    query = Recipient.select(Recipient, Person).join(Person, JOIN.LEFT_OUTER).where(since > EPOCH)
    last = Recipient.get_or_none(Recipient.id == after) if after is not None and 0 < after < 2**31 else None
    if last is not None and last.failing_since is not None:
        begun: datetime = last.failing_since
        if newest_first:
            query = query.where(since <= begun, (since < begun) | (Recipient.id < last.id))
        else:
            query = query.where(since >= begun, (since > begun) | (Recipient.id > last.id))
    if domains is not None:
        here = AliasRecipient.select(1).join(Alias)
        here = here.where(AliasRecipient.recipient == Recipient.id, Alias.domain.in_(sorted(domains)))
        query = query.where(fn.EXISTS(here))
    order = (since.desc(), Recipient.id.desc()) if newest_first else (since, Recipient.id)
    rows = list(query.order_by(*order).limit(PAGE_SIZE + 1))
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    return Slice(rows, rows[-1].id if more else None)


def addresses_behind(
    recipients: Iterable[Recipient], domains: frozenset[int] | None
) -> Mapping[int, list[str]]:
    """Return the addresses that lead to some mailboxes, by the mailboxes' ids, as far as they may be seen."""
    query: Any = AliasRecipient.select(AliasRecipient.recipient, Alias.local_part, Domain.name).join(Alias)
    query = query.join(Domain).where(AliasRecipient.recipient.in_([row.id for row in recipients]))
    if domains is not None:
        query = query.where(Alias.domain.in_(sorted(domains)))
    found: dict[int, list[str]] = {}
    for recipient, local_part, domain in query.order_by(AliasRecipient.id).tuples():
        found.setdefault(recipient, []).append(f"{local_part}@{domain}")
    return found
