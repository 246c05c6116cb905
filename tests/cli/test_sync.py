"""`waypost sync`, as an operator runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.database import write
from core.directories import Deadline
from core.facts import Answer
from core.models import Alias, AuditEntry, Membership, Person, TeamReading, TeamSync
from core.routing import Entitlement
from core.settings import Settings
from core.standing import store_account_facts
from core.team_sync import sync_team
from tests.cli.test_commands import Waypost
from tests.support.arrange import TEAM, account, later, make_alias, make_domain, make_member
from tests.support.directory import SaidDirectory
from tests.support.environment import environment_of


@pytest.fixture
def waypost(settings: Settings, db: object) -> Waypost:
    """Runs the installed command in a process of its own."""
    environment = environment_of(settings)

    def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "waypost"), "sync", *arguments]
        return subprocess.run(
            command, env=environment, input=typed, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture
def people(db: object, now) -> list[Person]:
    """Ten members with an address each."""
    domain = make_domain(now)
    people = [
        make_member(now, f"p{n}", created=f"{1900 + n}-01-01", subject=f"https://x/{n}") for n in range(10)
    ]
    for person in people:
        make_alias(person, domain, now, person.launchpad_name)
    return people


@pytest.fixture
def shrunken(people, now) -> None:
    """The last reading of the team lacks four of ten."""
    members = tuple(account(p.launchpad_name, p.account_created) for p in people)
    for hours, named in ((0, members), (1, members[4:])):
        sync_team(SaidDirectory(people={TEAM: named}), TEAM, Deadline(60), later(now, hours=hours))


@pytest.fixture
def turned(people, now) -> None:
    """Four of ten have not signed any more, all at once."""
    for hours in (1, 7):
        for person in people[:4]:
            with write():
                store_account_facts(person, {"coc_signed": Answer.NO}, later(now, hours=hours))


def test_nothing_held_is_said(waypost, people) -> None:
    assert waypost("held").stdout == "Nothing is held.\n"
    for words in (("confirm", TEAM), ("discard", "--accounts")):
        done = waypost(*words)
        assert done.returncode == 1
        assert "held" in done.stderr


def test_a_held_team_is_shown_with_who_would_lose_what(waypost, shrunken, people) -> None:
    shown = waypost("held").stdout

    assert f"Team {TEAM}, since 2026-11-26 13:00 UTC: 4 of 10 members are gone." in shown
    assert f"  not named: p0 (person {people[0].id}): p0@proj.example" in shown
    assert "p4" not in shown


def test_a_held_team_is_confirmed_after_a_look(waypost, shrunken) -> None:
    assert waypost("confirm", TEAM, typed="n\n").returncode == 1
    assert TeamReading.select().where(TeamReading.held_because.is_null(False)).count() == 1
    done = waypost("confirm", TEAM, typed="y\n")

    assert done.returncode == 0, done.stderr
    assert "p3 (person" in done.stdout
    assert TeamReading.select().where(TeamReading.held_because.is_null(False)).count() == 0
    assert Membership.select().where(Membership.holds == False).count() == 0  # noqa: E712 -- SQL
    last = AuditEntry.select().order_by(AuditEntry.id.desc()).first()
    assert (last.actor, last.verb) == ("operator", "reading-confirmed")


def test_a_held_team_is_discarded(waypost, shrunken) -> None:
    assert waypost("discard", TEAM, "--yes").returncode == 0
    assert waypost("held").stdout == "Nothing is held.\n"


def test_held_accounts_are_shown_and_confirmed(waypost, turned, people) -> None:
    shown = waypost("held").stdout
    assert "Accounts: 4 changes at once are more than is likely." in shown
    assert "the Code of Conduct is not signed any more" in shown
    assert waypost("confirm", "--accounts", "--yes").stdout.endswith("Done: 4.\n")

    assert Alias.select().where(Alias.entitlement == Entitlement.GRACE).count() == 4


def test_held_accounts_are_discarded(waypost, turned) -> None:
    assert waypost("discard", "--accounts", "--yes").stdout.endswith("Done: 4.\n")
    assert Alias.select().where(Alias.entitlement == Entitlement.GRACE).count() == 0


@pytest.mark.parametrize("words", [("confirm",), ("discard",), ("confirm", TEAM, "--accounts", "--yes")])
def test_it_says_what_it_needs(waypost, turned, words) -> None:
    assert waypost(*words).returncode == 2


def test_a_team_that_could_not_be_read_is_shown_and_has_nothing_to_confirm(waypost, people, now) -> None:
    sync_team(SaidDirectory(down=True), TEAM, Deadline(60), now)
    shown = waypost("held").stdout
    refused = waypost("confirm", TEAM, "--yes")

    assert f"Team {TEAM}, since 2026-11-26 12:00 UTC: unreadable: status 503." in shown
    assert refused.returncode == 1
    assert "nothing to confirm" in refused.stderr


def test_the_status_shows_every_team(waypost, people, now) -> None:
    fields = {"began_at": now, "beat_at": now}
    TeamSync.create(team="a", finished_at=now, **fields)
    TeamSync.create(team="b", running=True, people_read=600, people_total=10_000, **fields)
    TeamSync.create(team="c", problem="unreadable: status 503", problem_since=now, **fields)
    shown = waypost("status").stdout

    assert "a\tlast read 2026-11-26 12:00 UTC\n" in shown
    assert "b\tbeing read since 2026-11-26 12:00 UTC: 600 of 10000 entries; not read yet\n" in shown
    assert "c\tunreadable: status 503 (since 2026-11-26 12:00 UTC); not read yet\n" in shown
    assert "The broker does not answer" in shown
