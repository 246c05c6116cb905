"""Recipients: add one, prove it by a link in a mail, put them in order."""

import re
import secrets
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from enum import StrEnum

from core.addresses import AddressError, parse_address
from core.alias_recipients import (
    aliases_with,
    arrange,
    attach,
    is_deliverable,
    mark_reachable,
    put_in_place,
    rows_of,
    take_place,
    tell_changed,
    tell_removed,
)
from core.audit import Actor, record
from core.database import write
from core.domains import is_ours
from core.models import Alias, AliasRecipient, Notice, Person, Recipient, by_id
from core.notices import tell_recipient
from core.ownership import NotYours, lock_person, own_alias, recipients_of
from core.secrets import derive_key, equal, keyed_hash
from core.translation import N_, ToldError

MAX_RECIPIENTS = 5
PROOF_LASTS = timedelta(hours=72)
RESEND_AFTER = timedelta(minutes=1)
DAY = timedelta(days=1)
PROOFS_A_DAY = 20
PROOF = "verify-recipient"
CHANGED = ("recipients-changed", "recipient-removed")
CHANGE_MAILS_A_DAY = 60
"""Of these kinds a person's recipients together get at most about so many."""


class RecipientProblem(ToldError):
    """The address cannot be a recipient; the message says why, for the person who typed it."""


class ProofProblem(StrEnum):
    """Why a verification link proves nothing."""

    BROKEN = "broken"
    EXPIRED = "expired"
    OTHER_PERSON = "other-person"
    USED = "used"


