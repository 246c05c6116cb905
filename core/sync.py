"""In step with the directory: ask about people one by one, and write down what it said of them.

Asking is network work and writes nothing; writing is one short transaction. Whole teams are read by
`core.team_sync`.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from peewee import OperationalError, chunked

from core.database import connection, write
from core.directories import Account, AccountReading, Deadline, Directory, TeamsReading
from core.facts import NOT, SECOND_NO, SECOND_NO_AFTER, Answer
from core.joining import (
    is_banned,
    join_all,
    lock_all_with,
    people_with,
    perhaps_the_same,
)
from core.models import AccountFact, Alias, AliasOwner, Identity, Membership, Person
from core.prepared import Prepared
from core.problems import report
from core.provisioning import provide
from core.routing import Switch
from core.standing import mapped_teams, store_account_facts, store_memberships
from core.upkeep import keep_up

AT_ONCE = 16
"""People who are asked about at the same time; the directory has a limit of its own."""
ASK_AGAIN_AFTER = timedelta(hours=20)
"""Owners of addresses of whom nothing was heard for so long are asked about: once a day."""

log = structlog.get_logger()


@dataclass(frozen=True)
class PersonReading:
    """What the directory said of one identity: its account and the account's teams."""

    account: AccountReading
    teams: frozenset[str] | None = None
    """None when unknown, and when there is no account."""
    teams_why: str = ""

    @property
    def why(self) -> str:
        """What went wrong, for the log; empty when nothing did. Holds no personal data."""
        return self.account.why or self.teams_why

    @property
    def complete(self) -> bool:
        """Whether everything that was asked was clearly answered."""
        if self.account.account is None:
            return self.account.answer is Answer.NO
        return self.teams is not None or self.account.account.valid is Answer.NO


def ask_about(
    directory: Directory, subject: str, deadline: Deadline, *, issuer: str = "", email: str | None = None
) -> PersonReading:
    """Ask the directory about one identity (as `Directory.resolve`), all within the deadline."""
    reading = directory.resolve(subject, deadline, issuer=issuer, email=email)
    if reading.account is None:
        return PersonReading(reading)
    teams = directory.teams_of(reading.account.name, deadline)
    account = replace(reading.account, suspended=_suspended(reading.account.suspended, teams))
    return PersonReading(replace(reading, account=account), teams.teams, teams.why)


def _suspended(status: Answer, teams: TeamsReading) -> Answer:
    """Put together what the account says and whether its teams were refused; against each other, nothing."""
    if status is Answer.UNKNOWN or teams.suspended is Answer.UNKNOWN:
        return teams.suspended if status is Answer.UNKNOWN else status
    return status if status is teams.suspended else Answer.UNKNOWN


def store_reading(person: Person, reading: PersonReading, now: datetime) -> None:
    """Write down what the directory said of a person, and what follows for their aliases.

    In a transaction that has locked the person; unknown changes nothing.
    """
    account = reading.account.account
    if account is not None:
        person.launchpad_name, person.account_created = account.name, account.created
        person.display_name = clean_name(account.display_name)
        not_suspended = NOT[account.suspended]
        facts = {"valid": account.valid, "coc_signed": account.coc_signed, "not_suspended": not_suspended}
        store_account_facts(person, facts, now)
        if reading.teams is not None:
            answers = {t: Answer.YES if t in reading.teams else Answer.NO for t in mapped_teams()}
            store_memberships(person, answers, now)
    elif reading.account.answer is Answer.NO:
        facts = {"valid": Answer.NO, "coc_signed": Answer.NO}
        store_account_facts(person, facts if person.launchpad_name else {}, now)
    if reading.complete:
        person.asked_at = now
    person.save()
    keep_up([person], now)


def sync_person(directory: Directory, person_id: int, deadline: Deadline, now: datetime) -> bool:
    """Ask about one person and write the answer down.

    Returns whether everything was clearly answered. A person with several identities is asked about
    by the one that was added last; the next one counts when that has clearly no account any more.
    """
    reading = _ask_about_person(directory, person_id, deadline)
    if reading is None:
        return True  # erased meanwhile
    account = reading.account.account
    with connection():
        is_new = next(_WITHOUT_ACCOUNT(person=person_id), None) is not None
    if is_new and account is not None and not ask_about_earlier_names(directory, account, deadline, now):
        return False
    with connection(), write():
        person = next((one for one in lock_all_with(account, person_id) if one.id == person_id), None)
        if person is None:
            return True
        is_new = person.launchpad_name is None and person.banned_at is None
        if account is not None and is_new and not people_with(account) and is_banned(account):
            report(
                "sync-person",
                f"person {person.id}",
                "a banned person's account, by another name",
                now,
                person,
            )
            return True  # without an account nothing can be claimed; the next sign-in is refused
        if account is not None:
            person = _perhaps_joined(person, account, now)
        store_reading(person, reading, now)
        provide([person], now)
        if not reading.complete:
            _report_unclear(person, reading, now)
    return reading.complete


