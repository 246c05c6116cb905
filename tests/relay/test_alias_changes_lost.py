"""The cache of the alias table when the connection that hears of changes is lost: nothing stale is left"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import structlog
from structlog.testing import capture_logs

from core import runtime
from core.alias_table import open_alias_table
from core.database import connection, migrate, utc_now
from core.routing import Fate, Hold, Switch
from relay import alias_changes, directory
from relay.directory import DirectoryUnavailable
from relay.process import Relay
from tests.relay.conftest import World, listen
from tests.relay.fakes import Client
from tests.relay.kept import ADA, EVA, HOME, NOW, PATIENCE, Kept, kept, of_ada, until
from tests.support.arrange import make_alias, make_domain, make_member
from tests.support.postgres import PostgresServer, find_binaries

LISTENING = "query LIKE 'LISTEN alias_table\\_%'"
PROVING = "query LIKE '%pg_notify%'"
LOOKING_UP = "query LIKE '%unreachable_since%'"


@pytest.fixture
def soon_lost(monkeypatch) -> None:
    """A listener that does not wait long for its own messages."""
    monkeypatch.setattr(alias_changes, "BEAT_EVERY", 0.02)
    monkeypatch.setattr(alias_changes, "STALE_AFTER", 0.4)


def backends(url: str, which: str) -> list[int]:
    """Return the process ids of the server that work for the listener or the lookups."""
    with psycopg.connect(url, autocommit=True) as other:
        query = f"""SELECT pid FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"""
        return [row[0] for row in other.execute(query.encode()).fetchall()]


async def backend(url: str, which: str) -> int:
    """Return the one process; those of the test before may need a moment to end."""
    await until(lambda: len(backends(url, which)) == 1)
    return backends(url, which)[0]


async def terminate(url: str, which: str) -> None:
    found = await backend(url, which)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (found,))


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Keep a process of the server from doing anything, as a network does that drops everything."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("which", [LISTENING, PROVING], ids=["listening", "proving"])
async def test_a_lost_connection_leaves_no_stale_answer(filled_url, which):
    async with kept(filled_url) as k:
        assert (await k.is_kept()).fate is Fate.DELIVER
        with capture_logs() as logs:
            await terminate(filled_url, which)
            await until(lambda: not k.cache.is_live)
            of_ada(hold=Hold.ADMIN)
            assert (await k.route()).fate is Fate.HELD  # the database itself was asked

            await k.live()
            assert (await k.is_kept()).fate is Fate.HELD
            of_ada(hold=Hold.NONE)
            await k.becomes(lambda route: route.fate is Fate.DELIVER)
        states = [entry["state"] for entry in logs if entry["event"] == "relay.alias_cache"]
        assert states == ["gone", "back"]


async def test_a_change_just_when_the_connection_is_lost_counts(filled_url):
    async with kept(filled_url) as k:
        for number in range(10):
            before = await k.is_kept()
            await terminate(filled_url, LISTENING)
            of_ada(hold=Hold.ADMIN if number % 2 == 0 else Hold.NONE)
            await k.becomes(lambda route, before=before: route.fate is not before.fate)
            await k.live()


@pytest.mark.parametrize("which", [LISTENING, PROVING], ids=["listening", "proving"])
async def test_a_server_that_says_nothing_any_more_is_noticed(filled_url, soon_lost, which):
    """One connection stays open and silent; what is asked for anew still gets its answer."""
    async with kept(filled_url) as k:
        assert (await k.is_kept()).fate is Fate.DELIVER
        with stopped(await backend(filled_url, which)):
            of_ada(hold=Hold.ADMIN)
            await until(lambda: not k.cache.is_live)
            assert (await k.route()).fate is Fate.HELD
            await k.live()  # by a new connection
            assert (await k.is_kept()).fate is Fate.HELD


async def test_lookups_that_a_server_does_not_answer_are_unsure(filled_url, soon_lost, monkeypatch):
    monkeypatch.setattr(directory, "_PATIENCE", 0.3)
    async with kept(filled_url) as k:
        await k.route()
        k.cache.forget()
        with stopped(await backend(filled_url, LOOKING_UP)), pytest.raises(DirectoryUnavailable):
            await asyncio.wait_for(k.route(EVA), PATIENCE)


async def test_messages_that_do_not_come_from_others_are_no_proof(filled_url, soon_lost, monkeypatch):
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
    made = Kept(filled_url)
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


async def test_an_answer_from_before_it_listened_is_not_kept(filled_url):
    k = Kept(filled_url)
    assert (await k.route()).fate is Fate.DELIVER
    of_ada(hold=Hold.ADMIN)
    k.listener.start()
    await k.live()
    assert (await k.route()).fate is Fate.HELD
    await k.listener.stop()


async def test_a_database_that_is_away_at_the_start_is_found_later(filled_url, monkeypatch):
    monkeypatch.setattr(alias_changes, "_RETRY_MOST", 0.1)
    k = Kept("postgresql://waypost@127.0.0.1:1/waypost", lambda: open_alias_table(filled_url))
    with capture_logs() as logs:
        k.listener.start()
        await until(lambda: logs)
        assert (await k.route()).fate is Fate.DELIVER
        k.listener._url = filled_url
        await k.live()
        await k.listener.stop()
    assert [entry["state"] for entry in logs] == ["gone", "back"]


async def test_a_stopped_listener_leaves_no_connection(filled_url):
    async with kept(filled_url):
        assert backends(filled_url, LISTENING)
    await until(lambda: not backends(filled_url, f"({LISTENING} OR {PROVING})"))


# -- the whole relay -----------------------------------------------------------------------------------------


async def test_a_running_relay_hears_of_a_change(filled_url, settings):
    async with World(settings) as w:
        relay = Relay(
            settings.model_copy(
                update={
                    "database_url": filled_url,
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
    await until(lambda: not backends(filled_url, LISTENING))
