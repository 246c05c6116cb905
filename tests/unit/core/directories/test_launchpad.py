"""core.directories.launchpad, against the pretend Launchpad and against servers that answer in pieces"""

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from core.directories import AccountReading, Deadline, MembersReading, TeamsReading
from core.directories.launchpad import REQUESTS_AT_ONCE, Launchpad
from core.facts import Answer
from core.sync import ask_about
from devtools.accounts import Team
from devtools.certificates import self_signed_context
from devtools.faults import FaultKind
from devtools.launchpad import PretendLaunchpad
from devtools.people import demo_world
from devtools.webserver import Answer as HttpAnswer
from devtools.webserver import Request, WebServer, as_json, text
from devtools.world import World
from tests.support.threads import PATIENCE

AGENT = "Waypost/0.1 (https://portal.example.org; ops@example.org)"
TEAM = "ubuntumembers"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def pretend() -> Iterator[PretendLaunchpad]:
    server = PretendLaunchpad(demo_world())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def reader(pretend) -> Launchpad:
    return Launchpad(pretend.url, AGENT)


@pytest.fixture
def server(pretend) -> PretendLaunchpad:
    """The pretend Launchpad as it is at first: everybody there, no fault, nobody has asked."""
    pretend.world = demo_world()
    pretend.heal()
    pretend.forget()
    return pretend


@pytest.fixture
def launchpad(reader, server) -> Launchpad:
    return reader


@pytest.fixture
def world(server) -> World:
    return server.world


@pytest.fixture
def deadline() -> Deadline:
    return Deadline(10)


def claimed_id(world: World, name: str) -> str:
    return f"https://login.ubuntu.com/+id/{world.account(name).suffixes[0]}"


# -- accounts -------------------------------------------------------------------------------------


def test_an_account_is_found_by_its_claimed_id(launchpad, world, deadline):
    reading = launchpad.resolve(claimed_id(world, "ada"), deadline)

    assert reading.answer is Answer.YES
    assert (reading.account.name, reading.account.display_name) == ("ada", "Ada Bell")
    assert reading.account.created == world.account("ada").date_created.isoformat()
    assert (reading.account.valid, reading.account.coc_signed) == (Answer.YES, Answer.YES)
    assert reading.account.suspended is Answer.NO


def test_the_claimed_id_of_either_provider_finds_it(launchpad, world, deadline):
    suffix = world.account("ada").suffixes[0]

    assert launchpad.resolve(f"https://login.launchpad.net/+id/{suffix}", deadline).account.name == "ada"


def test_an_account_is_found_under_its_new_name(launchpad, world, deadline):
    subject = claimed_id(world, "ada")
    world.rename("ada", "ada-new")

    assert launchpad.resolve(subject, deadline).account.name == "ada-new"


def test_a_merged_account_is_found_as_the_surviving_one(launchpad, world, deadline):
    subject = claimed_id(world, "hana")
    world.merge("hana", "ada")

    assert launchpad.resolve(subject, deadline).account.name == "ada"


@pytest.mark.parametrize(
    "subject", ["https://login.ubuntu.com/+id/nobody", "https://evil.example/+id/aDa7xQ2", ""]
)
def test_an_identity_that_launchpad_does_not_know_has_clearly_no_account(launchpad, deadline, subject):
    if subject:
        assert launchpad.resolve(subject, deadline) == AccountReading(Answer.NO)
    else:
        assert launchpad.resolve(subject, deadline).answer is Answer.UNKNOWN


def test_somebody_who_only_has_a_sign_in_has_clearly_no_account(launchpad, world, deadline):
    assert launchpad.resolve(claimed_id(world, "mina"), deadline) == AccountReading(Answer.NO)


def test_an_unsigned_code_of_conduct_is_a_clear_no(launchpad, world, deadline):
    assert launchpad.resolve(claimed_id(world, "bruno"), deadline).account.coc_signed is Answer.NO


def test_a_suspended_account_is_said_to_be_one(launchpad, world, deadline):
    account = launchpad.resolve(claimed_id(world, "chidi"), deadline).account

    assert (account.suspended, account.valid) == (Answer.YES, Answer.NO)


def test_a_name_with_a_plus_is_read_as_it_is(launchpad, world, deadline):
    reading = ask_about(launchpad, claimed_id(world, "fay+lab"), deadline)

    assert reading.account.account.name == "fay+lab"
    assert TEAM in reading.teams


