"""Nothing left behind (invariant 2): no content, no sender, no who-wrote-to-whom, on any disk or in any log.

500 messages, each with marks of its own in sender, recipient, subject and body, go through success,
refusal, failure, faults and SIGKILL. Then every place that a process of ours can write to is
searched. First a mark is planted in each place, to prove that it would be found.
"""

import asyncio
import base64
import os
import random
import shutil
import signal
import smtplib
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from core.database import connection, write
from core.delivery import Count, Event, record
from tests.relay.conftest import World
from tests.relay.fakes import DROP, Client, Visit, message
from tests.relay.test_process import ROOT, Running, children_of, environment, seed
from tests.relay.test_shared_marks import Valkey

MARK = "zq7kxv"
"""Stands in every mark, and nowhere else in the world."""


def dresses() -> list[bytes]:
    """The mark as it may lie in a file: as it is, in capitals, in base64 at each offset, in hex."""
    octets = MARK.encode()
    encoded = [
        base64.b64encode(b" " * shift + octets + b" " * 3)[4 if shift else 0 :][:6] for shift in range(3)
    ]
    return [octets, octets.upper(), octets.hex().encode(), *encoded]


class Places:
    """Everywhere that the processes can write."""

    def __init__(self, folder: Path, broker: Valkey | None, processes: list[int]) -> None:
        self.folder = folder
        self.broker = broker
        self.processes = processes
        self.started = datetime.now(UTC).astimezone()

    def search(self) -> list[str]:
        """Return the names of the places where a mark lies."""
        found = [str(path) for path in self._files() if self._has_mark(path)]
        found += [
            f"broker:{key!r}"
            for key, value in self._broker()
            if any(mark in key + value for mark in dresses())
        ]
        if any(mark in self._journal() for mark in dresses()):
            found.append("journal")
        return found

    def _files(self) -> Iterator[Path]:
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield path
        for path in Path("/dev/shm").iterdir():
            if path.is_file():
                yield path
        for process in self.processes:
            with suppress(OSError):
                for descriptor in Path(f"/proc/{process}/fd").iterdir():
                    with suppress(OSError):
                        if descriptor.is_file():  # regular files, those which were removed too
                            yield descriptor

    @staticmethod
    def _has_mark(path: Path) -> bool:
        with suppress(OSError):
            octets = path.read_bytes()
            return any(mark in octets for mark in dresses())
        return False

    def _broker(self) -> Iterator[tuple[bytes, bytes]]:
        if self.broker is None:
            return
        with redis.Redis.from_url(self.broker.url) as client:
            for key in client.scan_iter():
                kind = client.type(key)
                yield key, client.get(key) or b"" if kind == b"string" else repr(client.dump(key)).encode()

    def _journal(self) -> bytes:
        if shutil.which("journalctl") is None:
            return b""
        command = ["journalctl", "--quiet", "--since", self.started.strftime("%Y-%m-%d %H:%M:%S")]
        return subprocess.run(command, capture_output=True, check=False).stdout


def plant_and_find(places: Places) -> None:
    """Prove that a mark in any of the places is found, one after the other."""
    mark = f"{MARK}planted"
    database = places.folder / "waypost.db"
    for part in ("tmp/spool", "log", "core", "broker/aof"):
        path = places.folder / part
        path.parent.mkdir(exist_ok=True)
        path.write_text(base64.b64encode(mark.encode()).decode() if part == "core" else mark)
        assert places.search() == [str(path)]
        path.unlink()
    with sqlite3.connect(database) as rows:
        rows.execute("PRAGMA journal_mode = wal")
        rows.execute("CREATE TABLE planted (text)")
        rows.execute("INSERT INTO planted VALUES (?)", (mark,))
        rows.commit()
        assert any("waypost.db" in place for place in places.search())
        rows.execute("DROP TABLE planted")
        rows.commit()
    rows.execute("VACUUM")
    rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rows.close()
    with redis.Redis.from_url(places.broker.url) as client:
        client.set(mark, "1")
        assert any(place.startswith("broker:") for place in places.search())
        client.delete(mark)
        assert any(place.endswith(".aof") for place in places.search())
        client.bgrewriteaof()
        for _ in range(100):
            if places.search() == []:
                break
            time.sleep(0.05)
    with tempfile.TemporaryFile(dir=places.folder) as removed:
        removed.write(mark.encode())
        removed.flush()
        places.processes.append(os.getpid())
        assert any(place.startswith(f"/proc/{os.getpid()}/fd") for place in places.search())
        places.processes.remove(os.getpid())
    assert places.search() == []


