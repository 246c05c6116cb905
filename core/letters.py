"""Turns a notice into a mail: templates in `core/templates/letters/`, one a kind."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, quote
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.alias_recipients import aliases_with, is_deliverable, rows_of
from core.delivery import why_refused
from core.models import Alias, DkimKey, Notice, Person, Recipient, by_id
from core.notices import can_be_told
from core.recipients import PROOF, PROOF_LASTS, proof_expires, proof_token
from core.secrets import derive_key, keyed_hash
from core.settings import Settings
from core.signing_keys import record_needed_until

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates" / "letters"),
    autoescape=False,  # noqa: S701 -- these are plain-text mails
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Letter:
    """A mail ready to go, and where to."""

    to: str
    message: bytes


def write_letter(notice: Notice, settings: Settings, now: datetime) -> Letter | None:
    """Render a notice; None when what it speaks of is gone or settled meanwhile.

    Message-ID and Date come from the notice and not from the clock, so that a second try of the
    same notice is the same message, and whoever has it already can tell.
    """
    facts = _facts(notice, settings, now)
    if facts is None or (notice.to_sign_in and not can_be_told(notice.person)):
        return None
    key = derive_key(settings.secret_key, "message id")
    message_id = keyed_hash(key, notice.unique_key)[:40]
    return _compose(notice.kind, facts, _address_of(notice, settings), message_id, notice.made_at, settings)


def write_test_mail(alias: Alias, settings: Settings, now: datetime) -> Letter:
    """Render the mail that the owner of an alias sends to it, to see that it arrives."""
    facts = {"alias": alias, "project": settings.project_name, "portal": settings.public_url, "now": now}
    return _compose("test-mail", facts, alias.text, secrets.token_hex(20), now, settings)


def _compose(
    kind: str, facts: dict[str, Any], to: str, message_id: str, date: datetime, settings: Settings
) -> Letter:
    subject, _, body = _templates.get_template(f"{kind}.txt").render(facts).partition("\n")
    header = [
        f"From: {_phrase(settings.project_name)} <{settings.mail_from}>",
        f"To: <{to}>",
        f"Subject: {_words(subject)}",
        f"Date: {format_datetime(date)}",
        f"Message-ID: <{message_id}@{settings.srs_domain}>",
        "Auto-Submitted: auto-generated",
    ]
    content = EmailMessage(policy=SMTP)
    content.set_content(body.strip() + "\n", cte="7bit" if body.isascii() else "quoted-printable")
    return Letter(to, "\r\n".join(header).encode() + b"\r\n" + content.as_bytes())


def _address_of(notice: Notice, settings: Settings) -> str:
    if notice.recipient is not None:
        return str(notice.recipient.address)
    if notice.to_sign_in and notice.person is not None:
        return str(notice.person.sign_in_email)
    return settings.ops_address


def _facts(notice: Notice, settings: Settings, now: datetime) -> dict[str, Any] | None:
    """Load what the template speaks of, by the ids that the notice keeps."""
    ids = json.loads(notice.subject_ids)
    facts: dict[str, Any] = {"project": settings.project_name, "portal": settings.public_url}
    tables = {
        "alias": Alias, "person": Person, "newcomer": Person, "recipient": Recipient,
        "key": DkimKey, "old_key": DkimKey,
    }  # fmt: skip
    for name, row_id in ids.items():
        row = by_id(tables[name], row_id)
        if row is None:
            return None
        facts[name] = row
    facts.setdefault("person", notice.person)
    if facts.get("recipient") is not None and notice.kind.startswith("recipient-"):
        facts["why"] = why_refused(facts["recipient"].failing_with or "")
    if notice.kind == "recipients-changed":
        facts["ways"] = _ways(facts["recipient"], facts["alias"].person)
    if notice.kind == "relay-refused":
        facts["subject"] = notice.unique_key.split(":")[3]
    if notice.kind == "signing-key-missing" and facts["key"].missing_since is None:
        return None  # it is shown again
    if "old_key" in facts:
        facts["until"] = record_needed_until(facts["old_key"])
    if notice.kind == PROOF:
        recipient = facts["recipient"]
        if recipient.proof_nonce is None or not notice.unique_key.endswith(recipient.proof_nonce):
            return None  # proven meanwhile, or a newer mail is on its way
        if now > proof_expires(recipient):
            return None  # nobody could use the link any more
        token = proof_token(recipient, settings.secret_key)
        facts["link"] = f"{settings.public_url}/recipients/verify/{token}"
        facts["hours"] = int(PROOF_LASTS.total_seconds() // 3600)
    return facts


def _ways(recipient: Recipient, person: Person) -> list[tuple[str, list[str]]]:
    """Return the addresses of a person whose mail reaches a recipient, each with all mailboxes it goes to."""
    return [
        (
            alias.text,
            [row.recipient.address for row in rows_of(alias) if is_deliverable(row.recipient, alias)],
        )
        for alias in aliases_with(recipient, person)
    ]


def _words(text: str) -> str:
    """Write a text into a header field (RFC 5322 §2.2, RFC 2047).

    By hand: Python's header registry decodes encoded words wherever they stand, in an address too,
    and writes out the line ends that were hidden in them. Here nothing is decoded. 200 characters
    at most, and no control characters.
    """
    plain = "".join(char if char.isprintable() else " " for char in text)[:200].strip()
    if plain.isascii() and "=?" not in plain:
        return plain
    return Header(plain, "utf-8", maxlinelen=76).encode(linesep="\r\n")


def _phrase(text: str) -> str:
    """Write a name before an address: as a quoted string, or as encoded words."""
    words = _words(text)
    return f'"{quote(words)}"' if words.isascii() and "=?" not in words else words
