"""What all tests may ask for: settings, a fresh database on either engine, and a moment to be in."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import structlog
from hypothesis import settings as hypothesis_settings
from peewee import Database, SqliteDatabase, sort_models
from playhouse.db_url import parse
from playhouse.migrations import Runner
from playhouse.postgres_ext import Psycopg3Database

from core import database as core_database
from core import runtime
from core.models import TABLES
from core.settings import Settings
from tests.support.postgres import PostgresServer, find_binaries

CUT_OTHERS_OFF = b"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()"""

hypothesis_settings.register_profile(
    "waypost", deadline=None
)  # how long an example takes is no property of it
hypothesis_settings.load_profile("waypost")


@pytest.fixture
def now() -> datetime:
    """A Thursday noon; whole seconds, as they are stored."""
    return datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL for this run. A test that changes tables makes a database of its own there."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian package `postgresql`), so nothing was tried on it")
    server = PostgresServer(binaries)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows, to copy from."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(SqliteDatabase(path, pragmas={"journal_mode": "wal"}))
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite_file: Path, tmp_path: Path) -> str:
    """DATABASE_URL of a fresh, migrated SQLite file."""
    path = tmp_path / "waypost.db"
    shutil.copyfile(migrated_sqlite_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_cleaner(postgres_server: PostgresServer) -> Iterator[psycopg.Connection]:
    """A connection that lasts, to the PostgreSQL database with all tables that one test after the other uses.

    It deletes rows: that takes a millisecond, and a new database from a template up to half a second.
    """
    url = postgres_server.create("waypost")
    _migrate(Psycopg3Database(**parse(url)))
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_cleaner: psycopg.Connection) -> str:
    """DATABASE_URL of a migrated PostgreSQL database without rows."""
    names = [table._meta.table_name for table in reversed(sort_models(TABLES))]
    postgres_cleaner.execute(CUT_OTHERS_OFF)
    postgres_cleaner.execute("; ".join(f'DELETE FROM "{name}"' for name in names).encode())
    return postgres_server.url("waypost")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """DATABASE_URL of a fresh, migrated database: each test that asks for it runs on both engines."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(scope="session")
def settings_of_all_tests() -> Settings:
    """Settings out of the values here and nothing else, whatever the environment has."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.lower() in Settings.model_fields:
                patch.delenv(name)
        return Settings(
            secret_key="the secret key of the tests, 1234",
            record_secret="the record secret of the tests, 1",
            srs_secrets=["the SRS secret of these tests 1234"],
            public_url="http://127.0.0.1:8000",
            database_url="sqlite:///replaced.db",
            srs_domain="srs.proj.example",
            relay_hostname="mx.proj.example",
            ops_address="ops@ops.example.net",
            mail_from="waypost@proj.example",
            project_name="Project",
            log_level="WARNING",
        )


@pytest.fixture
def settings(settings_of_all_tests: Settings, database_url: str, tmp_path: Path) -> Settings:
    """Settings with a database and files of this test's own."""
    own = {
        "database_url": database_url,
        "state_dir": tmp_path / "state",
        "relay_socket": tmp_path / "relay.sock",
    }
    return settings_of_all_tests.model_copy(update=own)


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    """A process made ready for work, with one connection held for the test's own thread.

    Other threads open their own with `core.database.connection()`.
    """
    runtime.prepare(settings)
    with core_database.connection():
        yield core_database.database
    structlog.reset_defaults()


def _migrate(database: Database) -> None:
    with database.connection_context():
        Runner(database, str(core_database.MIGRATIONS)).up()
