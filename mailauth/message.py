"""One reading of a message's octets into raw header fields and a body (RFC 5322 section 2.1).

Nothing is decoded and nothing is changed. Lines end with CRLF and with nothing else. Any input has
a reading: what is no field has no name, so that no signature selects it.
"""

import re
from collections.abc import Collection
from enum import Enum

from mailauth import tags
from mailauth.canonical import Body, relaxed_field

MAX_HEADER = 512 * 1024
"""Octets of the header section; a longer one is not read."""

_NO_ODD_SPACE = bytes(octet for octet in range(256) if octet not in b"\r\n\x0b\x0c")
_END_OF_FIELD = re.compile(rb"\r\n(?![ \t])")


class Defect(Enum):
    """What keeps a message from being read."""

    HEADER_TOO_LARGE = "the header section is longer than 512 KiB"


class Message:
    """The fields of a message from the top, and its body.

    names: field names in lower case, empty for a line that is no field. raws: the fields as they
    came, without their last CRLF. values: what stands after their colons. Do not change any.
    """

    __slots__ = ("_index", "_plain", "_relaxed", "_tags", "body", "defect", "names", "raws", "values")

    def __init__(
        self, raws: list[bytes], body: Body, defect: Defect | None = None, *, plain: bool = False
    ) -> None:
        """plain: no field has white space but SP, HTAB and the CRLFs of its folding."""
        self.raws = raws
        self.names: list[bytes] = []
        self.values: list[bytes] = []
        for raw in raws:
            name, colon, value = raw.partition(b":")
            self.names.append(name.rstrip(b" \t").lower() if colon else b"")
            self.values.append(value)
        self.body = body
        self.defect = defect
        self._plain = plain
        self._index: dict[bytes, list[int]] | None = None
        self._relaxed: dict[int, bytes] = {}
        self._tags: dict[int, dict[bytes, bytes] | None] = {}

    @property
    def index(self) -> dict[bytes, list[int]]:
        """The positions of the fields of each name, from the top."""
        if self._index is None:
            index: dict[bytes, list[int]] = {}
            for position, name in enumerate(self.names):
                if name in index:
                    index[name].append(position)
                else:
                    index[name] = [position]
            self._index = index
        return self._index

    def where(self, name: bytes) -> list[int]:
        """Return the positions of the fields of a name (lower case), from the top."""
        return self.index.get(name, [])

    def tags(self, position: int) -> dict[bytes, bytes]:
        """Read the field at a position as a tag list; raises TagListError. Read once."""
        if position not in self._tags:
            try:
                self._tags[position] = tags.parse(self.values[position])
            except tags.TagListError:
                self._tags[position] = None
        found = self._tags[position]
        if found is None:
            raise tags.TagListError
        return found

    def relaxed(self, position: int) -> bytes:
        """Return the field at a position in relaxed form; computed once."""
        found = self._relaxed.get(position)
        if found is None:
            if self._plain:
                # All white space there is, is WSP or folding: one word after the other.
                found = self.names[position] + b":" + b" ".join(self.values[position].split())
            else:
                found = relaxed_field(self.raws[position])
            self._relaxed[position] = found
        return found

    def without(self, positions: Collection[int]) -> "Message":
        """Return the message without some fields; the body and its hashes are shared."""
        if not positions:
            return self
        gone = set(positions)
        raws = [raw for position, raw in enumerate(self.raws) if position not in gone]
        return Message(raws, self.body, self.defect, plain=self._plain)

    def header(self) -> bytes:
        """Return the header section with the empty line after it.

        With the body's octets after it this is the message as it came, but for two kinds of input
        that had no empty line to end the header: there it is added.
        """
        return b"".join(raw + b"\r\n" for raw in self.raws) + b"\r\n"


def parse(data: bytes | bytearray) -> Message:
    """Read a message. Linear in its length; of a header section over the limit nothing is read.

    The body is not copied: `data` must stay as it is.
    """
    if data.startswith(b"\r\n"):
        return Message([], Body(data, 2))
    end = data.find(b"\r\n\r\n", 0, MAX_HEADER + 4)
    if end >= 0:
        return _message(bytes(memoryview(data)[:end]), Body(data, end + 4))
    if len(data) > MAX_HEADER:
        return Message([], Body(data, len(data)), Defect.HEADER_TOO_LARGE)
    return _message(bytes(data).removesuffix(b"\r\n"), Body(data, len(data)))


def _message(header: bytes, body: Body) -> Message:
    if not header:
        return Message([], body)
    # White space besides SP and HTAB: nothing but whole CRLFs?
    odd = header.translate(None, _NO_ODD_SPACE)
    plain = odd == b"\r\n" * header.count(b"\r\n")
    raws = _END_OF_FIELD.split(header)
    return Message(raws, body, plain=plain)


def names_in(value: bytes) -> list[bytes]:
    """Return the field names of a colon-separated list such as `h=`, in lower case."""
    value = value.lower()
    if b" " in value or b"\t" in value:
        return [name.strip(b" \t\r\n") for name in value.split(b":")]
    return value.split(b":")
