"""Loses nothing: `script/bench chaos` kills the relay again and again under load, and counts.

A stand-in sender keeps a queue and tries again as Postfix does. The recipients' servers fail at
random at every command. Processes of the relay are killed with SIGKILL every few seconds. At the
end each alias of a message that was answered 250 must have been served (invariant 1), and every
second copy must have its excuse: a connection lost between the final dot and its reply, or a kill
within 10 ms after a recipient's 250.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.ledger import Ledger, Outcome, Plan, Taking, judge
from bench.relay.peers import relay_environment, running, valkey, wait_for
from core import database
from core.models import Alias, AliasRecipient, Domain, Recipient
from core.routing import Order
from devtools.stack import free_port
from tests.relay.fakes import DROP, MailServer, Resolver, Visit

DOMAINS = 4
ALIASES = 60
SESSIONS = 12


@dataclass
class Item:
    """A message in the sender's queue, with the aliases that are still to be served."""

    number: int
    open: set[str]
    due: float = 0.0
    tries: int = 0

    @property
    def content(self) -> bytes:
        return (
            f"Message-ID: <{self.number}@example.com>\r\nDate: Sat, 26 Sep 2026 10:00:00 +0000\r\n"
            f"From: bob@example.com\r\nX-Number: {self.number}\r\n\r\nmessage {self.number}\r\n"
        ).encode()


class Destination(MailServer):
    """A recipient's server that fails at random, and keeps account of what it took."""

    def __init__(self, ledger: Ledger, chance: random.Random, rate: float) -> None:
        super().__init__()
        self._ledger = ledger
        self._chance = chance
        self._rate = rate
        self.script = {
            stage: self._maybe(stage) for stage in ("connect", "ehlo", "mail", "rcpt", "data", "dot")
        }

    def _maybe(self, stage: str) -> Callable[[Visit], str | None]:
        def step(visit: Visit) -> str | None:
            if self._chance.random() > self._rate:
                return None
            kind = self._chance.choice(["421 4.3.2 closing", "451 4.3.0 later", DROP, "permanent"])
            if kind != "permanent":
                return kind
            if stage == "rcpt":
                return "550 5.1.1 no such user"
            return "554 5.7.1 no" if stage in ("mail", "data", "dot") else DROP

        return step

    async def _content(self, visit: Visit) -> None:
        octets = await visit.reader.readuntil(b"\r\n.\r\n")
        number = int(octets.partition(b"X-Number: ")[2].partition(b"\r\n")[0])
        keys = [(number, recipient) for recipient in visit.recipients]
        await asyncio.sleep(self._chance.choice([0, 0, 0, 0.002, 0.02, 0.1, 0.6]))
        step = self.script["dot"]
        answer = step(visit) if callable(step) else None
        if answer == DROP:
            taking = Taking(None)  # it has the message, and its 250 never comes
            for key in keys:
                self._ledger.taken[key].append(taking)
            visit.writer.transport.abort()
            raise ConnectionResetError
        if answer is not None:
            self._note_refusal(keys, answer)
            visit.writer.write(answer.encode() + b"\r\n")
            return
        await asyncio.sleep(0)
        is_lost = visit.reader.at_eof() or visit.writer.is_closing()  # the relay was killed meanwhile
        for key in keys:
            self._ledger.taken[key].append(Taking(None if is_lost else time.monotonic()))
        visit.writer.write(b"250 2.0.0 taken\r\n")

    def _note_refusal(self, keys: Sequence[tuple[int, str]], answer: str) -> None:
        if answer.startswith("5"):
            self._ledger.refused.update(keys)


