"""In step with the directory: read whole teams, one reading of a team at a time.

Reading is network work and writes nothing but how far it is; what it brings is written in many short
transactions, each of which first makes sure that no newer reading of the team has begun.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from peewee import JOIN, OperationalError, chunked

from core.brake import too_many
from core.database import connection, database, write
from core.directories import Account, Deadline, Directory, MembersReading
from core.facts import SECOND_NO_AFTER, Answer
from core.models import AccountFact, Membership, Person, TeamReading, TeamSync
from core.ownership import lock_people
from core.problems import report
from core.provisioning import provide
from core.standing import store_facts
from core.upkeep import keep_up

CHUNK = 250
"""People written down in one transaction, so that nobody waits long for the lock."""
LET_OTHERS_IN = 0.05
"""Seconds between two chunks: SQLite's waiting writers look every 100 ms, and would starve."""
REFRESH_AFTER = timedelta(hours=1)
"""A fact that is only confirmed is written again when its last reading is so old, and not every time."""
DEAD_AFTER = timedelta(minutes=2)
"""A reading that was not heard of for so long is overtaken by the next one."""
GONE = "gone: the directory knows no such team"


log = structlog.get_logger()


class Overtaken(Exception):
    """A newer reading of the team has begun: this one is too old to write."""


@dataclass(frozen=True)
class Turn:
    """The right to read a team, until somebody with a higher fence has it."""

    team: str
    fence: int
    now: datetime
    started: float

    @property
    def moment(self) -> datetime:
        """The present moment, counted from the beginning of the reading."""
        return self.now + timedelta(seconds=time.monotonic() - self.started)

    def beat(self, read: int, total: int | None) -> None:
        """Say how far the reading is. Raises Overtaken."""
        with connection(), write():
            self.check()
            TeamSync.update(beat_at=self.moment, people_read=read, people_total=total).where(
                TeamSync.team == self.team
            ).execute()

    def check(self) -> None:
        """Make sure, inside a transaction that writes, that this is the newest reading. Raises Overtaken."""
        row = lock_team(self.team)
        if row is None or row.fence != self.fence:
            raise Overtaken(self.team)

    def finish(self, problem: str | None) -> None:
        """Let go of the team; say why there was no reading, or None. Raises Overtaken."""
        with write():
            self.check()
            row = TeamSync.get(TeamSync.team == self.team)
            row.running = False
            row.problem_since = (row.problem_since or self.now) if problem else None
            row.problem = problem[:200] if problem else None
            row.finished_at = row.finished_at if problem else self.now
            row.save()
            if problem:
                report("sync-team", self.team, problem, self.moment)
                log.warning("team unreadable", tried="sync-team", team=self.team, why=problem)


def lock_team(team: str) -> TeamSync | None:
    """Load a team's row and let no reading of it write, and nobody judge one, until the transaction ends."""
    query = TeamSync.select().where(TeamSync.team == team)
    if database.obj.for_update:
        query = query.for_update()
    return query.first()  # type: ignore[no-any-return]


def _begin(team: str, now: datetime) -> Turn | None:
    """Take the team; None while another reading of it is alive."""
    with write():
        TeamSync.insert(team=team, began_at=now, beat_at=now).on_conflict_ignore().execute()
        row = lock_team(team)
        if row is None or (row.running and now - row.beat_at < DEAD_AFTER):
            return None
        row.fence += 1
        row.running, row.began_at, row.beat_at = True, now, now
        row.people_read, row.people_total = 0, None
        row.save()
        return Turn(team, row.fence, now, time.monotonic())


