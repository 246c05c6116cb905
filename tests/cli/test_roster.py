"""`waypost roster check`, and roles and bans by an OIDC identity, as an operator runs them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.directories import Deadline
from core.directories.configured import make_directory
from core.models import Person, RoleGrant
from core.people import SignIn, sign_in
from core.settings import Settings
from core.sync import ask_about
from tests.support.arrange import make_alias, make_domain
from tests.support.environment import environment_of

ISSUER = "https://login.proj.example"
HEADER = "id,email,name,teams,code_of_conduct\n"
ADA, BRUNO = "1001,,ada,proj-members,yes\n", ",bruno@home.example.net,bruno,proj-members,yes\n"

Waypost = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The roster in place."""
    path = tmp_path / "roster.csv"
    path.write_text(HEADER + ADA + BRUNO)
    return path


@pytest.fixture
def settings(settings: Settings, file: Path) -> Settings:
    """The tests' settings with a roster and an OIDC provider, who is not asked here."""
    return settings.model_copy(
        update={"directory": "roster", "roster_file": file, "oidc_issuer": ISSUER, "oidc_client_id": "x"}
    )


@pytest.fixture
def waypost(settings: Settings, db: object) -> Waypost:
    """Runs the installed command in a process of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "waypost"), *arguments],
            env=environment_of(settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def ada(settings: Settings, db: object, now: object) -> Person:
    """Signed in, with ada@proj.example."""
    domain = make_domain(now)
    reading = ask_about(make_directory(settings), "1001", Deadline(5), issuer=ISSUER)
    person = sign_in(SignIn(ISSUER, "1001", "ada@home.example.net", True), reading, now)[0]
    make_alias(person, domain, now, recipients=[person.recipients.get()])
    return person


def test_the_roster_in_place_changes_nothing(waypost: Waypost, ada: Person, file: Path) -> None:
    result = waypost("roster", "check", str(file))

    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{file} can be used: 2 people.\nNothing changes.\n"


def test_a_new_roster_is_compared_before_it_counts(waypost: Waypost, ada: Person, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text(HEADER + BRUNO + "1005,,emil,web,\n")

    result = waypost("roster", "check", str(new))

    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[1:] == [
        "added: emil (web)",
        "gone: ada (proj-members)",
        "proj-members: 1 of 2 are gone",
        "ada@proj.example: its owner would no longer be entitled to it",
    ]
    assert waypost("route", "ada@proj.example").returncode == 0


def test_a_roster_that_cannot_be_used_says_why(waypost: Waypost, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text(HEADER + "1001,,Ada,proj-members,yes\n1005,emil@home.example.net,emil,web,maybe\n")

    result = waypost("roster", "check", str(new))

    assert result.returncode == 1
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["Line 2", "Line 3", "Line 3"]
    assert "Traceback" not in result.stderr


def test_a_broken_roster_in_place_does_not_hinder(waypost: Waypost, file: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text(file.read_text())
    file.write_text("broken")

    result = waypost("roster", "check", str(new))

    assert result.returncode == 0
    assert "The present roster cannot be used" in result.stdout


def test_a_role_goes_to_an_identity_of_the_provider(waypost: Waypost, ada: Person) -> None:
    by_name = waypost("admin", "grant", "ada", "--yes")
    by_subject = waypost("admin", "grant", "sub:not-here-yet", "--yes")

    assert by_name.returncode == by_subject.returncode == 0, by_name.stderr + by_subject.stderr
    rows = {(row.issuer, row.subject) for row in RoleGrant.select()}
    assert rows == {(ISSUER, "1001"), (ISSUER, "not-here-yet")}


def test_a_name_that_the_roster_gives_to_another_gets_no_role(
    waypost: Waypost, ada: Person, file: Path
) -> None:
    file.write_text(HEADER + "2002,,ada,proj-members,yes\n")

    result = waypost("admin", "grant", "ada", "--yes")

    assert result.returncode != 0
    assert "The roster does not confirm" in result.stderr
    assert RoleGrant.select().count() == 0


def test_a_ban_by_identity(waypost: Waypost, ada: Person) -> None:
    assert waypost("person", "ban", "sub:1001", "--yes").returncode == 0
    assert Person.get_by_id(ada.id).banned_at is not None
