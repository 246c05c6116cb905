"""Something about one person in every table that can have it, and a look for what is left of them."""

from datetime import datetime
from typing import Any

from core.aliases import claim
from core.audit import OPERATOR, Actor, record
from core.bulk import Action, begin
from core.database import write
from core.delivery import Count, Event
from core.delivery import record as record_counts
from core.erased import owner_hashes
from core.models import (
    TABLES,
    Alias,
    AliasOwner,
    Domain,
    ErasedOwner,
    Person,
    TeamReading,
)
from core.notices import tell_person
from core.problems import report
from core.recipients import add_recipient
from core.roles import Role, grant
from core.sessions import open_session
from core.waivers import Kind, Request, ask
from tests.support.arrange import ISSUER, claimed_id, make_alias, make_member, make_recipient

MARKS = ("treasure", "+id/Treasure7x")
"""What no row may hold any more when the person `treasure` is gone, but for the names they had."""


def leave_traces(domain: Domain, record_secret: str, now: datetime) -> Person:
    """Make the person `treasure`, who has done everything that one can do here."""
    person = make_member(now, "treasure")
    person.sign_in_email, person.sign_in_email_proven = "treasure.sso@sso.example.net", True
    person.save()
    alias = claim(person.id, domain, None, record_secret, now)
    add_recipient(person.id, alias.id, "treasure.second@work.example.net", now)
    imported = make_recipient(None, now, "treasure.old@old.example.net")
    second = make_alias(person, domain, now, "treasure.two", recipients=[imported], by_self_service=False)
    shared = make_alias(None, domain, now, "team", recipients=[person.recipients.get()])
    identity = {"reserved_issuer": ISSUER, "reserved_subject": claimed_id("treasure")}
    kept = make_alias(None, domain, now, "kept", **identity)
    first = "treasure@home.example.net"
    record_counts([Count(Event.REFUSED_MAILBOX, alias.id, first, now.date(), "5.1.1")], now)
    ask(
        person.id,
        Request(Kind.LOCAL_PART, domain, "I was treasure before, too.", "treasure.three"),
        record_secret,
        now,
    )
    grant(OPERATOR, ISSUER, claimed_id("treasure"), Role.AUDITOR, None, now)
    begin(person, Action.CHECK, [person.id], now)
    with write():
        AliasOwner.create(alias=shared, person=person)
        for owner in owner_hashes(person, record_secret):
            left = Alias.create(
                domain=domain, local_part="before", switch="given-up", switched_at=now, created_at=now
            )
            ErasedOwner.create(alias=left, owner=owner)
        TeamReading.create(team="proj-members", read_at=now, count=2, names='["other", "treasure"]')
        open_session(person, now)
        report("sync-person", f"person {person.id}", "status 503", now, person)
        tell_person(person, "identity-joined", {"person": person.id}, f"joined:{person.id}", now)
        values = {"alias": second.text, "kept": kept.text}
        record(OPERATOR, "alias-held", {"alias": second.id}, values, now)
        admin = Actor.person(person.id + 1)
        record(admin, "person-looked-at", {"person": person.id}, {"name": "treasure"}, now)
    return Person.get_by_id(person.id)


def traces_of(marks: tuple[str, ...] = MARKS) -> list[tuple[str, str, Any]]:
    """Return every value in the database that holds one of these words: table, column, value."""
    found = []
    for table in TABLES:
        for row in table.select().dicts():
            for name, value in row.items():
                if any(mark.lower() in str(value).lower() for mark in marks):
                    found.append((table._meta.table_name, name, value))
    return sorted(found, key=str)
