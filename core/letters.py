"""Turns a notice into a mail: templates in `core/templates/letters/`, one a kind."""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, quote
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from core.admin_overview import waiting_for
from core.alias_recipients import aliases_with, is_deliverable, rows_of
from core.daily import DAILY
from core.delivery import why_refused
from core.domain_proof import CLOSED, CLOSES_AFTER, MISSING
from core.domains import verification_record
from core.eligibility import Condition, settled_conditions
from core.facts import Answer
from core.fresh import CODE, CODE_LASTS, code_key, code_of
from core.lifecycle import Event
from core.models import (
    Alias,
    AuditEntry,
    DkimKey,
    Domain,
    Notice,
    Person,
    Recipient,
    Reservation,
    Session,
    Waiver,
    by_id,
)
from core.notices import LATER_ENDS, can_be_told
from core.problems import DIGEST, problems_of
from core.recipients import PROOF, PROOF_LASTS, proof_expires, proof_token
from core.role_addresses import ENDS as ROLE_ENDS
from core.role_addresses import is_ending
from core.roles import Authority, Role
from core.routing import LATER_LASTS, Entitlement, Hold, Switch
from core.secrets import derive_key, keyed_hash
from core.settings import Settings
from core.signing_keys import record_needed_until
from core.standing import facts_of, rules_of, teams_of
from core.takeover import CODE as TAKEOVER_CODE
from core.takeover import CODE_LASTS as TAKEOVER_CODE_LASTS
from core.takeover import code_key as takeover_code_key
from core.takeover import code_of as takeover_code_of
from core.translation import N_, catalogue
from core.waiver_ends import ENDS

LETTERS = Path(__file__).parent / "templates" / "letters"

_REASONS = {
    Condition.ACCOUNT_VALID: N_("Your account in %(directory)s is not active."),
    Condition.COC_SIGNED: N_("You have not signed the Code of Conduct."),
    Condition.TEAM_MEMBER: N_("You are in no team that gives a right to it: %(teams)s."),
}


_OF_A_LIFE = {*Event, LATER_ENDS}
"""Kinds of notices on what happens to an alias by itself."""

_TABLES: dict[str, Any] = {
    "alias": Alias, "person": Person, "newcomer": Person, "recipient": Recipient,
    "domain": Domain, "key": DkimKey, "old_key": DkimKey, "waiver": Waiver, "session": Session,
    "entry": AuditEntry,
    "reservation": Reservation,
}  # fmt: skip
_NUMBERS = {"until", "since", "quarter"}
"""What a notice keeps beside row ids: moments, as seconds."""


@dataclass(frozen=True)
class Letter:
    """A mail ready to go, and where to."""

    to: str
    message: bytes


def write_letter(notice: Notice, settings: Settings, now: datetime) -> Letter | None:
    """Render a notice, as text and as HTML; None when what it speaks of is gone or settled meanwhile.

    Message-ID and Date come from the notice and not from the clock, so that a second try of the
    same notice is the same message, and whoever has it already can tell.
    """
    facts = _facts(notice, settings, now)
    if facts is None or (notice.to_sign_in and not can_be_told(notice.person)):
        return None
    key = derive_key(settings.secret_key, "message id")
    message_id = keyed_hash(key, notice.unique_key)[:40]
    to, language = _address_of(notice, settings), _language(notice)
    return _compose(notice.kind, facts, to, message_id, notice.made_at, settings, language)


def write_test_mail(alias: Alias, settings: Settings, now: datetime) -> Letter:
    """Render the mail that the owner of an alias sends to it, to see that it arrives."""
    facts = {"alias": alias, "project": settings.project_name, "portal": settings.public_url, "now": now}
    language = alias.person.language if alias.person is not None else "en"
    return _compose("test-mail", facts, alias.text, secrets.token_hex(20), now, settings, language)


def _compose(
    kind: str,
    facts: dict[str, Any],
    to: str,
    message_id: str,
    date: datetime,
    settings: Settings,
    language: str,
) -> Letter:
    subject, _, rest = _templates(language).get_template(f"{kind}.txt").render(facts).partition("\n")
    body = re.sub(r"\n{3,}", "\n\n", rest.strip()) + "\n"
    header = [
        f"From: {_phrase(settings.project_name)} <{settings.mail_from}>",
        f"To: <{to}>",
        f"Subject: {_words(subject)}",
        f"Date: {format_datetime(date)}",
        f"Message-ID: <{message_id}@{settings.srs_domain}>",
        "Auto-Submitted: auto-generated",
    ]
    content = EmailMessage(policy=SMTP)
    content.set_content(body, cte=_encoding(body))
    page = (
        _templates("en")
        .get_template("letter.html")
        .render(language=language, subject=subject, blocks=_blocks(body, settings))
    )
    content.add_alternative(page, subtype="html", cte=_encoding(page))
    content.set_boundary(message_id)
    return Letter(to, "\r\n".join(header).encode() + b"\r\n" + content.as_bytes())


