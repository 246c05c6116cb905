"""The cache of the alias table on a real PostgreSQL: changes count, nothing stale outlives a connection"""

import asyncio
import inspect
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
import structlog
from structlog.testing import capture_logs

from core import runtime
from core.addresses import Address
from core.alias_table import open_alias_table
from core.audit import OPERATOR
from core.database import connection, migrate, utc_now
from core.models import Alias, AliasOwner, AliasRecipient, Domain, Identity, Recipient, RoleGrant
from core.people import ban
from core.roles import Role
from core.routing import AliasTable, Fate, Hold, Order, Route, Switch
from relay import alias_changes, directory
from relay.alias_cache import AliasCache
from relay.alias_changes import ChangeListener
from relay.directory import Directory, DirectoryUnavailable
from relay.process import Relay
from tests.relay.conftest import World, listen
from tests.relay.fakes import Client
from tests.support.arrange import make_admin, make_alias, make_domain, make_member, make_recipient
from tests.support.postgres import PostgresServer, find_binaries

ADA, EVA = Address("ada", "proj.example"), Address("eva", "proj.example")
HOME, WORK = "ada@home.example.net", "ada@work.example.net"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 30.0  # seconds; only what hangs takes them

LISTENING = "query LIKE 'LISTEN alias_table\\_%'"
PROVING = "query LIKE '%pg_notify%' AND query NOT LIKE '%pg_stat_activity%'"
LOOKING_UP = "query LIKE '%unreachable_since%'"


class Counting:
    """The alias table of the database, which counts what it is asked for."""

    def __init__(self, url: str) -> None:
        self._table = open_alias_table(url)
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> object:
        self.asked.append(name)
        return getattr(self._table, name)


class Kept:
    """A directory with its cache, its listener, and the tables that its threads have opened."""

    def __init__(self, url: str, make_table: Callable[[], AliasTable] | None = None) -> None:
        self.tables: list[Counting] = []
        self.cache = AliasCache()
        self.listener = ChangeListener(url, self.cache)
        make_table = make_table or (lambda: self.tables.append(Counting(url)) or self.tables[-1])
        self.directory = Directory(make_table, "ops@ops.example", threads=2, cache=self.cache)

    @property
    def asked(self) -> int:
        """How often the database was asked."""
        return sum(len(table.asked) for table in self.tables)

    async def route(self, address: Address = ADA) -> Route:
        return await self.directory.route(address)

    async def live(self) -> "Kept":
        await until(lambda: self.cache.is_live)
        return self

    async def is_kept(self, address: Address = ADA) -> Route:
        """Return a route that the cache answers."""
        await self.route(address)
        asked = self.asked
        route = await self.route(address)
        assert self.asked == asked
        return route

    async def becomes(self, expected: Callable[[Route], object], address: Address = ADA) -> None:
        """Wait until the route is as expected."""

        async def is_so() -> object:
            return expected(await self.route(address))

        await until(is_so)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a function, or a coroutine function, says yes."""
    async with asyncio.timeout(PATIENCE):
        while True:
            said = condition()
            if await said if inspect.isawaitable(said) else said:
                return
            await asyncio.sleep(0.002)


@asynccontextmanager
async def kept(url: str, make_table: Callable[[], AliasTable] | None = None) -> AsyncIterator[Kept]:
    """A directory whose cache answers."""
    made = Kept(url, make_table)
    made.listener.start()
    try:
        yield await made.live()
    finally:
        await made.listener.stop()


@pytest.fixture
def url(postgres_url, settings) -> Iterator[str]:
    """A database with `ada@proj.example`, whose changes are made on a connection of the test's own."""
    runtime.prepare(settings.model_copy(update={"database_url": postgres_url}))
    with connection():
        ada = make_member(NOW)
        make_alias(ada, make_domain(NOW), NOW, recipients=[ada.recipients.get()])
        yield postgres_url
    structlog.reset_defaults()


@pytest.fixture
def soon_lost(monkeypatch) -> None:
    """A listener that does not wait long for its own messages."""
    monkeypatch.setattr(alias_changes, "BEAT_EVERY", 0.02)
    monkeypatch.setattr(alias_changes, "STALE_AFTER", 0.4)


def ada() -> Alias:
    return Alias.get(Alias.local_part == "ada")


def of_ada(**change: object) -> None:
    Alias.update(change).where(Alias.local_part == "ada").execute()


def second_recipient(*, proven: bool = True) -> Recipient:
    recipient = make_recipient(ada().person, NOW, WORK, proven=proven)
    AliasRecipient.create(alias=ada(), recipient=recipient, position=1)
    return recipient


# -- every change counts --------------------------------------------------------------------------------


async def test_an_answer_is_kept(url):
    async with kept(url) as k:
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
async def test_a_change_counts(url, change):
    prepare, fate, recipients = CHANGES[change]
    make_change = prepare()
    async with kept(url) as k:
        before = await k.is_kept()
        assert (before.fate, before.recipients) != (fate, recipients)
        make_change()
        await k.becomes(lambda route: (route.fate, route.recipients) == (fate, recipients))
        assert (await k.is_kept()).fate is fate