def plant_in_counters(places: Places) -> None:
    """What the relay counts is searched too."""
    with connection(), write():
        from core.models import DeliveryCount, Recipient

        Recipient.update(address=f"{MARK}@home.example.net", address_key=f"{MARK}@home.example.net").execute()
        day = datetime.now(UTC).date()
        record([Count(Event.DEFERRED, 1, f"{MARK}@home.example.net", day, "4.0.0")])
        assert DeliveryCount.select().count() == 1
    assert any("waypost.db" in place for place in places.search())
    with connection(), write():
        DeliveryCount.delete().execute()
        Recipient.update(address="ada@home.example.net", address_key="ada@home.example.net").execute()
    with sqlite3.connect(places.folder / "waypost.db") as rows:
        rows.execute("VACUUM")
        rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rows.close()
    assert places.search() == []


def talkative(visit: Visit, code: str) -> str:
    """An answer that says everything: who wrote, to whom, and what about."""
    return f"{code} <{visit.sender}> to {visit.recipients}: {visit.mail_line} {MARK} refused"


def fates() -> dict[str, dict[str, object]]:
    """What the recipient's server does with a message, by a word in its recipient's tag."""
    return {
        "served": {},
        "refused": {"rcpt": lambda visit: talkative(visit, "550 5.1.1")},
        "spam": {"dot": lambda visit: talkative(visit, "554 5.7.1")},
        "later": {"dot": lambda visit: talkative(visit, "451 4.7.1")},
        "lost": {"dot": DROP},
        "us": {"mail": lambda visit: f"550 5.7.1 mx.proj.example {MARK}"},
    }


class Sender:
    """Sends marked messages in every way."""

    def __init__(self, w: World, relay: Running) -> None:
        self.w = w
        self.relay = relay
        self.number = 0

    def message(self, more: bytes = b"") -> tuple[str, str, bytes]:
        """Return sender, tag of the recipient, and content, each with marks."""
        self.number += 1
        name = f"{MARK}{self.number}"
        content = message(
            f"body {name}\r\n".encode() + more,
            Subject=f"subject {name}",
            From=f"{name} <{name}@example.com>",
            Message_ID=f"<{name}@example.com>",
        )
        return f"{name}@example.com", name, content

    async def send(self, fate: str) -> None:
        """Send one message to meet this fate; whatever is answered."""
        sender, tag, content = self.message(b"break delivery\r\n" if fate == "fault" else b"")
        client = await (await Client.connect(self.relay.port)).hello()
        recipient = (
            f"break+{tag}" if fate == "fault at RCPT" else f"{tag}" if fate == "unknown" else f"ada+{tag}"
        )
        await client.say(f"MAIL FROM:<{sender}>")
        await client.say(f"RCPT TO:<{recipient}@proj.example>")
        if fate == "nonsense":
            await client.say(f"{tag} {sender}")
        if fate == "bare":
            content += b"bare\n"
        if (await client.say("DATA")).startswith("354"):
            client.send(content + b".\r\n" if fate != "bare" else content + b"\r\n.\r\n")
            if fate == "gone":
                client.reset()
                return
            await client.reply()
            if fate == "left":  # without a sign that it has our answer: a mark is kept
                client.reset()
                return
        await client.say("QUIT")

    async def bounce(self) -> None:
        """Send a bounce to a rewritten sender, with marks in it."""
        back = next(
            (taken.sender for taken in reversed(self.w.home.taken) if taken.sender.startswith("SRS0")), ""
        )
        _, _, content = self.message(b"Status: 5.1.1 ada@home.example.net\r\n")
        client = await (await Client.connect(self.relay.port)).hello()
        await client.say("MAIL FROM:<>")
        if (await client.say(f"RCPT TO:<{back}>")).startswith("250"):
            await client.data(content)

    def own(self) -> None:
        """Hand in mail of our own by the socket."""
        _, tag, content = self.message()
        with (
            suppress(smtplib.SMTPException, OSError),
            smtplib.LMTP(str(self.w.settings.relay_socket)) as relay,
        ):
            relay.sendmail("", [f"{tag}@home.example.net"], content)

    async def killed(self) -> None:
        """Kill every process in the middle of DATA."""
        clients = []
        for _ in range(10):
            sender, tag, content = self.message()
            with suppress(OSError, AssertionError):
                client = await (await Client.connect(self.relay.port)).hello()
                await client.envelope(f"ada+{tag}@proj.example", sender=sender)
                await client.say("DATA")
                client.send(content)
                clients.append(client)
        for child in children_of(self.relay.process):
            os.kill(child, signal.SIGKILL)
        for client in clients:
            client.close()
        await asyncio.sleep(1.3)