# -- teams and members ----------------------------------------------------------------------------


def test_the_teams_of_a_person_are_read(launchpad, deadline):
    assert launchpad.teams_of("ada", deadline).teams == {TEAM, "kubuntu-members"}


def test_a_team_inside_a_team_counts(launchpad, deadline):
    assert launchpad.teams_of("dora", deadline).teams == {TEAM, "demo-uploaders"}


def test_an_expired_membership_does_not_count(launchpad, deadline):
    assert TEAM not in launchpad.teams_of("emre", deadline).teams


def test_a_person_in_no_team_is_clearly_in_none(launchpad, deadline):
    assert launchpad.teams_of("hana", deadline).teams == frozenset()


@pytest.mark.parametrize("name", ["nobody", "chidi"])
def test_the_teams_of_a_missing_or_suspended_name_are_unknown(launchpad, deadline, name):
    reading = launchpad.teams_of(name, deadline)

    assert reading.teams is None
    assert reading.why in ("status 404", "status 410")


def test_the_members_of_a_team_are_all_people_in_it(launchpad, world, deadline):
    members = launchpad.members(TEAM, deadline).members

    people = {one.name for one in world.participants(TEAM)} - {"demo-uploaders"}
    assert {account.name for account in members} == people
    assert "dora" in people


def test_a_members_entry_tells_the_same_birth_as_the_account(launchpad, world, deadline):
    by_name = {account.name: account for account in launchpad.members(TEAM, deadline).members}
    account = launchpad.resolve(claimed_id(world, "ada"), deadline).account

    assert (by_name["ada"].created, by_name["ada"].valid) == (account.created, account.valid)


def test_a_suspended_member_is_listed_as_not_valid(launchpad, deadline):
    by_name = {account.name: account for account in launchpad.members(TEAM, deadline).members}

    assert by_name["chidi"].valid is Answer.NO


def test_a_team_that_is_not_there_is_unknown_and_not_empty(launchpad, deadline):
    assert launchpad.members("nobody", deadline) == MembersReading(None, "status 404", gone=True)


# -- names that move (invariant 5) ----------------------------------------------------------------


def test_an_unchanged_entry_is_not_sent_again(launchpad, server, world, deadline):
    ask_about(launchpad, claimed_id(world, "ada"), deadline)

    assert [(one.target.split("?")[0], one.status) for one in server.served] == [
        ("/devel/people", 200),
        ("/1.0/~ada/super_teams", 200),
        ("/devel/~ada", 304),
    ]


def test_teams_count_for_the_account_that_was_found_and_not_for_who_has_its_name_now(
    launchpad, world, deadline
):
    launchpad.resolve(claimed_id(world, "hana"), deadline)
    world.take_name("hana", moved_to="hana-new", taker="ada")  # ada is in teams, hana in none

    assert launchpad.teams_of("hana", deadline).teams is None


def test_teams_do_not_count_when_a_team_has_the_name_by_now(launchpad, world, deadline):
    launchpad.resolve(claimed_id(world, "hana"), deadline)
    world.rename("hana", "hana-new")
    world.add_team(Team("hana", "Hana", datetime(2026, 1, 1, tzinfo=UTC)))
    world.join("hana", TEAM)

    assert launchpad.teams_of("hana", deadline).teams is None


def test_teams_count_when_only_the_account_changed_and_not_its_name(launchpad, world, deadline):
    launchpad.resolve(claimed_id(world, "ada"), deadline)
    world.update("ada", karma=7)

    assert TEAM in launchpad.teams_of("ada", deadline).teams


# -- suspension -----------------------------------------------------------------------------------


def test_a_suspended_account_is_said_to_be_one_where_its_teams_would_be(launchpad, deadline):
    assert launchpad.teams_of("chidi", deadline) == TeamsReading(None, "status 410", Answer.YES)


def test_a_suspension_is_known_without_the_accounts_status(answering):
    said = {key: value for key, value in (ENTRY | {"is_valid": False}).items() if key != "account_status"}

    def answer(request: Request) -> HttpAnswer:
        if request.path.startswith("/devel/people"):
            return as_json(said)
        return text(410, "'User is suspended: ~ada'")

    reading = ask_about(answering(answer), "x", Deadline(5))
    assert reading.account.account.suspended is Answer.YES


