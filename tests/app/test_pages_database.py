"""A database that is busy, locked or gone: a page that asks to come back, and no traceback."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest

from core.database import BUSY_SECONDS, database, utc_now
from core.models import Alias, Session
from devtools.accounts import Account
from tests.app.conftest import MakePerson
from tests.app.owner import Owner
from tests.support.letters import proof_mails
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.postgres import PostgresServer
from tests.support.records import person_of
from tests.support.webclient import Answer, Client

NewClient = Callable[[], Client]


@contextlib.contextmanager
def write_lock(portal: Portal) -> Iterator[None]:
    """Keep a write transaction open in another process's stead."""
    path = portal.settings.database_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


def together(calls: dict[str, Callable[[], Answer]]) -> dict[str, Answer]:
    """Make all calls at once; return each one's answer."""
    answers: dict[str, Answer] = {}

    def run(name: str) -> None:
        answers[name] = calls[name]()

    threads = [threading.Thread(target=run, args=(name,)) for name in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def assert_busy(answer: Answer, what: str) -> None:
    """Hold that the page says that nothing was changed, and what to do."""
    assert answer.status == 503, what
    assert "Busy just now" in answer.text, what
    assert "Nothing was changed. Try again in a minute." in answer.text, what
    assert "Traceback" not in answer.html
    assert answer.header("Content-Security-Policy"), what
    if answer.is_whole_page:
        assert faults_of(answer.page) == [], what
    else:
        assert answer.header("HX-Retarget") == "#main", what


def test_a_lock_longer_than_the_patience_gives_a_page_and_leaves_all_as_it_was(
    portal: Portal, new_client: NewClient, new_person: MakePerson
) -> None:
    owner = Owner(new_client(), new_person("ubuntumembers"))
    owner.add("second@mail.example.org")
    link = proof_mails(owner.recipient("second@mail.example.org"), portal.settings)[0].link
    claimer, newcomer = new_client(), new_client()
    claiming = new_person("ubuntumembers")
    claimer.sign_in(claiming.name)
    claimer.token()
    attempt = newcomer.begin()
    stranger = new_person()
    posted, posting = newcomer.begin(), new_client()
    fields = newcomer.sign(attempt, stranger.name)
    late = new_client()
    late_account = new_person()
    late.sign_in(late_account.name)
    Session.update(seen_at=utc_now() - timedelta(days=1)).where(
        Session.person == person_of(late_account)
    ).execute()
    path = link.removeprefix(portal.url)

    with write_lock(portal):
        begin = time.monotonic()
        reading = together(
            {
                "the front page": lambda: newcomer.get("/"),
                "home": lambda: owner.client.get("/home"),
                "the address": lambda: owner.client.get(owner.path),
                "the link": lambda: owner.client.get(path),
            }
        )
        assert time.monotonic() - begin < BUSY_SECONDS  # reading waits for no writer
        answers = together(
            {
                "claim": lambda: claimer.post("/domains/ubuntu.com/claim"),
                "claim, HTMX": lambda: claimer.post("/domains/ubuntu.com/claim", on="/home"),
                "add": lambda: owner.add("third@mail.example.org"),
                "switch": lambda: owner.press("switch", True, to="off-later"),
                "proof": lambda: owner.client.post(path),
                "check again": lambda: claimer.post("/home/check"),
                "answer by GET": lambda: newcomer.bring(attempt, fields),
                "answer by POST": lambda: posting.post_back(posted, fields),
                "first page of the hour": lambda: late.get("/home"),
            }
        )

    assert {answer.status for answer in reading.values()} == {200}
    late_page = answers.pop("first page of the hour")
    assert late_page.status == 200  # that it was seen is not worth a refusal
    for what, answer in answers.items():
        assert_busy(answer, what)
    assert owner.client.post(path).status == 303
    assert claimer.post("/domains/ubuntu.com/claim").status == 303
    assert newcomer.sign_in(stranger.name).status == 200


def test_a_short_lock_is_waited_for(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)
    client.token()
    answers: list[Answer] = []

    def claim() -> None:
        answers.append(client.post("/domains/ubuntu.com/claim"))

    thread = threading.Thread(target=claim)
    with write_lock(portal):
        thread.start()
        time.sleep(1.0)
        assert answers == []
    thread.join(30)

    assert answers[0].status == 303


def test_many_writers_at_once_all_come_through(
    each_portal: Portal, new_client: NewClient, new_person: MakePerson
) -> None:
    accounts = [new_person("ubuntumembers") for _ in range(12)]
    clients = [new_client() for _ in accounts]

    def come_and_claim(number: int) -> Answer:
        clients[number].sign_in(accounts[number].name)
        return clients[number].post("/domains/ubuntu.com/claim")

    answers = together({str(n): lambda n=n: come_and_claim(n) for n in range(len(accounts))})

    assert {answer.status for answer in answers.values()} == {303}
    assert all(Alias.select().where(Alias.local_part == account.name).exists() for account in accounts)


# -- PostgreSQL ----------------------------------------------------------------------------------


@pytest.mark.parametrize("each_portal", ["postgresql"], indirect=True)
def test_a_row_that_somebody_holds_too_long_gives_a_page(
    each_portal: Portal, client: Client, member: Account
) -> None:
    client.sign_in(member.name)
    client.token()
    with psycopg.connect(each_portal.settings.database_url) as other:
        other.execute("SELECT * FROM person WHERE id = %s FOR UPDATE", [person_of(member).id])
        begin = time.monotonic()
        refused = client.post("/domains/ubuntu.com/claim")
        took = time.monotonic() - begin
        other.rollback()

    assert_busy(refused, "claim")
    assert took < 30
    assert client.post("/domains/ubuntu.com/claim").status == 303


@pytest.mark.parametrize("each_portal", ["postgresql"], indirect=True)
def test_a_database_that_is_gone_gives_a_page(
    each_portal: Portal, client: Client, postgres_server: PostgresServer, member: Account
) -> None:
    client.sign_in(member.name)
    client.token()
    attempt = client.begin()
    fields = client.sign(attempt, member.name)
    postgres_server.command("ALTER DATABASE portal ALLOW_CONNECTIONS false")
    end_connections(postgres_server)
    try:
        answers = {
            "front": client.get("/"),
            "home": client.get("/home"),
            "rows": client.get("/home/rows", on="/home"),
            "claim": client.post("/domains/ubuntu.com/claim"),
            "posted answer": client.post_back(attempt, fields),
            "answer": client.bring(attempt, fields),
        }
        style = client.get("/static/built/app.css")
    finally:
        postgres_server.command("ALTER DATABASE portal ALLOW_CONNECTIONS true")

    for what, answer in answers.items():
        assert_busy(answer, what)
    assert style.status == 200  # else the page that says so would be bare
    assert client.get("/home").status == 200


@pytest.mark.parametrize("each_portal", ["postgresql"], indirect=True)
def test_connections_that_the_database_has_ended_are_noticed_before_anybody_uses_them(
    each_portal: Portal, client: Client, postgres_server: PostgresServer, member: Account
) -> None:
    client.sign_in(member.name)
    client.token()
    for _ in range(3):
        assert end_connections(postgres_server) > 0  # the portal keeps one open between requests

        assert client.get("/home").status == 200
    end_connections(postgres_server)

    assert client.post("/domains/ubuntu.com/claim").status == 303


def end_connections(server: PostgresServer) -> int:
    """End what the portal has open, as a restart of PostgreSQL does; returns how many there were."""
    own = database.connection().info.backend_pid
    with psycopg.connect(server.url("postgres"), autocommit=True) as superuser:
        ended = superuser.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
            ["portal", own],
        )
        return len(ended.fetchall())
