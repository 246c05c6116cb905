"""A person's account: what they prefer, and the end of it."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from core.addresses import parse_address
from core.alias_recipients import mark_reachable
from core.audit import Actor, record
from core.database import write
from core.erased import block_name, owner_hashes
from core.export import entries_about, grants_of
from core.models import Alias, AliasOwner, AliasRecipient, AuditValue, Person, Recipient
from core.notices import can_be_told, tell_goodbye
from core.ownership import NotYours, lock_person
from core.preferences import Topic, topics_for


def choose_language(person_id: int, language: str, now: datetime) -> None:
    """Set the language of a person's pages; from then on a sign-in does not change it.

    language: one that the portal has a catalogue for.
    """
    with write():
        person = lock_person(person_id)
        before = person.language
        person.language, person.language_chosen = language, True
        person.save()
        if before != language:
            values = {"before": before, "after": language}
            record(Actor.person(person.id), "language-chosen", {"person": person.id}, values, now)


def choose_notices(person_id: int, wanted: Iterable[Topic], now: datetime) -> None:
    """Set which of the notices that they may switch off a person wants; all others always come."""
    with write():
        person = lock_person(person_id)
        before, muted = json.loads(person.muted), sorted(set(topics_for(person)) - set(wanted))
        if muted == before:
            return
        person.muted = json.dumps(muted)
        person.save()
        values = {"before": before, "after": muted}
        record(Actor.person(person.id), "notices-chosen", {"person": person.id}, values, now)


def erase(person_id: int, record_secret: str, now: datetime) -> bool:
    """Delete a person and all that is known of them, at once and for good.

    What stays: each name they had, blocked for everybody else (`core.erased`); the entries of the
    record without their values; and, until it is sent, one last mail to each of their mailboxes. An
    address that admins keep for one of their identities stays too: they never took it over.

    record_secret: the setting of that name. Returns False when they were gone already. Raises NotYours
    for somebody who is banned.
    """
    with write():
        try:
            person = lock_person(person_id)
        except NotYours:
            return False
        if person.banned_at is not None:
            raise NotYours("a ban outlasts the account")
        aliases = list(Alias.select().where(Alias.person == person))
        shared = [row.alias for row in AliasOwner.select().where(AliasOwner.person == person)]
        tell_goodbye(_mailboxes(person, aliases), now)
        AuditValue.delete().where(AuditValue.entry.in_(entries_about(person))).execute()
        _end_roles(person, now)
        hashes, imported = owner_hashes(person, record_secret), _imported(aliases)
        for alias in aliases:
            block_name(alias, hashes, now)
        person.delete_instance()  # what hangs on it goes too: recipients, facts, waivers, sessions, notices
        _drop_unused(imported)
        for alias in shared:
            mark_reachable(alias, now)
        record(Actor.person(person_id), "person-erased", {"person": person_id}, {}, now)
        return True


def _mailboxes(person: Person, aliases: Sequence[Alias]) -> list[str]:
    """Return every address that mail of theirs could reach, each once."""
    behind = AliasRecipient.select(AliasRecipient.recipient).where(AliasRecipient.alias.in_(aliases))
    rows = Recipient.select().where(
        ((Recipient.person == person) & Recipient.verified_at.is_null(False))
        | (Recipient.id.in_(behind) & Recipient.imported_at.is_null(False))
    )
    found = {row.address_key: str(row.address) for row in rows.order_by(Recipient.id)}
    if can_be_told(person):
        address = parse_address(str(person.sign_in_email))
        found.setdefault(address.key, address.text)
    return list(found.values())


def _end_roles(person: Person, now: datetime) -> None:
    for grant in list(grants_of(person)):
        grant.delete_instance()
        record(Actor.person(person.id), "role-ended", {"role_grant": grant.id}, {}, now)


def _imported(aliases: Sequence[Alias]) -> list[int]:
    """Return the recipients behind these aliases that came by an import and have no person."""
    rows = AliasRecipient.select(AliasRecipient.recipient).join(Recipient)
    rows = rows.where(AliasRecipient.alias.in_(aliases), Recipient.person.is_null())
    return [row.recipient_id for row in rows]


def _drop_unused(recipients: Sequence[int]) -> None:
    """Delete those recipients that no alias has any more."""
    used = AliasRecipient.select(AliasRecipient.recipient)
    Recipient.delete().where(Recipient.id.in_(recipients), Recipient.id.not_in(used)).execute()
