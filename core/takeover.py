"""An imported address goes to its owner: who has the right identity, and proves to get its mail already.

The identity alone is not enough: names change hands, and the old list knew only names. Until the proof
nobody learns where the mail goes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.addresses import parse_address
from core.alias_recipients import mark_reachable, rows_of
from core.audit import Actor, record
from core.database import write
from core.models import Alias, AliasRecipient, Notice, Person, Recipient, Reservation
from core.notices import tell_recipient
from core.ownership import NotYours, lock_person
from core.reservations import kept_for, locked_reservation
from core.secrets import derive_key, equal, keyed_hash
from core.translation import N_, ToldError
from core.upkeep import keep_up

CODE = "takeover-code"
TAKEN_OVER = "taken-over"
"""Kinds of the mail with the code, and of that which says who has the address now."""
CODE_LASTS = timedelta(hours=1)
CODE_AGAIN_AFTER = timedelta(minutes=1)
MAX_TRIES = 5
CODES_A_DAY = 5
"""To one mailbox, however many addresses lead there."""
DAY = timedelta(days=1)


class TakeoverProblem(ToldError):
    """It was refused, and nothing was changed; the message says why, for the person."""


class Proof(StrEnum):
    """How the person showed that it is they whom the old list means."""

    SIGN_IN_ADDRESS = "sign-in-address"
    CODE = "code"
    ADMIN = "admin"


@dataclass(frozen=True)
class Offer:
    """An address that is kept for somebody; never where its mail goes."""

    alias: Alias
    by_sign_in: bool
    """Whether the sign-in address is proof enough."""
    code_sent_at: datetime | None
    """When the code was sent that would be taken now."""


def offers_for(person: Person, now: datetime, kept: Iterable[Alias] | None = None) -> list[Offer]:
    """Return what is kept for a person, and how they may prove that it is theirs.

    kept: what `kept_for` says, where that was asked already.
    """
    found = []
    for alias in kept_for(person) if kept is None else kept:
        row = Reservation.get(Reservation.alias == alias)
        sent_at = row.code_sent_at if _code_counts(row, person, now) else None
        found.append(Offer(alias, _proving(alias, person) is not None, sent_at))
    return found


def take_over(person_id: int, alias_id: int, now: datetime) -> Alias:
    """Give an address to the person whose proven sign-in address is one of its recipients.

    Raises NotYours when it is not kept for them, and TakeoverProblem when that proves nothing.
    """
    with write():
        person = lock_person(person_id)
        row = _own_reservation(person, alias_id)
        proving = _proving(row.alias, person)
        if proving is None:
            raise TakeoverProblem(N_("Your sign-in address is not proof enough. Use a code instead."))
        return _hand_over(Actor.person(person.id), row, person, Proof.SIGN_IN_ADDRESS, proving, now)


def send_code(person_id: int, alias_id: int, now: datetime) -> None:
    """Put a mail with a code for the first recipient into the outbox; an earlier code stops counting.

    Raises NotYours when the address is not kept for them, and TakeoverProblem when it is too early.
    """
    with write():
        person = lock_person(person_id)
        row = _own_reservation(person, alias_id)
        if row.code_sent_at is not None and now - row.code_sent_at < CODE_AGAIN_AFTER:
            raise TakeoverProblem(N_("A code was sent less than a minute ago. Look at the junk folder too."))
        first = _first_recipient(row.alias)
        if first is None:
            raise TakeoverProblem(N_("No code can be sent for this address. Please write to the admins."))
        if _codes_today(first, now) >= CODES_A_DAY:
            raise TakeoverProblem(
                N_("Too many codes were sent today. Try again tomorrow, or write to the admins.")
            )
        row.code_for, row.code_sent_at, row.code_tries = person, now, 0
        row.save()
        ids = {"alias": row.alias_id, "recipient": first.id, "reservation": row.id}
        tell_recipient(first, CODE, ids, code_key(row), now)
        subjects = {"alias": row.alias_id, "person": person.id}
        record(Actor.person(person.id), "takeover-code-sent", subjects, {"alias": row.alias.text}, now)


def enter_code(person_id: int, alias_id: int, typed: str, secret_key: str, now: datetime) -> Alias:
    """Give an address to the person who enters the code that was sent to its first recipient; works once.

    secret_key: the setting. Raises NotYours, and TakeoverProblem for a wrong or an old code and after five
    tries.
    """
    with write():
        person = lock_person(person_id)
        row = _own_reservation(person, alias_id)
        lives = _code_counts(row, person, now)
        digits = "".join(typed.split()).replace("-", "")
        if lives and equal(digits, code_of(row, secret_key)):
            first = _first_recipient(row.alias)
            return _hand_over(Actor.person(person.id), row, person, Proof.CODE, first, now)
        row.code_tries += 1
        row.save()
    if not lives:
        raise TakeoverProblem(N_("This code does not count any more. Ask for a new one."))
    raise TakeoverProblem(N_("This is not the code of the newest mail."))


def give(actor: Actor, alias_id: int, person_id: int, now: datetime) -> Alias:
    """Give an address to a person by an admin's word. Raises NotYours when either is not there."""
    with write():
        person = lock_person(person_id)
        if person.banned_at is not None:
            raise NotYours("a banned person gets no address")
        return _hand_over(actor, locked_reservation(alias_id), person, Proof.ADMIN, None, now)


