"""In step with the directory: ask about a person or a team, then write down what it said.

Asking is network work and writes nothing; writing is one short transaction.
"""

import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import chunked

from core.database import connection, write
from core.directories import Account, AccountReading, Deadline, Directory, MembersReading
from core.facts import Answer
from core.models import Identity, Membership, Person, TeamReading
from core.ownership import lock_person
from core.standing import mapped_teams, store_account_facts, store_memberships

LOST_SHARE = 0.10
LOST_AT_LEAST = 3
LET_OTHERS_IN = 0.05
"""Seconds between two chunks: SQLite's waiting writers look every 100 ms, and would starve."""
CHUNK = 50
"""People written down in one transaction, so that nobody waits long for the lock."""


@dataclass(frozen=True)
class PersonReading:
    """What the directory said of one identity: its account and the account's teams."""

    account: AccountReading
    teams: frozenset[str] | None = None
    """None when unknown, and when there is no account."""

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
    return PersonReading(reading, directory.teams_of(reading.account.name, deadline).teams)


def store_reading(person: Person, reading: PersonReading, now: datetime) -> None:
    """Write down what the directory said of a person. In a transaction; unknown changes nothing."""
    account = reading.account.account
    if account is not None:
        person.launchpad_name, person.account_created = account.name, account.created
        person.display_name = clean_name(account.display_name)
        store_account_facts(person, {"valid": account.valid, "coc_signed": account.coc_signed}, now)
        if reading.teams is not None:
            answers = {t: Answer.YES if t in reading.teams else Answer.NO for t in mapped_teams()}
            store_memberships(person, answers, now)
    elif reading.account.answer is Answer.NO:
        facts = {"valid": Answer.NO, "coc_signed": Answer.NO}
        store_account_facts(person, facts if person.launchpad_name else {}, now)
    if reading.complete:
        person.asked_at = now
    person.save()


def sync_person(directory: Directory, person_id: int, deadline: Deadline, now: datetime) -> bool:
    """Ask about one person and write the answer down.

    Returns whether everything was clearly answered. A person with several identities is asked about
    by the one that was added last.
    """
    with connection():
        query = Identity.select(Identity, Person).join(Person).where(Identity.person == person_id)
        identity = query.order_by(Identity.id.desc()).first()
    if identity is None:
        return True  # erased meanwhile
    person = identity.person
    email = person.sign_in_email if person.sign_in_email_proven else None
    reading = ask_about(directory, identity.subject, deadline, issuer=identity.issuer, email=email)
    with connection(), write():
        if Person.select().where(Person.id == person_id).exists():
            store_reading(lock_person(person_id), reading, now)
    return reading.complete


def sync_team(directory: Directory, team: str, deadline: Deadline, now: datetime) -> list[int]:
    """Read one team; each member it clearly names gets a *yes*.

    A participant's entry speaks for a person only when name and `date_created` are equal. Returns
    the ids of the people who counted as members and are not in the list: each must be asked about
    by identity (`sync_person`), for a missing name alone is no *no*. A held reading returns none.
    """
    reading = directory.members(team, deadline)
    with connection():
        with write():
            held_because = _store_team_reading(team, reading, now)
        if reading.members is None or held_because:
            return []
        return _store_members(team, reading.members, now)


def _store_team_reading(team: str, reading: MembersReading, now: datetime) -> str | None:
    """Keep the reading, two at the most; return why it is held, or None."""
    rows = list(TeamReading.select().where(TeamReading.team == team).order_by(TeamReading.id.desc()))
    if reading.members is None:
        return f"unreadable: {reading.why}"
    accepted = next((row for row in rows if row.held_because is None), None)
    names = {account.name for account in reading.members}
    held_because = _brake(set(json.loads(accepted.names)) if accepted else set(), names)
    TeamReading.create(
        team=team, read_at=now, count=len(names), names=json.dumps(sorted(names)), held_because=held_because
    )
    for row in rows:
        if row is not accepted if held_because else row is not rows[0]:
            row.delete_instance()
    return held_because


def _brake(before: set[str], after: set[str]) -> str | None:
    """Say why a reading must wait for an admin: it is empty, or too many are gone at once."""
    if not after:
        return "empty"
    lost = len(before - after)
    if lost >= LOST_AT_LEAST and lost > LOST_SHARE * len(before):
        return f"{lost} of {len(before)} members are gone"
    return None


def _store_members(team: str, members: tuple[Account, ...], now: datetime) -> list[int]:
    """Give each member that is one of our people a *yes*, in many short transactions."""
    by_account = {(account.name, account.created): account for account in members}
    columns = (Person.id, Person.launchpad_name, Person.account_created)
    query = Person.select(*columns).where(Person.launchpad_name.is_null(False)).order_by(Person.id)
    people: Any = query.tuples()
    found = {row[0]: by_account[row[1:]] for row in people if row[1:] in by_account}
    for some in chunked(found.items(), CHUNK):
        with write():
            for person_id, account in some:
                _store_member(lock_person(person_id), team, account, now)
        time.sleep(LET_OTHERS_IN)
    listed = found.keys()
    held = Membership.select(Membership.person).where(Membership.team == team, Membership.holds == True)  # noqa: E712 -- SQL
    return sorted({row.person_id for row in held} - listed)


def _store_member(person: Person, team: str, account: Account, now: datetime) -> None:
    if (person.launchpad_name, person.account_created) == (account.name, account.created):  # still
        store_account_facts(person, {"valid": account.valid, "coc_signed": account.coc_signed}, now)
        store_memberships(person, {team: Answer.YES}, now)


def clean_name(text: str) -> str:
    """Make a display name fit to show: no control or bidirectional marks, 200 characters at most."""
    kept = "".join(char if char.isprintable() else " " for char in text if char not in _BIDI)
    return " ".join(kept.split())[:200]


_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