class Sender:
    """The sender's server: a queue, several sessions, retries with growing pauses."""

    def __init__(
        self, port: int, items: Sequence[Item], ledger: Ledger, chance: random.Random, leaving: float
    ) -> None:
        self._port = port
        self._leaving = leaving
        self._waiting = list(items)
        self._ledger = ledger
        self._chance = chance
        self._busy = 0
        self.finished = 0

    async def run(self) -> None:
        """Send until every message is served or bounced."""
        await asyncio.gather(*(self._session() for _ in range(SESSIONS)))

    async def _session(self) -> None:
        while self._waiting or self._busy:
            item = self._next()
            if item is None:
                await asyncio.sleep(0.01)
                continue
            self._busy += 1
            try:
                async with asyncio.timeout(20):
                    await self._try(item)
            except (OSError, EOFError, TimeoutError):
                self._ledger.answers["lost"] += 1
            self._busy -= 1
            item.tries += 1
            if item.open:
                item.due = time.monotonic() + min(0.2 * 1.5**item.tries, 5) * self._chance.uniform(0.7, 1.3)
                self._waiting.append(item)
            else:
                self.finished += 1

    def _next(self) -> Item | None:
        now = time.monotonic()
        for place, item in enumerate(self._waiting):
            if item.due <= now:
                return self._waiting.pop(place)
        return None

    async def _try(self, item: Item) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await _reply(reader)
            await _say(reader, writer, b"EHLO client.example.com")
            await _say(reader, writer, b"MAIL FROM:<bob@example.com>")
            taken = []
            for alias in sorted(item.open):
                answer = await _say(reader, writer, f"RCPT TO:<{alias}@proj.example>".encode())
                if answer.startswith("250"):
                    taken.append(alias)
                self._ledger.answers["RCPT " + answer[:3]] += 1
            if not taken:
                return
            await _say(reader, writer, b"DATA")
            writer.write(item.content + b".\r\n")
            if self._chance.random() < self._leaving:
                await asyncio.sleep(self._chance.choice([0, 0.01, 0.2]))
                return  # it goes away without waiting for the answer
            answer = await _reply(reader)
            self._conclude(item, taken, answer)
            if self._chance.random() < 0.95:
                await _say(reader, writer, b"QUIT")
        finally:
            writer.transport.abort()

    def _conclude(self, item: Item, aliases: Sequence[str], answer: str) -> None:
        self._ledger.answers[answer[:9]] += 1
        if answer.startswith(("250", "5")):
            done = self._ledger.accepted if answer.startswith("250") else self._ledger.bounced
            done.update((item.number, alias) for alias in aliases)
            item.open.difference_update(aliases)


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: bytes) -> str:
    writer.write(command + b"\r\n")
    return await _reply(reader)


async def _reply(reader: asyncio.StreamReader) -> str:
    while True:
        line = (await reader.readline()).decode()
        if not line:
            raise ConnectionResetError
        if line[3:4] != "-":
            return line


def make_plans(chance: random.Random) -> list[Plan]:
    """Invent the aliases; no recipient stands behind two of them, so that each copy is one alias's."""
    plans = []
    for number in range(ALIASES):
        count = chance.choice([1, 1, 2, 3])
        recipients = tuple(
            f"r{number}.{place}@home{(number + place) % DOMAINS}.example.net" for place in range(count)
        )
        plans.append(Plan(f"alias{number}", recipients, chance.choice([Order.ALL, Order.ALL, Order.FIRST])))
    return plans


def write_plans(url: str, plans: Sequence[Plan]) -> None:
    """Write the aliases into a fresh database."""
    database.configure(url)
    database.migrate()
    now = datetime.now(UTC)
    with database.connection(), database.write():
        domain = Domain.create(name="proj.example", verification_token="t", verified_at=now, added_at=now)
        for plan in plans:
            alias = Alias.create(
                domain=domain,
                local_part=plan.name,
                switched_at=now,
                created_at=now,
                delivery_order=plan.order,
            )
            for place, address in enumerate(plan.recipients):
                recipient = Recipient.create(
                    address=address, address_key=address, imported_at=now, added_at=now
                )
                AliasRecipient.create(alias=alias, recipient=recipient, position=place)


