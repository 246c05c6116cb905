"""The weeks that `bench.sync_chaos` lives twice: who is there, what happens to them, and how time passes."""

from collections.abc import Callable
from datetime import timedelta

from core import database
from core.database import UtcDateTimeField, utc_now
from core.models import (
    TABLES,
    Alias,
    AliasRecipient,
    AuditEntry,
    Domain,
    DomainTeam,
    Identity,
    Person,
    Recipient,
)
from devtools.world import World

PEOPLE, CLAIMANTS, TEAMS = 90, 6, 3


def nothing(_: World) -> None:
    """A quiet day."""


def much_happens(world: World) -> None:
    """People leave, are renamed, suspended, deactivated; signatures go; a name is taken."""
    for number in (1, 2, 3):
        world.leave(f"person{number:06d}", "team0")
    for number in (10, 11, 12):
        world.rename(f"person{number:06d}", f"renamed{number}")
    world.suspend("person000020")
    world.deactivate("person000021")
    world.update("person000022", coc_signed=False)
    world.take_name("person000030", moved_to="moved30")


def some_come_back(world: World) -> None:
    """One of those who left joins again, one suspension ends."""
    world.join("person000001", "team0")
    world.reactivate("person000020")


WEEKS: list[tuple[Callable[[World], None], timedelta]] = [
    (nothing, timedelta(0)),
    (much_happens, timedelta(hours=2)),
    (nothing, timedelta(hours=7)),
    (some_come_back, timedelta(days=20)),
    (nothing, timedelta(days=60)),
    (nothing, timedelta(days=15)),
]


def settle_people(world: World) -> None:
    """Make people who have signed in, each but the last few with an address."""
    now = utc_now()
    with database.connection(), database.write():
        for number in range(TEAMS):
            fields = {"verification_token": "t", "verified_at": now, "added_at": now}
            domain = Domain.create(name=f"domain{number}.example", automatic=number == 2, **fields)
            DomainTeam.create(domain=domain, team=f"team{number}")
        for number, account in enumerate(world.accounts()):
            person = Person.create(
                launchpad_name=account.name, account_created=account.date_created.isoformat(), created_at=now
            )
            subject = f"https://login.ubuntu.com/+id/{account.suffixes[0]}"
            Identity.create(issuer="x", subject=subject, person=person, added_at=now)
            fields = {"address": account.email, "address_key": account.email, "verified_at": now}
            recipient = Recipient.create(person=person, added_at=now, **fields)
            if number < PEOPLE - CLAIMANTS:
                moments = {"switched_at": now, "created_at": now}
                alias = Alias.create(domain=1, local_part=account.name, person=person, **moments)
                AliasRecipient.create(alias=alias, recipient=recipient, position=0)


def age(by: timedelta) -> None:
    """Move every stored moment into the past, but those of the record, which is a chain."""
    seconds = int(by.total_seconds())

    with database.connection(), database.write():
        for table in TABLES:
            moments = [one for one in table._meta.sorted_fields if isinstance(one, UtcDateTimeField)]
            names = [one.column_name for one in moments if table is not AuditEntry]
            if names:
                sets = ", ".join(f"{name} = {name} - {seconds}" for name in names)
                database.database.execute_sql(f'UPDATE "{table._meta.table_name}" SET {sets}')