def code_key(row: Reservation) -> str:
    """Return the unique key of the mail with the present code: by the alias, whose id is not given again."""
    sent_at = int(row.code_sent_at.timestamp()) if row.code_sent_at is not None else 0
    return f"{CODE}:{row.alias_id}:{sent_at}"


def code_of(row: Reservation, secret_key: str) -> str:
    """Return the present code, eight digits: made when its mail is rendered, stored nowhere."""
    key = derive_key(secret_key, "takeover code")
    return f"{int(keyed_hash(key, code_key(row), str(row.code_for_id)), 16) % 10**8:08d}"


def _own_reservation(person: Person, alias_id: int) -> Reservation:
    """Lock the reservation of an address that is kept for one of the person's identities."""
    row = locked_reservation(alias_id)
    if row.alias_id not in [alias.id for alias in kept_for(person)]:
        raise NotYours("no address that is kept for this person")
    return row


def _code_counts(row: Reservation, person: Person, now: datetime) -> bool:
    sent_at = row.code_sent_at
    in_time = sent_at is not None and timedelta() <= now - sent_at <= CODE_LASTS
    return in_time and row.code_for_id == person.id and row.code_tries < MAX_TRIES


def _first_recipient(alias: Alias) -> Recipient | None:
    rows = rows_of(alias)
    return rows[0].recipient if rows else None


def _proving(alias: Alias, person: Person) -> Recipient | None:
    """Return the recipient that is the person's proven sign-in address."""
    if not person.sign_in_email or not person.sign_in_email_proven:
        return None
    key = parse_address(person.sign_in_email).key
    return next((row.recipient for row in rows_of(alias) if row.recipient.address_key == key), None)


def _codes_today(recipient: Recipient, now: datetime) -> int:
    same = (Notice.kind == CODE) & (Notice.made_at > now - DAY)
    query = Notice.select().join(Recipient, on=Notice.recipient == Recipient.id)
    return int(query.where(same, Recipient.address_key == recipient.address_key).count())


def _hand_over(
    actor: Actor, row: Reservation, person: Person, proof: Proof, proving: Recipient | None, now: datetime
) -> Alias:
    """Make the alias the person's, with all its recipients. proving: the one that is proven by this."""
    alias = row.alias
    row.delete_instance()
    alias.person, alias.reserved_issuer, alias.reserved_subject = person, None, None
    alias.save()
    recipients = [each.recipient for each in rows_of(alias)]
    for recipient in recipients:
        _adopt(recipient, person, now if proving == recipient else None)
    mark_reachable(alias, now)
    ids = {"alias": alias.id, "person": person.id, "domain": alias.domain_id}
    values = {"alias": alias.text, "proof": proof, "recipients": [one.address for one in recipients]}
    record(actor, "alias-taken-over", ids, values, now)
    keep_up([person], now)
    for each in rows_of(alias):
        told = {"alias": alias.id, "recipient": each.recipient_id}
        tell_recipient(each.recipient, TAKEN_OVER, told, f"{TAKEN_OVER}:{alias.id}:{each.recipient_id}", now)
    return alias


def _adopt(recipient: Recipient, person: Person, proven_at: datetime | None) -> None:
    """Make an imported recipient the person's; one that they have already takes its place."""
    own = Recipient.get_or_none(Recipient.person == person, Recipient.address_key == recipient.address_key)
    if own is None:
        recipient.person, recipient.verified_at = person, proven_at
        recipient.save()
        return
    if own.verified_at is None:
        own.verified_at, own.imported_at = proven_at, recipient.imported_at
        if proven_at is not None:
            own.proof_nonce = None
        own.save()
    AliasRecipient.update(recipient=own).where(AliasRecipient.recipient == recipient).execute()
    recipient.delete_instance()
