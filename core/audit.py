"""The record of every change: a chain of entries, each keyed and bound to the one before it.

An entry chains over ids, the verb and a commitment to the personal values. The values and the salt
lie in a side table, so that erasing a person's values keeps the chain whole.
"""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.database import database, lock_for_all
from core.models import AuditEntry, AuditHead, AuditSubject, AuditValue
from core.secrets import derive_key, equal, keyed_hash

_LOCK = 0x5741_5950  # any number that only this chain uses
_START = "0" * 64
AT_ONCE = 2000
"""So many entries are in memory at a time when all are read."""
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
    last = AuditEntry.select(AuditEntry.id, AuditEntry.mac).order_by(AuditEntry.id.desc()).first()
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
    _move_head(_key, last, entry)
    AuditValue.create(entry=entry, salt=salt, values=text)
    about = [{"entry": entry, "name": name, "row_id": row_id} for name, row_id in subjects.items()]
    if about:
        AuditSubject.insert_many(about).execute()


@dataclass(frozen=True)
class Head:
    """Where the chain ends. Kept outside the database, it shows later that nothing before it was cut off."""

    entry_id: int
    mac: str

    def __str__(self) -> str:
        return f"{self.entry_id}:{self.mac}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Read what `str` wrote; raises ValueError for anything else."""
        number, _, mac = text.strip().partition(":")
        if not number.isdecimal() or not re.fullmatch("[0-9a-f]{64}", mac):
            raise ValueError("a head is the number of an entry, a colon, and 64 hexadecimal digits")
        return cls(int(number), mac)


def head() -> Head | None:
    """Return the present head of the chain; None while there is no entry."""
    last = AuditEntry.select().order_by(AuditEntry.id.desc()).first()
    return Head(last.id, last.mac) if last is not None else None


def first_fault(kept: Head | None = None) -> str | None:
    """Check the whole chain and its end; return a sentence about the first fault, or None when it holds.

    kept: a head that was noted earlier, outside the database: what came before it must be there still.
    """
    if _key is None:
        raise RuntimeError("the chain cannot be checked without its key")
    with database.atomic():  # one view of the tables, also while others write
        return _fault_of_entries(_key, kept) or _fault_of_subjects() or _fault_of_end(_key)


def _fault_of_entries(key: bytes, kept: Head | None) -> str | None:
    before, missing = _START, kept
    for entry, value in with_values():
        if not equal(entry.mac, _mac(key, before, entry)):
            return f"Entry {entry.id} was changed, or the one before it is missing or was moved."
        if value is not None and not equal(entry.commitment, keyed_hash(bytes(value.salt), value.values)):
            return f"The values of entry {entry.id} were changed."
        if missing is not None and equal(entry.mac, missing.mac):
            missing = None
        before = entry.mac
    return f"Entry {missing.entry_id} was the last one once, and is gone." if missing is not None else None


def with_values() -> Iterator[tuple[AuditEntry, AuditValue | None]]:
    """Yield every entry in order with its values, a few thousand in memory at a time."""
    for entries in _in_order():
        of_these = AuditValue.entry.between(entries[0].id, entries[-1].id)
        values = {row.entry_id: row for row in AuditValue.select().where(of_these)}
        for entry in entries:
            yield entry, values.get(entry.id)


def _in_order() -> Iterator[list[AuditEntry]]:
    last = -1
    while True:
        later = AuditEntry.select().where(AuditEntry.id > last).order_by(AuditEntry.id)
        entries = list(later.limit(AT_ONCE))
        if not entries:
            return
        yield entries
        last = entries[-1].id


def _fault_of_subjects() -> str | None:
    """Compare the table by which entries are found with what they themselves speak of."""
    last = -1
    for entries in _in_order():
        said = {
            (entry.id, name, row_id)
            for entry in entries
            for name, row_id in json.loads(entry.subject_ids).items()
        }
        of_these = (AuditSubject.entry > last) & (AuditSubject.entry <= entries[-1].id)
        rows: Any = AuditSubject.select(AuditSubject.entry, AuditSubject.name, AuditSubject.row_id)
        differing = said ^ set(rows.where(of_these).tuples())
        if differing:
            return f"Entry {min(differing)[0]} is not found by what it speaks of: that table was changed."
        last = entries[-1].id
    return None


def _fault_of_end(key: bytes) -> str | None:
    lock_for_all(_LOCK)  # an entry and the mark are written together
    last, kept = head(), AuditHead.select().first()
    if last is None:
        return None if kept is None else f"All entries are gone; the last one was {kept.entry_id}."
    if kept is None:
        return "The mark of the record's end is gone: entries may have been cut off."
    if not equal(kept.seal, _seal(key, last)):
        return f"The record does not end where it was left: entry {kept.entry_id} was the last one."
    return None


def seal_head() -> None:
    """Mark the end of a chain that was begun before ends were marked. Once, when the tables are updated."""
    if _key is None:
        raise RuntimeError("the end cannot be sealed without the chain's key")
    lock_for_all(_LOCK)
    last = head()
    if last is not None and not AuditHead.select().exists():
        AuditHead.create(entry_id=last.entry_id, seal=_seal(_key, last))


def _move_head(key: bytes, before: AuditEntry | None, entry: AuditEntry) -> None:
    """Mark an entry as the last one, if the mark stood at the one before it.

    One that is gone, or stands elsewhere since the end was cut off, stays so: that is a fault to be seen.
    """
    columns = {"entry_id": entry.id, "seal": _seal(key, Head(entry.id, entry.mac))}
    if before is not None:
        stood = AuditHead.seal == _seal(key, Head(before.id, before.mac))
        AuditHead.update(columns).where(stood).execute()
    elif not AuditHead.select().exists():
        AuditHead.create(**columns)


def _seal(key: bytes, end: Head) -> str:
    return keyed_hash(key, "head", str(end.entry_id), end.mac)


def _mac(key: bytes, before: str, entry: AuditEntry) -> str:
    at = str(int(entry.at.timestamp()))
    return keyed_hash(key, before, at, entry.actor, entry.verb, entry.subject_ids, entry.commitment)
