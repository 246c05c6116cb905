"""`waypost import`: in a process of its own."""

from pathlib import Path

import pytest

from core.audit import first_fault
from core.database import utc_now
from core.models import Alias, AuditEntry, Person, Reservation
from core.reservations import NameState
from tests.cli.conftest import Waypost
from tests.support.arrange import later, make_domain, make_kept, make_member

LIST = """address,recipients,Launchpad name
ada@proj.example,ada@home.example.net,ada
bob@proj.example,bob@proj.example,bob
zoe@proj.example,"zoe@home.example.net, zoe@work.example.net",
"""


@pytest.fixture
def file(tmp_path: Path, db: object, now) -> Path:
    make_domain(now)
    path = tmp_path / "list.csv"
    path.write_text(LIST)
    return path


def test_a_dry_run_says_each_lines_fate_and_changes_nothing(waypost: Waypost, file):
    entries = AuditEntry.select().count()
    result = waypost("import", "csv", str(file), "--dry-run")

    lines = result.stdout.splitlines()
    assert lines[0].startswith("2\tada@proj.example\tIt will be kept")
    assert lines[1].startswith("3\tbob@proj.example\tRecipient 1 is an address of the project itself")
    assert lines[2].startswith("4\tzoe@proj.example\tIt will be kept")
    assert lines[3] == "3 lines: 1 loop, 2 new."
    assert lines[4] == "Nothing was changed."
    assert result.returncode == 1
    assert not Alias.select().exists()
    assert AuditEntry.select().count() == entries


def test_it_asks_first_and_a_no_changes_nothing(waypost: Waypost, file):
    result = waypost("import", "csv", str(file), typed="n\n")

    assert "Bring in 2 addresses?" in result.stdout
    assert result.returncode == 1
    assert not Alias.select().exists()


def test_it_brings_in_what_can_be_used_and_repeats_its_report(waypost: Waypost, file):
    first = waypost("import", "csv", str(file), "--as-of", "2020-01-31", "--yes")
    again = waypost("import", "csv", str(file), "--as-of", "2020-01-31", "--yes")

    assert "2\tada@proj.example\tIt is kept for its owner, and its mail flows." in first.stdout
    assert "3 lines: 1 loop, 2 reserved." in first.stdout
    assert "The broker does not answer" in first.stdout
    assert again.stdout == first.stdout
    assert again.returncode == first.returncode == 1
    rows = {row.alias.local_part: row for row in Reservation.select()}
    assert {name: row.state for name, row in rows.items()} == {"ada": "asking", "zoe": "no-name"}
    assert rows["ada"].listed_at.isoformat() == "2020-01-31T23:59:59+00:00"
    assert first_fault() is None
    assert waypost("import", "waiting", "--state", "no-name").stdout.startswith("zoe@proj.example\t-\t")
    assert waypost("route", "ada@proj.example").returncode == 0


def test_a_list_of_tomorrow_and_a_file_of_nothing_are_refused(waypost: Waypost, file):
    day = later(utc_now(), days=2).date()
    assert "still to come" in waypost("import", "csv", str(file), "--as-of", str(day)).stderr
    file.write_text("address,name\n")
    assert "recipients" in waypost("import", "csv", str(file)).stderr
    file.write_bytes(b"")
    assert "nothing in the file" in waypost("import", "csv", str(file)).stderr
    assert not Alias.select().exists()


def test_what_a_file_holds_cannot_steer_the_terminal(waypost: Waypost, file):
    file.write_bytes(b"\x1b[2Jada@proj.example,a@x.example,ada\n")
    assert "\x1b" not in waypost("import", "csv", str(file), "--dry-run").stdout


def test_the_waiting_are_listed_each_with_its_why(waypost: Waypost, file, now):
    domain = make_domain(now, "second.example")
    for state in NameState:
        kept = make_kept(domain, now, state, "ada", found=False)
        Reservation.update(state=state).where(Reservation.alias == kept).execute()

    lines = waypost("import", "waiting").stdout.splitlines()

    assert len(lines) == len(NameState)
    assert len({line.split("\t")[3] for line in lines}) == len(NameState)


def test_an_admin_gives_an_address_away_or_takes_it_out(waypost: Waypost, file, now):
    waypost("import", "csv", str(file), "--yes")
    person: Person = make_member(now, "zoe")

    for nobody in ("99", "99999999999999999999"):
        assert "no such person" in waypost("import", "give", "zoe@proj.example", nobody).stderr
    assert waypost("import", "give", "zoe@proj.example", str(person.id)).returncode == 0
    assert Alias.get(Alias.local_part == "zoe").person_id == person.id
    assert "does not wait" in waypost("import", "give", "zoe@proj.example", str(person.id)).stderr
    assert waypost("import", "drop", "ada@proj.example", typed="n\n").returncode == 1
    assert waypost("import", "drop", "ada@proj.example", "--yes").returncode == 0
    assert not Alias.select().where(Alias.local_part == "ada").exists()


def test_names_are_looked_up_again_when_an_admin_says_so(waypost: Waypost, file, now):
    waypost("import", "csv", str(file), "--yes")
    Reservation.update(state=NameState.NO_ACCOUNT).execute()

    assert "2 names" in waypost("import", "look-again").stdout
    assert {row.state for row in Reservation.select()} == {NameState.ASKING}
