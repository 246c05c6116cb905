"""Hands our own mail to the relay, over its unix socket (LMTP, RFC 2033; one recipient a transaction)."""

import re
import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.addresses import parse_address

PATIENCE = 300  # seconds; the relay answers at the latest after 240


class Outcome(StrEnum):
    """What became of a mail."""

    DELIVERED = "delivered"
    TRY_LATER = "try-later"
    REFUSED = "refused"


@dataclass(frozen=True)
class Submission:
    """The destination's answer: outcome and enhanced status code, never the server's text."""

    outcome: Outcome
    code: str = ""


@dataclass(frozen=True)
class Step:
    """One step of a mail's way, as the relay tells it; for the eyes of who sent it, stored nowhere."""

    recipient: str
    """Empty for what the relay itself does."""
    stage: str
    """`accepted` by the relay; then, a recipient, `dns` when that fails, `connect`, `greeting`, `ehlo`,
    `starttls`, `auth`, `mail`, `rcpt`, `data`, `content`; and `result` with how it ended and its code."""
    words: str = ""
    """The other server's own."""


ACCEPTED = Step("", "accepted")


class _Relay(smtplib.LMTP):
    """The relay's socket; hears its preliminary replies, which XSTEPS asks for (`relay.submission`)."""

    note: Callable[[Step], None] | None = None

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        while code // 100 == 1:
            if self.note is not None:
                recipient, stage, words, *_ = [*text.decode("utf-8", "replace")[6:].split("\t"), "", ""]
                self.note(Step(recipient, stage, words))
            code, text = super().getreply()
        return code, text

    def data(self, msg: bytes | bytearray | str) -> tuple[int, bytes]:  # type: ignore[override]
        if self.note is not None:
            self.note(ACCEPTED)
        return super().data(msg)


def submit(socket: Path, to: str, message: bytes, note: Callable[[Step], None] | None = None) -> Submission:
    """Submit one mail and wait for the destination's answer.

    socket: the setting RELAY_SOCKET. note: hears each step when it is made. No error is raised: a
    relay that is not there means later.
    """
    delivered = Submission(Outcome.TRY_LATER, "4.4.1")
    options = ["SMTPUTF8"] if parse_address(to).needs_smtputf8 else []
    try:
        with _Relay(str(socket.absolute()), local_hostname="localhost", timeout=PATIENCE) as relay:
            if note is not None:
                relay.ehlo_or_helo_if_needed()
                relay.note = note
                relay.docmd("XSTEPS")
            relay.sendmail("", [to], message, mail_options=options)
            delivered = Submission(Outcome.DELIVERED, "2.0.0")
    except smtplib.SMTPRecipientsRefused as error:
        return _outcome(*next(iter(error.recipients.values())))
    except smtplib.SMTPNotSupportedError:
        return Submission(Outcome.REFUSED, "5.6.7")
    except (smtplib.SMTPConnectError, smtplib.SMTPHeloError):  # it is our own relay that is not ready
        return Submission(Outcome.TRY_LATER, "4.3.5")
    except smtplib.SMTPResponseException as error:
        if delivered.outcome is not Outcome.DELIVERED:  # else it was only the answer to QUIT
            return _outcome(error.smtp_code, error.smtp_error)
    except (smtplib.SMTPException, OSError):
        pass  # what was reached so far counts
    return delivered


def _outcome(code: int, text: bytes | str) -> Submission:
    words = (text.decode("ascii", "replace") if isinstance(text, bytes) else text).split()
    known = words and re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", words[0])
    kind = Outcome.REFUSED if code >= 500 else Outcome.TRY_LATER
    return Submission(kind, words[0] if known else f"{code // 100}.0.0")
