"""`script/bench portal [--quick] [--json FILE]`: the home page with many people and addresses.

The home page for 6 and for 40 domains at 2 clients, over SQLite and PostgreSQL; its rate beside Flask's
hello and a page that makes the same queries and renders one template, in alternation; and the way of a
newcomer from pressing sign-in to an address that works. Exits with 1 when a target is missed.
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import Flask

from app import create_app
from bench.lookups import postgres
from bench.portal.journey import journeys
from bench.portal.load import Measured, ask
from bench.portal.population import ALIASES_EACH, Visitor, fill, sign_in
from bench.portal.rivals import make_bare
from bench.portal.servers import APPLICATIONS, BARE, HELLO, PORTAL, server, settings_for
from bench.relay.processes import machine
from core.database import connection, database
from core.settings import Settings
from devtools.stack import Stack

DOMAINS = (6, 40)
VISITORS = 500
CLIENTS, MANY_CLIENTS = 2, 8
MOST_MS, MOST_QUERIES = 25.0, 8
OF_HELLO, OF_BARE = 0.05, 0.5
MOST_PRESSES, MOST_SECONDS = 4, 10.0


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="script/bench portal", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the people, SQLite only, a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped
    people, seconds, rounds = (10_000, 2.0, 3) if options.quick else (100_000, 5.0, 5)
    print(f"{machine()}\n\n{people:,} people, {people * ALIASES_EACH:,} addresses")
    numbers: dict[str, Any] = {"machine": machine(), "people": people, "aliases": people * ALIASES_EACH}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waypost-bench-")))
        urls = {f"SQLite, {n} domains": (f"sqlite:///{folder}/{n}.db", n) for n in DOMAINS}
        if not options.quick:
            own = stack.enter_context(postgres())
            urls |= {f"PostgreSQL, {n} domains": (own.create(f"portal{n}"), n) for n in DOMAINS}
        numbers["home"] = {
            name: home(name, settings_for(url, folder), people, domains, seconds, rounds)
            for name, (url, domains) in urls.items()
        }
    with Stack() as stack_of_all:
        numbers["journey"] = journeys(stack_of_all, 3 if options.quick else 10)
    journey = numbers["journey"]
    print(
        f"\nfrom sign-in to an address that works: {journey['presses']} presses, {journey['seconds']:.2f} s"
        f" of machine time ({journey['most_seconds']:.2f} s at most, {journey['count']} people)"
    )
    numbers["missed"] = missed(numbers)
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1) + "\n")
    print("\n".join(f"MISSED: {one}" for one in numbers["missed"]) or "all targets are kept")
    sys.exit(1 if numbers["missed"] else 0)


def home(
    name: str, settings: Settings, people: int, domains: int, seconds: float, rounds: int
) -> dict[str, Any]:
    """Measure the home page and its rivals over one database."""
    fill(settings, people, domains)
    visitors = sign_in(settings, people, VISITORS)
    queries = queries_of(create_app(settings), f"Cookie: {visitors[0].cookie}")
    bare = queries_of(make_bare(settings), f"Authorization: {visitors[0].token}")
    if sorted(queries) != sorted(bare):
        raise SystemExit(
            "The bare page's queries are not the home page's: " + "\n".join({*queries} ^ {*bare})
        )
    with ExitStack() as stack:
        # As the relay and the workers do, somebody has the database open: else each page would be its last
        # user now and then, and SQLite folds its log up when that one leaves.
        stack.enter_context(connection())
        ports = {one: stack.enter_context(server(one, settings)) for one in APPLICATIONS}
        for one, port in ports.items():
            ask(port, headers_for(one, visitors), MANY_CLIENTS, 2.0)  # what is only slow the first time
        two = headers_for(PORTAL, visitors)
        calm = ask(ports[PORTAL], two, CLIENTS, 2 * seconds, strangers=True)
        runs: dict[str, list[Measured]] = {one: [] for one in ports}
        for number in range(rounds):
            for one in ports if number % 2 == 0 else reversed(ports):
                runs[one].append(ask(ports[one], headers_for(one, visitors), MANY_CLIENTS, seconds))
    rates = {one: statistics.median(run.rate for run in runs[one]) for one in ports}
    p99 = {one: statistics.median(run.p99 for run in runs[one]) for one in ports}
    found = {
        "queries": len(queries),
        "two_clients": asdict(calm),
        "rates": rates,
        "p99_ms": p99,
        "of_hello": rates[PORTAL] / rates[HELLO],
        "of_bare": rates[PORTAL] / rates[BARE],
    }
    print(
        f"\n{name}: {len(queries)} queries; at {CLIENTS} clients p50 {calm.p50:.1f}, p95 {calm.p95:.1f},"
        f" p99 {calm.p99:.1f} ms"
    )
    for one in ports:
        ratio = f", the home page has {rates[PORTAL] / rates[one]:.3f} of it" if one != PORTAL else ""
        print(
            f"  {one}: {rates[one]:.0f} pages a second, p99 {p99[one]:.1f} ms ({MANY_CLIENTS} clients){ratio}"
        )
    return found


def headers_for(name: str, visitors: Sequence[Visitor]) -> list[str]:
    """Say who asks, as each of the servers takes it."""
    if name == PORTAL:
        return [f"Cookie: {visitor.cookie}" for visitor in visitors]
    return [f"Authorization: {visitor.token}" for visitor in visitors]


def queries_of(app: Flask, header: str) -> list[str]:
    """Return the statements that a page takes, by asking for it in this process."""
    execute, asked = database.obj.execute_sql, []

    def note(sql: str, *args: Any, **rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *args, **rest)

    database.obj.execute_sql = note
    try:
        answer = app.test_client(use_cookies=False).get("/home", headers=[tuple(header.split(": ", 1))])
    finally:
        del database.obj.execute_sql
    assert answer.status_code == 200, answer.status
    return asked


def missed(numbers: dict[str, Any]) -> list[str]:
    """Say which targets were missed."""
    found = []
    for name, one in numbers["home"].items():
        p95 = one["two_clients"]["p95"]
        if p95 >= MOST_MS:
            found.append(f"{name}: p95 {p95:.1f} ms at {CLIENTS} clients, wanted under {MOST_MS:.0f}")
        if one["queries"] > MOST_QUERIES:
            found.append(f"{name}: {one['queries']} queries, wanted {MOST_QUERIES} at most")
        if one["of_hello"] < OF_HELLO:
            found.append(f"{name}: {one['of_hello']:.3f} of hello's rate, wanted {OF_HELLO} at least")
        if one["of_bare"] < OF_BARE:
            found.append(f"{name}: {one['of_bare']:.2f} of the bare page's rate, wanted {OF_BARE} at least")
    if len({one["queries"] for one in numbers["home"].values()}) > 1:
        found.append("not the same number of queries everywhere")
    journey = numbers["journey"]
    if journey["presses"] > MOST_PRESSES or journey["most_seconds"] >= MOST_SECONDS:
        found.append(f"a newcomer's way: wanted {MOST_PRESSES} presses, {MOST_SECONDS:.0f} s at most")
    return found


if __name__ == "__main__":
    main()
