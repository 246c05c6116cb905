"""The cache of the alias table on a real PostgreSQL: every change counts"""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest

from core.addresses import Address
from core.audit import OPERATOR
from core.models import Alias, AliasOwner, AliasRecipient, Domain, Identity, Recipient, RoleGrant
from core.people import ban
from core.roles import Role
from core.routing import Fate, Hold, Order, Switch
from relay import directory
from tests.relay.kept import EVA, HOME, NOW, PATIENCE, WORK, Counting, ada, kept, of_ada, until
from tests.support.arrange import make_admin, make_alias, make_domain, make_member, make_recipient


def second_recipient(*, proven: bool = True) -> Recipient:
    recipient = make_recipient(ada().person, NOW, WORK, proven=proven)
    AliasRecipient.create(alias=ada(), recipient=recipient, position=1)
    return recipient


# -- every change counts --------------------------------------------------------------------------------


async def test_an_answer_is_kept(filled_url):
    async with kept(filled_url) as k:
        route = await k.is_kept()
        assert (route.fate, route.recipients) == (Fate.DELIVER, (HOME,))
        assert (await k.is_kept(EVA)).fate is Fate.UNKNOWN_ADDRESS
        assert (await k.is_kept(Address("eva", "other.example"))).fate is Fate.UNKNOWN_DOMAIN
        assert (await k.is_kept(Address("ada+list", "proj.example"))).recipients == (HOME,)


def work_is_verified() -> Callable[[], object]:
    recipient = second_recipient(proven=False)
    return lambda: Recipient.update(verified_at=NOW).where(Recipient.id == recipient.id).execute()


def home_is_failing() -> Callable[[], object]:
    second_recipient()
    return lambda: Recipient.update(failing_since=NOW).where(Recipient.address == HOME).execute()


def an_alias_gets_another_owner() -> Callable[[], object]:
    eva = make_member(NOW, "eva")
    return lambda: of_ada(person=eva)


def a_role_gets_an_owner() -> Callable[[], object]:
    owner = ada().person
    of_ada(person=None)
    return lambda: AliasOwner.create(alias=ada(), person=owner)


def a_role_loses_an_owner() -> Callable[[], object]:
    a_role_gets_an_owner()()
    return lambda: AliasOwner.delete().execute()


