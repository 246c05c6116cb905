"""The domains of a message's From fields (RFC 5322 section 3.6.2), which are what its reader sees."""

import re
from dataclasses import dataclass

from mailauth.message import Message
from mailauth.names import ascii_name

MAX_FIELD = 16 * 1024
"""Octets of a From field that is read."""
MAX_FIELDS = 10
"""From fields that are read."""
MAX_DOMAINS = 10
"""Different domains that are looked at."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[()]|\\.|[<>,;:]|[^"()\\<>,;:]+', re.DOTALL)
_CANDIDATE = re.compile(rb"@[ \t\r\n]*([A-Za-z0-9._\x80-\xff-]{1,253})")


@dataclass(frozen=True, slots=True)
class Authors:
    """The different domains of all addresses in all From fields, in order, at most MAX_DOMAINS.

    certain: there is one From field and it has one reading. Otherwise a reader may be shown any of
    the domains, and nothing may pass for one of them. more: there are too many domains or fields.
    """

    domains: tuple[str, ...]
    certain: bool
    more: bool = False


def authors(message: Message) -> Authors:
    """Find the author domains of a message."""
    where = message.where(b"from")
    domains: list[str] = []
    certain = len(where) == 1
    for position in where[:MAX_FIELDS]:
        value = message.values[position]
        found = addresses_in(value)
        names = [ascii_name(address.rpartition("@")[2]) for address in found or ()]
        if not names or None in names:
            certain = False
            names = [ascii_name(text.decode("utf-8", "replace").strip(".")) for text in _candidates(value)]
        domains += [name for name in names if name is not None]
    different = tuple(dict.fromkeys(domains))
    more = len(where) > MAX_FIELDS or len(different) > MAX_DOMAINS
    return Authors(different[:MAX_DOMAINS], certain, more)


def _candidates(value: bytes) -> list[bytes]:
    """Return whatever looks like a domain in a field that cannot be read."""
    return _CANDIDATE.findall(value[:MAX_FIELD])


def addresses_in(value: bytes) -> list[str] | None:
    """Return the addresses of a mailbox list, groups included; None if it is malformed."""
    if len(value) > MAX_FIELD:
        return None
    # Unencoded UTF-8 is RFC 6532; other octets occur in display names and mean nothing here.
    pieces = _without_comments(value.decode("utf-8", "replace").replace("\r\n", ""))
    if pieces is None:
        return None
    addresses: list[str] = []
    mailbox: list[str] = []
    inside = False
    for piece in [*pieces, ","]:
        inside = piece == "<" or (inside and piece != ">")
        if piece not in (",", ";", ":") or inside:
            mailbox.append(piece)
            continue
        # What stands before a colon is the name of a group, its members follow.
        if piece != ":" and "".join(mailbox).strip():
            addresses.append(_mailbox(mailbox))
        mailbox = []
    return addresses if all(addresses) and not mailbox else None


def _without_comments(text: str) -> list[str] | None:
    """Split a field into quoted strings, marks and the text between; None if something is left open."""
    pieces: list[str] = []
    depth = position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            return None
        position = found.end()
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth < 0:
            return None
        if depth == 0 and found[0] != ")":
            pieces.append(found[0])
    return None if depth else pieces


def _mailbox(pieces: list[str]) -> str:
    """Return the address of `name <address>` or of an address alone; empty if it is neither."""
    opened, closed = pieces.count("<"), pieces.count(">")
    if not opened and not closed:
        return _address(pieces)
    if opened != 1 or closed != 1 or pieces.index(">") < pieces.index("<"):
        return ""
    return _address(pieces[pieces.index("<") + 1 : pieces.index(">")])


def _address(pieces: list[str]) -> str:
    """Return the address that some pieces spell, without a route (obsolete); empty if they spell none."""
    text = "".join(pieces).strip()
    if text.startswith("@") and ":" in text:
        text = text.rpartition(":")[2]
    local, at, domain = text.rpartition("@")
    domain = domain.strip()
    if not at or not local.strip() or not domain or any(mark in domain for mark in ' \t"<>'):
        return ""
    return f"{local.strip()}@{domain}"
