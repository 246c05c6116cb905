"""The connection to SQLite or PostgreSQL, and the two ways to use it: read, and write."""

import random
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peewee import BigIntegerField, Database, DatabaseError, DatabaseProxy, Expression, SqliteDatabase
from playhouse.db_url import parse
from playhouse.migrations import Runner
from playhouse.pool import PooledDatabase, PooledSqliteDatabase
from playhouse.postgres_ext import PooledPsycopg3Database, Psycopg3Database

BUSY_SECONDS = 5
KEPT_SECONDS = 300
"""So long a kept connection is used before a new one takes its place."""
_TRIES = 5
"""How often a migration may find another process at it."""
MIGRATIONS = Path(__file__).parent.parent / "migrations"
MARKS_THE_END = "0011"
"""The migration since which the end of the record is marked."""

EPOCH = datetime.fromtimestamp(0, UTC)
"""Before every moment that is stored; with it a search for "is set at all" uses an index."""

database = DatabaseProxy()
"""The one database of a process; `configure` says which."""


class UtcDateTimeField(BigIntegerField):
    """A moment: whole seconds since 1970 in the database, an aware datetime in UTC in Python.

    One form for both databases, which raw SQL and indexes compare as plain numbers.
    """

    def db_value(self, value: datetime | None) -> int | None:
        """Turn an aware datetime into seconds; a naive one is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        return int(value.timestamp())

    def python_value(self, value: int | None) -> datetime | None:
        """Turn seconds into an aware datetime in UTC."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


def sqlite_path(url: str) -> str:
    """Return the file behind `sqlite:///relative.db` or `sqlite:////absolute.db`."""
    return url.removeprefix("sqlite:///")


def configure(url: str, keep: bool = False) -> Database:
    """Say which database this process uses; opens no connection yet.

    url: the setting DATABASE_URL. keep: whether a connection that was closed is kept for the next one who
    needs one, which spares a new one for each request; not for a process that forks later, since its children
    would speak on the same ones. Returns the database.
    """
    if isinstance(database.obj, PooledDatabase):
        database.obj.close_idle()
    chosen: Database
    kept: dict[str, Any] = {"max_connections": 0, "stale_timeout": KEPT_SECONDS} if keep else {}
    if url.startswith("sqlite:///"):
        pragmas = {"busy_timeout": BUSY_SECONDS * 1000, "foreign_keys": 1, "synchronous": "normal"}
        pragmas["journal_mode"] = "wal"
        sqlite = PooledSqliteDatabase if keep else SqliteDatabase
        chosen = sqlite(sqlite_path(url), pragmas=pragmas, check_same_thread=False, **kept)
    else:
        options = kept | parse(url, unquote_password=True, unquote_user=True)
        limits = f"-c lock_timeout={BUSY_SECONDS}s"
        postgres = PooledPsycopg3Database if keep else Psycopg3Database
        chosen = postgres(options.pop("database"), connect_timeout=BUSY_SECONDS, options=limits, **options)
    database.initialize(chosen)
    return chosen


@contextmanager
def connection() -> Iterator[None]:
    """Hold one connection for a request, a job or a command, and close it at the end."""
    if not database.is_closed():  # inside another one, as when a test holds the connection
        yield
        return
    database.connect()
    try:
        yield
    finally:
        database.close()


def write() -> AbstractContextManager[Any]:
    """Open a write transaction: short, and after all network work is done.

    On SQLite it begins IMMEDIATE, so that it waits for the lock at its start and never fails at
    an upgrade in the middle.
    """
    if isinstance(database.obj, SqliteDatabase):
        return database.atomic("IMMEDIATE")
    return database.atomic()


def begins_with(column: Any, text: str) -> Any:
    """Return the condition that a column begins with a text, in a form for which an index serves.

    Case counts. PostgreSQL needs an index by octets for it (`varchar_pattern_ops`), as migration 0014 makes.
    """
    end = text + "\U0010ffff"
    if isinstance(database.obj, SqliteDatabase):
        return (column >= text) & (column < end)
    return Expression(column, "~>=~", text) & Expression(column, "~<~", end)


def lock_for_all(number: int) -> None:
    """Let one transaction at a time go on from here; held until it ends.

    number: one for each purpose. SQLite's write transaction is alone anyway.
    """
    if database.obj.for_update:
        database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (number,))


def migrate() -> list[str]:
    """Bring the tables up to date; does nothing when they are.

    Returns the names of the migrations that ran.
    """
    with connection():
        for _ in range(_TRIES):
            try:
                return list(Runner(database.obj, str(MIGRATIONS)).up())
            except DatabaseError:  # another process migrates at the same moment: see what it left to do
                time.sleep(random.uniform(0.1, 0.5))  # noqa: S311
        return list(Runner(database.obj, str(MIGRATIONS)).up())


def pending_migrations() -> list[str]:
    """Return the names of the migrations that have not run yet."""
    with connection():
        runner = Runner(database.obj, str(MIGRATIONS))
        return [row.name for row in runner.status() if row.path is not None and not row.applied]


def utc_now() -> datetime:
    """The present moment; use cases take it as an argument."""
    return datetime.now(UTC)
