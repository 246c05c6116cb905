"""A message in memory: the envelope sender, its octets, and the few header facts that the relay needs."""

from collections.abc import Callable, Collection
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

from core.addresses import Address
from mailauth import message as reading
from mailauth.results import claiming

LOOP_FIELD = b"waypost-loop"


class _Facts(NamedTuple):
    """What is read from the header once, so that no copy of it need be kept."""

    received_count: int
    loop_marks: frozenset[bytes]
    identity: tuple[list[bytes], list[bytes], list[bytes]]
    """Values of Message-ID, Date and From."""
    is_ascii: bool


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
        self._read: reading.Message | None = None

    @property
    def sender_path(self) -> str:
        """The envelope sender as it came, empty for the null path."""
        return self.sender.text if self.sender is not None else ""

    @property
    def read(self) -> reading.Message:
        """The header's fields and the body; kept until `close`."""
        if self._read is None:
            self._read = reading.parse(self.body)
        return self._read

    def close(self) -> None:
        """Let go of the fields: what the relay still needs of them is noted."""
        self._facts  # noqa: B018  # reads them
        self._read = None

    @cached_property
    def _facts(self) -> _Facts:
        header = self.read
        return _Facts(
            len(header.where(b"received")),
            frozenset(self.fields(LOOP_FIELD)),
            (self.fields(b"message-id"), self.fields(b"date"), self.fields(b"from")),
            all(raw.isascii() for raw in header.raws),
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
        return next(iter(self._facts.identity[0]), b"")

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
        identity = self._facts.identity
        if not identity[0] or not identity[1]:
            return None
        end = self.body.find(b"\r\n\r\n")
        hasher = blake2b(repr(identity).encode(), digest_size=32)
        hasher.update(memoryview(self.body)[end:] if end >= 0 else b"")
        return hasher.digest()

    def remove_results(self, authserv_ids: Collection[str]) -> None:
        """Remove the Authentication-Results that claim to be ours (RFC 8601 §5): nobody else may write them.

        Those of others stay: a signature may cover them.
        """
        positions = claiming(self.read, authserv_ids)
        if positions:
            self._read = kept = self.read.without(positions)
            body = bytearray(kept.header())
            body += kept.body.octets
            self.body = body

    def fields(self, name: bytes) -> list[bytes]:
        """Return the values of a header field, unfolded; `name` in lower case."""
        header = self.read
        return [header.values[position].replace(b"\r\n", b"").strip() for position in header.where(name)]

    def free(self) -> None:
        """Let go of the octets; what was computed of them stays."""
        self.__dict__.setdefault("digest", None)
        self.body = b""
        self._read = None
        if self._on_free is not None:
            self._on_free()
            self._on_free = None