def ask_about_earlier_names(
    directory: Directory, account: Account, deadline: Deadline, now: datetime
) -> bool:
    """Make sure that the account of somebody new is not one that is known here by an earlier name.

    Otherwise a ban could be evaded by a rename and a second identity. Asks about everyone whose
    account was born at the same moment: that is nobody, as a rule. Returns whether all was answered.
    """
    with connection():
        person_ids = perhaps_the_same(account)
    return all(sync_person(directory, person_id, deadline, now) for person_id in person_ids)


def _perhaps_joined(person: Person, account: Account, now: datetime) -> Person:
    """Go on with a sign-in that Launchpad left unanswered: join the person who has the account already.

    Two who were known before are joined at their next sign-in, unless one of them is banned.
    """
    is_new = person.launchpad_name is None
    if is_new or any(one.banned_at for one in [person, *people_with(account)]):
        return join_all(account, person, now)
    return person


def _report_unclear(person: Person, reading: PersonReading, now: datetime) -> None:
    report("sync-person", f"person {person.id}", reading.why, now, person)
    about = {"person": person.id, "launchpad_name": person.launchpad_name}
    log.warning("launchpad unclear", tried="sync-person", **about, why=reading.why)


_IDENTITIES = Prepared(
    lambda value: (
        Identity.select(Identity, Person)
        .join(Person)
        .where(Identity.person == value("person"))
        .order_by(Identity.id.desc())
    )
)
_WITHOUT_ACCOUNT = Prepared(
    lambda value: Person.select(Person.id).where(
        Person.id == value("person"), Person.launchpad_name.is_null()
    )
)


def _ask_about_person(directory: Directory, person_id: int, deadline: Deadline) -> PersonReading | None:
    """Ask about a person's identities until one of them says more than that there is no account."""
    with connection():
        identities = list(_IDENTITIES(person=person_id))
    reading = None
    for identity in identities:
        person = identity.person
        email = person.sign_in_email if person.sign_in_email_proven else None
        reading = ask_about(directory, identity.subject, deadline, issuer=identity.issuer, email=email)
        if reading.account.answer is not Answer.NO:
            break
    return reading


def sync_people(
    directory: Directory, person_ids: Iterable[int], deadline: Deadline, now: datetime
) -> list[int]:
    """Ask about many people, several at a time; return those of whom something stayed unclear."""
    person_ids = list(person_ids)
    logged_with = structlog.contextvars.get_contextvars()
    with connection():
        names = launchpad_names(person_ids)

    def ask(person_id: int) -> int | None:
        about = {"person": person_id, "launchpad_name": names.get(person_id)}
        structlog.contextvars.bind_contextvars(**logged_with | about)
        try:
            with connection():
                return None if sync_person(directory, person_id, deadline, now) else person_id
        except OperationalError as error:  # the database was busy for too long
            log.warning("database busy", tried="sync-person", **about, error=type(error).__name__)
            return person_id

    # SQLite checkpoints whenever its last connection is closed: this one stays open meanwhile
    with connection(), ThreadPoolExecutor(AT_ONCE) as pool:
        return [person_id for person_id in pool.map(ask, person_ids) if person_id is not None]


def launchpad_names(person_ids: Iterable[int]) -> dict[int, str | None]:
    """Return some people's names at Launchpad, for the log; read before the database can be gone."""
    names: dict[int, str | None] = {}
    for some in chunked(person_ids, 1000):
        query: Any = Person.select(Person.id, Person.launchpad_name).where(Person.id.in_(some))
        names |= dict(query.tuples())
    return names


def people_to_ask(now: datetime) -> list[int]:
    """Return the owners of addresses, and the banned, who must be asked about one by one.

    In doubt, and the second word may come now; or not heard of for most of a day, as those are who
    are in no team that is read.
    """
    suspension = AccountFact.fact == "not_suspended"
    first_no = AccountFact.first_no_at
    due = (~suspension & (first_no <= now - SECOND_NO_AFTER)) | (
        suspension & (first_no <= now - SECOND_NO["not_suspended"])
    )
    heard_of = (AccountFact.fact == "valid") & (AccountFact.read_at > now - ASK_AGAIN_AFTER)
    owned = Alias.person.is_null(False) & (Alias.switch != Switch.GIVEN_UP)
    concerned = _ids(Alias.select(Alias.person).where(owned).distinct()) | _ids(
        Person.select(Person.id).where(Person.banned_at.is_null(False))
    )
    concerned |= _ids(AliasOwner.select(AliasOwner.person).distinct())
    doubted = _ids(AccountFact.select(AccountFact.person).where(AccountFact.held_at.is_null(), due)) | _ids(
        Membership.select(Membership.person).where(Membership.first_no_at <= now - SECOND_NO_AFTER)
    )
    heard = _ids(AccountFact.select(AccountFact.person).where(heard_of))
    return sorted((concerned & doubted) | (concerned - heard))


def _ids(query: Any) -> set[int]:
    return {person_id for (person_id,) in query.tuples()}


def clean_name(text: str) -> str:
    """Make a display name fit to show: no control or bidirectional marks, 200 characters at most."""
    kept = "".join(char if char.isprintable() else " " for char in text if char not in _BIDI)
    return " ".join(kept.split())[:200]


_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