@pytest.mark.parametrize("body", ["", "Gone", "'User is suspended: ~somebody-else'", "User is fine"])
def test_a_410_that_says_something_else_is_no_suspension(answering, body):
    assert answering(text(410, body)).teams_of("ada", Deadline(5)).suspended is Answer.UNKNOWN


def test_two_words_against_each_other_say_nothing_of_suspension(answering):
    def answer(request: Request) -> HttpAnswer:
        if request.path.startswith("/devel/people"):
            return as_json(ENTRY)
        return text(410, "'User is suspended: ~ada'")

    assert ask_about(answering(answer), "x", Deadline(5)).account.account.suspended is Answer.UNKNOWN


@pytest.mark.parametrize("name", ["../people", "a/b", "a?b", "a#b", "a%2fb", "ü", ""])
def test_no_name_leads_to_another_address(launchpad, server, deadline, name):
    launchpad.members(name, deadline)
    launchpad.teams_of(name, deadline)

    assert all(one.target.startswith("/1.0/~") and one.target.count("/") == 3 for one in server.served)


# -- pages (B40) ----------------------------------------------------------------------------------


@pytest.fixture
def crowd(world) -> int:
    """700 more members, so that a team takes three pages."""
    for number in range(700):
        world.register(f"person{number:03d}")
        world.join(f"person{number:03d}", TEAM)
    return 700 + 8  # the demo's own people


def test_all_pages_are_read(launchpad, server, crowd, deadline):
    members = launchpad.members(TEAM, deadline).members

    assert len(members) == len({account.name for account in members}) == crowd
    assert server.count(f"/1.0/~{TEAM}/participants") == 3


def test_a_page_that_fails_makes_the_whole_reading_unknown(launchpad, server, crowd):
    server.fail(FaultKind.HALF_COLLECTION)

    assert launchpad.members(TEAM, Deadline(0.8)) == MembersReading(None, "status 503")


def test_a_page_that_fails_once_is_read_again(launchpad, server, crowd, deadline):
    server.fail(FaultKind.HALF_COLLECTION, times=1)

    assert len(launchpad.members(TEAM, deadline).members) == crowd


def test_a_team_that_changes_while_it_is_read_is_read_again_from_the_beginning(
    launchpad, server, crowd, deadline
):
    server.fail(FaultKind.TOTAL_SIZE_CHANGES, times=2)  # the second page counts one more than the first

    assert len(launchpad.members(TEAM, deadline).members) == crowd
    assert server.count() == 2 + 3


def test_a_team_that_changes_each_time_it_is_read_is_unknown(launchpad, server, crowd, deadline):
    server.fail(FaultKind.TOTAL_SIZE_CHANGES)

    assert launchpad.members(TEAM, deadline).members is None
    assert server.count() == 8


def test_how_far_the_reading_is_can_be_seen(launchpad, crowd, deadline):
    seen: list[tuple[int, int | None]] = []
    launchpad.members(TEAM, deadline, lambda read, total: seen.append((read, total)))

    assert seen == [(300, crowd + 1), (600, crowd + 1), (crowd + 1, crowd + 1)]  # with a team inside


@pytest.mark.parametrize("kind", [FaultKind.FOREIGN_NEXT, FaultKind.REPEATING_NEXT])
def test_a_next_link_that_leads_astray_makes_the_reading_unknown(launchpad, server, crowd, deadline, kind):
    server.fail(kind)

    assert launchpad.members(TEAM, deadline).members is None
    assert server.count() <= 2


def test_an_empty_collection_is_read_as_empty(launchpad, server, deadline):
    server.fail(FaultKind.EMPTY_COLLECTION)

    assert launchpad.members(TEAM, deadline).members == ()


# -- bad days (B41): every fault is unknown -------------------------------------------------------

BAD_DAYS = [
    *(FaultKind.EXPIRED_503, FaultKind.DOWN_503, FaultKind.BAD_GATEWAY_502, FaultKind.TOO_MANY_429),
    *(FaultKind.BAD_JSON, FaultKind.TRUNCATED, FaultKind.HTML_200, FaultKind.HANG, FaultKind.CLOSED),
]


