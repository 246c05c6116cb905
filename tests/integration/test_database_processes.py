"""Several processes on one database, and one that is killed in the middle of a write (B58, B59)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from core.audit import first_fault
from core.database import write
from core.models import Alias, AuditEntry, Person
from tests.support.arrange import make_domain, make_member

ROOT = Path(__file__).parents[2]
PRELUDE = """
import sys
from datetime import UTC, datetime
from core import audit, database
from core.database import connection, write
database.configure(sys.argv[1])
audit.use_secret(sys.argv[2])
now = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
"""


def process(code: str, settings, *arguments: object) -> "subprocess.Popen[str]":
    """Start a process with the core in it; it says a line when it is ready."""
    words = [sys.executable, "-c", PRELUDE + code, settings.database_url, settings.record_secret]
    return subprocess.Popen([*words, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


CLAIM = """
from core.aliases import ClaimRefused, claim
from core.models import Domain
with connection():
    domain = Domain.get()
print("ready", flush=True)
while datetime.now(UTC).timestamp() < float(sys.argv[4]):
    pass
with connection():
    try:
        print(claim(int(sys.argv[3]), domain, None, sys.argv[2], now).person_id)
    except ClaimRefused as refused:
        print(refused.problem.value)
"""


def test_of_two_people_who_claim_in_many_processes_at_once_one_gets_the_name(db, settings, now):
    make_domain(now)
    people = [make_member(now, name, subject=name, created=name) for name in ("ada", "Ada")]
    start = time.time() + 4
    running = [process(CLAIM, settings, person.id, start) for person in people * 3]
    said = [one.communicate(timeout=60)[0].split()[1:] for one in running]

    owner = Alias.get().person_id
    assert Alias.select().count() == 1
    for person, words in zip(people * 3, said, strict=True):
        assert words == ([str(owner)] if person.id == owner else ["taken"])
    assert first_fault() is None


HALF_A_WRITE = """
import time
from core.models import Person
with connection(), write():
    Person.create(created_at=now, display_name="half")
    audit.record(audit.OPERATOR, "half", {}, {}, now)
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_process_killed_in_the_middle_of_a_write_leaves_nothing_and_holds_up_nobody(db, settings, now):
    victim = process(HALF_A_WRITE, settings)
    assert victim.stdout.readline() == "ready\n"
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate(timeout=60)
    began = time.monotonic()
    with write():
        Person.create(created_at=now, display_name="whole")

    assert time.monotonic() - began < 2
    assert [person.display_name for person in Person.select()] == ["whole"]
    assert AuditEntry.select().count() == 0


def test_many_processes_write_one_chain(db, settings, now):
    code = """
print("ready", flush=True)
for _ in range(20):
    with connection(), write():
        audit.record(audit.OPERATOR, "noted", {}, {}, now)
"""
    running = [process(code, settings) for _ in range(3)]

    assert [one.wait(60) for one in running] == [0] * 3
    for one in running:
        one.communicate()
    assert AuditEntry.select().count() == 60
    assert first_fault() is None
