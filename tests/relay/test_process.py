"""`python -m relay` as operators run it: real processes, environment variables, signals."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from core import audit, database, signing_keys
from mailauth import arc
from mailauth import message as reading
from mailauth.resolver import DnsResolver
from relay.fingerprint import Keys, keyed
from tests.relay.conftest import World
from tests.relay.fakes import Client, message
from tests.relay.rows import add_alias, add_rows

ROOT = Path(__file__).parents[2]


def environment(settings: Any, **more: str) -> dict[str, str]:
    """Return the environment of a relay with these settings."""
    names = (
        "secret_key record_secret public_url database_url srs_domain relay_hostname ops_address mail_from"
        " relay_socket"
    )
    values = {name.upper(): str(getattr(settings, name)) for name in names.split()}
    values |= {"SRS_SECRETS": settings.srs_secrets[0], "RELAY_LISTEN": "127.0.0.1:0", "LOG_LEVEL": "DEBUG"}
    values |= {"STATE_DIR": str(settings.relay_socket.parent), **more}
    return {**os.environ, "PYTHONPATH": str(ROOT), **values}


class Running:
    """A running `python -m relay` and what it logs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.port = 0

    def events(self, name: str) -> list[dict[str, Any]]:
        text, place, found = "".join(self.lines), 0, []
        while (place := text.find("{", place)) >= 0:
            entry, place = json.JSONDecoder().raw_decode(text, place)
            if entry.get("event") == name:
                found.append(entry)
        return found

    async def ready(self, processes: int) -> None:
        """Wait until so many processes listen."""
        loop = asyncio.get_running_loop()
        assert self.process.stderr is not None
        self._reading = loop.run_in_executor(None, self._read)
        while len(self.events("relay.listening")) < processes:
            assert self.process.poll() is None, self.lines
            await asyncio.sleep(0.02)
        self.port = int(self.events("relay.listening")[0]["addresses"][0].rpartition(":")[2])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; return the exit status."""
        self.process.send_signal(number)
        return await asyncio.get_running_loop().run_in_executor(None, self.process.wait, 20)


@asynccontextmanager
async def running(
    w: World, processes: int = 1, *, is_seeded: bool = False, **more: str
) -> AsyncIterator[Running]:
    if not is_seeded:
        seed(w)
    env = environment(
        w.settings,
        RESOLVER=w.resolver.address,
        DELIVERY_PORT=str(w.home.port),
        RELAY_PROCESSES=str(processes),
        **more,
    )
    relay = Running(start(env))
    process = relay.process
    try:
        await relay.ready(processes)
        yield relay
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def start(env: dict[str, str]) -> subprocess.Popen[str]:
    """Start `python -m relay`."""
    return subprocess.Popen(
        [sys.executable, "-m", "relay"], env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


def children_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the ids of a process's children."""
    command = ["pgrep", "-P", str(process.pid)]
    return [int(word) for word in subprocess.run(command, capture_output=True, check=True).stdout.split()]


def seed(w: World) -> None:
    """Make a database with `ada@proj.example`."""
    database.configure(w.settings.database_url)
    database.migrate()
    add_rows()


@pytest.fixture
def outside(settings):
    """The world without a relay in this process."""
    return lambda **limits: World(settings, **limits)


async def refused(relay: Running) -> None:
    """Wait until nobody listens any more."""
    for _ in range(100):
        try:
            client = await Client.connect(relay.port)
        except OSError:
            return
        client.close()
        await asyncio.sleep(0.05)
    raise AssertionError("they go on")


async def hello(relay: Running) -> Client:
    return await (await Client.connect(relay.port)).hello()


@pytest.mark.parametrize("processes", [1, 3])
async def test_it_takes_mail_and_ends_when_told(outside, processes):
    async with outside() as w, running(w, processes) as relay:
        for _ in range(6):
            client = await hello(relay)
            assert (await client.mail("ada@proj.example")).startswith("250")
            assert (await client.envelope("nobody@proj.example"))[0].startswith("550")
        assert len(w.home.taken) == 6
        assert await relay.end() == 0
        assert not w.settings.relay_socket.exists()


async def test_a_change_counts_at_once(outside):
    """An alias that is made while the relay runs takes mail at the next RCPT."""
    async with outside() as w, running(w) as relay:
        client = await hello(relay)
        assert (await client.envelope("eve@proj.example"))[0].startswith("550")
        add_alias("eve")
        assert (await client.say("RCPT TO:<eve@proj.example>")).startswith("250")


