"""Stays in step whatever dies: `script/bench sync-chaos [--syncs N] [--seed N]`.

The same weeks happen twice to the same pretend world. Once in peace, one pass of the jobs after each
change; once with hundreds of syncs under kill -9 of workers, broker and database at random, a
Launchpad that fails in a dozen ways, and claims in between. At the end both databases must say the
same, row by row: people, facts, aliases, notices, the record. The days between are made by moving every
moment that is stored into the past.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from peewee import DatabaseError
from redis.exceptions import RedisError
from rq import Queue
from rq.registry import ScheduledJobRegistry, StartedJobRegistry

from core import database, queues, runtime, team_sync
from core.aliases import ClaimRefused, claim
from core.audit import first_fault
from core.database import UtcDateTimeField, utc_now
from core.models import (
    TABLES,
    AccountFact,
    Alias,
    AliasRecipient,
    AuditEntry,
    Domain,
    DomainTeam,
    Identity,
    Membership,
    Notice,
    Person,
    Recipient,
    TeamSync,
)
from core.queues import QUEUES, Job, broker, enqueue, wait_for_broker
from core.settings import Settings
from devtools.faults import FaultKind
from devtools.launchpad import PretendLaunchpad
from devtools.people import big_world
from devtools.world import World
from tests.support.environment import environment_of
from tests.support.postgres import PostgresServer, find_binaries

PEOPLE, CLAIMANTS, TEAMS = 90, 6, 3
WORKERS = 2
PATIENCE = 180.0  # seconds until everything must have settled
FAULTS = [kind for kind in FaultKind if kind is not FaultKind.HANG]


# -- what happens in the world, and how long after the last time ----------------------------------


def nothing(_: World) -> None:
    """A quiet day."""


def much_happens(world: World) -> None:
    """People leave, are renamed, suspended, deactivated; signatures go; a name is taken."""
    for number in (1, 2, 3):
        world.leave(f"person{number:06d}", "team0")
    for number in (10, 11, 12):
        world.rename(f"person{number:06d}", f"renamed{number}")
    world.suspend("person000020")
    world.deactivate("person000021")
    world.update("person000022", coc_signed=False)
    world.take_name("person000030", moved_to="moved30")


def some_come_back(world: World) -> None:
    """One of those who left joins again, one suspension ends."""
    world.join("person000001", "team0")
    world.reactivate("person000020")


WEEKS: list[tuple[Callable[[World], None], timedelta]] = [
    (nothing, timedelta(0)),
    (much_happens, timedelta(hours=2)),
    (nothing, timedelta(hours=7)),
    (some_come_back, timedelta(days=20)),
    (nothing, timedelta(days=60)),
    (nothing, timedelta(days=15)),
]


@dataclass
class Outcome:
    """What a run left, and what it went through."""

    rows: dict[str, list[tuple[object, ...]]]
    fault: str | None
    kills: dict[str, int] = field(default_factory=dict)
    syncs: int = 0
    seconds: float = 0.0


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
        self.syncs = 0

    def live(self) -> Outcome:
        """Let all weeks pass."""
        began = time.monotonic()
        runtime.prepare(self.settings)
        database.migrate()
        _settle_people(self.world)
        try:
            for name in ("broker", *(f"worker{number}" for number in range(WORKERS))):
                self._start(name)
            for happen, later in WEEKS:
                _age(later)
                happen(self.world)
                if self._chance is not None:
                    self._storm(self._chance)
                self._settle()
                self._claim_all()
                self._settle()
            with database.connection():
                outcome = Outcome(snapshot(), first_fault(), self.kills, self.syncs)
        finally:
            for process in reversed(list(self._processes.values())):
                process.terminate()
                process.wait(30)
            self.launchpad.stop()
        shutil.rmtree(self._folder)  # after a failure its logs stay
        outcome.seconds = time.monotonic() - began
        return outcome

    def _start(self, name: str) -> None:
        module = ["workers.broker"] if name == "broker" else ["bench.sync_chaos", "--worker"]
        environment = environment_of(self.settings)
        log = (self._folder / f"{name}.log").open("ab")
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-m", *module], env=environment, stdout=log, stderr=log
        )
        if name == "broker":
            wait_for_broker(self.settings)

    def _kill(self, name: str) -> None:
        """Kill -9 something, and start it again as a supervisor would."""
        kind = name.rstrip("0123456789")
        self.kills[kind] = self.kills.get(kind, 0) + 1
        if name == "database":
            self._postgres.kill()
            _patiently(self._postgres.resume, RuntimeError)
            return
        process = self._processes[name]
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._start(name)

    def _storm(self, chance: random.Random) -> None:
        """Sync again and again while everything fails."""
        targets = ["worker0", "worker1", "worker0", "worker1", "broker", "database"]
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
            if chance.random() < 0.25:
                self._kill(chance.choice(targets))

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


def _settle_people(world: World) -> None:
    """Make people who have signed in, each but the last few with an address."""
    now = utc_now()
    with database.connection(), database.write():
        for number in range(TEAMS):
            fields = {"verification_token": "t", "verified_at": now, "added_at": now}
            domain = Domain.create(name=f"domain{number}.example", automatic=number == 2, **fields)
            DomainTeam.create(domain=domain, team=f"team{number}")
        for number, account in enumerate(world.accounts()):
            person = Person.create(
                launchpad_name=account.name, account_created=account.date_created.isoformat(), created_at=now
            )
            subject = f"https://login.ubuntu.com/+id/{account.suffixes[0]}"
            Identity.create(issuer="x", subject=subject, person=person, added_at=now)
            fields = {"address": account.email, "address_key": account.email, "verified_at": now}
            recipient = Recipient.create(person=person, added_at=now, **fields)
            if number < PEOPLE - CLAIMANTS:
                moments = {"switched_at": now, "created_at": now}
                alias = Alias.create(domain=1, local_part=account.name, person=person, **moments)
                AliasRecipient.create(alias=alias, recipient=recipient, position=0)


def _age(by: timedelta) -> None:
    """Move every stored moment into the past, but those of the record, which is a chain."""
    seconds = int(by.total_seconds())

    def move() -> None:
        with database.connection(), database.write():
            for table in TABLES:
                moments = [one for one in table._meta.sorted_fields if isinstance(one, UtcDateTimeField)]
                names = [one.column_name for one in moments if table is not AuditEntry]
                if names:
                    sets = ", ".join(f"{name} = {name} - {seconds}" for name in names)
                    database.database.execute_sql(f'UPDATE "{table._meta.table_name}" SET {sets}')

    _patiently(move, DatabaseError)


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


def snapshot() -> dict[str, list[tuple[object, ...]]]:
    """Return what a run leaves, row by row, without what two runs cannot share: moments, numbers of rows."""
    aliases = {alias.id: alias.text for alias in Alias.select()}
    people: dict[str, list[tuple[object, ...]]] = {
        "person": [(p.id, p.launchpad_name, p.account_created, p.banned_at) for p in Person.select()],
        "account_fact": [
            (f.person_id, f.fact, f.holds, f.first_no_at is None, f.held_at is None)
            for f in AccountFact.select()
        ],
        "membership": [(m.person_id, m.team, m.holds, m.first_no_at is None) for m in Membership.select()],
        "alias": [
            (a.text, a.person_id, a.entitlement, a.grace_until is None, a.grace_told, a.switch, a.hold)
            for a in Alias.select()
        ],
        "alias_recipient": [
            (aliases[row.alias_id], row.recipient_id, row.position) for row in AliasRecipient.select()
        ],
        "team_sync": [(t.team, t.running, t.problem) for t in TeamSync.select()],
        "notice": [
            (n.kind, n.person_id, n.recipient_id, _about(n.subject_ids, aliases))
            for n in Notice.select().where(Notice.kind != "problems")
        ],
        "audit": [(e.actor, e.verb, _about(e.subject_ids, aliases)) for e in AuditEntry.select()],
    }
    return {table: sorted(found, key=repr) for table, found in people.items()}


def _about(subject_ids: str, aliases: dict[int, str]) -> str:
    """Say which rows something speaks of, the alias by its address and without moments."""
    ids = json.loads(subject_ids)
    return json.dumps(
        {
            name: aliases.get(i, i) if name == "alias" else i
            for name, i in ids.items()
            if name not in ("until",)
        }
    )


def differences(peace: Outcome, storm: Outcome) -> list[str]:
    """Compare what two runs left; each sentence is a difference."""
    said = [f"{which}: {run.fault}" for which, run in (("peace", peace), ("storm", storm)) if run.fault]
    for table, rows in peace.rows.items():
        left, right = list(rows), list(storm.rows[table])
        for row in rows:
            if row in right:
                left.remove(row)
                right.remove(row)
        said += [f"{table}: only in peace {row}" for row in left]
        said += [f"{table}: only in the storm {row}" for row in right]
    return said


def both(syncs: int, seed: int) -> tuple[Outcome, Outcome]:
    """Live the same weeks in peace and in the storm; return what each left."""
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL is not installed (Debian package `postgresql`).")
    queues.RETRY_PAUSES[:] = [1, 1, 2, 3]
    queues._OPTIONS["retry"].intervals = queues.RETRY_PAUSES
    with ExitStack() as stack:
        server = PostgresServer(binaries)
        server.start()
        stack.callback(server.stop)
        outcomes = []
        for name, chance in (("peace", None), ("storm", random.Random(seed))):
            outcomes.append(Run(server, name, chance, syncs).live())
            database.database.close()
        return outcomes[0], outcomes[1]


def work() -> None:
    """Be a worker that notices a death within seconds, and not within minutes."""
    from rq.job import Job as RqJob

    from workers.__main__ import SteadyWorker
    from workers.__main__ import work as work_queues

    class Quick(SteadyWorker):
        def get_heartbeat_ttl(self, job: RqJob, working_time: float = 0.0) -> int:
            return 4

    team_sync.DEAD_AFTER = timedelta(seconds=5)
    work_queues(runtime.start(), Quick, maintenance_interval=2, job_monitoring_interval=1)


def main() -> None:
    """Run both, print, and exit with 1 when they differ."""
    parser = argparse.ArgumentParser(prog="script/bench sync-chaos", description=__doc__)
    parser.add_argument("--syncs", type=int, default=240, help="how many syncs the storm has")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats a storm")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work()
        return
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
