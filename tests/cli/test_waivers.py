"""`waypost waiver` as an operator runs it."""

import re
from datetime import datetime

import pytest

from core.audit import first_fault
from core.domains import find_domain
from core.models import Alias, AuditEntry, Domain, Notice, Person, Waiver
from core.routing import Entitlement
from core.waivers import end_of
from tests.cli.conftest import Waypost
from tests.support.arrange import later, make_alias, make_domain, make_member, make_waiver

WHY = {"reason": "I maintain its web site."}


@pytest.fixture
def domain(db: object, now: datetime) -> Domain:
    return make_domain(now)


@pytest.fixture
def ada(domain: Domain, now: datetime) -> Person:
    return make_member(now)


@pytest.fixture
def named(ada: Person, domain: Domain, now: datetime) -> Waiver:
    """Ada asks for another name."""
    return make_waiver(ada, domain, now, "local-part", local_part="ada.lovelace")


def test_what_waits_is_listed(waypost: Waypost, named: Waiver, domain: Domain, now: datetime) -> None:
    grace = make_member(now, "grace")
    make_waiver(grace, make_domain(now, "other.example"), later(now, days=-1), ends_at=later(now, days=9))
    make_waiver(grace, domain, now, state="granted")

    waiting = waypost("waiver", "list").stdout.splitlines()
    assert waiting == [
        f"{named.id + 1}\tasked\tan address on other.example until 2026-12-05\tgrace\t2026-11-25",
        f"{named.id}\tasked\tada.lovelace@proj.example\tada\t2026-11-26",
    ]
    assert len(waypost("waiver", "list", "--all").stdout.splitlines()) == 3
    assert waypost("waiver", "list", "--domain", "Proj.Example").stdout.splitlines() == waiting[1:]


def test_nothing_that_waits_is_nothing_listed(waypost: Waypost) -> None:
    done = waypost("waiver", "list")

    assert (done.returncode, done.stdout) == (0, "")


def test_a_request_is_shown_with_what_one_decides_by(
    waypost: Waypost, ada: Person, domain: Domain, now: datetime
) -> None:
    other = make_domain(now, "other.example", ["other-team"])
    fields = {"entitlement": Entitlement.GRACE, "grace_until": later(now, days=3650)}
    make_alias(ada, domain, now, recipients=[ada.recipients.get()], **fields)
    waiver = make_waiver(ada, other, now, **WHY)

    shown = waypost("waiver", "show", str(waiver.id)).stdout

    assert "ada asks for an address on other.example: asked." in shown
    assert "by https://login.ubuntu.com/+id/Ada7x" in shown
    assert "I maintain its web site." in shown
    assert "Entitled to other.example now: unknown." in shown
    assert "team-member: unknown other-team" in shown
    assert re.search(r"Has ada@proj\.example \(deliver, until 2036-11-23\)\.", shown)


def test_a_grant_makes_what_was_asked_for(waypost: Waypost, named: Waiver) -> None:
    done = waypost("waiver", "grant", str(named.id), "--answer", "Welcome.", typed="y\n")

    assert "Grant ada ada.lovelace@proj.example?" in done.stdout
    assert (done.returncode, "Granted." in done.stdout) == (0, True)
    assert Alias.get().text == "ada.lovelace@proj.example"
    assert (Waiver.get().state, Waiver.get().answer) == ("granted", "Welcome.")
    assert "waiver-granted" in [row.kind for row in Notice.select()]
    assert AuditEntry.get(AuditEntry.verb == "waiver-granted").actor == "operator"
    assert first_fault() is None


def test_a_grant_is_confirmed(waypost: Waypost, named: Waiver) -> None:
    done = waypost("waiver", "grant", str(named.id), typed="n\n")

    assert done.returncode == 1
    assert Waiver.get().state == "asked"
    assert not Alias.select().exists()


def test_a_grant_may_have_another_last_day(waypost: Waypost, ada: Person, now: datetime) -> None:
    waiver = make_waiver(ada, make_domain(now, "other.example", ["other-team"]), now)
    done = waypost("waiver", "grant", str(waiver.id), "--until", "2099-01-31", "--yes")

    assert done.returncode == 0, done.stderr
    assert Waiver.get().ends_at == end_of(datetime(2099, 1, 31).date())  # noqa: DTZ001


@pytest.mark.parametrize("until", ["soon", "2099-02-30", "31.1.2099"])
def test_a_day_that_is_none_is_refused(waypost: Waypost, named: Waiver, until: str) -> None:
    assert waypost("waiver", "grant", str(named.id), "--until", until, "--yes").returncode == 2
    assert Waiver.get().state == "asked"


def test_a_name_that_takes_a_sub_address_warns(
    waypost: Waypost, ada: Person, domain: Domain, now: datetime
) -> None:
    make_alias(make_member(now, "grace"), domain, now, "grace")
    waiver = make_waiver(ada, domain, now, "local-part", local_part="grace+ada")

    for command in (("show",), ("grant", "--yes")):
        done = waypost("waiver", command[0], str(waiver.id), *command[1:])
        assert "Note: Mail for grace+ada@proj.example goes to grace@proj.example today" in done.stderr


def test_a_refusal_says_why(waypost: Waypost, named: Waiver) -> None:
    assert waypost("waiver", "refuse", str(named.id)).returncode == 2
    assert waypost("waiver", "refuse", str(named.id), " ").returncode == 1
    done = waypost("waiver", "refuse", str(named.id), "Not for a nickname.")

    assert done.stdout == "Refused.\n"
    assert (Waiver.get().state, Waiver.get().answer) == ("refused", "Not for a nickname.")


def test_what_cannot_be_had_is_said_in_a_sentence(
    waypost: Waypost, named: Waiver, domain: Domain, now: datetime
) -> None:
    make_alias(make_member(now, "grace"), domain, now, "ada.lovelace")
    done = waypost("waiver", "grant", str(named.id), "--yes")

    assert (done.returncode, done.stderr) == (1, "Error: Somebody else has this address, or had it.\n")


def test_what_is_decided_stays_so(waypost: Waypost, named: Waiver) -> None:
    waypost("waiver", "refuse", str(named.id), "No.")
    again = waypost("waiver", "grant", str(named.id), "--yes")

    assert (again.returncode, again.stderr) == (1, "Error: It is decided already: refused.\n")


@pytest.mark.parametrize(
    ("command", "number"),
    [("show", "7"), ("show", "0"), ("show", "9" * 20), ("grant", "7"), ("refuse", "7"), ("end", "7")],
)
def test_a_request_that_is_not_there_is_said_to_be_none(waypost: Waypost, command: str, number: str) -> None:
    more = ["No."] if command == "refuse" else []
    done = waypost("waiver", command, number, *more)

    assert done.returncode == 1
    assert f"There is no request {number}." in done.stderr


def test_an_open_domain_is_closed(waypost: Waypost, ada: Person, now: datetime) -> None:
    other = make_domain(now, "other.example", ["other-team"])
    waiver = make_waiver(ada, other, now, state="granted")
    assert find_domain("other.example") is not None
    done = waypost("waiver", "end", str(waiver.id), typed="y\n")

    assert done.stdout.endswith("Ended.\n")
    assert Waiver.get().ends_at is not None


def test_what_is_not_open_is_not_closed(waypost: Waypost, named: Waiver) -> None:
    done = waypost("waiver", "end", str(named.id), "--yes")

    assert (done.returncode, "Only a granted entitlement" in done.stderr) == (1, True)
