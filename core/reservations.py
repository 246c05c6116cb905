"""Addresses that are kept for their owners: whose Launchpad name may ask for each, and who still waits."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from peewee import Value

from core.audit import Actor, record
from core.database import begins_with, connection, database, write
from core.directories import Deadline, IdentityReading, NameDirectory
from core.facts import Answer
from core.models import Alias, AliasRecipient, Domain, Identity, Person, Recipient, Reservation
from core.ownership import NotYours
from core.paging import Slice, counts_by, slice_of

JOB = Actor("job:resolve_names")
AT_ONCE = 4
"""Names that are asked for at the same time."""
BATCH = 200
ASK_AGAIN_AFTER = timedelta(minutes=10)


class NameState(StrEnum):
    """How far a Launchpad name of the old list is looked up."""

    ASKING = "asking"
    FOUND = "found"
    """The account's identity may ask for the address."""
    NO_NAME = "no-name"
    """The list has none."""
    NO_ACCOUNT = "no-account"
    TOO_YOUNG = "too-young"
    """The account was made after the list: somebody else has the name now."""
    UNCLEAR = "unclear"
    """The directory gave no clear answer; it is asked again."""
    BANNED = "banned"
    """The account is that of somebody who was banned here."""


UNDECIDED = (NameState.ASKING, NameState.UNCLEAR)


def resolve_names(names: NameDirectory, deadline: Deadline, now: datetime) -> int:
    """Look up the names that wait for it; return how many are left unanswered.

    Safe to run twice at once, and again after a kill. Opens its own connections.
    """
    last = 0
    while deadline.remaining:
        some = _to_ask(last, now)
        if not some:
            break
        last = some[-1].id
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = [(one, pool.submit(names.identify, one.launchpad_name, deadline)) for one in some]
            for one, reading in asked:
                _note(one.alias_id, one.launchpad_name, reading.result(), now)
    with connection():
        return undecided()


def _to_ask(after: int, now: datetime) -> list[Reservation]:
    due = Reservation.asked_at.is_null() | (Reservation.asked_at < now - ASK_AGAIN_AFTER)
    query = Reservation.select().where(Reservation.state.in_(UNDECIDED), due, Reservation.id > after)
    with connection():
        return list(query.order_by(Reservation.id).limit(BATCH))


def _note(alias_id: int, name: str, reading: IdentityReading, now: datetime) -> None:
    """Write one answer down; nothing when the address was taken over, or looked up, meanwhile."""
    with connection(), write():
        row = _locked(Reservation.alias == alias_id)
        if row is None or row.state not in UNDECIDED or row.launchpad_name != name:
            return
        state, alias = _state(row, reading), row.alias
        row.state, row.asked_at = state, now
        row.save()
        if state is NameState.UNCLEAR:
            return
        if state is NameState.FOUND:
            who = {"reserved_issuer": reading.issuer, "reserved_subject": reading.subject}
            Alias.update(who).where(Alias.id == alias.id).execute()
        values = {"alias": alias.text, "launchpad_name": name, "found": state, "subject": reading.subject}
        record(JOB, "reservation-looked-up", {"alias": alias.id}, values, now)


def _state(row: Reservation, reading: IdentityReading) -> NameState:
    if reading.answer is Answer.NO:
        return NameState.NO_ACCOUNT
    if reading.answer is Answer.UNKNOWN or reading.subject is None:
        return NameState.UNCLEAR
    if reading.born is not None and reading.born.replace(microsecond=0) > row.listed_at:  # whole seconds
        return NameState.TOO_YOUNG
    known = Identity.get_or_none(Identity.issuer == reading.issuer, Identity.subject == reading.subject)
    return NameState.BANNED if known is not None and known.person.banned_at is not None else NameState.FOUND


def look_again(actor: Actor, now: datetime) -> int:
    """Have every name looked up anew that led nowhere; return how many there are."""
    nowhere = (NameState.NO_ACCOUNT, NameState.TOO_YOUNG, NameState.UNCLEAR, NameState.BANNED)
    with write():
        count = (
            Reservation.update(state=NameState.ASKING, asked_at=None)
            .where(Reservation.state.in_(nowhere))
            .execute()
        )
        if count:
            record(actor, "reservations-asked-again", {}, {"count": count}, now)
    return int(count)


def still_waiting(
    state: str = "", search: str = "", after: int | None = None, *, newest_first: bool = False
) -> Slice[Reservation]:
    """Return addresses whose owner has not taken them over, in the order of their import.

    state: a `NameState`, or empty for all. search: how the address begins.
    """
    query = Reservation.select(Reservation, Alias, Domain).join(Alias).join(Domain)
    if state:
        query = query.where(Reservation.state == state)
    if search:
        local_part, _, domain = search.lower().partition("@")
        query = query.where(begins_with(Alias.local_part, local_part))
        domains = Domain.select(Domain.id)
        domains = domains.where(Domain.name == domain) if domain else domains
        query = query.where(Alias.domain.in_([row.id for row in domains]))  # an index has the two together
    return slice_of(query, Reservation.id, after, newest_first=newest_first)


def how_many() -> Counter[str]:
    """Count those that wait, by the state of their name."""
    return counts_by(Reservation.state, NameState)


def undecided() -> int:
    """Count those whose name is still to be looked up."""
    return sum(counts_by(Reservation.state, UNDECIDED).values())


def kept_for(person: Person) -> list[Alias]:
    """Return the addresses that a person's identities may ask for, on domains that are served."""
    query = Alias.select(Alias, Domain).join(Domain).where(Domain.removed_at.is_null())
    return list(query.where(Alias.id.in_(ids_kept_for(person))).order_by(Alias.id))


def ids_kept_for(person: Person | Value) -> Any:
    """Select the ids of the addresses that a person's identities may ask for."""
    kept = Alias.alias()
    same = (kept.reserved_issuer == Identity.issuer) & (kept.reserved_subject == Identity.subject)
    query = kept.select(kept.id).join(Identity, on=same)
    query = query.join_from(kept, Reservation, on=Reservation.alias == kept.id)
    return query.where(Identity.person == person, kept.person.is_null())


def locked_reservation(alias_id: int) -> Reservation:
    """Load the reservation of an alias and lock it. In a transaction; raises NotYours when there is none."""
    row = _locked(Reservation.alias == alias_id)
    if row is None:
        raise NotYours("no address that waits for its owner")
    return row


def _locked(where: Any) -> Reservation | None:
    query = Reservation.select().where(where)
    if database.obj.for_update:  # SQLite's write transaction has the whole database already
        query = query.for_update()
    return query.first()  # type: ignore[no-any-return]


def drop(actor: Actor, alias_id: int, now: datetime) -> None:
    """Undo the import of an address that nobody has taken over; its mail is refused from then on.

    Raises NotYours when there is no such address.
    """
    with write():
        alias = locked_reservation(alias_id).alias
        values = {"alias": alias.text}
        behind = [row.recipient_id for row in AliasRecipient.select().where(AliasRecipient.alias == alias)]
        alias.delete_instance()
        _delete_recipients(behind)
        record(actor, "reservation-dropped", {"alias": alias_id, "domain": alias.domain_id}, values, now)


def _delete_recipients(ids: Iterable[int]) -> None:
    """Delete imported recipients; each stands behind one alias."""
    Recipient.delete().where(Recipient.id.in_(list(ids)), Recipient.person.is_null()).execute()
