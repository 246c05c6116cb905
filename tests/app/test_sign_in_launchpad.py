"""Launchpad on a bad day: people come in all the same, and see what was last known, or that nobody knows."""

import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from app.portal.home import POLLING
from core.database import utc_now
from core.models import AccountFact, Alias, Membership, Person, Session
from devtools.accounts import Account
from devtools.faults import FaultKind
from devtools.servers import PretendServers
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import person_of
from tests.support.webclient import Answer, Client

PATIENCE = 20.0  # seconds; the budget of a sign-in is 4, and the machine may be busy

MakePerson = Callable[..., Account]

FAULTS = {
    "down": (FaultKind.DOWN_503, "/", 30.0),
    "too slow": (FaultKind.SLOW, "/", 5.0),
    "too many requests": (FaultKind.TOO_MANY_429, "/", 2.0),
    "too many for long": (FaultKind.TOO_MANY_429, "/", 3600.0),
    "broken JSON": (FaultKind.BAD_JSON, "/", 1.0),
    "a page of another kind": (FaultKind.HTML_200, "/", 1.0),
    "half an answer": (FaultKind.TRUNCATED, "/", 1.0),
    "only the account is known": (FaultKind.BAD_JSON, "/1.0/", 1.0),
    "the teams point elsewhere": (FaultKind.FOREIGN_NEXT, "/1.0/", 1.0),
}


def make_older(person: Person, **age: float) -> None:
    """Let what is known of a person have been read so long ago."""
    then = utc_now() - timedelta(**age)
    for table in (AccountFact, Membership):
        table.update(read_at=then).where(table.person == person).execute()
    Person.update(asked_at=then).where(Person.id == person.id).execute()


def sign_in_at_once(clients: list[Client], accounts: list[Account]) -> list[Answer]:
    """Let several people sign in at the same moment; the slow faults then cost their time once."""
    homes: dict[int, Answer] = {}

    def run(number: int) -> None:
        homes[number] = clients[number].sign_in(accounts[number].name)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [homes[number] for number in range(len(clients))]


@pytest.mark.parametrize(("kind", "prefix", "seconds"), FAULTS.values(), ids=FAULTS.keys())
def test_whoever_comes_on_a_bad_day_comes_in(
    portal: Portal,
    new_client: Callable[[], Client],
    outside: PretendServers,
    new_person: MakePerson,
    kind: FaultKind,
    prefix: str,
    seconds: float,
) -> None:
    known, unknown = new_person("ubuntumembers"), new_person("ubuntumembers")
    new_client().sign_in(known.name)
    make_older(person_of(known), hours=2)
    outside.launchpad.fail(kind, prefix, seconds=seconds)
    begin = time.monotonic()

    first, again = sign_in_at_once([new_client(), new_client()], [unknown, known])
    took = time.monotonic() - begin

    assert took < PATIENCE
    assert (first.status, again.status) == (200, 200)
    assert faults_of(first.page) == faults_of(again.page) == []
    answers = {row["data-domain"]: row["data-entitled"] for row in first.page.all("article")}
    assert set(answers.values()) == {"unknown"}
    assert first.text.count("Asking Launchpad about you…") == 1
    assert "Claim " not in first.text
    answers = {row["data-domain"]: row["data-entitled"] for row in again.page.all("article")}
    assert answers["ubuntu.com"] == "yes"
    assert "Last checked 2 hours ago" in again.text
    assert f"Claim {known.name}@ubuntu.com" in again.text


def test_what_launchpad_left_unclear_is_logged_with_the_person(
    portal: Portal, client: Client, outside: PretendServers, new_person: MakePerson
) -> None:
    member = new_person("ubuntumembers")
    client.sign_in(member.name)
    outside.launchpad.fail(FaultKind.BAD_JSON, "/1.0/")  # the account is known, its teams are not
    before = len(portal.log())
    client.sign_in(member.name)

    logged = portal.log()[before:]
    (line,) = [json.loads(line) for line in logged.splitlines() if "directory unclear at sign-in" in line]
    assert (line["person"], line["launchpad_name"]) == (person_of(member).id, member.name)
    assert line["why"], "it says what went wrong"
    assert member.email not in logged