async def test_an_owners_choice_of_order_counts(url):
    async with kept(url) as k:
        assert (await k.is_kept()).order is Order.ALL
        of_ada(delivery_order=Order.FIRST)
        await k.becomes(lambda route: route.order is Order.FIRST)


async def test_a_name_that_nobody_had_counts_as_soon_as_somebody_has_it(url):
    async with kept(url) as k:
        assert (await k.is_kept(EVA)).fate is Fate.UNKNOWN_ADDRESS
        make_alias(ada().person, Domain.get(), NOW, "eva", recipients=[Recipient.get()])
        await k.becomes(lambda route: route.recipients == (HOME,), EVA)


async def test_a_domain_that_becomes_ours_counts(url):
    async with kept(url) as k:
        assert not await k.directory.serves("other.example")
        asked = k.asked
        assert not await k.directory.serves("other.example")
        assert k.asked == asked
        make_domain(NOW, "other.example")
        await until(lambda: k.directory.serves("other.example"))


async def test_admins_count_as_they_come_and_go(url):
    postmaster = Address("postmaster", "proj.example")
    async with kept(url) as k:
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


async def test_a_change_of_very_many_rows_counts(url):
    names = [Address(f"name{number}", "proj.example") for number in range(300)]
    for name in names:
        make_alias(ada().person, Domain.get(), NOW, name.local_part, recipients=[Recipient.get()])
    async with kept(url) as k:
        for name in names:
            await k.is_kept(name)
        Alias.update(hold=Hold.LAUNCHPAD).execute()
        for name in names:
            await k.becomes(lambda route: route.fate is Fate.HELD, name)


async def test_a_grace_that_ends_needs_no_message(url, monkeypatch):
    """What a fact means depends on the moment, so facts are kept and no routes."""
    end = datetime(2026, 6, 1, tzinfo=UTC)
    of_ada(entitlement="grace", grace_until=end)
    moment = [datetime(2026, 5, 31, tzinfo=UTC), end]
    async with kept(url) as k:
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


async def test_a_lookup_from_before_a_message_leaves_nothing_behind(url):
    """It has read the old row, the change is made and heard, and only then its answer comes."""
    tables: list[Held] = []
    async with kept(url, lambda: tables.append(Held(url)) or tables[-1]) as k:
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


async def test_two_changes_that_do_not_see_each_other_both_count(url):
    """A recipient is verified in one transaction, and comes to an alias in another one meanwhile."""
    recipient = make_recipient(ada().person, NOW, WORK, proven=False)
    async with kept(url) as k:
        with psycopg.connect(url) as other:
            other.execute("UPDATE recipient SET verified_at = 1 WHERE id = %s", (recipient.id,))
            version = k.cache.version
            AliasRecipient.create(alias=ada(), recipient=recipient, position=1)
            await until(lambda: k.cache.version > version)
            assert (await k.is_kept()).recipients == (HOME,)
            assert len(k.cache.find("proj.example", "ada").recipients) == 2
        await k.becomes(lambda route: route.recipients == (HOME, WORK))


# -- the connection is lost ---------------------------------------------------------------------------------


def backends(url: str, which: str) -> list[int]:
    """Return the process ids of the server that work for the listener or the lookups."""
    with psycopg.connect(url, autocommit=True) as other:
        query = f"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND {which}"
        return [row[0] for row in other.execute(query.encode()).fetchall()]


def terminate(url: str, which: str) -> None:
    (found,) = backends(url, which)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (found,))


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Keep processes of the server from doing anything, as a network does that drops everything."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("which", [LISTENING, PROVING])
async def test_a_lost_connection_leaves_no_stale_answer(url, which):
    async with kept(url) as k:
        assert (await k.is_kept()).fate is Fate.DELIVER
        with capture_logs() as logs:
            terminate(url, which)
            await until(lambda: not k.cache.is_live)
            of_ada(hold=Hold.ADMIN)
            assert (await k.route()).fate is Fate.HELD  # the database itself was asked

            await k.live()
            assert (await k.is_kept()).fate is Fate.HELD
            of_ada(hold=Hold.NONE)
            await k.becomes(lambda route: route.fate is Fate.DELIVER)
        states = [entry["state"] for entry in logs if entry["event"] == "relay.alias_cache"]
        assert states == ["gone", "back"]


async def test_a_change_just_when_the_connection_is_lost_counts(url):
    async with kept(url) as k:
        for number in range(10):
            before = await k.is_kept()
            terminate(url, LISTENING)
            of_ada(hold=Hold.ADMIN if number % 2 == 0 else Hold.NONE)
            await k.becomes(lambda route, before=before: route.fate is not before.fate)
            await k.live()


