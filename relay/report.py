"""Bounces that come back to a rewritten sender: found, read, and written anew without private addresses.

A late bounce names the mailbox behind an alias, in words that we cannot all know. So it is not
passed on: its status code is, in a short report of our own with the alias in place of the address.
"""

import base64
import binascii
import html
import quopri
import re
import secrets
from collections.abc import Iterator
from email.header import decode_header
from email.utils import formatdate
from urllib.parse import unquote_to_bytes

from relay.message import Message

_ADDRESS = re.compile(
    rb"[a-z0-9.!#$%&'*+/=?^_`{|}~\x80-\xff-]{1,200}@[a-z0-9\x80-\xff](?:[a-z0-9.\x80-\xff-]{0,250}[a-z0-9\x80-\xff])?",
    re.IGNORECASE,
)
_BASE64 = re.compile(rb"(?:^|(?<=[\r\n \"']))(?:[A-Za-z0-9+/]{20,}\r?\n?)+[A-Za-z0-9+/]*={0,2}", re.MULTILINE)
_ENCODED_WORD = re.compile(rb"=\?[^?\s]+\?[bq]\?[^?\s]*\?=", re.IGNORECASE)
_XTEXT = re.compile(rb"\+([0-9A-F]{2})")
_STATUS = re.compile(rb"^Status:[ \t]*([245]\.\d{1,3}\.\d{1,3})", re.IGNORECASE | re.MULTILINE)
_REPLY = re.compile(rb"(?<!\d)[45]\d\d[ -]#?([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_ANY_STATUS = re.compile(rb"(?<![\d.])([45]\.\d{1,2}\.\d{1,2})(?![\d.])")
_DAEMON = re.compile(rb"mailer-daemon|postmaster|mail delivery|mail-daemon", re.IGNORECASE)
_MOST_CANDIDATES = 5000
_MOST_DEPTH = 3


def is_answer(message: Message) -> bool:
    """Whether mail from nobody is a person's automatic answer (RFC 3834), and no bounce.

    Some mailers mark their bounces the same way; who the message is from then decides.
    """
    if b"multipart/report" in b"".join(message.fields(b"content-type")).lower():
        return False
    if message.fields(b"x-failed-recipients") or _DAEMON.search(b"".join(message.fields(b"from"))):
        return False
    marks = b" ".join(
        value
        for name in (b"auto-submitted", b"precedence", b"x-autoreply", b"x-autorespond")
        for value in message.fields(name)
    ).lower()
    return any(word in marks for word in (b"auto-replied", b"auto_reply", b"bulk", b"junk", b"yes"))


def status_of(body: bytes | bytearray) -> str:
    """Return the enhanced status code that a bounce reports, 5.0.0 when it says none."""
    found = _STATUS.search(body)
    if found is None or found[1].endswith(b".0.0"):  # Exim's are all 5.0.0, the cause stands in the text
        found = _REPLY.search(body) or found or _ANY_STATUS.search(body)
    if found is None:
        return "5.0.0"
    kind, subject, detail = found[1].decode().split(".")
    return f"{kind if kind != '2' else '5'}.{int(subject)}.{int(detail)}"


def addresses_in(body: bytes | bytearray) -> list[str]:
    """Return, in lower case, every address that a text may name, in whatever dress it stands there."""
    found: dict[str, None] = {}
    for text in _layers(bytes(body), 0):
        for match in _ADDRESS.finditer(text):
            for candidate in _readings(match[0].decode("utf-8", "replace").lower()):
                found[candidate] = None
                if len(found) >= _MOST_CANDIDATES:
                    return list(found)
    return list(found)


def _layers(text: bytes, depth: int) -> Iterator[bytes]:
    """The text as it is, and with each coding taken off that may lie over a part of it."""
    yield text
    if depth >= _MOST_DEPTH:
        return
    if b"=" in text:
        plain = quopri.decodestring(text)
        if plain != text:
            yield from _layers(plain, depth + 1)
    if b"%40" in text:
        yield unquote_to_bytes(text)
    if b"+40" in text:
        yield _XTEXT.sub(lambda match: bytes([int(match[1], 16)]), text)
    if b"&#" in text or b"&commat" in text:
        yield html.unescape(text.decode("latin-1")).encode("latin-1", "replace")
    for match in _BASE64.finditer(text):
        yield from _layers(_from_base64(match[0]), depth + 1)
    for match in _ENCODED_WORD.finditer(text):
        yield b"".join(
            part if isinstance(part, bytes) else part.encode()
            for part, _ in decode_header(match[0].decode("latin-1"))
        )


def _from_base64(text: bytes) -> bytes:
    text = b"".join(text.split())
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b""


def _readings(address: str) -> Iterator[str]:
    """An address, and what it is when something stands glued before it, or when it is a rewritten sender."""
    local, _, domain = address.rpartition("@")
    yield address
    for place, char in enumerate(local):
        if not char.isalnum():
            yield f"{local[place + 1 :]}@{domain}"
    words = local.split("=")
    if len(words) >= 2:  # SRS (`...=domain=local`) and VERP (`...local=domain`)
        yield f"{words[-1]}@{words[-2]}"
        yield f"{re.split(r'[+-]', words[-2])[-1]}@{words[-1]}"


def write_report(hostname: str, alias: str, sender: str, status: str) -> bytes:
    """Write the report to the original sender (RFC 3464).

    hostname: ours. alias: the address that the sender knows. sender: who gets the report. status: the
    enhanced status code of the bounce.
    """
    boundary = secrets.token_hex(12)
    is_delay = status.startswith("4")
    sentence = "is late" if is_delay else "could not be delivered"
    lines = [
        f"From: Mail Delivery <mailer-daemon@{hostname}>",
        f"To: <{sender}>",
        f"Subject: Your mail to {alias} {sentence}",
        f"Date: {formatdate(localtime=True)}",
        f"Message-ID: <{secrets.token_hex(12)}@{hostname}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        "",
        f"A mail of yours to {alias} {sentence}.",
        f"The mail server behind that address says {status}.",
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {hostname}",
        "",
        f"Final-Recipient: rfc822; {alias}",
        f"Action: {'delayed' if is_delay else 'failed'}",
        f"Status: {status}",
        "",
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode()