@pytest.mark.parametrize("kind", BAD_DAYS)
@pytest.mark.parametrize("question", ["resolve", "teams_of", "members"])
def test_every_fault_is_unknown_within_the_deadline_and_says_why_without_a_name(
    launchpad, server, world, kind, question
):
    server.fail(kind, seconds=30)
    began = time.monotonic()
    name = claimed_id(world, "ada") if question == "resolve" else "ada"
    reading = getattr(launchpad, question)(name, Deadline(0.3))

    assert reading in (
        AccountReading(Answer.UNKNOWN, None, reading.why),
        TeamsReading(None, reading.why),
        MembersReading(None, reading.why),
    )
    assert reading.why
    assert "ada" not in reading.why.lower()
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("kind", [FaultKind.EXPIRED_503, FaultKind.BAD_GATEWAY_502, FaultKind.CLOSED])
def test_what_passes_by_itself_is_tried_again(launchpad, server, world, deadline, kind):
    server.fail(kind, times=1)

    assert launchpad.resolve(claimed_id(world, "ada"), deadline).answer is Answer.YES


def test_a_dead_server_is_unknown(world):
    assert Launchpad("http://127.0.0.1:1/", AGENT).resolve("x", Deadline(0.5)).answer is Answer.UNKNOWN


def test_a_certificate_that_nobody_vouches_for_is_unknown():
    def greet() -> None:
        with contextlib.suppress(OSError):  # the client hangs up, and in the end the test
            while True:
                talk, _ = listening.accept()
                met.append(talk)
                with contextlib.suppress(ssl.SSLError):
                    context.wrap_socket(talk, server_side=True).close()

    met: list[socket.socket] = []
    context = self_signed_context("localhost")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=greet, daemon=True).start()
        launchpad = Launchpad(f"https://localhost:{listening.getsockname()[1]}/", AGENT)

        assert launchpad.resolve("x", Deadline(3)).answer is Answer.UNKNOWN
        assert launchpad.members("x", Deadline(3)).members is None
    assert met, "it was asked"


