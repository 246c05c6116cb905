"""The record, read: entries by filters, what one says, and all of it for keeping elsewhere."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.audit import Actor, record, with_values
from core.database import write
from core.models import AuditEntry, AuditSubject, AuditValue
from core.paging import Slice, slice_of


@dataclass(frozen=True)
class EntryFilter:
    """Which entries are wanted; what is empty does not narrow."""

    verb: str = ""
    actor: str = ""
    """`person:7`, `operator` or `job:NAME`."""
    subject: str = ""
    """The name of a table, such as `alias`."""
    number: int | None = None
    """The id of its row; counts with `subject` only."""


def find_entries(wanted: EntryFilter, after: int | None, *, newest_first: bool) -> Slice[AuditEntry]:
    """Return a page of entries without their values."""
    query = AuditEntry.select()
    if wanted.verb:
        query = query.where(AuditEntry.verb == wanted.verb)
    if wanted.actor:
        query = query.where(AuditEntry.actor == wanted.actor)
    if wanted.subject and wanted.number is not None:
        about = (AuditSubject.name == wanted.subject) & (AuditSubject.row_id == wanted.number)
        query = query.where(AuditEntry.id.in_(AuditSubject.select(AuditSubject.entry).where(about)))
    return slice_of(query, AuditEntry.id, after, newest_first=newest_first)


def subjects_of(entry: AuditEntry) -> Mapping[str, int]:
    """Return the rows that an entry speaks of, by the names of their tables."""
    subjects: Mapping[str, int] = json.loads(entry.subject_ids)
    return subjects


def show_values(actor: Actor, entry: AuditEntry, now: datetime) -> Mapping[str, Any] | None:
    """Return what was personal in an entry, and write down who looked; None when it was erased."""
    with write():
        row = AuditValue.get_or_none(AuditValue.entry == entry)
        if row is None:
            return None
        record(actor, "values-shown", {}, {"entry": entry.id, "verb": entry.verb}, now)
    shown: Mapping[str, Any] = json.loads(row.values)
    return shown


def all_entries(*, personal: bool) -> Iterator[str]:
    """Yield every entry as a line of JSON, the oldest first.

    personal: with what was personal, and the salts with which the commitments can be checked.
    """
    for entry, value in with_values():
        line: dict[str, Any] = {
            "id": entry.id,
            "at": entry.at.isoformat(),
            "actor": entry.actor,
            "verb": entry.verb,
            "subjects": json.loads(entry.subject_ids),
            "commitment": entry.commitment,
            "mac": entry.mac,
        }
        if personal:
            line["values"] = json.loads(value.values) if value is not None else None
            line["salt"] = bytes(value.salt).hex() if value is not None else None
        yield json.dumps(line, ensure_ascii=False) + "\n"
