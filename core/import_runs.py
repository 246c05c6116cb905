"""An import by a page: the file is kept, judged by a job, and brought in by a job after an admin's word.

Every step begins again where it was when its job was killed.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from peewee import chunked

from core.audit import Actor, record
from core.database import connection, write
from core.import_file import MAX_OCTETS, FileProblem, read_file, too_large
from core.import_rules import Fate, Verdict, judge
from core.imports import carry_out
from core.models import ImportLine, ImportRun, by_id
from core.ownership import NotYours
from core.paging import Slice, counts_by, slice_of
from core.translation import N_, Told

JOB = Actor("job:import_file")
LINES_AT_ONCE = 500


class State(StrEnum):
    """How far an import is."""

    CHECKING = "checking"
    CHECKED = "checked"
    """It waits for an admin's word."""
    BROKEN = "broken"
    """The file cannot be read."""
    RUNNING = "running"
    DONE = "done"


def begin(actor: Actor, content: bytes, listed_at: datetime | None, now: datetime) -> ImportRun:
    """Keep a file that an admin brought, to be judged by a job.

    listed_at: how old the list is; None for this moment. Raises FileProblem for one that is empty or too
    large.
    """
    if not content.strip():
        raise FileProblem(N_("There is nothing in the file."))
    if len(content) > MAX_OCTETS:
        raise too_large()
    with write():
        run = ImportRun.create(made_at=now, listed_at=listed_at or now, content=content, state=State.CHECKING)
        record(actor, "import-brought", {"import_run": run.id}, {"octets": len(content)}, now)
    return run


def work_on(run_id: int, state: str, now: datetime) -> None:
    """Do what an import waits for: judge it, or bring it in; nothing when it is in another state by now.

    Opens its own connection.
    """
    with connection():
        run = by_id(ImportRun, run_id)
        if run is None or run.content is None or run.state != state:
            return
        if run.state == State.CHECKING:
            _check(run)
        elif run.state == State.RUNNING:
            _bring_in(run, now)


def approve(actor: Actor, run_id: int, now: datetime) -> ImportRun:
    """Let an import that was judged be brought in. Raises NotYours when there is none that waits for it."""
    with write():
        run = _move(run_id, State.CHECKED, State.RUNNING)
        record(actor, "import-approved", {"import_run": run.id}, {"lines": run.lines}, now)
    return run


def discard(actor: Actor, run_id: int, now: datetime) -> None:
    """Forget a file that was not brought in. Raises NotYours when it was, or is being so."""
    with write():
        deleted = ImportRun.delete().where(
            ImportRun.id == run_id, ImportRun.state.in_((State.CHECKING, State.CHECKED, State.BROKEN))
        )
        if not deleted.execute():
            raise NotYours("no import that could be forgotten")
        record(actor, "import-discarded", {"import_run": run_id}, {}, now)


def unfinished() -> list[tuple[int, str]]:
    """Return the imports that wait for a job, each with its state."""
    query = ImportRun.select(ImportRun.id, ImportRun.state).where(
        ImportRun.state.in_((State.CHECKING, State.RUNNING))
    )
    return [(row.id, row.state) for row in query.order_by(ImportRun.id)]


_LIGHT: Any = [field for field in ImportRun._meta.sorted_fields if field is not ImportRun.content]
"""All columns but the file itself, which may be large."""


def recent(after: int | None = None, *, newest_first: bool = True) -> Slice[ImportRun]:
    """Return the imports that are kept, without their files."""
    return slice_of(ImportRun.select(*_LIGHT), ImportRun.id, after, newest_first=newest_first)


def find(run_id: int) -> ImportRun | None:
    """Return an import without its file; None when there is none of this number."""
    return ImportRun.select(*_LIGHT).where(ImportRun.id == run_id).first()  # type: ignore[no-any-return]


def report_of(run: ImportRun, fate: str = "", after: int | None = None) -> Slice[ImportLine]:
    """Return the lines of an import in the file's order. fate: only those; empty for all."""
    query = ImportLine.select().where(ImportLine.run == run)
    query = query.where(ImportLine.fate == fate) if fate else query
    return slice_of(query, ImportLine.number, after, newest_first=False)


def counts_of(run: ImportRun) -> Counter[Fate]:
    """Count the lines of an import by what becomes of them."""
    counts = counts_by(ImportLine.fate, Fate, ImportLine.run == run)
    return Counter({Fate(fate): count for fate, count in counts.items()})


def _check(run: ImportRun) -> None:
    try:
        lines = read_file(bytes(run.content or b""))
    except FileProblem as problem:
        _set(run, State.CHECKING, state=State.BROKEN, problem=problem.packed(), content=None)
        return
    verdicts = judge(lines)
    _set(run, State.CHECKING, lines=len(verdicts), done=0)
    with write():
        ImportLine.delete().where(ImportLine.run == run).execute()  # of a job that was killed
    for some in chunked(verdicts, LINES_AT_ONCE):
        with write():
            if not _set(run, State.CHECKING, done=ImportRun.done + len(some)):
                return  # forgotten meanwhile
            _store(run, some)
    _set(run, State.CHECKING, state=State.CHECKED)


def _bring_in(run: ImportRun, now: datetime) -> None:
    verdicts = judge(read_file(bytes(run.content or b"")))
    _set(run, State.RUNNING, lines=len(verdicts), done=0)

    def progress(some: Sequence[Verdict]) -> None:
        with write():
            if _set(run, State.RUNNING, done=ImportRun.done + len(some)):
                _store(run, some)

    carry_out(JOB, verdicts, run.listed_at, now, progress)
    _set(run, State.RUNNING, state=State.DONE, content=None)


def _store(run: ImportRun, verdicts: Sequence[Verdict]) -> None:
    """Write lines into the report, in place of what it said of them before."""
    rows = [
        {
            "run": run,
            "number": one.number,
            "address": one.address,
            "fate": one.fate,
            "detail": _detail(one.detail),
        }
        for one in verdicts
    ]
    same = (ImportLine.run, ImportLine.number)
    ImportLine.insert_many(rows).on_conflict(
        conflict_target=same, preserve=(ImportLine.fate, ImportLine.detail, ImportLine.address)
    ).execute()


def _detail(detail: str | Told) -> str:
    return detail.packed() if isinstance(detail, Told) else detail[:300]


def _set(run: ImportRun, state: State, /, **columns: object) -> int:
    """Change an import that is in this state still; return 0 when it is not."""
    return int(ImportRun.update(columns).where(ImportRun.id == run.id, ImportRun.state == state).execute())


def _move(run_id: int, old: State, new: State) -> ImportRun:
    moved = ImportRun.update(state=new).where(ImportRun.id == run_id, ImportRun.state == old)
    if not moved.execute():
        raise NotYours("no import in this state")
    return ImportRun.get_by_id(run_id)