async def test_a_locked_database_is_451_and_soon(outside):
    """B58: never 550, never a long wait."""
    async with outside() as w, running(w) as relay:
        client = await hello(relay)
        await client.say("MAIL FROM:<bob@example.com>")
        rows = sqlite3.connect(w.settings.database_url.removeprefix("sqlite:///"), isolation_level=None)
        rows.execute("PRAGMA journal_mode = delete")
        rows.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert (await client.say("RCPT TO:<ada@proj.example>")).startswith("451 4.3.0")
        assert time.monotonic() - started < 3  # the driver's own patience is 5 s
        rows.execute("ROLLBACK")
        assert (await client.say("RCPT TO:<ada@proj.example>")).startswith("250")
        rows.close()


@pytest.mark.parametrize("processes", [1, 2])
async def test_on_sigterm_messages_on_their_way_are_finished(outside, processes):
    """No new connections; in DATA or on its way: finished; all others: 421."""
    async with outside() as w, running(w, processes) as relay:
        w.home.delay = 0.5
        on_its_way, in_data, idle = [await hello(relay) for _ in range(3)]
        for client in (on_its_way, in_data):
            await client.envelope("ada@proj.example")
            await client.say("DATA")
        on_its_way.send(message() + b".\r\n")
        await asyncio.sleep(0.2)
        ending = asyncio.ensure_future(relay.end())
        assert (await idle.reply()).startswith("421 4.3.2")
        assert await idle.end_of_file()
        await refused(relay)
        in_data.send(message() + b".\r\n")
        for client in (on_its_way, in_data):
            assert (await client.reply()).startswith("250")
            assert (await client.reply()).startswith("421 4.3.2")
            assert await client.end_of_file()
        assert await ending == 0
        assert len(w.home.taken) == 2


async def test_a_process_that_dies_is_started_again_and_mail_waits_in_its_queue(outside):
    async with outside() as w, running(w, 2) as relay:
        for child in children_of(relay.process):
            os.kill(child, signal.SIGKILL)
        assert (await (await hello(relay)).mail("ada@proj.example")).startswith("250")
        assert len(w.home.taken) == 1


async def test_the_children_end_with_their_parent(outside):
    async with outside() as w, running(w, 2) as relay:
        await relay.end(signal.SIGKILL)
        await refused(relay)


async def test_a_missing_setting_is_named(outside):
    async with outside() as w:
        env = environment(w.settings)
        del env["SRS_DOMAIN"]
        process = start(env)
        _, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == 78 and "SRS_DOMAIN" in errors


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RELAY_LISTEN", "192.0.2.1:25"),
        ("RELAY_TLS_CERTIFICATE", "/nowhere"),
        ("RELAY_SOCKET", "/" + "x" * 200),
    ],
)
async def test_what_cannot_be_used_is_named(outside, name, value):
    async with outside() as w:
        env = environment(w.settings, RELAY_TLS_KEY="/nowhere", RELAY_TLS_CERTIFICATE="/nowhere")
        if name != "RELAY_TLS_CERTIFICATE":
            del env["RELAY_TLS_KEY"], env["RELAY_TLS_CERTIFICATE"]
        process = start({**env, name: value})
        _, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == 78 and name in errors and "Traceback" not in errors


def test_keys_change_with_the_week():
    now = [0.0]
    keys = Keys(b"secret", clock=lambda: now[0])
    first = keys.present()
    now[0] = 7 * 86_400
    assert keys.present()[1] == first[0] and keys.present()[0] != first[0]


def test_parts_do_not_run_into_each_other():
    assert keyed(b"k", "ab", "c") != keyed(b"k", "a", "bc")
    assert re.fullmatch(rb"(?s).{16}", keyed(b"k", "x"))


async def test_it_seals_with_the_key_that_the_database_has(outside):
    async with outside() as w:
        seed(w)
        audit.use_secret(w.settings.record_secret)
        with database.connection():
            row = signing_keys.create_key(audit.OPERATOR, "proj.example", w.settings, database.utc_now())
            signing_keys.put_in_use(audit.OPERATOR, row, database.utc_now())
        w.resolver.records[f"{row.selector}._domainkey.proj.example", "TXT"] = [
            " ".join(f'"{row.record[start : start + 250]}"' for start in range(0, len(row.record), 250))
        ]
        async with running(w, 2, is_seeded=True) as relay:
            assert (await (await hello(relay)).mail("ada@proj.example")).startswith("250")
        arrived = w.home.taken[-1].content
        host, port = w.resolver.address.split(":")
        chain = await arc.validate(reading.parse(arrived), DnsResolver([host], int(port)), time.time())
        assert chain.status is arc.Status.PASS and chain.sets[0].domain == "proj.example"
