"""Turns a notice into a mail: templates in `core/templates/letters/`, one a kind."""

import json
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, quote
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.delivery import why_refused
from core.fresh import CODE, CODE_LASTS, code_key, code_of
from core.models import Alias, DkimKey, Notice, Person, Recipient, Session, Waiver, by_id
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
    to = _address_of(notice, settings)
    subject, _, body = _templates.get_template(f"{notice.kind}.txt").render(facts).partition("\n")
    key = derive_key(settings.secret_key, "message id")
    header = [
        f"From: {_phrase(settings.project_name)} <{settings.mail_from}>",
        f"To: <{to}>",
        f"Subject: {_words(subject)}",
        f"Date: {format_datetime(notice.made_at)}",
        f"Message-ID: <{keyed_hash(key, notice.unique_key)[:40]}@{settings.srs_domain}>",
        "Auto-Submitted: auto-generated",
    ]
    content = EmailMessage(policy=SMTP)
    content.set_content(body.strip() + "\n", cte="7bit" if body.isascii() else "quoted-printable")
    return Letter(to, "\r\n".join(header).encode() + b"\r\n" + content.as_bytes())


def _address_of(notice: Notice, settings: Settings) -> str:
    if notice.address is not None:
        return str(notice.address)
    if notice.recipient is not None:
        return str(notice.recipient.address)
    if notice.to_sign_in and notice.person is not None:
        return str(notice.person.sign_in_email)
    return settings.ops_address


def _facts(notice: Notice, settings: Settings, now: datetime) -> dict[str, Any] | None:
    """Load what the template speaks of, by the ids that the notice keeps."""
    ids = json.loads(notice.subject_ids)
    facts: dict[str, Any] = {
        "project": settings.project_name, "portal": settings.public_url, "ops": settings.ops_address
    }  # fmt: skip
    tables = {
        "alias": Alias, "person": Person, "newcomer": Person, "recipient": Recipient,
        "waiver": Waiver, "session": Session,
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
    if notice.kind == "relay-refused":
        facts["subject"] = notice.unique_key.split(":")[3]
    if notice.kind == "signing-key-missing" and facts["key"].missing_since is None:
        return None  # it is shown again
    if "old_key" in facts:
        facts["until"] = record_needed_until(facts["old_key"])
    if notice.kind == "waiver-asked" and facts["waiver"].state != "asked":
        return None  # decided or withdrawn meanwhile
    secret = {PROOF: _of_proof, CODE: _of_code}.get(notice.kind)
    more = secret(notice, facts, settings, now) if secret is not None else {}
    return None if more is None else facts | more


def _of_proof(
    notice: Notice, facts: dict[str, Any], settings: Settings, now: datetime
) -> dict[str, Any] | None:
    """Make the link of a verification mail."""
    recipient = facts["recipient"]
    if recipient.proof_nonce is None or not notice.unique_key.endswith(recipient.proof_nonce):
        return None  # proven meanwhile, or a newer mail is on its way
    if now > proof_expires(recipient):
        return None  # nobody could use the link any more
    token = proof_token(recipient, settings.secret_key)
    return {
        "link": f"{settings.public_url}/recipients/verify/{token}",
        "hours": int(PROOF_LASTS.total_seconds() // 3600),
    }


def _of_code(
    notice: Notice, facts: dict[str, Any], settings: Settings, now: datetime
) -> dict[str, Any] | None:
    """Make the code of a mail that stands in for a fresh sign-in."""
    session = facts["session"]
    if notice.unique_key != code_key(session) or now > session.code_sent_at + CODE_LASTS:
        return None  # used meanwhile, too old, or a newer mail is on its way
    return {"code": code_of(session, settings.secret_key), "minutes": CODE_LASTS.seconds // 60}


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
