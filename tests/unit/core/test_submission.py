"""core.submission, against a real LMTP server on a unix socket"""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import submission
from core.submission import Outcome, Step, Submission, submit
from tests.support.lmtp import LmtpServer, Received

TO = "ada@home.example.net"
MESSAGE = b"Subject: hello\r\n\r\nA line.\r\n.\r\n..dots\r\nlast\r\n"


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "relay.sock"


@pytest.fixture
def relay(path) -> Iterator[LmtpServer]:
    server = LmtpServer(path)
    server.start()
    yield server
    server.stop()


def test_a_mail_is_delivered_as_it_was_written(relay, path):
    assert submit(path, TO, MESSAGE) == Submission(Outcome.DELIVERED, "2.0.0")
    assert relay.received == [Received("", TO, MESSAGE)]


def test_who_listens_hears_each_step_and_the_outcome_is_the_same(relay, path):
    tab = "\t"
    relay.replies["dot"] = (
        f"150 2.0.0 {TO}{tab}connect{tab}mx.home.example.net\r\n150 2.0.0 {TO}{tab}rcpt{tab}250 ok\r\n"
        f"150 2.0.0 odd\r\n451 4.2.0 later"
    )
    heard: list[Step] = []

    assert submit(path, TO, MESSAGE, heard.append) == Submission(Outcome.TRY_LATER, "4.2.0")
    assert heard == [
        Step("", "accepted"),
        Step(TO, "connect", "mx.home.example.net"),
        Step(TO, "rcpt", "250 ok"),
        Step("odd", "", ""),
    ]


def test_who_listens_to_a_relay_that_refuses_at_once_hears_nothing(relay, path):
    relay.replies["rcpt"] = "550 5.2.1 This address is suspended"
    heard: list[Step] = []

    assert submit(path, TO, MESSAGE, heard.append) == Submission(Outcome.REFUSED, "5.2.1")
    assert heard == []


def test_a_socket_given_by_a_relative_path_is_found(relay, path, monkeypatch):
    monkeypatch.chdir(path.parent)

    assert submit(Path("relay.sock"), TO, MESSAGE).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("stage", ["rcpt", "data", "dot"])
def test_a_refusal_for_good_is_one_with_its_code(relay, path, stage):
    relay.replies[stage] = "550 5.7.1 we know you, <secret@sender.example>"

    assert submit(path, TO, MESSAGE) == Submission(Outcome.REFUSED, "5.7.1")
    assert relay.received == []


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
def test_a_refusal_for_now_is_one_with_its_code(relay, path, stage):
    relay.replies[stage] = "451 4.3.0 later"

    assert submit(path, TO, MESSAGE) == Submission(Outcome.TRY_LATER, "4.3.0")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("550 no such user", "5.0.0"),
        ("550", "5.0.0"),
        ("550 mail.home.example said no", "5.0.0"),
        ("550 5.1 x", "5.0.0"),
        ("550 ...", "5.0.0"),
        ("550 5.1.1.1 x", "5.0.0"),
        ("550 5.1.1234 x", "5.0.0"),
        ("550 5.1.1", "5.1.1"),
        ("550-5.1.1 two\r\n550 5.1.1 lines", "5.1.1"),
        ("550 \u00e9t\u00e9.x.y", "5.0.0"),
        ("450 try again", "4.0.0"),
    ],
)
def test_only_a_code_is_kept_and_never_the_servers_text(relay, path, reply, code):
    relay.replies["dot"] = reply

    assert submit(path, TO, MESSAGE).code == code


@pytest.mark.parametrize("stage", ["greeting", "lhlo", "mail", "rcpt", "data", "dot"])
def test_a_connection_that_breaks_means_later(relay, path, stage):
    relay.replies[stage] = "drop"

    assert submit(path, TO, MESSAGE).outcome is Outcome.TRY_LATER


@pytest.mark.parametrize("stage", ["greeting", "lhlo", "mail", "rcpt", "data", "dot"])
def test_a_relay_that_falls_silent_is_given_up(relay, path, stage, monkeypatch):
    monkeypatch.setattr(submission, "PATIENCE", 0.2)
    relay.replies[stage] = ""
    results: list[Submission] = []
    thread = threading.Thread(target=lambda: results.append(submit(path, TO, MESSAGE)), daemon=True)
    thread.start()
    thread.join(3)

    assert [result.outcome for result in results] == [Outcome.TRY_LATER]


@pytest.mark.parametrize("greeting", ["554 5.3.2 not now", "421 4.3.2 closing", "nonsense"])
def test_a_relay_that_greets_with_a_refusal_means_later(relay, path, greeting):
    relay.replies["greeting"] = greeting

    assert submit(path, TO, MESSAGE).outcome is Outcome.TRY_LATER


@pytest.mark.parametrize("quit_reply", ["500 what?", "421 4.3.2 closing", "", "drop"])
def test_what_is_said_after_the_delivery_does_not_undo_it(relay, path, quit_reply, monkeypatch):
    monkeypatch.setattr(submission, "PATIENCE", 0.5)
    relay.replies["quit"] = quit_reply

    assert submit(path, TO, MESSAGE).outcome is Outcome.DELIVERED


def test_a_socket_that_is_not_there_means_later(path):
    assert submit(path, TO, MESSAGE) == Submission(Outcome.TRY_LATER, "4.4.1")


def test_a_socket_that_nobody_listens_on_means_later(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    assert submit(path, TO, MESSAGE).outcome is Outcome.TRY_LATER


def test_a_file_that_is_no_socket_means_later(path):
    path.write_text("no socket")

    assert submit(path, TO, MESSAGE).outcome is Outcome.TRY_LATER


def test_a_recipient_beyond_ascii_is_sent_as_it_is(relay, path):
    assert submit(path, "jörg@home.example.net", MESSAGE).outcome is Outcome.DELIVERED
    assert relay.received[0].recipient == "jörg@home.example.net"


def test_a_recipient_beyond_ascii_is_refused_where_the_relay_cannot_take_it(relay, path):
    relay.extensions = ("8BITMIME",)

    assert submit(path, "jörg@home.example.net", MESSAGE) == Submission(Outcome.REFUSED, "5.6.7")


def test_a_quoted_recipient_is_sent_as_it_is(relay, path):
    assert submit(path, '"a b"@home.example.net', MESSAGE).outcome is Outcome.DELIVERED
    assert relay.received[0].recipient == '"a b"@home.example.net'
