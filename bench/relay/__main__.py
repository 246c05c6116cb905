"""`script/bench relay`: throughput, CPU, memory and time to 250 of the relay and its peers, as a table."""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.relay.load import KIB, Load, Measured, Sink, answer_times, smtp_sink, throughput
from bench.relay.memory import memory_report
from bench.relay.peers import Peer, plain_forwarder, postfix, waypost
from bench.relay.processes import machine
from bench.relay.tables import make_postfix_table, make_waypost_table

RELAY, POSTFIX = "the relay as shipped", "Postfix, queue on disk"
QUICK = Load(10, 4 * KIB, 2000)
LOADS = [
    Load(sessions, size, count)
    for size, counts in (
        (4 * KIB, (600, 2500, 3000)),
        (50 * KIB, (300, 1200, 1500)),
        (5 * KIB * KIB, (8, 20, 50)),
    )
    for sessions, count in zip((1, 10, 50), counts, strict=True)
]


@dataclass
class Cell:
    """What was measured of one peer under one load."""

    runs: list[Measured] = field(default_factory=list)
    times: tuple[float, float] = (0.0, 0.0)

    def median(self, name: str) -> float:
        return statistics.median(getattr(run, name) for run in self.runs)


Results = dict[tuple[str, str], Cell]


@contextmanager
def peers(folder: Path, sink: Sink, *, quick: bool) -> Iterator[list[Peer]]:
    """Start all peers; the order is that of the table."""
    table, aliases = make_waypost_table(folder / "waypost.db", 1000), folder / "aliases.db"
    make_postfix_table(aliases, 1000)
    cores = len(os.sched_getaffinity(0))
    with ExitStack() as stack:
        started = [
            stack.enter_context(waypost(RELAY, folder / "relay", table, sink.port, cores)),
            stack.enter_context(postfix(POSTFIX, folder / "postfix", aliases, sink.port)),
        ]
        if not quick:
            memory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm", prefix="waypost-bench"))
            )
            memory.chmod(0o755)
            started += [
                stack.enter_context(waypost("the relay, one process", folder / "one", table, sink.port, 1)),
                stack.enter_context(
                    postfix("Postfix, queue on tmpfs", memory / "postfix", aliases, sink.port)
                ),
                stack.enter_context(
                    plain_forwarder("stock aiosmtpd + smtplib", folder / "plain", aliases, sink.port)
                ),
                Peer("nothing: straight to the sink", sink.port),
            ]
        yield started


def measure(
    everyone: Sequence[Peer], loads: Sequence[Load], sink: Sink, pairs: int, *, quick: bool
) -> Results:
    """Measure each load in alternation over the peers, so that what the machine does meets all alike."""
    results: Results = {}
    for load in loads:
        for peer in everyone:  # what is only slow the first time
            throughput(peer, Load(load.sessions, load.size, max(load.sessions, load.messages // 10)), sink)
        for number in range(pairs):
            for peer in everyone if number % 2 == 0 else reversed(everyone):
                cell = results.setdefault((peer.name, load.name), Cell())
                cell.runs.append(throughput(peer, load, sink))
        for peer in () if quick else everyone:
            results[peer.name, load.name].times = answer_times(peer, load)
        sys.stderr.write(f"measured {load.name}\n")
    return results


def ratio(results: Results, load: Load, value: str) -> float:
    """Return the median over the pairs of the relay's value over Postfix's."""
    ours, theirs = results[RELAY, load.name].runs, results[POSTFIX, load.name].runs
    return statistics.median(
        getattr(one, value) / getattr(other, value) for one, other in zip(ours, theirs, strict=True)
    )


def more_aliases(folder: Path, sink: Sink, pairs: int) -> float:
    """Return the throughput with 1,000,000 aliases over that with 1,000."""
    rates: dict[str, list[float]] = {"few": [], "many": []}
    with ExitStack() as stack:
        pair = [
            stack.enter_context(
                waypost(name, folder / name, make_waypost_table(folder / f"{name}.db", count), sink.port, 1)
            )
            for name, count in (("few", 1000), ("many", 1_000_000))
        ]
        for _ in range(pairs):
            for peer in pair:
                rates[peer.name].append(throughput(peer, QUICK, sink).rate)
    return statistics.median(many / few for few, many in zip(rates["few"], rates["many"], strict=True))


def table(results: Results) -> str:
    """Write the results as Markdown."""
    lines = [
        "| load | peer | messages/s | CPU s/1000 | p50 ms | p99 ms | peak MiB |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for (name, load), cell in results.items():
        p50, p99 = cell.times
        own = not name.startswith("nothing")
        cpu = f"{cell.median('cpu'):.3f}" if own else ""
        peak = f"{cell.median('peak') / KIB / KIB:.0f}" if own else ""
        times = f"{p50:.1f} | {p99:.1f}" if p50 else " | "
        lines.append(f"| {load} | {name} | {cell.median('rate'):.0f} | {cpu} | {times} | {peak} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="script/bench relay")
    parser.add_argument("--quick", action="store_true", help="one load, the relay and Postfix only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--pairs", type=int, default=5, help="how often each load is measured")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the peers are stopped
    loads = [QUICK] if options.quick else LOADS
    with tempfile.TemporaryDirectory(prefix="waypost-bench") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with smtp_sink(folder / "sink") as sink:
            with peers(folder, sink, quick=options.quick) as everyone:
                results = measure(everyone, loads, sink, options.pairs, quick=options.quick)
            extra = {} if options.quick else {
                "aliases_ratio": more_aliases(folder, sink, options.pairs),
                **memory_report(folder),
            }  # fmt: skip
    report(results, loads, extra, options.json)


def report(results: Results, loads: Sequence[Load], extra: dict[str, float], file: Path | None) -> None:
    """Print everything, and write the JSON."""
    print(f"{machine()}\n\n{table(results)}\n")
    for load in loads:
        rate, cpu = ratio(results, load, "rate"), ratio(results, load, "cpu")
        print(f"{load.name}: {rate:.2f} times Postfix's throughput (queue on disk), {cpu:.2f} of its CPU")
    for name, value in extra.items():
        print(f"{name}: {value:.2f}")
    if file is not None:
        at = QUICK if QUICK in loads else next(load for load in loads if load.name == QUICK.name)
        values = {
            "machine": machine(),
            "throughput_ratio": ratio(results, at, "rate"),
            "cpu_ratio": ratio(results, at, "cpu"),
            **extra,
            "cells": [
                {
                    "peer": peer,
                    "load": load,
                    "rate": cell.median("rate"),
                    "cpu": cell.median("cpu"),
                    "p50_ms": cell.times[0],
                    "p99_ms": cell.times[1],
                    "peak": cell.median("peak"),
                }
                for (peer, load), cell in results.items()
            ],
        }
        file.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
