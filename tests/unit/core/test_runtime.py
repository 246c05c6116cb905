"""core.runtime"""

import json

import pytest
import structlog

from core import runtime
from core.audit import OPERATOR, first_fault, record
from core.database import connection, database, write
from core.settings import Settings
from tests.unit.core.test_settings import COMPLETE


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