def test_it_is_not_tried_for_ever(launchpad, server, world, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    server.fail(FaultKind.EXPIRED_503)
    launchpad.resolve(claimed_id(world, "ada"), Deadline(60))

    assert server.count() == 7


@pytest.mark.parametrize("kind", [FaultKind.EXPIRED_503, FaultKind.BAD_GATEWAY_502])
def test_the_pauses_are_those_of_launchpads_own_client_and_a_little_more(
    launchpad, server, world, monkeypatch, kind
):
    """The little more is at random, so that many who were sent away do not come back together."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    server.fail(kind)
    launchpad.resolve(claimed_id(world, "ada"), Deadline(60))

    assert len(pauses) == 6
    assert all(own <= pause <= own * 1.3 for own, pause in zip((0, 1, 2, 4, 8, 16), pauses, strict=True))
    assert len({pause / own for own, pause in zip((1, 2, 4, 8, 16), pauses[1:], strict=True)}) > 1


def test_retry_after_is_waited_for(launchpad, server, world, deadline):
    server.fail(FaultKind.TOO_MANY_429, times=1, seconds=1)
    began = time.monotonic()

    assert launchpad.resolve(claimed_id(world, "ada"), deadline).answer is Answer.YES
    assert 1.0 <= time.monotonic() - began < 3


def test_retry_after_may_be_a_date(answering):
    answers = [HttpAnswer(429, headers=(("Retry-After", format_datetime(datetime.now(UTC) + HOUR)),))]
    launchpad = answering(lambda _: answers[0])

    assert launchpad.resolve("x", Deadline(3)).why == "status 429"  # and does not try before that date


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(launchpad, server, world):
    server.fail(FaultKind.DOWN_503, seconds=120)
    began = time.monotonic()

    assert launchpad.resolve(claimed_id(world, "ada"), Deadline(20)).answer is Answer.UNKNOWN
    assert time.monotonic() - began < 2
    assert server.count() == 1


def test_a_deadline_that_is_over_asks_nothing(launchpad, server, world):
    assert launchpad.resolve(claimed_id(world, "ada"), Deadline(0)).answer is Answer.UNKNOWN
    assert server.count() == 0


def test_one_deadline_holds_for_all_pages(launchpad, server, crowd):
    server.latency = 0.25
    began = time.monotonic()

    assert launchpad.members(TEAM, Deadline(0.6)).members is None
    assert time.monotonic() - began < 1.5


# -- manners --------------------------------------------------------------------------------------


def test_every_request_says_who_asks(launchpad, server, world, deadline):
    ask_about(launchpad, claimed_id(world, "ada"), deadline)
    launchpad.members(TEAM, deadline)

    assert {one.user_agent for one in server.served} == {AGENT}
    assert len(server.served) >= 4


def test_no_compressed_answer_is_asked_for(answering):
    asked: list[str] = []

    def answer(request: Request) -> HttpAnswer:
        asked.append(request.header("accept-encoding"))
        return as_json(ENTRY)

    answering(answer).resolve("x", Deadline(5))
    assert asked == ["identity"]


def test_no_more_requests_are_under_way_than_the_limit(answering):
    lock, under_way, most = threading.Lock(), 0, 0

    def answer(_: Request) -> HttpAnswer:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return as_json(ENTRY)

    launchpad = answering(answer)
    with ThreadPoolExecutor(60) as pool:
        answers = [pool.submit(launchpad.resolve, "x", Deadline(20)) for _ in range(60)]

    assert {one.result().answer for one in answers} == {Answer.YES}
    assert most <= REQUESTS_AT_ONCE


def test_who_finds_no_place_in_time_has_no_answer(answering, monkeypatch):
    launchpad = answering(as_json(ENTRY))
    monkeypatch.setattr(launchpad, "_slots", threading.BoundedSemaphore(1))
    with launchpad._slots:
        assert launchpad.resolve("x", Deadline(0.2)).answer is Answer.UNKNOWN

    assert launchpad.resolve("x", Deadline(5)).answer is Answer.YES


def test_one_object_serves_many_threads(launchpad, world, deadline):
    found: list[str] = []
    names = ["ada", "bruno", "dora", "kaia"] * 5

    def ask(name: str) -> None:
        found.append(launchpad.resolve(claimed_id(world, name), deadline).account.name)

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert sorted(found) == sorted(names)


# -- odd answers: each is unknown, and none is an error -------------------------------------------


class OddServer:
    """A server that gives the answers of one test after the other, and a client for it."""

    def __init__(self) -> None:
        self._answer: Callable[[Request], HttpAnswer] = lambda _: HttpAnswer()
        self.web = WebServer(self._serve)
        self.web.start()
        self._launchpad = Launchpad(self.web.url, AGENT)

    def _serve(self, request: Request) -> HttpAnswer:
        return self._answer(request)

    def __call__(self, answer: HttpAnswer | Callable[[Request], HttpAnswer]) -> Launchpad:
        """Give this answer from now on."""
        self._answer = answer if callable(answer) else lambda _: answer
        return self._launchpad


@pytest.fixture(scope="module")
def answering() -> Iterator[OddServer]:
    server = OddServer()
    yield server
    server.web.stop()


ENTRY = {
    "name": "ada",
    "date_created": "2009-03-01T10:00:00.123456+00:00",
    "display_name": "Ada",
    "is_team": False,
    "is_valid": True,
    "is_ubuntu_coc_signer": True,
    "account_status": "Active",
}
REDACTED = "tag:launchpad.net:2008:redacted"

ODD_ENTRIES = {
    "a list": [],
    "a text": "ada",
    "a number": 7,
    "true": True,
    "an empty object": {},
    "a team": ENTRY | {"is_team": True},
    "perhaps a team": ENTRY | {"is_team": None},
    "no word on teams": {key: value for key, value in ENTRY.items() if key != "is_team"},
    "no name": {key: value for key, value in ENTRY.items() if key != "name"},
    "an empty name": ENTRY | {"name": ""},
    "a hidden name": ENTRY | {"name": REDACTED},
    "a number for a name": ENTRY | {"name": 7},
    "an endless name": ENTRY | {"name": "a" * 5000},
    "a name with a nul": ENTRY | {"name": "a\x00da"},
    "a name with a lone surrogate": ENTRY | {"name": "a\ud800da"},
    "no birth": {key: value for key, value in ENTRY.items() if key != "date_created"},
    "a hidden birth": ENTRY | {"date_created": REDACTED},
    "an endless birth": ENTRY | {"date_created": "2009" * 100},
    "no display name": {key: value for key, value in ENTRY.items() if key != "display_name"},
}


@pytest.mark.parametrize("entry", ODD_ENTRIES.values(), ids=ODD_ENTRIES)
def test_an_odd_entry_is_unknown(answering, entry):
    assert answering(as_json(entry)).resolve("x", Deadline(5)).answer is Answer.UNKNOWN


@pytest.mark.parametrize("flag", ["is_valid", "is_ubuntu_coc_signer"])
@pytest.mark.parametrize("value", [None, "true", "", 1, 0, [], REDACTED, "missing"])
def test_a_flag_that_is_no_boolean_is_unknown(answering, flag, value):
    entry = {key: old for key, old in ENTRY.items() if key != flag}
    if value != "missing":
        entry[flag] = value
    account = answering(as_json(entry)).resolve("x", Deadline(5)).account

    answers = {"is_valid": account.valid, "is_ubuntu_coc_signer": account.coc_signed}
    assert answers.pop(flag) is Answer.UNKNOWN
    assert set(answers.values()) == {Answer.YES}


@pytest.mark.parametrize(
    ("status", "suspended"),
    [
        ("Active", Answer.NO),
        ("Suspended", Answer.YES),
        ("Deactivated", Answer.NO),
        (None, Answer.UNKNOWN),
        (7, Answer.UNKNOWN),
        (REDACTED, Answer.UNKNOWN),
    ],
)
def test_only_a_status_that_can_be_read_says_anything_of_suspension(answering, status, suspended):
    launchpad = answering(as_json(ENTRY | {"account_status": status}))

    assert launchpad.resolve("x", Deadline(5)).account.suspended is suspended


def page(entries: object, next_link: object = None) -> dict[str, object]:
    return {"start": 0, "total_size": 1, "entries": entries} | (
        {"next_collection_link": next_link} if next_link is not None else {}
    )


ODD_PAGES = {
    "null": None,
    "a list": [ENTRY],
    "no entries": {"start": 0, "total_size": 0},
    "entries null": page(None),
    "entries an object": page({"ada": ENTRY}),
    "an entry null": page([ENTRY, None]),
    "an entry a text": page([ENTRY, "ada"]),
    "an entry without a name": page([ENTRY, {"is_team": False}]),
    "an entry with a hidden name": page([ENTRY, ENTRY | {"name": REDACTED}]),
    "next link null": page([ENTRY]) | {"next_collection_link": None},
    "next link a number": page([ENTRY], 7),
    "next link empty": page([ENTRY], ""),
    "next link hidden": page([ENTRY], REDACTED),
    "next link relative": page([ENTRY], "/1.0/~x/participants?ws.start=300"),
    "next link a file": page([ENTRY], "file:///etc/passwd"),
    "next link broken": page([ENTRY], "http://[::1"),
    "next link to another host": page([ENTRY], "http://launchpad.foreign.example/1.0/~x/participants"),
    "next link with a user": page([ENTRY], "http://SELF@evil.example/1.0/~x"),
    "next link over https": page([ENTRY], "https://SELF/1.0/~x"),
    "next link with a control character": page([ENTRY], "http://SELF/1.0/\x7f~x"),
    "next link with a lone surrogate": page([ENTRY], "http://SELF/1.0/\ud800"),
    "next link with a wrong port": page([ENTRY], "http://127.0.0.1:99999/1.0/~x"),
    "next link endless": page([ENTRY], "http://SELF/" + "x" * 70_000),
}


@pytest.mark.parametrize("odd", ODD_PAGES.values(), ids=ODD_PAGES)
def test_an_odd_page_makes_the_whole_reading_unknown(answering, odd):
    def answer(request: Request) -> HttpAnswer:
        return HttpAnswer(
            200, json.dumps(odd).replace("SELF", request.header("host")).encode(), "application/json"
        )

    assert answering(answer).members("x", Deadline(1)).members is None
    assert answering(answer).teams_of("x", Deadline(1)).teams is None


def test_pages_without_end_are_given_up(answering):
    def answer(request: Request) -> HttpAnswer:
        following = f"http://{request.header('host')}/1.0/~x/participants?n={len(seen)}"
        seen.append(request.target)
        return as_json(page([ENTRY], following))

    seen: list[str] = []
    assert answering(answer).members("x", Deadline(0.5)).members is None


def test_pages_that_only_link_to_their_size_are_read(answering):
    """As version devel has them, all but the last."""

    def answer(request: Request) -> HttpAnswer:
        here = f"http://{request.header('host')}/1.0/~x/participants"
        if "ws.start" in request.target:
            return as_json(page([ENTRY | {"name": "zoe"}]) | {"total_size": 2, "start": 1})
        first = page([ENTRY], f"{here}?ws.start=1") | {"total_size_link": f"{here}?ws.show=total_size"}
        del first["total_size"]
        return as_json(first)

    assert {account.name for account in answering(answer).members("x", Deadline(5)).members} == {"ada", "zoe"}


def test_a_member_on_two_pages_counts_once(answering):
    def answer(request: Request) -> HttpAnswer:
        following = f"http://{request.header('host')}/1.0/~x/participants?ws.start=1"
        return as_json(page([ENTRY], None if "ws.start" in request.target else following))

    assert len(answering(answer).members("x", Deadline(5)).members) == 1


ODD_BODIES = {
    "nothing": b"",
    "no json": b"<html>",
    "half": b'{"name": "a',
    "not utf-8": b'{"name": "\xff\xfe"}',
    "too deep": b"[" * 200_000,
    "an endless number": b"9" * 100_000,
    "infinity": b'{"name": Infinity}',
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_an_odd_body_is_unknown(answering, body):
    launchpad = answering(HttpAnswer(200, body, "application/json"))

    assert launchpad.resolve("x", Deadline(5)).answer is Answer.UNKNOWN
    assert launchpad.members("x", Deadline(5)).members is None


@pytest.mark.parametrize(
    "status", [201, 204, 301, 302, 304, 400, 401, 403, 404, 405, 409, 410, 500, 501, 599]
)
def test_every_other_status_is_unknown_and_never_a_no(answering, status):
    headers = (("Location", "http://127.0.0.1:1/"),)
    answer = HttpAnswer(status, json.dumps(None).encode(), "application/json", headers)

    assert answering(answer).resolve("x", Deadline(5)).answer is Answer.UNKNOWN


@pytest.mark.parametrize(
    "retry_after", ["²", "-1", "soon", "", "Wed, 21 Oct 2026 07:28:00 GMT", "1e9", "9" * 400]
)
def test_an_odd_retry_after_is_no_error(answering, retry_after):
    answer = HttpAnswer(503, b"RequestExpired", "text/plain", (("Retry-After", retry_after),))

    assert answering(answer).resolve("x", Deadline(0.3)).answer is Answer.UNKNOWN


def test_an_answer_that_swells_without_end_is_given_up(answering):
    body = gzip.compress(json.dumps(ENTRY).encode() + b" " * (40 * 1024 * 1024), 1)
    answer = HttpAnswer(200, body, "application/json", (("Content-Encoding", "gzip"),))

    assert answering(answer).resolve("x", Deadline(0.5)).answer is Answer.UNKNOWN  # asked for no encoding


# -- a server that trickles -----------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = json.dumps(ENTRY).encode()

TRICKLES: dict[str, tuple[bytes, bytes]] = {
    "the status line": (b"", HEAD + b"Content-Length: 4\r\n\r\nnull"),
    "the header": (HEAD, b"X-Filler: " + b"x" * 5000 + b"\r\n\r\n"),
    "the body": (HEAD + b"Content-Length: 5000\r\n\r\n", BODY + b" " * 5000),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 5000),
    "a chunk's size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 5000),
    "a compressed body": (
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5000\r\n\r\n",
        gzip.compress(BODY + b" " * 10_000_000),
    ),
    "a body until the end": (HEAD + b"Connection: close\r\n\r\n", b" " * 5000),
}


@pytest.fixture(params=TRICKLES.values(), ids=TRICKLES)
def trickler(request) -> Iterator[str]:
    """A server that sends the first part at once and the second one octet each 50 ms."""
    at_once, slowly = request.param
    stopping = threading.Event()

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.recv(4096)
            connection.sendall(at_once)
            for octet in slowly:
                if stopping.wait(0.05):
                    return
                connection.sendall(bytes([octet]))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        stopping.set()
        listener.shutdown(socket.SHUT_RDWR)


def test_the_deadline_holds_against_a_server_that_trickles(trickler):
    results: list[AccountReading] = []
    launchpad = Launchpad(trickler, AGENT)
    asking = threading.Thread(
        target=lambda: results.append(launchpad.resolve("x", Deadline(0.3))), daemon=True
    )
    asking.start()
    asking.join(2)

    assert [reading.answer for reading in results] == [Answer.UNKNOWN]