def sync_team(directory: Directory, team: str, deadline: Deadline, now: datetime) -> list[int]:
    """Read one team; each member it clearly names gets a *yes*.

    A participant's entry speaks for a person only when name and `date_created` are equal. Returns
    the ids of the people who must be asked about by identity (`core.sync.sync_person`): those who
    counted as members and are not in the list, for a missing name alone is no *no*; and those whose
    account looks as if it were suspended, or no longer so. A held reading, and one that another one
    overtook, returns none.
    """
    with connection():
        turn = _begin(team, now)
    if turn is None:
        return []
    try:
        return _read(turn, directory, deadline)
    except Overtaken:
        return []
    except Exception as error:
        with contextlib.suppress(Overtaken, OperationalError), connection():
            turn.finish(f"failed: {type(error).__name__}")
        raise


def problem_of(team: str) -> str | None:
    """Say why the last reading of a team was none, or that it is not done yet; None when it was one."""
    row = TeamSync.get_or_none(TeamSync.team == team)
    if row is None or row.running:
        return "another reading is under way"
    return row.problem


def _read(turn: Turn, directory: Directory, deadline: Deadline) -> list[int]:
    reading = directory.members(turn.team, deadline, turn.beat)
    with connection():
        if reading.members is None and not reading.gone:
            turn.finish(f"unreadable: {reading.why}")
            return []
        with write():
            turn.check()
            held_because = _store_team_reading(turn, reading)
        to_ask = [] if held_because else _store_members(turn, reading.members or ())
        turn.finish(None)
        return to_ask


def _store_team_reading(turn: Turn, reading: MembersReading) -> str | None:
    """Keep the reading, two at the most; return why it is held, or None."""
    team, now = turn.team, turn.now
    rows = list(TeamReading.select().where(TeamReading.team == team).order_by(TeamReading.id.desc()))
    accepted = next((row for row in rows if row.held_because is None), None)
    names = {account.name for account in reading.members or ()}
    held_because = _brake(json.loads(accepted.names) if accepted else None, names, gone=reading.gone)
    text = json.dumps(sorted(names))
    if rows and (rows[0].names, rows[0].held_because) == (text, held_because):
        if held_because is None and now - rows[0].read_at >= REFRESH_AFTER:
            TeamReading.update(read_at=now).where(TeamReading.id == rows[0].id).execute()
        return held_because
    TeamReading.create(team=team, read_at=now, count=len(names), names=text, held_because=held_because)
    if held_because and not (rows and rows[0].held_because):
        report("sync-team", team, f"held for an admin: {held_because}", turn.moment)
    for row in rows:
        if row is not accepted if held_because else row is not rows[0]:
            row.delete_instance()
    return held_because


def _brake(before: list[str] | None, after: set[str], *, gone: bool) -> str | None:
    """Say why a reading must wait for an admin: it is empty, or too many are gone at once."""
    if not after:
        return None if before == [] else GONE if gone else "empty"
    lost = len(set(before or ()) - after)
    return f"{lost} of {len(before or ())} members are gone" if too_many(lost, len(before or ())) else None


def _store_members(turn: Turn, members: tuple[Account, ...]) -> list[int]:
    """Give each member that is one of our people a *yes*; return who must be asked about."""
    found: dict[int, Account] = {}
    to_write: list[int] = []
    by_name = {account.name: account for account in members}
    for person_id, name, created, valid, coc_signed, is_member in _known(turn):
        account = by_name.get(name)
        if account is None or account.created != created:
            continue  # an entry speaks for a person only by both
        found[person_id] = account
        if not (is_member and _is_known(account.valid, valid) and _is_known(account.coc_signed, coc_signed)):
            to_write.append(person_id)
    for some in chunked(to_write, CHUNK):
        with write():
            turn.check()
            _store_chunk(turn, {person_id: found[person_id] for person_id in some})
        time.sleep(LET_OTHERS_IN)
    return sorted(_missing(turn, found) | _perhaps_suspended(found))


