"""Stays in step whatever dies: `script/bench sync-chaos [--syncs N] [--seed N]`.

The same weeks happen twice to the same pretend world. Once in peace, one pass of the jobs after each
change; once with hundreds of syncs under kill -9 of workers, broker and database at random, a
Launchpad that fails in a dozen ways, and claims in between. At the end both databases must say the
same, row by row: people, facts, aliases, notices, the record. The days between are made by moving every
moment that is stored into the past.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from peewee import DatabaseError
from redis.exceptions import RedisError
from rq import Queue
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry

from bench.relay.processes import tree
from bench.sync_compare import Outcome, differences, snapshot
from bench.sync_weeks import CLAIMANTS, PEOPLE, TEAMS, WEEKS, age, settle_people
from core import database, queues, runtime
from core.aliases import ClaimRefused, claim
from core.audit import first_fault
from core.database import utc_now
from core.directories import Deadline
from core.directories.launchpad import Launchpad
from core.models import Domain, Person, TeamSync
from core.queues import QUEUES, Job, broker, enqueue, wait_for_broker
from core.settings import Settings
from core.sync import sync_people
from devtools.faults import FaultKind
from devtools.launchpad import PretendLaunchpad
from devtools.people import big_world
from tests.support.environment import environment_of
from tests.support.postgres import PostgresServer, find_binaries

WORKERS = 2
TARGETS = [*(f"worker{number}" for number in range(WORKERS)), "broker", "database"]
KILLED = 0.5  # chance of a kill after each sync; every target has its turn before one comes again
PATIENCE = 180.0  # seconds until everything must have settled
FORGOTTEN_AFTER = 20  # seconds in which whatever puts lost jobs back has looked several times
FAULTS = [kind for kind in FaultKind if kind is not FaultKind.HANG]


class Run:
    """One life of a database; every process of it belongs to this object."""

    def __init__(self, postgres: PostgresServer, name: str, chance: random.Random | None, syncs: int) -> None:
        self._postgres, self._chance = postgres, chance
        self._rounds = syncs // len(WEEKS)
        self._folder = Path(tempfile.mkdtemp(prefix="waypost-chaos-"))
        self.world = big_world(PEOPLE, TEAMS)
        self.launchpad = PretendLaunchpad(self.world)
        self.launchpad.start()
        self.settings = _settings(postgres.create(name), self.launchpad.url, self._folder)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.kills: dict[str, int] = {}
        self._targets: list[str] = []
        self.syncs = 0

    def live(self) -> Outcome:
        """Let all weeks pass."""
        began = time.monotonic()
        runtime.prepare(self.settings)
        database.migrate()
        settle_people(self.world)
        try:
            for name in ("broker", *(f"worker{number}" for number in range(WORKERS))):
                self._start(name)
            # everything is known of everybody when the weeks begin
            launchpad = Launchpad(self.launchpad.url, "chaos")
            assert sync_people(launchpad, range(1, PEOPLE + 1), Deadline(60), utc_now()) == []
            self._settle()
            for happen, later in WEEKS:
                _patiently(lambda later=later: age(later), DatabaseError)
                happen(self.world)
                if self._chance is not None:
                    self._storm(self._chance)
                self._settle()
                self._claim_all()
                self._settle()
            with database.connection():
                rows, fault = snapshot(), first_fault()
            outcome = Outcome(rows, fault, self._forgotten(), self.kills, self.syncs)
        finally:
            for process in reversed(list(self._processes.values())):
                process.terminate()
                process.wait(30)
            self.launchpad.stop()
        shutil.rmtree(self._folder)  # after a failure its logs stay
        outcome.seconds = time.monotonic() - began
        return outcome

    def _start(self, name: str) -> None:
        module = "workers.broker" if name == "broker" else "bench.quick_worker"
        environment = environment_of(self.settings)
        log = (self._folder / f"{name}.log").open("ab")
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-m", module], env=environment, stdout=log, stderr=log
        )
        if name == "broker":
            wait_for_broker(self.settings)

    def _kill(self, name: str) -> None:
        """Kill -9 something, and start it again as a supervisor would.

        Of a worker sometimes the job too; an orphaned job goes on beside the new worker.
        """
        kind = name.rstrip("0123456789")
        self.kills[kind] = self.kills.get(kind, 0) + 1
        if name == "database":
            self._postgres.kill()
            _patiently(self._postgres.resume, RuntimeError)
            return
        process = self._processes[name]
        with_its_job = kind == "worker" and self._chance is not None and self._chance.random() < 0.5
        for pid in tree(process.pid) if with_its_job else [process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        self._start(name)

    def _storm(self, chance: random.Random) -> None:
        """Sync again and again while everything fails."""
        for _ in range(self._rounds):
            prefix = chance.choice(["/", "/1.0/", "/devel/", "/1.0/~team0"])
            self.launchpad.fail(chance.choice(FAULTS), prefix, times=chance.randint(1, 4), seconds=0.2)
            job = chance.choice([Job.SYNC_TEAM] * 4 + [Job.SYNC_PEOPLE, Job.KEEP_UP])
            teams = chance.sample(range(TEAMS), 2) if job is Job.SYNC_TEAM else [None]
            for team in teams:
                enqueue(self.settings, job, *([] if team is None else [f"team{team}"]))
                self.syncs += 1
            if chance.random() < 0.3:
                self._claim_one(chance.randrange(CLAIMANTS))
            time.sleep(chance.uniform(0, 0.3))
            if chance.random() < KILLED:
                self._targets = self._targets or chance.sample(TARGETS, len(TARGETS))
                self._kill(self._targets.pop())

    def _settle(self) -> None:
        """Heal everything and let the schedule go by twice."""
        self.launchpad.heal()
        for _ in range(2):
            begun, end = utc_now(), time.monotonic() + PATIENCE
            while not self._all_done(begun):
                if time.monotonic() > end:
                    raise TimeoutError(f"it never settled: {self._state()}; logs are in {self._folder}")
                for team in range(TEAMS):
                    enqueue(self.settings, Job.SYNC_TEAM, f"team{team}")
                enqueue(self.settings, Job.SYNC_PEOPLE)
                enqueue(self.settings, Job.KEEP_UP)
                self._wait_for_idle()

    def _all_done(self, since: Any) -> bool:
        """Whether each team was read since then, and nothing waits or runs."""
        with suppress(DatabaseError), database.connection():
            done = TeamSync.select().where(TeamSync.finished_at > since, ~TeamSync.running).count()
            return done == TEAMS and self._is_idle()
        return False

    def _state(self) -> str:
        """Say what there is to wait for."""
        with database.connection():
            teams = [(t.team, t.running, t.fence, t.problem, t.finished_at) for t in TeamSync.select()]
        return f"{teams}, {self._jobs()}"

    def _jobs(self) -> dict[str, list[str]]:
        """Return the jobs that wait, run or are to be tried again; raises RedisError or OSError."""
        found = {}
        with broker(self.settings) as connection:
            for name in QUEUES:
                found[name] = Queue(name, connection=connection).get_job_ids()
                for kind in (StartedJobRegistry, ScheduledJobRegistry):
                    ids = kind(name, connection=connection).get_job_ids(cleanup=False)
                    found[f"{name} {kind.__name__}"] = ids
        return {name: ids for name, ids in found.items() if ids}

    def _forgotten(self) -> list[str]:
        """Return the jobs that the broker keeps and that nothing will run or show any more.

        A worker takes a job from its queue a moment before it notes that it runs: only what stays so counts.
        """
        end = time.monotonic() + FORGOTTEN_AFTER
        forgotten = self._unlisted()
        while forgotten and time.monotonic() < end:
            time.sleep(0.5)
            forgotten &= self._unlisted()
        return sorted(forgotten)

    def _unlisted(self) -> set[str]:
        """Return the jobs that are in no list, each with its status."""
        with broker(self.settings) as connection:
            kept = [key.decode().split(":") for key in connection.scan_iter("rq:job:*", count=1000)]
            status = {
                parts[2]: connection.hget(":".join(parts), "status") for parts in kept if len(parts) == 3
            }
            failed = [FailedJobRegistry(name, connection=connection).get_job_ids() for name in QUEUES]
        known = {job for ids in [*self._jobs().values(), *failed] for job in ids}
        return {f"{job}, {(status[job] or b'without status').decode()}" for job in status.keys() - known}

    def _wait_for_idle(self) -> None:
        end = time.monotonic() + 20
        while not self._is_idle() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1)  # moments are whole seconds: "since" must be told apart

    def _is_idle(self) -> bool:
        with suppress(RedisError, OSError):
            return not self._jobs()
        return False

    def _claim_one(self, number: int) -> None:
        """Somebody without an address presses the button; a database that is away is no answer."""
        with suppress(DatabaseError), database.connection():
            person = Person.get(Person.id == PEOPLE - number)
            domain = Domain.get(Domain.name == "domain0.example")
            with suppress(ClaimRefused):
                claim(person.id, domain, None, self.settings.record_secret, utc_now())

    def _claim_all(self) -> None:
        for number in range(CLAIMANTS):
            self._claim_one(number)


def _settings(url: str, launchpad: str, folder: Path) -> Settings:
    return Settings(
        secret_key="the secret key of the chaos, 12345",
        record_secret="the record secret of the chaos, 1",
        srs_secrets=["the SRS secret of the chaos run 12345"],
        public_url="http://127.0.0.1:8000",
        database_url=url,
        srs_domain="srs.proj.example",
        relay_hostname="mx.proj.example",
        ops_address="ops@ops.example.net",
        mail_from="waypost@proj.example",
        launchpad_api_url=launchpad,
        state_dir=folder,
        log_level="WARNING",
    )


def _patiently(what: Callable[[], None], error: type[Exception]) -> None:
    """Do something that a server on its way up may refuse at first."""
    end = time.monotonic() + 60
    while True:
        try:
            what()
            return
        except error:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def both(syncs: int, seed: int) -> tuple[Outcome, Outcome]:
    """Live the same weeks in peace and in the storm; return what each left."""
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL is not installed (Debian package `postgresql`).")
    queues.RETRY_PAUSES[:] = [1, 1, 2, 3]
    queues._OPTIONS["retry"].intervals = queues.RETRY_PAUSES
    with ExitStack() as stack:
        server = PostgresServer(binaries, synchronous_commit="on")
        server.start()
        stack.callback(server.stop)
        outcomes = []
        for name, chance in (("peace", None), ("storm", random.Random(seed))):
            outcomes.append(Run(server, name, chance, syncs).live())
            database.database.close()
        return outcomes[0], outcomes[1]


def main() -> None:
    """Run both, print, and exit with 1 when they differ."""
    parser = argparse.ArgumentParser(prog="script/bench sync-chaos", description=__doc__)
    parser.add_argument("--syncs", type=int, default=240, help="how many syncs the storm has")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats a storm")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended
    peace, storm = both(options.syncs, options.seed)
    kills = ", ".join(f"{count} of {kind}" for kind, count in sorted(storm.kills.items()))
    rows = sum(map(len, storm.rows.values()))
    print(f"seed {options.seed}: {storm.syncs} syncs in {storm.seconds:.0f} s; kills: {kills}")
    print(f"{rows} rows compared")
    said = differences(peace, storm)
    print("\n".join(said) or "no difference")
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()
