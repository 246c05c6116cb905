"""What happened to an alias: its entries in the record, with who and when."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from core.models import Alias, AliasRecipient, AuditEntry, AuditSubject, AuditValue, Person

MOST = 50
"""So many of the newest are shown."""

_PROOFS = ("recipient-proven", "recipient-proven-at-sign-in")
_BANS = ("person-banned", "person-unbanned")


@dataclass(frozen=True)
class Change:
    """One entry of the record."""

    at: datetime
    verb: str
    actor: str
    """`person:7`, `operator`, or `job:NAME`."""
    actor_name: str
    """What a person is called; empty for others, and for one who was erased."""
    values: Mapping[str, Any]
    """What was personal in it; empty when it was erased."""


def history_of(alias: Alias, most: int = MOST) -> Sequence[Change]:
    """Return the newest changes of an alias, newest first.

    With the proofs of its present recipients, and bans of its owner.
    """
    recipients = [row.recipient_id for row in AliasRecipient.select().where(AliasRecipient.alias == alias)]
    name, row_id = AuditSubject.name, AuditSubject.row_id
    proofs = (name == "recipient") & row_id.in_(recipients) & AuditEntry.verb.in_(_PROOFS)
    bans = (name == "person") & (row_id == alias.person_id) & AuditEntry.verb.in_(_BANS)
    return _changes(((name == "alias") & (row_id == alias.id)) | proofs | bans, most)


def history_of_person(person: Person, most: int = MOST) -> Sequence[Change]:
    """Return the newest changes that the record says of a person, newest first."""
    return _changes((AuditSubject.name == "person") & (AuditSubject.row_id == person.id), most)


def history_of_rows(ids: Mapping[str, Collection[int]], most: int = MOST) -> Sequence[Change]:
    """Return the newest changes of some rows, newest first. ids: by the names of their tables."""
    each = ((AuditSubject.name == name) & AuditSubject.row_id.in_(list(some)) for name, some in ids.items())
    return _changes(reduce(or_, each), most)


def _changes(about: Any, most: int) -> Sequence[Change]:
    query = AuditEntry.select().join(AuditSubject).where(about).order_by(AuditEntry.id.desc()).limit(most)
    entries = list(query)
    of_these = AuditValue.entry.in_([entry.id for entry in entries])
    values = {row.entry_id: row.values for row in AuditValue.select().where(of_these)}
    names = actor_names({entry.actor for entry in entries})
    return [
        Change(
            entry.at,
            entry.verb,
            entry.actor,
            names.get(entry.actor, ""),
            json.loads(values.get(entry.id, "{}")),
        )
        for entry in entries
    ]


def actor_names(actors: Collection[str]) -> dict[str, str]:
    """Return what the people among some actors are called."""
    ids = [int(actor.removeprefix("person:")) for actor in actors if actor.startswith("person:")]
    people = Person.select().where(Person.id.in_(ids))
    return {f"person:{person.id}": person.display_name or person.launchpad_name or "" for person in people}