def _known(turn: Turn) -> Iterator[tuple[int, str, str, bool | None, bool | None, int | None]]:
    """Yield everybody with an account, and what was settled and written of them within the last hour.

    Id, name, birth; whether the account is valid and the Code of Conduct signed, None when that must
    be written again; and whether they are known to be in the team. As the database's driver gives
    it: of hundreds of thousands of rows, turning each into an object takes longer than all else.
    """

    def recent(table: Any) -> Any:
        return table.first_no_at.is_null() & (table.read_at > turn.now - REFRESH_AFTER)

    valid, coc = AccountFact.alias(), AccountFact.alias()
    in_team = (Membership.team == turn.team) & (Membership.holds == True)  # noqa: E712 -- SQL
    query = (
        Person.select(
            Person.id, Person.launchpad_name, Person.account_created, valid.holds, coc.holds, Membership.id
        )
        .join(
            valid, JOIN.LEFT_OUTER, on=(valid.person == Person.id) & (valid.fact == "valid") & recent(valid)
        )
        .switch(Person)
        .join(coc, JOIN.LEFT_OUTER, on=(coc.person == Person.id) & (coc.fact == "coc_signed") & recent(coc))
        .switch(Person)
        .join(Membership, JOIN.LEFT_OUTER, on=(Membership.person == Person.id) & in_team & recent(Membership))
        .where(Person.launchpad_name.is_null(False))
    )
    yield from database.execute(query)


def _is_known(said: Answer, holds: bool | None) -> bool:
    """Whether an answer is what was written an hour ago at most; an unknown one has nothing to write."""
    return said is Answer.UNKNOWN or (holds is not None and bool(holds) is (said is Answer.YES))


def _facts(account: Account) -> dict[str, Answer]:
    return {"valid": account.valid, "coc_signed": account.coc_signed}


def _store_chunk(turn: Turn, some: Mapping[int, Account]) -> None:
    """Write down what the reading says of some people, and what follows for their aliases."""
    people = {
        person.id: person
        for person in lock_people(some)
        if (person.launchpad_name, person.account_created) == (some[person.id].name, some[person.id].created)
    }  # still
    changed = store_facts(AccountFact, {person_id: _facts(some[person_id]) for person_id in people}, turn.now)
    changed |= store_facts(Membership, {person_id: {turn.team: Answer.YES} for person_id in people}, turn.now)
    concerned = [people[person_id] for person_id in sorted(changed)]
    keep_up(concerned, turn.now)
    provide(concerned, turn.now)


def _missing(turn: Turn, found: Mapping[int, Account]) -> set[int]:
    """Return who counts as a member and is not in the list, unless the second look is not due yet."""
    counted: Any = Membership.select(Membership.person).where(
        Membership.team == turn.team,
        Membership.holds == True,  # noqa: E712 -- SQL
        Membership.first_no_at.is_null() | (Membership.first_no_at <= turn.now - SECOND_NO_AFTER),
    )
    return {person_id for (person_id,) in counted.tuples()} - found.keys()


def _perhaps_suspended(found: Mapping[int, Account]) -> set[int]:
    """Return who has just turned out not to be valid, and who is valid and was said to be suspended.

    The list of a team says that an account is not valid, and not why.
    """
    free = AccountFact.fact == "not_suspended"
    lifted = AccountFact.select().where(free, AccountFact.holds == False)  # noqa: E712 -- SQL
    perhaps = {row.person_id for row in lifted if _says(found.get(row.person_id), Answer.YES)}
    for some in chunked([i for i, account in found.items() if _says(account, Answer.NO)], CHUNK):
        rows = AccountFact.select().where(AccountFact.person.in_(some), free | (AccountFact.fact == "valid"))
        facts = {(row.person_id, row.fact): row for row in rows}
        for person_id in some:
            valid, asked = facts.get((person_id, "valid")), facts.get((person_id, "not_suspended"))
            doubted = valid is not None and valid.first_no_at
            if asked is None or (doubted and asked.read_at <= doubted):
                perhaps.add(person_id)
    return perhaps


def _says(account: Account | None, valid: Answer) -> bool:
    return account is not None and account.valid is valid