async def kill_now_and_then(parent: int, ledger: Ledger, every: float, chance: random.Random) -> None:
    """Kill one process of the relay after the other."""
    while True:
        await asyncio.sleep(every * chance.uniform(0.5, 1.5))
        command = await asyncio.create_subprocess_exec("pgrep", "-P", str(parent), stdout=subprocess.PIPE)
        children = (await command.communicate())[0].split()
        if children:
            ledger.kills.append(time.monotonic())
            with suppress(ProcessLookupError):
                os.kill(int(chance.choice(children)), signal.SIGKILL)


async def say_how_far(sender: Sender, ledger: Ledger, messages: int) -> None:
    """Say on stderr how far it is."""
    while True:
        await asyncio.sleep(5)
        sys.stderr.write(f"{sender.finished} of {messages} messages, {len(ledger.kills)} kills\n")


@dataclass(frozen=True)
class Game:
    """How wild it gets."""

    messages: int
    kill_every: float
    """Seconds between two kills, on average."""
    faults: float
    """Chance of a fault at each command of a recipient's server."""
    leaving: float
    """Chance that the sender leaves without waiting for its answer, which Postfix never does."""
    seed: int
    excused: float = 0.010
    """Seconds after a recipient's 250 within which a kill may cost a second copy."""


async def play(folder: Path, game: Game) -> Outcome:
    """Run the whole thing in `folder`."""
    messages, seed = game.messages, game.seed
    chance, ledger = random.Random(seed), Ledger()
    plans = make_plans(chance)
    url = f"sqlite:///{folder}/waypost.db"
    write_plans(url, plans)
    resolver, servers, port = await Resolver().start(), [], 0
    for number in range(DOMAINS):
        server = Destination(ledger, chance, game.faults)
        await server.start(f"127.0.0.{100 + number}", port)
        port = server.port
        servers.append(server)
        resolver.mail_domain(f"home{number}.example.net", server.host)
    names = [plan.name for plan in plans]
    items = [
        Item(number, set(chance.sample(names, chance.choice([1, 1, 2, 4])))) for number in range(messages)
    ]
    with ExitStack() as stack:
        env = relay_environment(
            folder,
            url,
            RELAY_LISTEN=f"127.0.0.1:{free_port()}",
            RELAY_PROCESSES="2",
            RESOLVER=resolver.address,
            DELIVERY_PORT=str(port),
            MAIL_AUTHENTICATION="enforce",
            REDIS_URL=stack.enter_context(valkey(folder / "broker")),
        )
        relay = stack.enter_context(running([sys.executable, "-m", "relay"], folder, env))
        listening = int(env["RELAY_LISTEN"].rpartition(":")[2])
        await asyncio.to_thread(wait_for, listening)
        sender = Sender(listening, items, ledger, chance, game.leaving)
        killer = asyncio.ensure_future(kill_now_and_then(relay.pid, ledger, game.kill_every, chance))
        watcher = asyncio.ensure_future(say_how_far(sender, ledger, messages))
        started = time.monotonic()
        try:
            await sender.run()
        finally:
            killer.cancel()
            watcher.cancel()
    for server in servers:
        await server.stop()
    resolver.transport.close()
    return judge(ledger, plans, messages, time.monotonic() - started, game.excused)


def main() -> None:
    """Play, print what happened; exit status 1 when something was lost or doubled without excuse."""
    parser = argparse.ArgumentParser(prog="script/bench chaos")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--kill-every", type=float, default=3.0, metavar="SECONDS")
    parser.add_argument("--faults", type=float, default=0.05, metavar="CHANCE", help="at each command")
    parser.add_argument(
        "--leaving",
        type=float,
        default=0.0,
        metavar="CHANCE",
        help="that the sender leaves without its answer: with a kill within a second, that may double",
    )
    parser.add_argument("--seed", type=int, default=int(time.time()))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the relay is stopped
    game = Game(**vars(parser.parse_args()))
    with (
        tempfile.TemporaryDirectory(prefix="waypost-chaos") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        outcome = runner.run(play(Path(folder), game))
    print(json.dumps({**vars(game), **vars(outcome)}, indent=2))
    sys.exit(1 if outcome.lost or outcome.unexcused_copies else 0)


if __name__ == "__main__":
    main()