@cache
def _templates(language: str) -> Environment:
    """Return the templates in a language; in English where there is no catalogue of it."""
    environment = Environment(
        loader=FileSystemLoader(LETTERS),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    return environment


def _language(notice: Notice) -> str:
    """Return the language of whoever gets the mail; the ops address reads English.

    A mailbox that was imported is nobody's yet; the code that is sent to it is for whoever asked for it.
    """
    reader = notice.recipient.person if notice.recipient is not None else None
    reader = notice.person if notice.to_sign_in else reader
    if notice.kind == TAKEOVER_CODE:
        row = by_id(Reservation, json.loads(notice.subject_ids)["reservation"])
        reader = row.code_for if row is not None else None
    return str(reader.language) if reader is not None else "en"


def directory_name(settings: Settings, language: str) -> str:
    """Return what people call the place that says who is in which team; it may stand in a sentence."""
    if settings.directory == "launchpad":
        return "Launchpad"
    return catalogue(language).gettext(N_("the member list"))


def _encoding(text: str) -> str:
    """Choose the shortest way in which a text survives every mail server (RFC 2045 §6)."""
    if text.isascii() and max(map(len, text.splitlines())) < 900:
        return "7bit"
    octets = text.encode()
    quoted = 2 * sum(octet > 127 for octet in octets)  # what quoted-printable adds; base64 adds a third
    return "quoted-printable" if quoted < len(octets) / 3 else "base64"


@dataclass(frozen=True)
class Block:
    """A paragraph of a page, a list, or a link."""

    kind: Literal["paragraph", "list", "link"]
    lines: Sequence[str]


def _blocks(body: str, settings: Settings) -> list[Block]:
    """Cut a text into what a page shows: paragraphs, lists, and links to our own or Launchpad's pages.

    Only an address that stands alone is a link: what people write about themselves never becomes one.
    """
    ours = (f"{settings.public_url}/", settings.launchpad_web_url)
    blocks: list[Block] = []
    for paragraph in body.strip().split("\n\n"):
        lines = paragraph.split("\n")
        if len(lines) == 1 and f"{paragraph}/".startswith(ours) and " " not in paragraph:
            blocks.append(Block("link", lines))
        elif all(line.startswith("- ") for line in lines):
            blocks.append(Block("list", [line[2:] for line in lines]))
        else:
            blocks.append(Block("paragraph", lines))
    return blocks


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
    directory = directory_name(settings, _language(notice))
    facts: dict[str, Any] = {
        "project": settings.project_name,
        "portal": settings.public_url,
        "ops": settings.ops_address,
        "directory": directory,
        "Directory": directory[:1].upper() + directory[1:],
    }
    for name, row_id in ids.items():
        row = row_id if name in _NUMBERS else by_id(_TABLES[name], row_id)
        if row is None:
            return None
        facts[name] = row
    facts.setdefault("person", notice.person)
    if not _still_matters(notice, facts, now):
        return None
    if notice.kind == DIGEST:
        facts["problems"] = problems_of(facts["quarter"])
    if notice.kind == DAILY:
        facts |= {"entry": facts.get("entry"), "waiting": waiting_for(Authority(frozenset({Role.AUDITOR})))}
    if notice.kind in _OF_A_LIFE:
        facts |= _of_a_life(facts, _language(notice), now)
    facts |= _of_mail(notice, facts)
    if notice.kind in (MISSING, CLOSED):
        facts |= _of_proof(facts["domain"], settings)
    if "old_key" in facts:
        facts["until"] = record_needed_until(facts["old_key"])
    secret = _secret_of(notice, facts, settings, now)
    return None if secret is None else facts | secret


def _of_proof(domain: Domain, settings: Settings) -> dict[str, Any]:
    """Say of a domain whose record is missing since when, which record that is, and what follows when."""
    since = domain.proof_missing_since
    return {
        "since": f"{since:%Y-%m-%d %H:%M} UTC",
        "closes": f"{since + CLOSES_AFTER:%Y-%m-%d}",
        "txt": verification_record(domain, settings.verification_prefix),
    }


def _still_matters(notice: Notice, facts: dict[str, Any], now: datetime) -> bool:
    """Whether what is to be told is still so."""
    if notice.kind in _OF_A_LIFE:
        return _is_still_so(notice.kind, facts, now)
    if notice.kind == "signing-key-missing":
        return facts["key"].missing_since is not None
    if notice.kind == MISSING:
        return facts["domain"].proof_missing_since is not None and facts["domain"].closed_at is None
    if notice.kind == CLOSED:
        return facts["domain"].closed_at is not None
    if notice.kind == ENDS:
        waiver = facts["waiver"]
        return int(waiver.ends_at.timestamp()) == facts["until"] if waiver.ends_at else False
    if notice.kind == ROLE_ENDS:
        return is_ending(facts["alias"], notice.person, facts["until"])
    if notice.kind == "waiver-asked":
        return bool(facts["waiver"].state == "asked")
    return True


def _secret_of(
    notice: Notice, facts: dict[str, Any], settings: Settings, now: datetime
) -> dict[str, Any] | None:
    """Make the link or the code of a mail that has one; None when nobody could use it any more."""
    if notice.kind == PROOF:
        link = _proof_link(notice, facts["recipient"], settings, now)
        return None if link is None else {"link": link, "hours": int(PROOF_LASTS.total_seconds() // 3600)}
    if notice.kind == CODE:
        code = _code(notice, facts["session"], settings, now)
        return None if code is None else {"code": code, "minutes": int(CODE_LASTS.total_seconds() // 60)}
    if notice.kind == TAKEOVER_CODE:
        code = _takeover_code(notice, facts["reservation"], settings, now)
        return (
            None
            if code is None
            else {"code": code, "minutes": int(TAKEOVER_CODE_LASTS.total_seconds() // 60)}
        )
    return {}


def _code(notice: Notice, session: Session, settings: Settings, now: datetime) -> str | None:
    """Return the code that stands in for a fresh sign-in, None when it would be of no use."""
    if notice.unique_key != code_key(session) or session.code_sent_at is None:
        return None  # used meanwhile, or a newer mail is on its way
    return code_of(session, settings.secret_key) if now <= session.code_sent_at + CODE_LASTS else None


def _takeover_code(notice: Notice, row: Reservation, settings: Settings, now: datetime) -> str | None:
    """Return the code that proves whose an imported address is, None when it would be of no use."""
    if notice.unique_key != takeover_code_key(row) or row.code_sent_at is None:
        return None  # a newer mail is on its way
    return (
        takeover_code_of(row, settings.secret_key) if now <= row.code_sent_at + TAKEOVER_CODE_LASTS else None
    )


def _of_mail(notice: Notice, facts: dict[str, Any]) -> dict[str, Any]:
    """Say what a notice about recipients or deliveries speaks of beside its rows."""
    if notice.kind.startswith("recipient-") and facts.get("recipient") is not None:
        why = why_refused(facts["recipient"].failing_with or "")
        return {"why": catalogue(_language(notice)).gettext(why)}
    if notice.kind == ROLE_ENDS:
        return {"day": f"{datetime.fromtimestamp(facts['until'], UTC):%Y-%m-%d %H:%M} UTC"}
    if notice.kind == "recipients-changed":
        return {"ways": _ways(facts["recipient"], facts["alias"].person)}
    return {"subject": notice.unique_key.split(":")[3]} if notice.kind == "relay-refused" else {}


def _proof_link(notice: Notice, recipient: Recipient, settings: Settings, now: datetime) -> str | None:
    """Return the link that proves a recipient, None when it would be of no use."""
    if recipient.proof_nonce is None or not notice.unique_key.endswith(recipient.proof_nonce):
        return None  # proven meanwhile, or a newer mail is on its way
    if now > proof_expires(recipient):
        return None  # nobody could use the link any more
    return f"{settings.public_url}/recipients/verify/{proof_token(recipient, settings.secret_key)}"


def _is_still_so(event: str, facts: dict[str, Any], now: datetime) -> bool:
    """Whether what happened to an alias is not undone, or overtaken, since it was to be told."""
    alias = facts["alias"]
    if event == LATER_ENDS:
        since = int(alias.switched_at.timestamp())
        return bool(alias.switch == Switch.OFF_LATER and since == facts["since"])
    held = alias.hold == Hold.LAUNCHPAD
    if event in (Event.SUSPENDED, Event.SUSPENSION_LIFTED):
        return held if event == Event.SUSPENDED else not held
    if event == Event.GRACE_LIFTED:
        return bool(alias.entitlement == Entitlement.ENTITLED)
    same = alias.grace_until is not None and int(alias.grace_until.timestamp()) == facts["until"]
    if event == Event.ENDED:
        return same and alias.entitlement == Entitlement.ENDED
    return same and alias.entitlement == Entitlement.GRACE and now < alias.grace_until


def _of_a_life(facts: dict[str, Any], language: str, now: datetime) -> dict[str, Any]:
    """Say when an alias ends, and why, as far as the directory's word is beyond doubt now."""
    alias, words = facts["alias"], catalogue(language)
    teams = teams_of(alias.domain)
    conditions = settled_conditions(facts_of(facts["person"]), rules_of(alias.domain, teams), now)
    lost = [condition for condition, answer in conditions.items() if answer is Answer.NO]
    said = {"teams": ", ".join(teams), "directory": facts["directory"]}
    ends = alias.switched_at + LATER_LASTS if "since" in facts else alias.grace_until
    return {
        "day": f"{ends:%Y-%m-%d %H:%M} UTC" if ends else "",
        "reasons": [words.gettext(_REASONS[one]) % said for one in lost],
    }


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
    return Header(plain, "utf-8", maxlinelen=76, header_name="Subject").encode(linesep="\r\n")


def _phrase(text: str) -> str:
    """Write a name before an address: as a quoted string, or as encoded words."""
    words = _words(text)
    return f'"{quote(words)}"' if words.isascii() and "=?" not in words else words
