"""core.runtime"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from core import runtime
from core.audit import OPERATOR, first_fault, record
from core.database import connection, database, migrate, write
from core.settings import Settings
from devtools.stack import free_port
from tests.unit.core.test_settings import COMPLETE

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def environment(monkeypatch, sqlite_url):
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)
    for name, value in (COMPLETE | {"DATABASE_URL": sqlite_url}).items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    structlog.reset_defaults()


def test_a_start_makes_a_process_ready_for_work(now):
    runtime.start()

    with connection(), write():
        record(OPERATOR, "noted", {}, {}, now)
    with connection():
        assert first_fault() is None


def test_a_start_opens_no_connection():
    runtime.start()

    assert database.is_closed()


def test_a_wrong_setting_ends_the_start_with_a_sentence(environment, capsys):
    environment.setenv("SECRET_KEY", "too-short-Xyz")
    environment.delenv("MAIL_FROM")
    with pytest.raises(SystemExit) as caught:
        runtime.start()

    told = capsys.readouterr().err
    assert caught.value.code == 78
    assert told.startswith("Waypost cannot start:\n")
    assert "SECRET_KEY" in told
    assert "MAIL_FROM" in told
    assert "too-short-Xyz" not in told
    assert "Traceback" not in told


def test_the_log_is_json_on_stderr_from_its_level_on(environment, capsys):
    environment.setenv("LOG_LEVEL", "warning")
    runtime.start()
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud", count=3)

    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["count"]) == ("loud", "warning", 3)
    assert "timestamp" in event


def test_tables_that_are_older_end_the_start_with_a_sentence(environment, capsys, tmp_path):
    environment.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/empty.db")
    runtime.start()
    with pytest.raises(SystemExit) as caught:
        runtime.require_tables()
    assert caught.value.code == 78
    assert "waypost migrate" in capsys.readouterr().err

    migrate()
    runtime.require_tables()
    assert database.is_closed()


def test_a_database_that_is_gone_is_no_reason_to_end(environment):
    environment.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    runtime.start()
    runtime.require_tables()


@pytest.mark.parametrize("change", [{"SECRET_KEY": "short"}, {}], ids=["settings", "tables"])
def test_a_portal_that_cannot_start_ends_instead_of_starting_workers_again(environment, tmp_path, change):
    for name, value in {"DATABASE_URL": f"sqlite:///{tmp_path}/empty.db", **change}.items():
        environment.setenv(name, value)
    environment.setenv("WEB_BIND", f"127.0.0.1:{free_port()}")
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 78
    assert ended.stderr.count("Waypost cannot start") == 1