CHANGES: dict[str, tuple[Callable[[], Callable[[], object]], Fate, tuple[str, ...]]] = {
    "a recipient is added": (lambda: second_recipient, Fate.DELIVER, (HOME, WORK)),
    "a recipient is removed": (
        lambda: (
            second_recipient()
            and (lambda: AliasRecipient.delete().where(AliasRecipient.position == 1).execute())
        ),
        Fate.DELIVER,
        (HOME,),
    ),
    "a recipient is verified": (work_is_verified, Fate.DELIVER, (HOME, WORK)),
    "a recipient is failing": (home_is_failing, Fate.DELIVER, (WORK, HOME)),
    "a recipient is written anew": (
        lambda: lambda: Recipient.update(address="Ada@Home.example.net").execute(),
        Fate.DELIVER,
        ("Ada@Home.example.net",),
    ),
    "a recipient is deleted": (lambda: lambda: Recipient.delete().execute(), Fate.NO_RECIPIENT_YET, ()),
    "an alias is switched off": (
        lambda: lambda: of_ada(switch=Switch.OFF_REFUSED),
        Fate.OFF_REFUSED,
        (),
    ),
    "an alias is held": (lambda: lambda: of_ada(hold=Hold.ADMIN), Fate.HELD, ()),
    "an alias is renamed": (lambda: lambda: of_ada(local_part="eva"), Fate.UNKNOWN_ADDRESS, ()),
    "an alias is deleted": (lambda: lambda: ada().delete_instance(), Fate.UNKNOWN_ADDRESS, ()),
    "an owner is banned": (lambda: lambda: ban(OPERATOR, ada().person, NOW), Fate.HELD, ()),
    "an alias gets another owner": (an_alias_gets_another_owner, Fate.NO_RECIPIENT_YET, ()),
    "a role gets an owner": (a_role_gets_an_owner, Fate.DELIVER, (HOME,)),
    "a role loses an owner": (a_role_loses_an_owner, Fate.NO_RECIPIENT_YET, ()),
    "a domain is removed": (
        lambda: lambda: Domain.update(removed_at=NOW).execute(),
        Fate.UNKNOWN_DOMAIN,
        (),
    ),
    "a domain is no longer verified": (
        lambda: lambda: Domain.update(verified_at=None).execute(),
        Fate.UNKNOWN_DOMAIN,
        (),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_counts(filled_url, change):
    prepare, fate, recipients = CHANGES[change]
    make_change = prepare()
    async with kept(filled_url) as k:
        before = await k.is_kept()
        assert (before.fate, before.recipients) != (fate, recipients)
        make_change()
        await k.becomes(lambda route: (route.fate, route.recipients) == (fate, recipients))
        assert (await k.is_kept()).fate is fate


async def test_an_owners_choice_of_order_counts(filled_url):
    async with kept(filled_url) as k:
        assert (await k.is_kept()).order is Order.ALL
        of_ada(delivery_order=Order.FIRST)
        await k.becomes(lambda route: route.order is Order.FIRST)


async def test_a_name_that_nobody_had_counts_as_soon_as_somebody_has_it(filled_url):
    async with kept(filled_url) as k:
        assert (await k.is_kept(EVA)).fate is Fate.UNKNOWN_ADDRESS
        make_alias(ada().person, Domain.get(), NOW, "eva", recipients=[Recipient.get()])
        await k.becomes(lambda route: route.recipients == (HOME,), EVA)


async def test_a_domain_that_becomes_ours_counts(filled_url):
    async with kept(filled_url) as k:
        assert not await k.directory.serves("other.example")
        asked = k.asked
        assert not await k.directory.serves("other.example")
        assert k.asked == asked
        make_domain(NOW, "other.example")
        await until(lambda: k.directory.serves("other.example"))


async def test_admins_count_as_they_come_and_go(filled_url):
    postmaster = Address("postmaster", "proj.example")
    async with kept(filled_url) as k:
        assert (await k.is_kept(postmaster)).recipients == ("ops@ops.example",)

        kaia = make_admin(NOW, "kaia", Role.DOMAIN_ADMIN, Domain.get())
        await k.becomes(lambda route: route.recipients == ("kaia@admins.example.net",), postmaster)
        assert (await k.is_kept(postmaster)).recipients == ("kaia@admins.example.net",)

        Recipient.update(address="kaia@new.example.net").where(Recipient.person == kaia).execute()
        await k.becomes(lambda route: route.recipients == ("kaia@new.example.net",), postmaster)

        lars = make_member(NOW, "lars")
        Identity.update(person=lars).where(Identity.person == kaia).execute()
        await k.becomes(lambda route: route.recipients == ("lars@home.example.net",), postmaster)

        ban(OPERATOR, lars, NOW)
        await k.becomes(lambda route: route.recipients == ("ops@ops.example",), postmaster)

        make_admin(NOW, "mina", Role.PROJECT_ADMIN)
        await k.becomes(lambda route: route.recipients == ("mina@admins.example.net",), postmaster)
        RoleGrant.delete().execute()
        await k.becomes(lambda route: route.recipients == ("ops@ops.example",), postmaster)


async def test_a_change_of_very_many_rows_counts(filled_url):
    names = [Address(f"name{number}", "proj.example") for number in range(300)]
    for name in names:
        make_alias(ada().person, Domain.get(), NOW, name.local_part, recipients=[Recipient.get()])
    async with kept(filled_url) as k:
        for name in names:
            await k.is_kept(name)
        Alias.update(hold=Hold.LAUNCHPAD).execute()
        for name in names:
            await k.becomes(lambda route: route.fate is Fate.HELD, name)


async def test_a_grace_that_ends_needs_no_message(filled_url, monkeypatch):
    """What a fact means depends on the moment, so facts are kept and no routes."""
    end = datetime(2026, 6, 1, tzinfo=UTC)
    of_ada(entitlement="grace", grace_until=end)
    moment = [datetime(2026, 5, 31, tzinfo=UTC), end]
    async with kept(filled_url) as k:
        monkeypatch.setattr(directory, "utc_now", lambda: moment[0])
        assert (await k.is_kept()).fate is Fate.DELIVER
        asked = k.asked
        moment.pop(0)
        assert (await k.route()).fate is Fate.ENDED
        assert k.asked == asked


# -- races ----------------------------------------------------------------------------------------------


class Held(Counting):
    """A table whose next answer is held back after it was read, until the test lets it go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.is_read, self.goes_on = threading.Event(), threading.Event()
        self.holds = False

    def find(self, domain: str, local_part: str) -> object:
        found = self._table.find(domain, local_part)
        if self.holds:
            self.holds = False
            self.is_read.set()
            assert self.goes_on.wait(PATIENCE)
        return found


async def test_a_lookup_from_before_a_message_leaves_nothing_behind(filled_url):
    """It has read the old row, the change is made and heard, and only then its answer comes."""
    tables: list[Held] = []
    async with kept(filled_url, lambda: tables.append(Held(filled_url)) or tables[-1]) as k:
        await k.route()
        before = k.cache.version
        make_alias(ada().person, Domain.get(), NOW, "eva", recipients=[Recipient.get()])
        await until(lambda: k.cache.version == before + 2)  # the alias, and what it has
        for table in tables:
            table.holds = True
        lookup = asyncio.create_task(k.route(EVA))
        await until(lambda: any(table.is_read.is_set() for table in tables))
        version = k.cache.version
        Alias.update(hold=Hold.ADMIN).where(Alias.local_part == "eva").execute()
        await until(lambda: k.cache.version > version)
        for table in tables:
            table.holds = False
            table.goes_on.set()

        assert (await lookup).fate is Fate.DELIVER  # as it was when it was read
        assert (await k.route(EVA)).fate is Fate.HELD


async def test_two_changes_that_do_not_see_each_other_both_count(filled_url):
    """A recipient is verified in one transaction, and comes to an alias in another one meanwhile."""
    recipient = make_recipient(ada().person, NOW, WORK, proven=False)
    async with kept(filled_url) as k:
        with psycopg.connect(filled_url) as other:
            other.execute("UPDATE recipient SET verified_at = 1 WHERE id = %s", (recipient.id,))
            version = k.cache.version
            AliasRecipient.create(alias=ada(), recipient=recipient, position=1)
            await until(lambda: k.cache.version > version)
            assert (await k.is_kept()).recipients == (HOME,)
            assert len(k.cache.find("proj.example", "ada").recipients) == 2
        await k.becomes(lambda route: route.recipients == (HOME, WORK))
