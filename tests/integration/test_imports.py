"""An old list comes in, and its mail flows by SMTP before anybody has signed in: over real processes."""

import smtplib
import time
from pathlib import Path

import pytest

from devtools.demo import send
from devtools.stack import Stack, StackProblem

PATIENCE = 60.0  # seconds, on a busy machine


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(request: pytest.FixtureRequest) -> str | None:
    """A database of its own: SQLite in the stack's folder, or an empty one on the private PostgreSQL."""
    if request.param == "sqlite":
        return None
    return request.getfixturevalue("postgres_server").create("imports")


def wait_for_mail(stack: Stack, to: str, subject: str) -> None:
    """Wait until a mail has arrived at somebody's mailbox."""
    end = time.monotonic() + PATIENCE
    while not any(mail["subject"] == subject for mail in stack.mail(to)):
        assert time.monotonic() < end, f"no mail for {to}"
        time.sleep(0.2)


def test_mail_to_an_imported_address_flows_before_anybody_signed_in(
    fresh_url: str | None, tmp_path: Path
) -> None:
    old = tmp_path / "old.csv"
    old.write_text(
        "address;recipients;launchpad name\r\n"
        "carol.old@ubuntu.com;carol@home.example.net, carol@mail.example.org;ada\r\n",
        encoding="utf-8-sig",
    )
    with Stack(database_url=fresh_url) as stack:
        with pytest.raises(smtplib.SMTPException):
            send(stack.relay_port, "carol.old@ubuntu.com", "too early")
        stack.waypost("import", "csv", str(old), "--as-of", "2026-01-31", "--yes")

        subject = f"Hello at {time.time_ns()}"
        send(stack.relay_port, "carol.old@ubuntu.com", subject)

        wait_for_mail(stack, "carol@home.example.net", subject)
        wait_for_mail(stack, "carol@mail.example.org", subject)
        assert "carol.old@ubuntu.com\tada" in stack.waypost("import", "waiting")
        end = time.monotonic() + PATIENCE
        while not stack.waypost("import", "waiting", "--state", "found"):
            assert time.monotonic() < end, "the name was not looked up"
            time.sleep(0.2)
        stack.waypost("import", "drop", "carol.old@ubuntu.com", "--yes")
        end = time.monotonic() + PATIENCE
        while True:
            try:
                send(stack.relay_port, "carol.old@ubuntu.com", "too late")
            except smtplib.SMTPException:
                break
            assert time.monotonic() < end, "mail still flows"
            time.sleep(0.2)
        with pytest.raises(StackProblem):
            stack.waypost("import", "drop", "carol.old@ubuntu.com", "--yes")
