"""core.daily, with a real LMTP server in the relay's place"""

from collections.abc import Iterator
from datetime import datetime

import pytest

from core.audit import OPERATOR, head, record
from core.daily import tell_daily
from core.database import utc_now, write
from core.models import Notice
from core.outbox import send_due
from tests.support.arrange import later
from tests.support.letters import read_mail
from tests.support.lmtp import LmtpServer


@pytest.fixture
def relay(settings, db) -> Iterator[LmtpServer]:
    server = LmtpServer(settings.relay_socket)
    server.start()
    yield server
    server.stop()


def note() -> str:
    """Write an entry; return the record's end."""
    with write():
        record(OPERATOR, "noted", {}, {}, utc_now())
    return str(head())


def lines(server: LmtpServer) -> list[str]:
    """The lines of the one mail that came, which is to ops."""
    (mail,) = server.received
    assert mail.recipient == "ops@ops.example.net"
    return read_mail(mail.content).get_body(("plain",)).get_content().splitlines()


def test_the_end_of_the_record_goes_out_when_nothing_else_does(relay, settings):
    end = note()
    tell_daily(utc_now())

    assert send_due(settings) == 1
    assert end in lines(relay)


def test_a_record_without_an_entry_is_said_too(relay, settings):
    tell_daily(utc_now())

    assert send_due(settings) == 1
    assert "There is no entry yet." in lines(relay)


def test_it_says_the_end_as_it_was_when_it_was_written(relay, settings):
    end = note()
    tell_daily(utc_now())
    note()

    send_due(settings)

    assert end in lines(relay)


def test_there_is_one_a_day(db, now: datetime):
    for hours in (0, 1, 11, 12, 13):
        tell_daily(later(now, hours=hours))

    assert [notice.unique_key for notice in Notice.select().order_by(Notice.id)] == [
        "daily:2026-11-26",
        "daily:2026-11-27",
    ]
