"""`script/bench lookups`: lookups on SQLite, on PostgreSQL, and on PostgreSQL with the relay's cache."""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import uvloop

from bench.relay.load import Load, smtp_sink, throughput
from bench.relay.peers import waypost
from bench.relay.processes import machine
from bench.relay.tables import DOMAIN, fill_waypost_database, make_waypost_table
from core.addresses import Address
from core.alias_table import open_alias_table
from core.routing import Fate
from relay.alias_cache import AliasCache
from relay.alias_changes import ChangeListener
from relay.directory import Directory
from tests.support.postgres import PostgresServer, find_binaries

ASKED_FOR = 10_000
"""Addresses that are looked up, fewer than the cache keeps."""
LOAD = Load(10, 4096, 2000)


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server of our own."""
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL is not installed (Debian package `postgresql`)")
    server = PostgresServer(binaries)
    try:
        server.start()
        yield server
    finally:
        server.stop()


async def measure(
    directory: Directory, addresses: Sequence[Address], at_once: int
) -> tuple[float, list[float]]:
    """Return lookups a second, and the seconds of each, with so many under way at once."""
    waiting, times = iter(addresses), []

    async def one_after_the_other() -> None:
        for address in waiting:
            began = time.perf_counter()
            route = await directory.route(address)
            times.append(time.perf_counter() - began)
            assert route.fate is Fate.DELIVER

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    return len(addresses) / (time.perf_counter() - began), times


async def lookups(sqlite: str, postgresql: str) -> None:
    """Print the table."""
    names = [Address(f"user{number + 1}", DOMAIN) for number in range(ASKED_FOR)]
    few, many = (random.choices(names, k=count) for count in (20_000, 200_000))
    cache = AliasCache()
    listener = ChangeListener(postgresql, cache)
    on_sqlite = Directory(lambda: open_alias_table(sqlite), "ops@home.example")
    uncached, cached = (
        Directory(lambda: open_alias_table(postgresql), "ops@home.example", 8, kept) for kept in (None, cache)
    )
    listener.start()
    while not cache.is_live:  # noqa: ASYNC110  # nobody else waits for that
        await asyncio.sleep(0.01)
    await measure(cached, names, 8)
    print("| where | at once | lookups/s | p50 µs | p99 µs |\n|---|--:|--:|--:|--:|")
    for name, directory, addresses, at_once in (
        ("SQLite", on_sqlite, many, 1),
        ("PostgreSQL, not cached", uncached, few, 1),
        ("PostgreSQL, not cached", uncached, few, 10),
        ("PostgreSQL, cached", cached, many, 1),
        ("PostgreSQL, cached", cached, many, 10),
    ):
        await measure(directory, addresses[:2000], at_once)  # what is only slow the first time
        rate, times = await measure(directory, addresses, at_once)
        p50, p99 = (statistics.quantiles(times, n=100)[percent - 1] * 1e6 for percent in (50, 99))
        print(f"| {name} | {at_once} | {rate:,.0f} | {p50:.0f} | {p99:.0f} |")
    await listener.stop()


def messages(folder: Path, sqlite: str, postgresql: str, pairs: int) -> None:
    """Print the throughput of the whole relay, one process, on both."""
    rates: dict[str, list[float]] = {"SQLite": [], "PostgreSQL": []}
    with (
        smtp_sink(folder / "sink") as sink,
        waypost("SQLite", folder / "on-sqlite", sqlite, sink.port, 1) as one,
        waypost("PostgreSQL", folder / "on-postgresql", postgresql, sink.port, 1) as other,
    ):
        for peer in (one, other) * (pairs + 1):
            rates[peer.name].append(throughput(peer, LOAD, sink).rate)
    ratio = statistics.median(p / s for s, p in zip(*(each[1:] for each in rates.values()), strict=True))
    for name, values in rates.items():
        print(f"{LOAD.name}, {name}: {statistics.median(values[1:]):.0f} messages/s")
    print(f"PostgreSQL's throughput is {ratio:.2f} of SQLite's")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="script/bench lookups")
    parser.add_argument("--aliases", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5, help="how often the whole relay is measured; 0: not")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="waypost-bench") as name, postgres() as server:
        folder = Path(name)
        folder.chmod(0o755)
        sqlite = make_waypost_table(folder / "waypost.db", options.aliases)
        postgresql = fill_waypost_database(server.create("waypost"), options.aliases)
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        print(f"{machine()}, {options.aliases:,} aliases\n")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(lookups(sqlite, postgresql))
        if options.pairs:
            messages(folder, sqlite, postgresql, options.pairs)


if __name__ == "__main__":
    main()
