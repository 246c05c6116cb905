"""Everything that is stored about one person, as JSON.

Every table is either in `PARTS`, which says how the person's rows are found, or with a reason in
`LEFT_OUT`; a test holds that. Every column of those rows goes in, but for `WITHHELD`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from peewee import Field, ForeignKeyField

from core.erased import owner_hashes
from core.models import (
    AccountFact,
    AdminLink,
    Alias,
    AliasOwner,
    AliasRecipient,
    AuditEntry,
    AuditHead,
    AuditSubject,
    AuditValue,
    BulkLine,
    BulkRun,
    DeliveryCount,
    DkimKey,
    Domain,
    DomainTeam,
    ErasedOwner,
    Identity,
    Membership,
    Notice,
    Person,
    Problem,
    Recipient,
    ReservedName,
    RoleGrant,
    RoleTeam,
    Session,
    StashedAnswer,
    Table,
    TeamReading,
    TeamSync,
    UsedNonce,
    Waiver,
)

Rows = Iterable[Any]

LEFT_OUT: Mapping[type[Table], str] = {
    Domain: "It speaks of no person.",
    DomainTeam: "It speaks of no person.",
    ReservedName: "It speaks of no person.",
    AuditValue: "Its rows are in the entries of the record, as `values`.",
    AuditSubject: "It repeats the entries of the record, to find them by what they speak of.",
    AuditHead: "It says where the record ends.",
    RoleTeam: "It speaks of no person.",
    AdminLink: "It speaks of no person.",
    DkimKey: "It speaks of no person.",
    TeamSync: "It speaks of no person.",
    UsedNonce: "A hash of a random number; nobody can tell whose sign-in it was.",
    StashedAnswer: "An answer of the sign-in provider on its way, for a minute; nobody can tell whose.",
}

WITHHELD: Mapping[Field, str] = {
    Session.token_hash: "It guards the session.",
    Recipient.proof_nonce: "It guards the verification link.",
    Notice.unique_key: "It repeats what else is in the row.",
    BulkRun.follows: "It says which dry run came before.",
    BulkLine.run: "It leads to a list of an admin's, with other people.",
    TeamReading.names: "It names other people. You are one of them.",
    AuditEntry.commitment: "A random-looking number that seals the entry.",
    AuditEntry.mac: "A random-looking number that seals the entry.",
}

_JSON = frozenset((Person.muted, Notice.subject_ids, AuditEntry.subject_ids))


def grants_of(person: Person) -> Rows:
    """Return the roles that are given to a person's identities."""
    same = (RoleGrant.issuer == Identity.issuer) & (RoleGrant.subject == Identity.subject)
    return RoleGrant.select().join(Identity, on=same).where(Identity.person == person)


def entries_about(person: Person) -> list[int]:
    """Return the ids of the record's entries that speak of a person, or of what is theirs.

    One that names another person is that person's, though it speaks of the same alias.
    """
    numbers = _numbers_of(person)
    own: dict[str, list[int]] = {
        "person": numbers,
        "alias": [row.id for row in Alias.select(Alias.id).where(Alias.person == person)],
        "recipient": [row.id for row in Recipient.select(Recipient.id).where(Recipient.person == person)],
        "waiver": [row.id for row in Waiver.select(Waiver.id).where(Waiver.person == person)],
        "role_grant": [row.id for row in grants_of(person)],
    }
    about = [(AuditSubject.name == name) & AuditSubject.row_id.in_(ids) for name, ids in own.items() if ids]
    found = [row.entry_id for row in AuditSubject.select(AuditSubject.entry).where(reduce(or_, about))]
    people: dict[int, set[int]] = {}
    named = AuditSubject.select().where(AuditSubject.entry.in_(found), AuditSubject.name == "person")
    for row in named:
        people.setdefault(row.entry_id, set()).add(row.row_id)
    return sorted({entry for entry in found if people.get(entry, {person.id}) & set(numbers)})


def _numbers_of(person: Person) -> list[int]:
    """Return the ids under which the record knows a person: also of those who were joined into them."""
    numbers, new = [person.id], [person.id]
    while new:
        joined = AuditSubject.alias()
        rows = (
            AuditSubject.select(AuditSubject.row_id)
            .join(joined, on=joined.entry == AuditSubject.entry)
            .where(AuditSubject.name == "gone", joined.name == "person", joined.row_id.in_(new))
        )
        new = [row.row_id for row in rows if row.row_id not in numbers]
        numbers += new
    return numbers


def _own(table: type[Any]) -> Callable[[Person, str], Rows]:
    """The rows of a table that name the person as theirs."""
    return lambda person, _secret: table.select().where(table.person == person)


def _aliases(person: Person, _secret: str) -> Rows:
    shared = AliasOwner.select(AliasOwner.alias).where(AliasOwner.person == person)
    kept = (Alias.reserved_issuer == Identity.issuer) & (Alias.reserved_subject == Identity.subject)
    reserved = Alias.select(Alias.id).join(Identity, on=kept).where(Identity.person == person)
    return Alias.select().where((Alias.person == person) | Alias.id.in_(shared) | Alias.id.in_(reserved))


