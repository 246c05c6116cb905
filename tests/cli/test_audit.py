"""`waypost audit` as an operator runs it."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from core.audit import OPERATOR, head, record
from core.database import write
from core.models import AuditEntry, AuditHead, AuditValue
from tests.cli.conftest import Waypost


@pytest.fixture
def entries(db: object, now: datetime) -> list[AuditEntry]:
    """Three entries."""
    for name in ("ada", "grace", "kaia"):
        with write():
            record(OPERATOR, "noted", {"person": 7}, {"name": name}, now)
    return list(AuditEntry.select().order_by(AuditEntry.id))


def test_a_whole_record_is_called_whole_with_its_end(waypost: Waypost, entries: list[AuditEntry]) -> None:
    done = waypost("audit", "verify", "--head", waypost("audit", "head").stdout.strip())

    assert (done.returncode, done.stdout) == (0, f"The record is whole. It ends with {head()}.\n")


def test_a_changed_entry_is_a_failure(waypost: Waypost, entries: list[AuditEntry]) -> None:
    AuditEntry.update(verb="nothing").where(AuditEntry.id == entries[1].id).execute()

    done = waypost("audit", "verify")

    assert done.returncode == 1
    assert f"Entry {entries[1].id} was changed" in done.stderr


def test_an_end_that_was_cut_off_is_a_failure(waypost: Waypost, entries: list[AuditEntry]) -> None:
    noted = str(head())
    AuditValue.delete().where(AuditValue.entry == entries[-1]).execute()
    entries[-1].delete_instance(recursive=True)
    AuditHead.update(entry_id=entries[-2].id).execute()

    assert waypost("audit", "verify").returncode == 1
    assert f"Entry {entries[-1].id} was the last one" in waypost("audit", "verify", "--head", noted).stderr


def test_a_head_that_is_none_is_refused(waypost: Waypost) -> None:
    assert "64 hexadecimal digits" in waypost("audit", "verify", "--head", "7").stderr


def test_an_empty_record_is_whole(waypost: Waypost) -> None:
    assert waypost("audit", "verify").stdout == "The record is empty.\n"


@pytest.mark.parametrize("personal", [False, True])
def test_all_entries_are_written_out(
    waypost: Waypost, entries: list[AuditEntry], tmp_path: Path, personal: bool
) -> None:
    file = tmp_path / "record.jsonl"

    assert waypost("audit", "export", str(file), *["--personal"] * personal).returncode == 0

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["id"] for line in lines] == [entry.id for entry in entries]
    assert [line["mac"] for line in lines] == [entry.mac for entry in entries]
    assert [line.get("values") for line in lines] == [
        {"name": name} if personal else None for name in ("ada", "grace", "kaia")
    ]


def test_it_goes_to_the_standard_output(waypost: Waypost, entries: list[AuditEntry]) -> None:
    assert len(waypost("audit", "export").stdout.splitlines()) == 3