class ProofRefused(Exception):
    """The verification link was refused; nothing was changed."""

    def __init__(self, problem: ProofProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


def recipient_for(person: Person, text: str, now: datetime) -> Recipient:
    """Find or make a person's recipient from what they typed; a new one gets a verification mail.

    In a transaction. Raises RecipientProblem when it is no address or one of our own.
    """
    try:
        address = parse_address(text)
    except AddressError as error:
        raise RecipientProblem(error.text, **error.values) from None
    if is_ours(address.domain):
        raise RecipientProblem(N_("This is an address of the project itself. Mail would run in a circle."))
    known = Recipient.get_or_none(Recipient.person == person, Recipient.address_key == address.key)
    if known is not None:
        return known
    recipient = Recipient.create(person=person, address=address.text, address_key=address.key, added_at=now)
    ask_for_proof(recipient, now)
    return recipient


def suggested_recipient(person: Person, ours: Collection[str]) -> str:
    """Return the sign-in address when it can be a recipient, else an empty text. ours: our domains."""
    if not person.sign_in_email or parse_address(person.sign_in_email).domain in ours:
        return ""
    return str(person.sign_in_email)


def ask_for_proof(recipient: Recipient, now: datetime) -> None:
    """Put a verification mail into the outbox; earlier links stop working. In a transaction.

    Raises RecipientProblem when the person has had too many sent today: they go to strangers, too.
    """
    today = (Notice.kind == PROOF) & (Notice.person == recipient.person_id) & (Notice.made_at > now - DAY)
    if Notice.select().where(today).count() >= PROOFS_A_DAY:
        raise RecipientProblem(N_("Too many verification mails were sent for you today. Try again tomorrow."))
    recipient.proof_nonce = secrets.token_hex(16)
    recipient.proof_sent_at, recipient.proof_refused = now, None
    recipient.save()
    key = f"proof:{recipient.id}:{recipient.proof_nonce}"
    tell_recipient(recipient, PROOF, {"recipient": recipient.id}, key, now)


def add_recipient(person_id: int, alias_id: int, text: str, now: datetime) -> Recipient:
    """Add a recipient to one's own alias.

    text: the address as typed. Raises RecipientProblem for one that cannot be added and NotYours
    when the alias is not the person's.
    """
    with write():
        person = lock_person(person_id)
        alias = own_alias(person, alias_id)
        _limit_changes(person, now)
        recipient = recipient_for(person, text, now)
        rows = rows_of(alias)
        if recipient.id in [row.recipient_id for row in rows]:
            raise RecipientProblem(N_("Mail for this address goes there already."))
        if len([row for row in rows if row.replaces is None]) >= MAX_RECIPIENTS:
            text = N_("An address has at most %(most)s recipients. Take one out first.")
            raise RecipientProblem(text, most=MAX_RECIPIENTS)
        attach(alias, recipient)
        mark_reachable(alias, now)
        subjects = {"alias": alias.id, "recipient": recipient.id, "person": person.id}
        record(Actor.person(person.id), "recipient-added", subjects, {"address": recipient.address}, now)
        if is_deliverable(recipient, alias):
            tell_changed([alias], now)
        return recipient


def replace_recipient(
    person_id: int, alias_id: int, old_id: int, text: str, now: datetime, *, everywhere: bool
) -> Recipient:
    """Let another address take a recipient's place: at once when it is proven, else as soon as it is.

    text: the new address as typed. everywhere: on every alias of the person that uses the old one, not
    on this one alone. Returns the new recipient. Raises RecipientProblem for one that cannot be it, and
    NotYours when the alias is not the person's or the old one is not a recipient of it.
    """
    with write():
        person = lock_person(person_id)
        alias = own_alias(person, alias_id)
        old = _recipient_of(alias, old_id)
        _limit_changes(person, now)
        new = recipient_for(person, text, now)
        if new == old:
            raise RecipientProblem(N_("This is the mailbox that it is now."))
        aliases = aliases_with(old, person) if everywhere else [alias]
        for each in aliases:
            put_in_place(Actor.person(person.id), each, old, new, now)
        if is_deliverable(new, alias):
            tell_changed(aliases, now)
        return new


def remove_recipient(person_id: int, alias_id: int, recipient_id: int, now: datetime) -> None:
    """Take a recipient out of an alias; does nothing when it is out already.

    Raises RecipientProblem after too many changes, and NotYours when the alias or the recipient is not
    the person's.
    """
    with write():
        person = lock_person(person_id)
        alias = own_alias(person, alias_id)
        recipient = _recipient_of(alias, recipient_id, person)
        _limit_changes(person, now)
        was_there = _reorder(person, alias, lambda before: [i for i in before if i != recipient_id], now)
        if was_there and is_deliverable(recipient, alias):
            tell_removed(alias, recipient, now)
            tell_changed([alias], now)


def move(person_id: int, alias_id: int, recipient_id: int, by: int, now: datetime) -> None:
    """Move a recipient so many places down, up when negative; one at the end or gone stays as it is.

    Raises NotYours when the alias or the recipient is not the person's.
    """

    with write():
        person = lock_person(person_id)
        alias = own_alias(person, alias_id)
        _recipient_of(alias, recipient_id, person)
        waiting = {row.recipient_id: row.replaces for row in rows_of(alias) if row.replaces is not None}

        def moved(before: list[int]) -> list[int]:
            """Those that wait for another's place have none of their own: they follow it."""
            places = [i for i in before if i not in waiting]
            if recipient_id not in places:
                return before
            to = max(places.index(recipient_id) + by, 0)
            rest = [i for i in places if i != recipient_id]
            places = [*rest[:to], recipient_id, *rest[to:]]
            return [i for place in places for i in (place, *[w for w in waiting if waiting[w] == place])]

        _reorder(person, alias, moved, now)


def _recipient_of(alias: Alias, recipient_id: int, person: Person | None = None) -> Recipient:
    """Return a recipient that the alias has, or with `person` one of that person's; else raise NotYours."""
    recipient = by_id(Recipient, recipient_id)
    if recipient is None:
        raise NotYours("no such recipient")
    if person is not None and recipient.person_id == person.id:
        return recipient  # type: ignore[no-any-return]
    if recipient not in recipients_of(alias):
        raise NotYours("no such recipient of this alias")
    return recipient  # type: ignore[no-any-return]


def _limit_changes(person: Person, now: datetime) -> None:
    """Each change writes to the working recipients, so there is an end to it."""
    today = Notice.kind.in_(CHANGED) & (Notice.person == person) & (Notice.made_at > now - DAY)
    if Notice.select().where(today).count() >= CHANGE_MAILS_A_DAY:
        raise RecipientProblem(N_("Your mailboxes were changed too often today. Try again tomorrow."))


def _reorder(person: Person, alias: Alias, change: Callable[[list[int]], list[int]], now: datetime) -> bool:
    """Change the order inside the transaction, so that two tabs do not undo each other; say if it changed."""
    known = {row.recipient_id: row.recipient for row in rows_of(alias)}
    before = list(known)
    after = change(before)
    if after == before:
        return False
    arrange(alias, after, now)
    values = {
        "alias": alias.text,
        "before": [known[i].address for i in before],
        "after": [known[i].address for i in after],
    }
    record(Actor.person(person.id), "recipients-set", {"alias": alias.id, "person": person.id}, values, now)
    return True


def resend_proof(person_id: int, recipient_id: int, now: datetime) -> Recipient:
    """Send the verification mail again, once a minute at most.

    Raises RecipientProblem when it is too early and NotYours when the recipient is not theirs.
    """
    with write():
        lock_person(person_id)
        recipient = by_id(Recipient, recipient_id)
        if recipient is None or recipient.person_id != person_id or recipient.verified_at is not None:
            raise NotYours("no such recipient to prove")
        if recipient.proof_sent_at is not None and now - recipient.proof_sent_at < RESEND_AFTER:
            if recipient.proof_refused is not None:
                raise RecipientProblem(N_("A mail was refused there just now. Try again in a minute."))
            raise RecipientProblem(N_("A mail was sent less than a minute ago. Look at the junk folder too."))
        ask_for_proof(recipient, now)
        return recipient  # type: ignore[no-any-return]


def proof_expires(recipient: Recipient) -> datetime:
    """When the links of the last verification mail stop working."""
    asked_at: datetime = recipient.proof_sent_at or recipient.added_at
    return asked_at + PROOF_LASTS


def proof_token(recipient: Recipient, secret_key: str) -> str:
    """Make the token of a verification link, when the mail is rendered: the same at each try."""
    expires = int(proof_expires(recipient).timestamp())
    mac = _proof_mac(recipient.id, recipient.proof_nonce or "", expires, secret_key)
    return f"{recipient.id}.{expires}.{mac}"


def check_proof(token: str, person_id: int, secret_key: str, now: datetime) -> Recipient:
    """Return the recipient that a link is for, without proving anything yet.

    Raises ProofRefused: broken, expired, used, or asked for by another person.
    """
    found = re.fullmatch(r"([0-9]{1,10})\.([0-9]{1,12})\.([0-9a-f]{32})", token)
    if found is None:
        raise ProofRefused(ProofProblem.BROKEN)
    number, expires, mac = found.groups()
    recipient = by_id(Recipient, int(number))
    if recipient is None:
        raise ProofRefused(ProofProblem.BROKEN)
    if recipient.person_id == person_id and recipient.proof_nonce is None:
        raise ProofRefused(ProofProblem.USED)
    nonce = recipient.proof_nonce or ""
    if not nonce or not equal(mac, _proof_mac(recipient.id, nonce, int(expires), secret_key)):
        raise ProofRefused(ProofProblem.BROKEN)  # also for another person's: nobody can count recipients
    if recipient.person_id != person_id:
        raise ProofRefused(ProofProblem.OTHER_PERSON)
    if now.timestamp() > int(expires):
        raise ProofRefused(ProofProblem.EXPIRED)
    return recipient  # type: ignore[no-any-return]


def verify_recipient(token: str, person_id: int, secret_key: str, now: datetime) -> Recipient:
    """Prove a recipient by its link, once; mail flows from this moment. Raises ProofRefused."""
    with write():
        lock_person(person_id)
        recipient = check_proof(token, person_id, secret_key, now)
        recipient.verified_at, recipient.proof_nonce = now, None
        recipient.save()
        actor, values = Actor.person(person_id), {"address": recipient.address}
        record(actor, "recipient-proven", {"recipient": recipient.id}, values, now)
        rows = list(AliasRecipient.select().where(AliasRecipient.recipient == recipient))
        for row in rows:
            if row.replaces is not None:
                take_place(actor, row, now)
            mark_reachable(row.alias, now)
        tell_changed([row.alias for row in rows], now, but=recipient)
        return recipient


def _proof_mac(recipient_id: int, nonce: str, expires: int, secret_key: str) -> str:
    key = derive_key(secret_key, "recipient proof")
    return keyed_hash(key, str(recipient_id), nonce, str(expires))[:32]
