"""How fast everyone is brought in step with Launchpad: `script/bench sync [--quick] [--json FILE]`.

A pretend Launchpad in a process of its own answers each request after 50 ms. Another process does
what the worker's jobs do, over SQLite, while a third looks addresses up as the relay does. Beside
it, in the same run, the way that asks once a person and saves one row after the other, on 300
people, scaled to all. Prints every number that is promised beside its limit, and exits with 1 when
one is missed.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from bench.relay.processes import machine
from core import audit, database
from core.models import (
    TABLES,
    AccountFact,
    Alias,
    AliasRecipient,
    Domain,
    DomainTeam,
    Identity,
    Membership,
    Person,
    Recipient,
    TeamSync,
)
from devtools.launchpad import PretendLaunchpad
from devtools.people import big_world

TEAMS = 6
LATENCY = 0.05
RENAMED = 500
SAMPLE = 300
MOST_SECONDS = {10_000: 15.0, 100_000: 120.0}
MOST_MIB = {10_000: 150.0}
MOST_SECONDS_RENAMED = 10.0
MOST_CPU_SHARE = 0.5
MOST_LOOKUP_MS = 5.0
LEAST_RATIO = 20.0
MOST_QUICK_SECONDS = 200.0
PREFIX = "https://login.ubuntu.com/+id/"
AT_ONCE = 500  # rows in one insert


def main() -> None:
    """Measure, print, judge; or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(prog="script/bench sync", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 people only, under 200 s")
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    parser.add_argument("--role", choices=list(ROLES), help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        ROLES[options.role](*options.arguments)
        return
    print(machine())
    began = time.monotonic()
    runs = [measure(people) for people in ([10_000] if options.quick else [10_000, 100_000])]
    promises = [promise for found in runs for promise in promises_of(found)]
    if options.quick:
        promises.append(Promise("the whole quick run, s", time.monotonic() - began, MOST_QUICK_SECONDS))
    print()
    for promise in promises:
        print(promise)
    if options.json:
        kept = {"machine": machine(), "runs": runs, "promises": [vars(promise) for promise in promises]}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    sys.exit(0 if all(promise.kept for promise in promises) else 1)


@dataclass(frozen=True)
class Promise:
    """A number and its limit."""

    what: str
    measured: float
    limit: float
    at_least: bool = False
    """Whether the limit is the least that will do; else it is the most."""

    @property
    def kept(self) -> bool:
        """Whether the number is within its limit."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def __str__(self) -> str:
        word = "at least" if self.at_least else "at most"
        kept = "kept  " if self.kept else "MISSED"
        return f"{kept} {self.what}: {self.measured:.2f} ({word} {self.limit:g})"


def promises_of(found: Mapping[str, Any]) -> list[Promise]:
    """Hold the numbers of one size against what is promised of it."""
    people = found["people"]
    size = f"{people:,} people"
    promises = [Promise(f"{size}, first sync, s", found["first"]["seconds"], MOST_SECONDS[people])]
    if people in MOST_MIB:
        promises.append(Promise(f"{size}, first sync, MiB", found["first"]["peak_mib"], MOST_MIB[people]))
    return [
        *promises,
        Promise(f"{size}, {RENAMED} renamed, s more", found["renamed_more"], MOST_SECONDS_RENAMED),
        Promise(f"{size}, second sync, rows written", found["rows_written"], 0),
        Promise(f"{size}, second sync, share of the CPU", found["cpu_share"], MOST_CPU_SHARE),
        Promise(f"{size}, lookups meanwhile, p99 ms", found["lookups"]["p99_ms"], MOST_LOOKUP_MS),
        Promise(f"{size}, the other way, times slower", found["times_slower"], LEAST_RATIO, at_least=True),
    ]


def measure(people: int) -> dict[str, Any]:
    """Do everything with so many people; return the numbers."""
    print(f"\n{people} people in {TEAMS} teams, {LATENCY * 1000:.0f} ms a request")
    with (
        tempfile.TemporaryDirectory(prefix="waypost-bench-") as folder,
        _process("launchpad", people) as world,
    ):
        path = Path(folder) / "waypost.db"
        url = world["url"]
        make_database(path, people)
        found: dict[str, Any] = {"people": people}
        with _process("lookups", path, people, stop=True) as lookups:
            found["first"] = run("first sync", path, url)
        found["lookups"] = lookups
        print(f"  lookups meanwhile: {lookups['count']}, p99 {lookups['p99_ms']:.2f} ms")
        before = rows(path)
        found["second"] = run("second sync, nothing changed", path, url)
        found["rows_written"] = len(rows(path) ^ before)
        found["cpu_share"] = found["second"]["cpu"] / found["first"]["cpu"]
        print(f"  rows written {found['rows_written']}, {found['cpu_share']:.2f} of the first one's CPU")
        step = people // RENAMED
        for number in range(0, people, step):
            name = f"person{number:06d}"
            httpx.post(f"{url}_control", json={"world": ["rename", name, f"renamed{number:06d}"]})
        found["renamed"] = run(f"third sync, {RENAMED} people renamed", path, url)
        found["renamed_more"] = found["renamed"]["seconds"] - found["second"]["seconds"]
        print(f"  {found['renamed']['asked']} asked one by one in {found['renamed_more']:.1f} s more")
        rival = run_role("rival", path, url)
        found["rival"] = rival | {"scaled_seconds": rival["seconds"] * people / SAMPLE}
        found["times_slower"] = found["rival"]["scaled_seconds"] / found["first"]["seconds"]
        print(
            f"  one request a person, one row an update: {rival['seconds']:.1f} s for {SAMPLE} people, scaled"
            f" {found['rival']['scaled_seconds']:.0f} s: {found['times_slower']:.0f} times slower"
        )
    return found


def run(what: str, path: Path, url: str) -> dict[str, Any]:
    """Do one sync of all teams in a process of its own, and print what it took."""
    took = run_role("sync", path, url)
    print(f"  {what}: {took['seconds']:.1f} s, {took['cpu']:.1f} s of CPU, {took['peak_mib']:.0f} MiB")
    return took


def run_role(role: str, *arguments: object) -> dict[str, Any]:
    """Run one of the measured processes; return what it says."""
    command = [sys.executable, "-m", "bench.sync", "--role", role, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def _process(role: str, *arguments: object, stop: bool = False) -> Iterator[dict[str, Any]]:
    """Run a process beside the `with` block; it says a line when it is ready, and one more at its end."""
    command = [sys.executable, "-m", "bench.sync", "--role", role, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    said: dict[str, Any] = json.loads(process.stdout.readline())
    try:
        yield said
    finally:
        process.stdin.close()
        if stop:
            said.update(json.loads(process.stdout.readline()))
        process.wait()


# -- the database ---------------------------------------------------------------------------------


def make_database(path: Path, people: int) -> None:
    """Make people who have signed in and own an address each, of whom no facts are known."""
    database.configure(f"sqlite:///{path}")
    database.migrate()
    now = database.utc_now()
    names = [f"person{number:06d}" for number in range(people)]
    world = big_world(people, 1)
    births = [account.date_created.isoformat() for account in world.accounts()]
    with database.connection(), database.write():
        for number in range(TEAMS):
            fields = {"verification_token": "t", "verified_at": now, "added_at": now}
            domain = Domain.create(name=f"domain{number}.example", **fields)
            DomainTeam.create(domain=domain, team=f"team{number}")
        _insert(
            Person,
            (
                {"id": i + 1, "launchpad_name": name, "account_created": births[i], "created_at": now}
                for i, name in enumerate(names)
            ),
        )
        _insert(
            Identity,
            (
                {"issuer": "x", "subject": f"{PREFIX}P{i:06d}", "person": i + 1, "added_at": now}
                for i in range(people)
            ),
        )
        moments = {"switched_at": now, "created_at": now}
        _insert(
            Alias,
            (
                {"id": i + 1, "domain": 1, "local_part": name, "person": i + 1, **moments}
                for i, name in enumerate(names)
            ),
        )
        _insert(
            Recipient,
            (
                {
                    "id": i + 1, "person": i + 1, "address": f"{name}@home.example",
                    "address_key": f"{name}@home.example", "verified_at": now, "added_at": now,
                }
                for i, name in enumerate(names)
            ),
        )  # fmt: skip
        _insert(
            AliasRecipient,
            ({"alias": i + 1, "recipient": i + 1, "position": 0} for i in range(people)),
        )


def _insert(table: Any, made: Iterator[dict[str, object]]) -> None:
    rows = list(made)
    for start in range(0, len(rows), AT_ONCE):
        table.insert_many(rows[start : start + AT_ONCE]).execute()


def rows(path: Path) -> set[tuple[object, ...]]:
    """Return every row of every table, but the one that says when each team was read."""
    connection = sqlite3.connect(path)
    found: set[tuple[object, ...]] = set()
    for table in TABLES:
        name = table._meta.table_name
        if table is not TeamSync:
            found |= {(name, *row) for row in connection.execute(f"SELECT * FROM {name}")}
    connection.close()
    return found


# -- the processes that are measured --------------------------------------------------------------


def serve(people: str) -> None:
    """Be Launchpad until the standard input is closed."""
    server = PretendLaunchpad(big_world(int(people), TEAMS))
    server.latency = LATENCY
    server.start()
    print(json.dumps({"url": server.url}), flush=True)
    sys.stdin.read()
    server.stop()


def sync(path: str, url: str) -> None:
    """Do what the worker's jobs do for all teams."""
    from core.directories import Deadline
    from core.directories.launchpad import Launchpad
    from core.sync import sync_people
    from core.team_sync import sync_team
    from workers import jobs  # what a worker has loaded

    database.configure(f"sqlite:///{path}")
    audit.use_secret("a secret of the benchmark's own, 1")
    directory = Launchpad(url, "benchmark")
    began, cpu, asked = time.monotonic(), time.process_time(), 0
    for number in range(TEAMS):
        now, deadline = database.utc_now(), Deadline(jobs.TEAM_SECONDS)
        person_ids = sync_team(directory, f"team{number}", deadline, now)
        unclear = sync_people(directory, person_ids, deadline, now)
        asked += len(person_ids)
        assert not unclear
    with database.connection():
        assert Membership.select().count() >= Person.select().count()
        assert TeamSync.select().where(TeamSync.problem.is_null(False)).count() == 0
    report(began, cpu, asked=asked)


def rival(path: str, url: str) -> None:
    """Ask once a person, and save one row after the other, each in a transaction of its own."""
    database.configure(f"sqlite:///{path}")
    began, cpu = time.monotonic(), time.process_time()
    client = httpx.Client()
    with database.connection():
        for person in Person.select().order_by(Person.id.desc()).limit(SAMPLE):
            answer = client.get(f"{url}1.0/~{person.launchpad_name}/super_teams?ws.size=300").json()
            teams = {entry["name"] for entry in answer["entries"]}
            now = database.utc_now() + timedelta(hours=2)
            for fact in AccountFact.select().where(AccountFact.person == person):
                fact.read_at = now
                fact.save()
            for membership in Membership.select().where(Membership.person == person):
                membership.read_at, membership.holds = now, membership.team in teams
                membership.save()
    report(began, cpu)


def report(began: float, cpu: float, **more: int) -> None:
    """Say what it took."""
    lines = Path("/proc/self/status").read_text().splitlines()  # getrusage counts what the parent had, too
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    took = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu, "peak_mib": peak}
    print(json.dumps(took | more), flush=True)


def look_up(path: str, people: str) -> None:
    """Look addresses up as the relay does, until the standard input is closed; say how long that took."""
    import select

    from core.alias_table import open_alias_table

    table = open_alias_table(f"sqlite:///{path}")
    table.find("domain0.example", "person000000")
    print("{}", flush=True)
    took: list[float] = []
    number = 0
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        number = (number + 7919) % int(people)
        began = time.perf_counter()
        assert table.find("domain0.example", f"person{number:06d}") is not None
        took.append(time.perf_counter() - began)
    took.sort()
    print(json.dumps({"count": len(took), "p99_ms": took[len(took) * 99 // 100] * 1000}), flush=True)


ROLES = {"launchpad": serve, "sync": sync, "rival": rival, "lookups": look_up}

if __name__ == "__main__":
    main()
