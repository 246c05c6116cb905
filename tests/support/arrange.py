"""Puts rows into the database for a test to begin with. Each call is one write of its own."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from core.audit import OPERATOR
from core.database import write
from core.directories import Account, AccountReading
from core.domains import add_domain, mark_verified
from core.facts import Answer
from core.models import Alias, AliasRecipient, Domain, Identity, Person, Recipient, Reservation, Waiver
from core.reservations import NameState
from core.roles import Role, grant
from core.standing import store_account_facts, store_memberships
from core.sync import PersonReading

ISSUER = "https://login.ubuntu.com/"
TEAM = "proj-members"
DOMAIN = "proj.example"


def claimed_id(name: str) -> str:
    """Return an OpenID claimed id that is easy to tell apart."""
    return f"https://login.ubuntu.com/+id/{name.title()}7x"


def make_domain(now: datetime, name: str = DOMAIN, teams: Iterable[str] = (TEAM,), **rules: bool) -> Domain:
    """Add a verified domain."""
    domain = add_domain(OPERATOR, name, teams, now, **rules)
    mark_verified(OPERATOR, domain, now)
    return domain


def make_person(
    now: datetime, name: str | None = "ada", *, subject: str | None = None, created: str = "2009-03-01"
) -> Person:
    """Make somebody who has signed in and of whom no facts are known. name: at Launchpad."""
    with write():
        person = Person.create(
            launchpad_name=name,
            account_created=f"{created}T10:00:00.123456+00:00" if name else None,
            display_name=(name or "nobody").title(),
            created_at=now,
        )
        subject = subject or claimed_id(name or f"nobody{person.id}")
        Identity.create(issuer=ISSUER, subject=subject, person=person, added_at=now)
    return person


def entitle(person: Person, now: datetime, *teams: str) -> Person:
    """Have the directory say yes to everything: account, Code of Conduct, teams."""
    with write():
        store_account_facts(person, {"valid": Answer.YES, "coc_signed": Answer.YES}, now)
        store_memberships(person, dict.fromkeys(teams or (TEAM,), Answer.YES), now)
        person.asked_at = now
        person.save()
    return person


def make_recipient(
    person: Person | None, now: datetime, address: str = "ada@home.example.net", *, proven: bool = True
) -> Recipient:
    """Give a person a recipient, proven or not; imported when there is no person."""
    with write():
        return Recipient.create(
            person=person,
            address=address,
            address_key=address.lower(),
            verified_at=now if proven and person is not None else None,
            imported_at=now if person is None else None,
            added_at=now,
        )


def make_member(now: datetime, name: str = "ada", **fields: str) -> Person:
    """Make an entitled person with one proven recipient, NAME@home.example.net."""
    person = entitle(make_person(now, name, **fields), now)
    make_recipient(person, now, f"{name}@home.example.net")
    return person


def make_alias(
    person: Person | None,
    domain: Domain,
    now: datetime,
    local_part: str = "ada",
    *,
    recipients: Iterable[Recipient] = (),
    **fields: object,
) -> Alias:
    """Write an alias as it is, whatever the rules say."""
    with write():
        values = {"switched_at": now, "created_at": now} | fields
        alias = Alias.create(domain=domain, local_part=local_part, person=person, **values)
        for position, recipient in enumerate(recipients):
            AliasRecipient.create(alias=alias, recipient=recipient, position=position)
    return alias


def make_kept(
    domain: Domain, now: datetime, local_part: str, name: str, *addresses: str, found: bool = True
) -> Alias:
    """Keep an address for whoever has this Launchpad name; by default the name is looked up already.

    addresses: where its mail goes, NAME@old.example.net if there are none.
    """
    targets = addresses or (f"{name}@old.example.net",)
    recipients = [make_recipient(None, now, address) for address in targets]
    who = {"reserved_issuer": ISSUER, "reserved_subject": claimed_id(name)} if found else {}
    alias = make_alias(None, domain, now, local_part, recipients=recipients, **who)
    with write():
        Reservation.create(
            alias=alias,
            launchpad_name=name,
            listed_at=now,
            imported_at=now,
            state=NameState.FOUND if found else NameState.ASKING,
        )
    return alias


def make_admin(now: datetime, name: str, role: Role, domain: Domain | None = None) -> Person:
    """Make an admin with one proven recipient, NAME@admins.example.net."""
    person = make_person(now, name)
    make_recipient(person, now, f"{name}@admins.example.net")
    grant(OPERATOR, ISSUER, claimed_id(name), role, domain, now)
    return person


def make_waiver(
    person: Person, domain: Domain, now: datetime, kind: str = "domain", **fields: object
) -> Waiver:
    """Write a waiver as it is, whatever the rules say."""
    values = {"reason": "I maintain its web site.", "asked_at": now} | fields
    with write():
        return Waiver.create(person=person, domain=domain, kind=kind, **values)


def account(
    name: str = "ada",
    created: str = "2009-03-01T10:00:00.123456+00:00",
    *,
    valid: Answer = Answer.YES,
    coc_signed: Answer = Answer.YES,
    suspended: Answer = Answer.NO,
    display_name: str = "",
) -> Account:
    """Return an account as a directory reads it."""
    return Account(name, created, display_name or name.title(), valid, coc_signed, suspended)


def reading(of: Account | None, *teams: str) -> PersonReading:
    """Return what a directory clearly said of one identity: its account with its teams, or none."""
    if of is None:
        return PersonReading(AccountReading(Answer.NO))
    return PersonReading(AccountReading(Answer.YES, of), frozenset(teams))


UNKNOWN = PersonReading(AccountReading(Answer.UNKNOWN, why="status 503"))
"""What a directory that is down says of anybody."""


def later(moment: datetime, **units: float) -> datetime:
    """Return a moment `later(now, hours=6)`."""
    return moment + timedelta(**units)
