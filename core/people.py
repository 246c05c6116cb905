"""People: who signed in, which identities are theirs, and bans."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from peewee import IntegrityError

from core.addresses import AddressError, parse_address
from core.audit import Actor, record
from core.database import lock_for_all, write
from core.directories import Account
from core.domains import is_ours
from core.facts import Answer
from core.joining import NEWCOMERS, is_banned, join_all, lock_all_with, people_with
from core.models import Identity, Person, Recipient
from core.notices import NAME_TAKEN_OVER, tell_ops, tell_person
from core.ownership import NotYours, lock_person
from core.provisioning import provide
from core.sessions import end_all_sessions, open_session
from core.sync import PersonReading, clean_name, store_reading
from core.translation import N_, ToldError, languages
from core.upkeep import keep_up

Change = Callable[[Actor, Person, datetime], None]
"""What an admin does to a person: `ban` or `unban`."""


CLOSED = N_("An admin of this project has closed this account.")


class SignInRefused(ToldError):
    """This identity may not come in; the message is for the person."""


@dataclass(frozen=True)
class SignIn:
    """What a provider proved, and what it hinted at (signed hints only)."""

    issuer: str
    subject: str
    email: str | None = None
    email_proven: bool = False
    display_name: str = ""
    language: str | None = None
    authenticated_at: datetime | None = None
    """When the person last gave the password, as far as the provider says."""
    asked_anew: bool = False
    """Whether the provider was asked to have the person sign in anew (`core.fresh`)."""


def sign_in(arrival: SignIn, reading: PersonReading, now: datetime) -> tuple[Person, str]:
    """Let an identity in: find or make its person, write down what the directory said.

    arrival: proven by the provider. reading: what the directory said within the sign-in's budget,
    after `core.sync.ask_about_earlier_names`; it may be unknown, the person comes in all the same.
    Returns the person and a fresh session's token. Raises SignInRefused for the banned and the
    suspended.
    """
    account = reading.account.account
    if account is not None and account.suspended is Answer.YES:
        _note_suspension(arrival, reading, now)
        raise SignInRefused(N_("Your Launchpad account is suspended."))
    try:
        return _sign_in(arrival, reading, now)
    except (IntegrityError, NotYours):  # the same identity came in, or was erased, in another tab just now
        return _sign_in(arrival, reading, now)


def _note_suspension(arrival: SignIn, reading: PersonReading, now: datetime) -> None:
    """Write down of somebody known that they are suspended: said twice, it holds their addresses."""
    with write():
        identity = _identity_of(arrival)
        if identity is not None:
            store_reading(lock_person(identity.person_id), reading, now)


def _sign_in(arrival: SignIn, reading: PersonReading, now: datetime) -> tuple[Person, str]:
    account = reading.account.account
    with write():
        identity = _identity_of(arrival)
        lock_all_with(account, identity.person_id if identity is not None else None)
        is_new = identity is None or identity.person.launchpad_name is None
        if account is not None and is_new and is_banned(account):
            raise SignInRefused(CLOSED)
        person = _person_of(arrival, account, now)
        if account is not None:
            person = join_all(account, person, now)
        if person.banned_at is None:
            return person, _open(person, arrival, reading, now)
        keep_up([person], now)  # what was joined to a banned person is held with theirs
    raise SignInRefused(CLOSED)


def _open(person: Person, arrival: SignIn, reading: PersonReading, now: datetime) -> str:
    account = reading.account.account
    if account is not None and account.name != person.launchpad_name:
        _flag_taken_name(person, account.name, now)
    _take_hints(person, arrival)
    store_reading(person, reading, now)
    _first_recipient(person, now)
    provide([person], now)
    return open_session(person, now, arrival.authenticated_at, asked_anew=arrival.asked_anew)


def _identity_of(arrival: SignIn) -> Identity | None:
    return Identity.get_or_none(Identity.issuer == arrival.issuer, Identity.subject == arrival.subject)


def _person_of(arrival: SignIn, account: Account | None, now: datetime) -> Person:
    """Find the person by identity only; a new identity of a known account joins its person."""
    identity = _identity_of(arrival)
    if identity is not None:
        return lock_person(identity.person_id)
    lock_for_all(NEWCOMERS)
    known = people_with(account)[:1] if account is not None else []
    person = (
        lock_person(known[0].id)
        if known
        else Person.create(display_name=clean_name(arrival.display_name), created_at=now)
    )
    identity = Identity.create(issuer=arrival.issuer, subject=arrival.subject, person=person, added_at=now)
    actor = Actor.person(person.id)
    values = {"issuer": arrival.issuer, "subject": arrival.subject}
    if known:
        record(actor, "identity-joined", {"person": person.id}, values, now)
        tell_person(person, "identity-joined", {"person": person.id}, f"joined:{identity.id}", now)
    else:
        record(actor, "person-signed-in-first", {"person": person.id}, values, now)
    return person


def _flag_taken_name(person: Person, name: str, now: datetime) -> None:
    """Tell ops when somebody comes with a Launchpad name that is another person's here."""
    other = Person.get_or_none(Person.launchpad_name == name, Person.id != person.id)
    if other:
        ids = {"person": other.id, "newcomer": person.id}
        tell_ops(NAME_TAKEN_OVER, person, ids, f"{NAME_TAKEN_OVER}:{other.id}:{person.id}", now)


def _take_hints(person: Person, arrival: SignIn) -> None:
    """Keep the sign-in address and the language when the provider gave them this time."""
    if arrival.email:
        try:
            person.sign_in_email = parse_address(arrival.email).text
            person.sign_in_email_proven = arrival.email_proven
        except AddressError:
            pass  # a hint that is no address is no hint
    if arrival.language in languages() and not person.language_chosen:
        person.language = arrival.language


def _first_recipient(person: Person, now: datetime) -> None:
    """Make a proven sign-in address outside our domains the person's first recipient, once."""
    if not person.sign_in_email or not person.sign_in_email_proven:
        return
    address = parse_address(person.sign_in_email)
    if is_ours(address.domain) or Recipient.select().where(Recipient.person == person).exists():
        return
    recipient = Recipient.create(
        person=person, address=address.text, address_key=address.key, verified_at=now, added_at=now
    )
    subjects = {"person": person.id, "recipient": recipient.id}
    record(Actor.person(person.id), "recipient-proven-at-sign-in", subjects, {"address": address.text}, now)


def ban(actor: Actor, person: Person, now: datetime) -> None:
    """Ban a person: holds all their aliases and ends all their sessions. Does nothing twice."""
    with write():
        person = lock_person(person.id)
        if person.banned_at is not None:
            return
        person.banned_at = now
        person.save()
        end_all_sessions(person)
        record(actor, "person-banned", {"person": person.id}, {"name": person.launchpad_name}, now)
        keep_up([person], now, actor)


def unban(actor: Actor, person: Person, now: datetime) -> None:
    """Lift a ban and the holds that came with it; a suspension by Launchpad stays. Does nothing twice."""
    with write():
        person = lock_person(person.id)
        if person.banned_at is None:
            return
        person.banned_at = None
        person.save()
        record(actor, "person-unbanned", {"person": person.id}, {"name": person.launchpad_name}, now)
        keep_up([person], now, actor)
