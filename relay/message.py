"""A message in memory: the envelope sender, its octets, and the few header facts that the relay needs."""

import re
from collections.abc import Callable
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

from core.addresses import Address

_RESULTS = re.compile(
    rb"^Authentication-Results[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n", re.IGNORECASE | re.MULTILINE
)
_COMMENT = re.compile(rb"\((?:[^()\\]|\\.)*\)")
_FOLDED = re.compile(rb"\r\n(?=[ \t])")
LOOP_FIELD = b"waypost-loop"
_MOST_HEADER = 1024 * 1024
"""Octets of a header that are looked at."""


class _Facts(NamedTuple):
    """What is read from the header once, so that no copy of it need be kept."""

    received_count: int
    loop_marks: frozenset[bytes]
    message_id: bytes
    is_ascii: bool
    has_results: bool


class Message:
    """One message, from its final dot to its delivery. Its octets pass as they are.

    sender: None for the null path. body: header and content, lines with CRLF. smtputf8: the client
    said so. on_free: called once, when the octets are let go. has_dot_lines: False when no line begins
    with a dot.
    """

    def __init__(
        self,
        sender: Address | None,
        body: bytearray | bytes,
        smtputf8: bool = False,
        on_free: Callable[[], None] | None = None,
        has_dot_lines: bool = True,
    ) -> None:
        self.sender = sender
        self.body = body
        self.size = len(body)
        self.smtputf8 = smtputf8
        self._on_free = on_free
        self.has_dot_lines = has_dot_lines

    @property
    def sender_path(self) -> str:
        """The envelope sender as it came, empty for the null path."""
        return self.sender.text if self.sender is not None else ""

    def _head(self) -> bytes:
        """The header in lower case with a line end in front, for quick looks."""
        if self.body[:2] == b"\r\n":
            return b""
        end = self.body.find(b"\r\n\r\n", 0, _MOST_HEADER)
        return b"\r\n" + bytes(self.body[: end + 2 if end >= 0 else _MOST_HEADER]).lower()

    @cached_property
    def _facts(self) -> _Facts:
        head = self._head()
        return _Facts(
            head.count(b"\r\nreceived:"),
            frozenset(self._fields(head, LOOP_FIELD)) if LOOP_FIELD in head else frozenset(),
            next(iter(self._fields(head, b"message-id")), b""),
            head.isascii(),
            b"\r\nauthentication-results" in head,
        )

    @property
    def received_count(self) -> int:
        """How many servers say that they had it (RFC 5321 §6.3)."""
        return self._facts.received_count

    @property
    def loop_marks(self) -> frozenset[bytes]:
        """The marks of aliases that it has passed."""
        return self._facts.loop_marks

    @property
    def message_id(self) -> bytes:
        """The first Message-ID, empty when there is none."""
        return self._facts.message_id

    @property
    def has_8bit_header(self) -> bool:
        """Whether the header itself needs SMTPUTF8 (RFC 6532)."""
        return not self._facts.is_ascii

    @cached_property
    def is_8bit(self) -> bool:
        """Whether an octet has its high bit set (RFC 6152)."""
        return not self.body.isascii()

    @cached_property
    def digest(self) -> bytes | None:
        """A hash of what makes it this message: Message-ID, Date, From and what stands below the header.

        None without a Message-ID or a Date: two such messages may look alike and be two.
        """
        identity = [self.fields(name) for name in (b"message-id", b"date", b"from")]
        if not identity[0] or not identity[1]:
            return None
        end = self.body.find(b"\r\n\r\n")
        hasher = blake2b(repr(identity).encode(), digest_size=32)
        hasher.update(memoryview(self.body)[end:] if end >= 0 else b"")
        return hasher.digest()

    def remove_results(self, authserv_id: str) -> None:
        """Remove the Authentication-Results that claim to be ours (RFC 8601 §5): nobody else may write them.

        Those of others stay: a signature may cover them.
        """
        if not self._facts.has_results:
            return
        end = self.body.find(b"\r\n\r\n", 0, _MOST_HEADER)
        ours = [
            field.span()
            for field in _RESULTS.finditer(self.body, 0, end + 2 if end >= 0 else _MOST_HEADER)
            if _claimed_id(field[1]) == authserv_id
        ]
        if ours:
            body = self.body if isinstance(self.body, bytearray) else bytearray(self.body)
            for start, end in reversed(ours):
                del body[start:end]
            self.body = body

    def fields(self, name: bytes) -> list[bytes]:
        """Return the values of a header field, unfolded; `name` in lower case."""
        return self._fields(self._head(), name)

    def _fields(self, head: bytes, name: bytes) -> list[bytes]:
        values = []
        mark = b"\r\n" + name + b":"
        start = head.find(mark)
        while start >= 0:
            value = start + len(mark)
            end = head.find(b"\r\n", value)
            while end >= 0 and head[end + 2 : end + 3] in (b" ", b"\t"):
                end = head.find(b"\r\n", end + 2)
            octets = bytes(self.body[value - 2 : end - 2 if end >= 0 else len(head) - 2])
            values.append(_FOLDED.sub(b"", octets).strip())
            start = head.find(mark, value)
        return values

    def free(self) -> None:
        """Let go of the octets; what was computed of them stays."""
        self.__dict__.setdefault("digest", None)
        self.body = b""
        if self._on_free is not None:
            self._on_free()
            self._on_free = None


def _claimed_id(value: bytes) -> str:
    """Return who claims to have written an Authentication-Results field, in lower case (RFC 8601 §2.2)."""
    value, count = _FOLDED.sub(b"", value), 1
    while count:  # comments may hold comments
        value, count = _COMMENT.subn(b" ", value)
    words = value.partition(b";")[0].split()
    return words[0].strip(b'"').decode("latin-1").lower() if words else ""
