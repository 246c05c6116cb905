"""How much memory a process takes when idle, and how much a message in flight adds."""

import asyncio
from pathlib import Path

from bench.relay.load import KIB
from bench.relay.peers import Peer, waypost
from bench.relay.processes import memory
from bench.relay.tables import make_waypost_table
from devtools.stack import free_port

MIB = KIB * KIB
CEILING = {"RELAY_MEMORY_LIMIT": str(96 * MIB), "MESSAGE_SIZE_LIMIT": str(10 * MIB)}
_LINE = b"x" * 62 + b"\r\n"


def memory_report(folder: Path) -> dict[str, float]:
    """Measure one process.

    Returns `idle_mib`, and what a message adds beyond 1.3 times its size, in KiB: while it comes in
    (`in_flight_...`), and while a deaf server takes none of it (`outbound_...`). `of_ceiling` is the
    share of RELAY_MEMORY_LIMIT that the process grows by when far more than that is sent at once.
    """
    url, sink = make_waypost_table(folder / "memory.db", 10), free_port()
    with waypost("memory", folder / "memory", url, sink, 1) as peer:
        report = {"idle_mib": memory(peer.processes[0]) / MIB}
        for size, count in ((4 * KIB, 200), (MIB, 40), (5 * MIB, 20)):
            added = asyncio.run(_hold(peer, sink, size, count, is_whole=False))
            report[f"in_flight_extra_kib_{size // KIB}"] = (added / count - 1.3 * size) / KIB
        for size in (4 * KIB, 5 * MIB):
            added = asyncio.run(_hold(peer, sink, size, 18, is_whole=True))
            report[f"outbound_extra_kib_{size // KIB}"] = (added / 18 - 1.3 * size) / KIB
    with waypost("ceiling", folder / "ceiling", url, sink, 1, **CEILING) as peer:
        grown = asyncio.run(_hold(peer, sink, 5 * MIB, 40, is_whole=False))
        report["of_ceiling"] = grown / int(CEILING["RELAY_MEMORY_LIMIT"])
    return report


async def _hold(peer: Peer, sink: int, size: int, count: int, *, is_whole: bool) -> int:
    """Send many messages, all or all but the final dot; return by how many octets the process has grown."""
    server = await asyncio.start_server(_deaf, "127.0.0.1", sink)
    before = memory(peer.processes[0])
    writers = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        await reader.readline()
        for command in (
            "HELO x.example.com",
            "MAIL FROM:<a@example.com>",
            "RCPT TO:<user1@bench.example>",
            "DATA",
        ):
            writer.write(command.encode() + b"\r\n")
            answer = await reader.readline()
        writers.append(writer)
        if not answer.startswith(b"354"):
            continue  # there is no memory left
        writer.write(b"Subject: x\r\n\r\n" + _LINE * (size // len(_LINE)) + (b".\r\n" if is_whole else b""))
        await writer.drain()
    await asyncio.sleep(1)
    grown = memory(peer.processes[0]) - before
    for writer in writers:
        writer.transport.abort()
    server.close()
    await asyncio.sleep(0.5)
    return grown


async def _deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that says 354, and then reads no more."""
    writer.write(b"220 sink\r\n")
    while line := await reader.readline():
        if line.startswith(b"DATA"):
            writer.write(b"354 go on\r\n")
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            return
        writer.write(b"250-sink\r\n250 PIPELINING\r\n" if line.startswith(b"EHLO") else b"250 ok\r\n")