@pytest.fixture
def folder(settings):
    return settings.relay_socket.parent


async def test_no_place_holds_a_trace_of_any_message(settings, folder):
    temporary, broker = folder / "tmp", Valkey(str(folder / "broker"))
    for path in (temporary, folder / "broker"):
        path.mkdir()
    broker.options = ["--appendonly", "yes", "--appendfsync", "always"]
    await broker.start()
    async with World(settings) as w:
        seed(w)
        places = Places(folder, broker, [])
        plant_and_find(places)
        plant_in_counters(places)
        env = environment(
            settings,
            RESOLVER=w.resolver.address,
            DELIVERY_PORT=str(w.home.port),
            RELAY_PROCESSES="2",
            REDIS_URL=broker.url,
            TMPDIR=str(temporary),
            PYTHONASYNCIODEBUG="1",
            PYTHONFAULTHANDLER="1",
        )
        command = [sys.executable, "-m", "tests.relay.faulty_relay"]
        process = await asyncio.to_thread(
            subprocess.Popen, command, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        relay = Running(process)
        try:
            await relay.ready(2)
            sender = Sender(w, relay)
            await send_everything(w, sender, places)
            await relay.end()
            assert places.search() == []
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            broker.kill()
        assert sender.number >= 500
        assert len(w.home.taken) > 100
        log = "".join(relay.lines)
        assert log.count("relay.fault") >= 10  # the faults did happen, and were logged
        (folder / "log").write_text(log)
        places.broker = None
        kept = b"".join(path.read_bytes() for path in (folder / "broker").rglob("*.aof"))
        assert kept.count(b"waypost:mark:") >= 10  # there was something to search
        assert places.search() == []
        assert not list(temporary.iterdir())
        assert "ada" not in log and "example.com" not in log


async def send_everything(w: World, sender: Sender, places: Places) -> None:
    """Send all 500; look into the open files of the processes between."""
    kinds = [*fates(), "fault", "fault at RCPT", "unknown", "nonsense", "bare", "gone", "left"]
    for round_number in range(9):
        for kind in kinds:
            w.home.script = dict(fates().get(kind, {}))
            results = await asyncio.gather(*(sender.send(kind) for _ in range(4)), return_exceptions=True)
            assert any(result is None for result in results), results
        w.home.script = {}
        for _ in range(3):
            await sender.send("served")
        await sender.bounce()
        await asyncio.to_thread(sender.own)
        places.processes = [sender.relay.process.pid, *children_of(sender.relay.process)]
        assert places.search() == []
        if random.random() < 0.5 or round_number in (3, 6):
            await sender.killed()
    while sender.number < 500:
        await sender.send("served")
    await asyncio.sleep(2.5)  # until the counts are written