async def test_a_server_that_says_nothing_any_more_is_noticed(url, soon_lost):
    """The listening connection stays open and silent; what is asked for anew still gets its answer."""
    async with kept(url) as k:
        assert (await k.is_kept()).fate is Fate.DELIVER
        with stopped(backends(url, LISTENING)):
            of_ada(hold=Hold.ADMIN)
            await until(lambda: not k.cache.is_live)
            assert (await k.route()).fate is Fate.HELD
            await k.live()  # by a new connection
            assert (await k.is_kept()).fate is Fate.HELD


async def test_lookups_that_a_server_does_not_answer_are_unsure(url, soon_lost, monkeypatch):
    monkeypatch.setattr(directory, "_PATIENCE", 0.3)
    async with kept(url) as k:
        await k.route()
        k.cache.forget()
        with stopped(backends(url, LOOKING_UP)), pytest.raises(DirectoryUnavailable):
            await k.route(EVA)


async def test_messages_that_do_not_come_from_others_are_no_proof(url, soon_lost, monkeypatch):
    """As behind a pooler that gives the listening session to somebody else."""
    real = psycopg.AsyncConnection.execute

    async def without_listen(self, query, *more):
        return await real(self, b"SELECT 1" if query.startswith(b"LISTEN") else query, *more)

    monkeypatch.setattr(
        psycopg.AsyncConnection,
        "execute",
        lambda self, query, *more: without_listen(
            self, query.encode() if isinstance(query, str) else query, *more
        ),
    )
    made = Kept(url)
    made.listener.start()
    for hold in (Hold.ADMIN, Hold.NONE) * 5:
        of_ada(hold=hold)
        assert (await made.route()).fate is (Fate.HELD if hold is Hold.ADMIN else Fate.DELIVER)
        await asyncio.sleep(0.1)
        assert not made.cache.is_live
    await made.listener.stop()


async def test_a_server_that_stops_and_starts(settings):
    """While it is away nothing is known: never "no such address"; then everything is as before."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian package `postgresql`), so nothing was tried on it")
    server = PostgresServer(binaries)
    server.start()
    try:
        url = server.create("restarted")
        runtime.prepare(settings.model_copy(update={"database_url": url}))
        migrate()
        with connection():
            member = make_member(NOW)
            make_alias(member, make_domain(NOW), NOW, recipients=[member.recipients.get()])
        async with kept(url) as k:
            assert (await k.is_kept()).fate is Fate.DELIVER
            assert (await k.is_kept(EVA)).fate is Fate.UNKNOWN_ADDRESS
            server.halt()
            await until(lambda: not k.cache.is_live)
            for address in (ADA, EVA, ADA):
                with pytest.raises(DirectoryUnavailable):
                    await k.route(address)
            server.resume()
            assert (await k.route()).fate is Fate.DELIVER
            await k.live()
            with connection():
                of_ada(hold=Hold.ADMIN)
            await k.becomes(lambda route: route.fate is Fate.HELD)
    finally:
        server.stop()
        structlog.reset_defaults()


async def test_a_database_that_is_away_at_the_start_is_found_later(url, monkeypatch):
    monkeypatch.setattr(alias_changes, "_RETRY_MOST", 0.1)
    k = Kept("postgresql://waypost@127.0.0.1:1/waypost", lambda: open_alias_table(url))
    with capture_logs() as logs:
        k.listener.start()
        await until(lambda: logs)
        assert (await k.route()).fate is Fate.DELIVER
        k.listener._url = url
        await k.live()
        await k.listener.stop()
    assert [entry["state"] for entry in logs] == ["gone", "back"]


async def test_a_stopped_listener_leaves_no_connection(url):
    async with kept(url):
        assert backends(url, LISTENING)
    await until(lambda: not backends(url, f"({LISTENING} OR {PROVING})"))


# -- the whole relay -----------------------------------------------------------------------------------------


async def test_a_running_relay_hears_of_a_change(url, settings):
    async with World(settings) as w:
        relay = Relay(
            settings.model_copy(
                update={
                    "database_url": url,
                    "resolver": w.resolver.address,
                    "delivery_port": w.home.port,
                    "mail_authentication": "off",
                }
            ),
            w.limits,
            sink=w.counts.extend,
            marks=w.marks,
        )
        inbound, own = listen(settings)
        await relay.start([inbound], own)
        try:
            await until(lambda: relay._aliases.is_live)
            client = await (await Client.connect(inbound.getsockname()[1])).hello()
            assert (await client.mail("ada@proj.example")).startswith("250")
            assert [taken.recipient for taken in w.home.taken] == [HOME]

            of_ada(switch=Switch.OFF_REFUSED, switched_at=utc_now())
            async with asyncio.timeout(PATIENCE):
                while not (await client.envelope("ada@proj.example"))[0].startswith("550 5.2.1"):
                    assert (await client.say("RSET")).startswith("250")
        finally:
            await relay.stop()
    assert backends(url, LISTENING) == []