def _recipients(person: Person, _secret: str) -> Rows:
    """Their own, and those that an import put behind their aliases."""
    behind = AliasRecipient.select(AliasRecipient.recipient).join(Alias).where(Alias.person == person)
    imported = Recipient.person.is_null() & Recipient.id.in_(behind)
    return Recipient.select().where((Recipient.person == person) | imported)


def _alias_recipients(person: Person, secret: str) -> Rows:
    rows = [row.id for row in _recipients(person, secret)]
    return AliasRecipient.select().where(AliasRecipient.recipient.in_(rows))


def _counts(person: Person, secret: str) -> Rows:
    rows = [row.id for row in _recipients(person, secret)]
    return DeliveryCount.select().where(DeliveryCount.recipient.in_(rows))


def _notices(person: Person, _secret: str) -> Rows:
    """Those about them, and those that go to them."""
    to_them = Recipient.select(Recipient.id).where(Recipient.person == person)
    return Notice.select().where((Notice.person == person) | Notice.recipient.in_(to_them))


def _readings(person: Person, _secret: str) -> Rows:
    return [row for row in TeamReading.select() if person.launchpad_name in json.loads(row.names)]


def _left_names(person: Person, secret: str) -> Rows:
    return ErasedOwner.select().where(ErasedOwner.owner.in_(owner_hashes(person, secret)))


PARTS: Mapping[type[Table], Callable[[Person, str], Rows]] = {
    Person: lambda person, _secret: Person.select().where(Person.id == person.id),
    Identity: _own(Identity),
    Session: _own(Session),
    RoleGrant: lambda person, _secret: grants_of(person),
    Alias: _aliases,
    AliasOwner: _own(AliasOwner),
    ErasedOwner: _left_names,
    Recipient: _recipients,
    AliasRecipient: _alias_recipients,
    DeliveryCount: _counts,
    AccountFact: _own(AccountFact),
    Membership: _own(Membership),
    TeamReading: _readings,
    Waiver: _own(Waiver),
    Notice: _notices,
    Problem: _own(Problem),
    BulkRun: lambda person, _secret: BulkRun.select().where(BulkRun.by == person),
    BulkLine: _own(BulkLine),
    AuditEntry: lambda person, _: AuditEntry.select().where(AuditEntry.id.in_(entries_about(person))),
}
"""For each table with personal data, the rows of one person; the second argument is RECORD_SECRET."""


def counts(person: Person, record_secret: str) -> dict[type[Table], int]:
    """Return how many rows each table has about a person."""
    return {table: len(list(rows(person, record_secret))) for table, rows in PARTS.items()}


def export(person: Person, record_secret: str, now: datetime) -> dict[str, Any]:
    """Return everything that is stored about a person, ready for JSON.

    Times are in UTC (RFC 3339). A reference to a row of another person says only that. record_secret:
    the setting, to find the names that they left when they were erased before.
    """
    found = {
        table: sorted(rows(person, record_secret), key=lambda row: row._pk) for table, rows in PARTS.items()
    }
    names = {
        Domain: {row.id: row.name for row in Domain.select()},
        Alias: {row.id: row.text for row in found[Alias]},
        Recipient: {row.id: row.address for row in found[Recipient]},
    }
    names[Alias] |= {row.alias_id: row.alias.text for row in found[ErasedOwner]}
    data = {table._meta.table_name: [_row(row, names) for row in rows] for table, rows in found.items()}
    values = AuditValue.select().where(AuditValue.entry.in_(found[AuditEntry]))
    said = {row.entry_id: json.loads(row.values) for row in values}
    for entry in data[AuditEntry._meta.table_name]:
        entry["values"] = said.get(entry["id"])
        entry["actor"] = _actor(entry["actor"], person)
    return {
        "about": f"Everything that is stored about you, {now.isoformat()}.",
        "data": data,
        "left_out": {table._meta.table_name: why for table, why in LEFT_OUT.items()}
        | {f"{field.model._meta.table_name}.{field.name}": why for field, why in WITHHELD.items()},
    }


def _row(row: Any, names: Mapping[type[Any], Mapping[int, str]]) -> dict[str, Any]:
    """Return the columns of a row by name. The person's own id says nothing, so it stays away."""
    shown = {}
    for field in row._meta.sorted_fields:
        if field in WITHHELD or (isinstance(field, ForeignKeyField) and field.rel_model is Person):
            continue
        value = row.__data__[field.name]
        if isinstance(field, ForeignKeyField) and value is not None:
            value = names.get(field.rel_model, {}).get(value, "another person's")
        elif field in _JSON:
            value = json.loads(value)
        shown[field.name] = value.isoformat() if isinstance(value, datetime) else value
    return shown


def _actor(actor: str, person: Person) -> str:
    """Say who made a change, without counting other people."""
    if actor == f"person:{person.id}":
        return "you"
    return "another person" if actor.startswith("person:") else actor
