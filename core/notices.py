"""The outbox: every mail that Waypost writes itself is first a row here, made with the change.

A job sends them (`core.outbox`); the unique key makes sure that nothing is said twice.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from core.addresses import parse_address
from core.domains import is_ours
from core.models import Domain, Notice, Person, Recipient
from core.preferences import MUTABLE, is_muted
from core.roles import admin_recipients, first_recipient
from core.secrets import new_token

NAME_TAKEN_OVER = "name-taken-over"
"""Kind of the notice that somebody came with a name of the directory that another person here had."""
LATER_ENDS = "later-ends"
"""Kind of the notice that "try later" becomes "refused" in a day."""


def tell_recipient(recipient: Recipient, kind: str, ids: Mapping[str, int], key: str, now: datetime) -> None:
    """Write to one recipient address itself, as a verification mail does. In a transaction."""
    _write(kind, recipient.person, recipient, ids, key, now)


def tell_person(
    person: Person, kind: str, ids: Mapping[str, int], key: str, now: datetime, *, due: datetime | None = None
) -> None:
    """Write to a person's first verified recipient and to the sign-in address. In a transaction.

    due: when it is to be said, if not now. Says nothing when there is neither.
    """
    recipient = first_recipient(person)
    if recipient is not None:
        _write(kind, person, recipient, ids, key, now, due=due)
    if _reaches_elsewhere(person, {recipient.address_key} if recipient is not None else set()):
        _write(kind, person, None, ids, f"{key}:sign-in", now, to_sign_in=True, due=due)


def tell_admins(
    domain: Domain, kind: str, person: Person, ids: Mapping[str, int], key: str, now: datetime
) -> None:
    """Write to each admin of a domain, else to the ops address. In a transaction."""
    admins = admin_recipients(domain)
    for admin in admins:
        _write(kind, person, admin, ids, f"{key}:{admin.id}", now)
    if not admins:
        tell_ops(kind, person, ids, key, now)


def tell_ops(
    kind: str,
    person: Person | None,
    ids: Mapping[str, int],
    key: str,
    now: datetime,
    *,
    due: datetime | None = None,
) -> None:
    """Write to the ops address. In a transaction. due: when it is to be said, if not now."""
    _write(kind, person, None, ids, key, now, due=due)


def tell_owner(person: Person, kind: str, ids: Mapping[str, int], key: str, now: datetime) -> None:
    """Write to a person where it may still get through: every working recipient and the sign-in address.

    For what is wrong with a recipient of theirs. In a transaction.
    """
    working = Recipient.select().where(
        Recipient.person == person, Recipient.verified_at.is_null(False), Recipient.failing_since.is_null()
    )
    for recipient in working:
        _write(kind, person, recipient, ids, f"{key}:{recipient.id}", now)
    if _reaches_elsewhere(person, {recipient.address_key for recipient in working}):
        _write(kind, person, None, ids, f"{key}:sign-in", now, to_sign_in=True)


def tell_sign_in_address(person: Person, kind: str, ids: Mapping[str, int], key: str, now: datetime) -> None:
    """Write to a person's sign-in address alone, if `can_be_told` allows it. In a transaction."""
    _write(kind, person, None, ids, key, now, to_sign_in=True)


def tell_goodbye(addresses: Iterable[str], now: datetime) -> None:
    """Write to the mailboxes of somebody being erased; a row goes when it is sent. In a transaction."""
    for address in addresses:
        key = f"account-deleted:{new_token()}"
        Notice.create(kind="account-deleted", address=address, unique_key=key, made_at=now, due_at=now)


def _reaches_elsewhere(person: Person, known: set[str]) -> bool:
    """Whether the sign-in address is proven, no alias of ours, and none of those that are told anyway."""
    return can_be_told(person) and parse_address(str(person.sign_in_email)).key not in known


def can_be_told(person: Person | None) -> bool:
    """Whether a person's sign-in address may get mail about them: proven, and no alias of ours."""
    if person is None or not person.sign_in_email or not person.sign_in_email_proven:
        return False
    return not is_ours(parse_address(person.sign_in_email).domain)


def _write(
    kind: str,
    person: Person | None,
    recipient: Recipient | None,
    ids: Mapping[str, int],
    key: str,
    now: datetime,
    *,
    to_sign_in: bool = False,
    due: datetime | None = None,
) -> None:
    if kind in MUTABLE and is_muted(recipient.person if recipient else person if to_sign_in else None, kind):
        return
    Notice.insert(
        kind=kind,
        person=person,
        recipient=recipient,
        to_sign_in=to_sign_in,
        subject_ids=json.dumps(ids, sort_keys=True),
        unique_key=key,
        made_at=now,
        due_at=due or now,
    ).on_conflict_ignore().execute()
