"""A caught message, and what scripts and pages say of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")


@dataclass(frozen=True)
class CaughtMessage:
    """A message as it came; `content` is byte for byte what stood between DATA and the dot."""

    number: int
    at: float
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    helo: str
    mail_options: tuple[str, ...]
    tls_version: str | None

    def parsed(self) -> EmailMessage:
        """The message as an object of the standard library."""
        return message_from_bytes(self.content, policy=policy.default)


def summary(message: CaughtMessage) -> dict[str, Any]:
    """What the list says of a message."""
    parsed = message.parsed()
    return {
        "number": message.number,
        "at": message.at,
        "sender": message.sender,
        "recipients": list(message.recipients),
        "from": str(parsed["From"] or ""),
        "subject": str(parsed["Subject"] or ""),
    }


def details(message: CaughtMessage) -> dict[str, Any]:
    """All of a message; `links` are the web addresses in its text, `source` its bytes as Latin-1."""
    parsed = message.parsed()
    readable = readable_text(parsed)
    return summary(message) | {
        "helo": message.helo,
        "tls_version": message.tls_version,
        "mail_options": list(message.mail_options),
        "headers": [[name, str(value)] for name, value in parsed.items()],
        "text": readable,
        "links": LINK.findall(readable),
        "source": message.content.decode("latin-1"),
    }


def readable_text(parsed: EmailMessage) -> str:
    """The plain text of a message, or its HTML as text."""
    part = parsed.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        content = str(part.get_content())
    except (LookupError, UnicodeError):  # a charset nobody knows
        content = bytes(part.get_payload(decode=True) or b"").decode("utf-8", "replace")
    if part.get_content_subtype() != "html":
        return content
    reader = _TextReader()
    reader.feed(content)
    reader.close()
    return reader.text()


class _TextReader(HTMLParser):
    """Keeps the words of an HTML mail and the addresses of its links."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "head"):
            self._skipping += 1
        elif tag in ("p", "br", "div", "li", "tr", "h1", "h2", "h3"):
            self._parts.append("\n")
        elif tag == "a":
            self._parts.append(f" {dict(attrs).get('href') or ''} ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "head"):
            self._skipping = max(0, self._skipping - 1)

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self._parts.append(data)

    def text(self) -> str:
        """What was read."""
        return "".join(self._parts).strip()
