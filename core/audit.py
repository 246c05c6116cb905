"""The record of every change: a chain of entries, each keyed and bound to the one before it.

An entry chains over ids, the verb and a commitment to the personal values. The values and the salt
lie in a side table, so that erasing a person's values keeps the chain whole.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime

from core.database import database, lock_for_all
from core.models import AuditEntry, AuditSubject, AuditValue
from core.secrets import derive_key, equal, keyed_hash

_LOCK = 0x5741_5950  # any number that only this chain uses
_START = "0" * 64
_key: bytes | None = None


class Actor(str):
    """Who did it: `person:7`, `operator`, or `job:NAME`."""

    __slots__ = ()

    @classmethod
    def person(cls, person_id: int) -> "Actor":
        """A signed-in person."""
        return cls(f"person:{person_id}")


OPERATOR = Actor("operator")
"""Whoever may run the `waypost` command on the machine."""


def use_secret(record_secret: str) -> None:
    """Key the chain of this process. record_secret: the setting of that name."""
    global _key  # noqa: PLW0603 -- one chain and one key a process, like the database
    _key = derive_key(record_secret, "audit chain")


def record(
    actor: Actor, verb: str, subjects: Mapping[str, int], values: Mapping[str, object], at: datetime
) -> None:
    """Append an entry, in the transaction of the change itself.

    subjects: row ids by name, such as `{"alias": 3}`. values: what was personal in it: names,
    addresses, before and after. Raises RuntimeError outside a transaction or without a key.
    """
    if _key is None or not database.in_transaction():
        raise RuntimeError("an audit entry needs a key and the transaction of its change")
    lock_for_all(_LOCK)  # the chain has one end
    last = AuditEntry.select(AuditEntry.mac).order_by(AuditEntry.id.desc()).first()
    salt = secrets.token_bytes(16)
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    entry = AuditEntry(
        at=at,
        actor=actor,
        verb=verb,
        subject_ids=json.dumps(subjects, sort_keys=True),
        commitment=keyed_hash(salt, text),
    )
    entry.mac = _mac(_key, last.mac if last else _START, entry)
    entry.save(force_insert=True)
    AuditValue.create(entry=entry, salt=salt, values=text)
    about = [{"entry": entry, "name": name, "row_id": row_id} for name, row_id in subjects.items()]
    if about:
        AuditSubject.insert_many(about).execute()


def first_fault() -> str | None:
    """Check the whole chain; return a sentence about the first fault, or None when it holds."""
    if _key is None:
        raise RuntimeError("the chain cannot be checked without its key")
    before = _START
    values = {row.entry_id: row for row in AuditValue.select()}
    for entry in AuditEntry.select().order_by(AuditEntry.id):
        if not equal(entry.mac, _mac(_key, before, entry)):
            return f"Entry {entry.id} was changed, or the one before it is missing or was moved."
        value = values.get(entry.id)
        if value is not None and not equal(entry.commitment, keyed_hash(bytes(value.salt), value.values)):
            return f"The values of entry {entry.id} were changed."
        before = entry.mac
    return None


def _mac(key: bytes, before: str, entry: AuditEntry) -> str:
    at = str(int(entry.at.timestamp()))
    return keyed_hash(key, before, at, entry.actor, entry.verb, entry.subject_ids, entry.commitment)
