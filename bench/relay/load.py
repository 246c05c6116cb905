"""Load: Postfix's own smtp-source and smtp-sink for throughput, and a client of ours for the time to 250."""

import asyncio
import os
import re
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.relay.peers import Peer, running, wait_for
from bench.relay.processes import PeakMemory, cpu_seconds
from devtools.stack import free_port

KIB = 1024


@dataclass(frozen=True)
class Load:
    """So many sessions at once, messages of so many octets, so many of them a run."""

    sessions: int
    size: int
    messages: int

    @property
    def name(self) -> str:
        size = f"{self.size // KIB} KiB" if self.size < KIB * KIB else f"{self.size // KIB // KIB} MiB"
        return f"{self.sessions} × {size}"


@dataclass(frozen=True)
class Measured:
    """One run: messages a second, CPU seconds for 1000 messages, the most memory in octets."""

    rate: float
    cpu: float
    peak: int


class Sink:
    """A running smtp-sink, which counts the messages that it has taken."""

    def __init__(self, port: int, output: Path) -> None:
        self.port = port
        self._output = output

    def count(self) -> int:
        """Return how many messages it has taken."""
        with self._output.open("rb") as file:
            file.seek(max(0, self._output.stat().st_size - 200))
            numbers = re.findall(rb"mesg=(\d+)", file.read())
        return int(numbers[-1]) if numbers else 0

    def wait_for(self, count: int, seconds: float = 300) -> None:
        """Wait until it has taken so many."""
        end = time.monotonic() + seconds
        while self.count() < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{count - self.count()} messages did not arrive")
            time.sleep(0.005)


@contextmanager
def smtp_sink(folder: Path, port: int | None = None) -> Iterator[Sink]:
    """Run smtp-sink."""
    folder.mkdir()
    port = port or free_port()
    as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with running(["smtp-sink", *as_user, "-c", f"127.0.0.1:{port}", "1000"], folder):
        wait_for(port)
        yield Sink(port, folder / "output")


def throughput(peer: Peer, load: Load, sink: Sink, content: Path | None = None) -> Measured:
    """Send a load and wait until the sink has all of it.

    content: a message to send instead of smtp-source's own, each time to another address.
    """
    before, cpu = sink.count(), sum(map(cpu_seconds, peer.processes))
    command = ["smtp-source", "-s", str(load.sessions), "-m", str(load.messages), "-f", "bob@example.com"]
    if content is None:
        command += ["-l", str(load.size), "-t", "user7@bench.example"]
    else:
        command += ["-F", str(content), "-N", "-t", "user@bench.example"]
    command.append(f"{peer.host}:{peer.port}")
    with PeakMemory(peer.processes) as memory:
        started = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        sink.wait_for(before + load.messages)
        seconds = time.monotonic() - started
    used = sum(map(cpu_seconds, peer.processes)) - cpu
    return Measured(load.messages / seconds, used / load.messages * 1000, memory.peak)


def answer_times(peer: Peer, load: Load) -> tuple[float, float]:
    """Return the median and the 99th percentile of the time from final dot to answer, in milliseconds."""
    times = asyncio.run(_answer_times(peer.port, load))
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
    return cuts[49] * 1000, cuts[98] * 1000


async def _answer_times(port: int, load: Load) -> list[float]:
    line = b"x" * 62 + b"\r\n"
    body = b"Subject: x\r\n\r\n" + line * (load.size // len(line))
    each = max(2, min(load.messages, 1000) // load.sessions)
    results = await asyncio.gather(*(_session(port, body, each, number) for number in range(load.sessions)))
    return [seconds for times in results for seconds in times]


async def _session(port: int, body: bytes, count: int, number: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await _reply(reader)
    await _say(reader, writer, b"EHLO client.example.com")
    times = []
    for message in range(count):
        head = b"Message-ID: <%d.%d.%d@example.com>\r\nDate: Sat, 26 Sep 2026 10:00:00 +0000\r\n" % (
            time.time_ns(),
            number,
            message,
        )
        for command in (b"MAIL FROM:<bob@example.com>", b"RCPT TO:<user7@bench.example>", b"DATA"):
            await _say(reader, writer, command)
        writer.write(head + body)
        await writer.drain()
        started = time.perf_counter()
        answer = await _say(reader, writer, b".")
        times.append(time.perf_counter() - started)
        if not answer.startswith(b"250"):
            raise RuntimeError(answer.decode())
    writer.write(b"QUIT\r\n")
    writer.close()
    return times


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: bytes) -> bytes:
    writer.write(command + b"\r\n")
    return await _reply(reader)


async def _reply(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await reader.readline()
        if not line:
            raise ConnectionResetError
        if line[3:4] != b"-":
            return line
