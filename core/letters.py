"""Turns a notice into a mail: templates in `core/templates/letters/`, one a kind."""

import json
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.addresses import parse_address
from core.models import Alias, Notice, Person, Recipient, by_id
from core.recipients import PROOF_LASTS, proof_expires, proof_token
from core.secrets import derive_key, keyed_hash
from core.settings import Settings

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
    if facts is None:
        return None
    to = notice.recipient.address if notice.recipient is not None else settings.ops_address
    subject, _, body = _templates.get_template(f"{notice.kind}.txt").render(facts).partition("\n")
    message = EmailMessage(policy=SMTP.clone(max_line_length=78, utf8=parse_address(to).needs_smtputf8))
    sender = parse_address(settings.mail_from)
    message["From"] = HeaderAddress(_plain(settings.project_name), sender.local_part, sender.domain)
    message["To"] = _header_address(to)
    message["Subject"] = _plain(subject)
    message["Date"] = format_datetime(notice.made_at)
    key = derive_key(settings.secret_key, "message id")
    message["Message-ID"] = f"<{keyed_hash(key, notice.unique_key)[:40]}@{settings.srs_domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body.strip() + "\n", cte="quoted-printable" if not body.isascii() else "7bit")
    return Letter(to, message.as_bytes())


def _facts(notice: Notice, settings: Settings, now: datetime) -> dict[str, Any] | None:
    """Load what the template speaks of, by the ids that the notice keeps."""
    ids = json.loads(notice.subject_ids)
    facts: dict[str, Any] = {"project": settings.project_name, "portal": settings.public_url}
    tables = {"alias": Alias, "person": Person, "newcomer": Person, "recipient": Recipient}
    for name, row_id in ids.items():
        row = by_id(tables[name], row_id)
        if row is None:
            return None
        facts[name] = row
    facts.setdefault("person", notice.person)
    if notice.kind == "verify-recipient":
        recipient = facts["recipient"]
        if recipient.proof_nonce is None or not notice.unique_key.endswith(recipient.proof_nonce):
            return None  # proven meanwhile, or a newer mail is on its way
        if now > proof_expires(recipient):
            return None  # nobody could use the link any more
        token = proof_token(recipient, settings.secret_key)
        facts["link"] = f"{settings.public_url}/recipients/verify/{token}"
        facts["hours"] = int(PROOF_LASTS.total_seconds() // 3600)
    return facts


def _plain(text: str) -> str:
    """Fit a text for a header: no line ends or other control characters, 200 characters at most."""
    return "".join(char if char.isprintable() else " " for char in text)[:200].strip()


def _header_address(text: str) -> HeaderAddress:
    address = parse_address(text)
    return HeaderAddress("", address.local_part, address.domain)