def test_facts_of_the_last_24_hours_are_good_for_a_claim_while_launchpad_is_down(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    client.sign_in(member.name)
    make_older(person_of(member), hours=23)
    outside.launchpad.fail(FaultKind.BAD_JSON)
    client.sign_in(member.name)

    assert client.post("/domains/ubuntu.com/claim").status == 303


@pytest.mark.parametrize("htmx", [False, True])
def test_older_facts_are_shown_and_good_for_no_claim(
    portal: Portal, client: Client, outside: PretendServers, member: Account, htmx: bool
) -> None:
    client.sign_in(member.name)
    make_older(person_of(member), hours=25)
    outside.launchpad.fail(FaultKind.BAD_JSON)
    home = client.sign_in(member.name)
    assert "as a member of ubuntumembers" in home.text
    assert "Last checked 1 day ago" in home.text
    assert "Launchpad has to confirm this again before you can claim the address." in home.text
    assert f"Claim {member.name}" not in home.text

    refused = client.post("/domains/ubuntu.com/claim", on="/home" if htmx else "")

    assert refused.status == 403
    assert "This was not confirmed within the last 24 hours." in refused.text
    if htmx:  # the button that had the focus is gone
        assert refused.page.one("h2", id="domain-ubuntu-com-name").get("autofocus") is not None
    assert not Alias.select().where(Alias.person == person_of(member)).exists()


def test_one_no_takes_the_claim_away_and_leaves_the_rest(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    client.sign_in(member.name)
    outside.world.leave(member.name, "ubuntumembers")
    client.sign_in(member.name)

    refused = client.post("/domains/ubuntu.com/claim")

    assert refused.status == 403
    assert Membership.get(Membership.person == person_of(member), Membership.holds).first_no_at


@pytest.mark.parametrize("htmx", [False, True])
def test_check_again_asks_at_once(
    portal: Portal, client: Client, outside: PretendServers, new_person: MakePerson, htmx: bool
) -> None:
    late = new_person()
    client.sign_in(late.name)
    outside.world.join(late.name, "ubuntumembers")

    answer = client.post("/home/check", on="/home" if htmx else "")

    assert (answer.status, answer.location) == ((200, "") if htmx else (303, "/home"))
    rows = answer if htmx else client.get("/home")
    assert f"Claim {late.name}@ubuntu.com" in rows.text


def test_check_again_in_vain_says_so(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    outside.launchpad.fail(FaultKind.BAD_JSON)
    client.sign_in(member.name)

    answer = client.post("/home/check", on="/home")

    assert answer.status == 200
    assert "We could not ask Launchpad. Try again in a minute." in answer.text
    assert answer.page.one("section", id="rows").get("hx-get") is None


def test_check_again_in_vain_says_so_without_htmx(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    outside.launchpad.fail(FaultKind.BAD_JSON)
    client.sign_in(member.name)

    home = client.follow(client.post("/home/check"))

    assert home.status == 200
    assert "We could not ask Launchpad" in home.text


@pytest.mark.parametrize("htmx", [False, True])
def test_check_again_in_vain_says_so_to_those_who_are_known(
    portal: Portal, client: Client, outside: PretendServers, member: Account, htmx: bool
) -> None:
    """They pressed the button: silence would look like an answer."""
    client.sign_in(member.name)
    outside.launchpad.fail(FaultKind.BAD_JSON)

    answer = client.follow(client.post("/home/check", on="/home" if htmx else ""))

    assert answer.status == 200
    assert "We could not ask Launchpad" in answer.text


def test_the_page_polls_until_the_answer_is_there_and_not_for_ever(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    outside.launchpad.fail(FaultKind.BAD_JSON)
    rows = client.sign_in(member.name).page.one("section", id="rows")
    assert rows["hx-trigger"] == "load delay:2s, again delay:2s"

    for _ in range(3):
        waits = client.get(rows["hx-get"], on="/home")
        assert (waits.status, waits.html, waits.header("HX-Trigger")) == (204, "", "again")
    Session.update(created_at=utc_now() - POLLING).where(Session.person == person_of(member)).execute()
    part = client.get(rows["hx-get"], on="/home")

    assert (part.status, part.is_whole_page, part.header("HX-Trigger")) == (200, False, "")
    assert part.page.one("section", id="rows").get("hx-get") is None
    sentence = "We could not ask Launchpad. Try again in a minute."
    assert sentence in part.page.one("section", id="rows").text
    assert part.page.one(hx_swap_oob="innerHTML:#announce").text == sentence


def test_without_htmx_the_page_says_that_launchpad_is_being_asked(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    outside.launchpad.fail(FaultKind.BAD_JSON)
    client.sign_in(member.name)

    assert "Asking Launchpad about you" in client.get("/home").text
    assert client.get("/home/rows").is_whole_page


def test_the_page_stops_polling_when_the_job_has_the_answer(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    from core.directories import Deadline
    from core.directories.launchpad import Launchpad
    from core.sync import sync_person

    outside.launchpad.fail(FaultKind.BAD_JSON)
    home = client.sign_in(member.name)
    address = home.page.one("section", id="rows")["hx-get"]
    outside.launchpad.heal()
    directory = Launchpad(outside.launchpad.url, "tests")
    sync_person(directory, person_of(member).id, Deadline(10), utc_now())

    part = client.get(address, on="/home")

    assert part.page.one("section", id="rows").get("hx-get") is None
    assert f"Claim {member.name}@ubuntu.com" in part.text
    assert part.page.one(hx_swap_oob="innerHTML:#announce").text == "Launchpad answered."
