"""The content of DATA, in and out: CRLF.CRLF is the only end, dots are stuffed (RFC 5321 §4.5.2)."""

import re
from collections.abc import Iterator

END = b"\r\n.\r\n"
_DOT_LINE = re.compile(rb"\r\n\.")
"""For a look into large content: twice as fast as `in`."""


class DataReader:
    """Takes DATA in pieces of any size, holds one copy of the content.

    limit: the largest content in octets. What is past it, or cannot be taken, is read and dropped.
    """

    __slots__ = (
        "_held",
        "_skip",
        "body",
        "has_bare_newline",
        "has_dot_lines",
        "is_complete",
        "is_too_big",
        "limit",
        "size",
    )

    def __init__(self, limit: int) -> None:
        self.body = bytearray()
        self.limit = limit
        self.size = 0
        """Octets received so far, dropped ones too."""
        self.is_complete = False
        self.is_too_big = False
        self.has_bare_newline = False
        self.has_dot_lines = False
        """Whether a line of the content may begin with a dot."""
        # As if a CRLF stood in front: the first line then is a line like all others.
        self._held = b"\r\n"
        self._skip = 2

    def feed(self, piece: bytes) -> bytes | None:
        """Take the next piece; return what follows the end of the content, or None before the end."""
        self.size += len(piece)
        data = self._held + piece if self._held else piece
        has_dots = _DOT_LINE.search(data) is not None
        end = data.find(END) if has_dots else -1
        if end >= 0:
            self.is_complete = True
            self._take(data[: end + 2])
            return data[end + len(END) :]
        keep = _could_be_end(data)
        if keep:
            self._held = data[-keep:]
            self._take(data[:-keep])
        else:
            self._held = b""
            self._take(data)
        return None

    def drop(self) -> None:
        """Forget the content and keep none of what follows."""
        self.limit = -1
        self.is_too_big = True
        self.body = bytearray()

    def _take(self, data: bytes) -> None:
        """Add whole lines, or parts that are not cut inside CRLF or CRLF-dot."""
        if has_bare_newline(data):
            self.has_bare_newline = True
        if self.is_too_big:
            return
        if _DOT_LINE.search(data) is not None:
            data = data.replace(b"\r\n.", b"\r\n")
            self.has_dot_lines = True
        skip = self._skip
        if len(self.body) + len(data) - skip > self.limit:
            self.drop()
        elif skip and data:
            self._skip = 0
            self.body += memoryview(data)[skip:]
        else:
            self.body += data


def has_bare_newline(data: bytes) -> bool:
    """Whether a CR or LF stands alone. Counting lines is twice as fast as counting CRLF."""
    lines = len(data.splitlines())
    if data[-1:] not in (b"\n", b"\r", b""):
        lines -= 1
    return not data.count(b"\n") == data.count(b"\r") == lines


def _could_be_end(data: bytes) -> int:
    """How many octets at the end of `data` may be the start of END."""
    for length in (4, 3, 2, 1):
        if data.endswith(END[:length]):
            return length
    return 0


def has_dot_lines(body: bytes | bytearray) -> bool:
    """Whether a line begins with a dot."""
    return body[:1] == b"." or _DOT_LINE.search(body) is not None


def stuffed(
    body: bytes | bytearray, size: int = 64 * 1024, *, has_dots: bool = True
) -> Iterator[bytes | memoryview]:
    """Cut content into pieces of about `size` octets with a second dot where a line begins with one.

    body: lines with CRLF; the pieces do not hold the final dot. has_dots: False says that no line
    begins with a dot. A piece never ends in CR or LF unless the content does, so that each CRLF-dot
    lies within one piece.
    """
    view = memoryview(body)
    if not has_dots:
        for start in range(0, len(body), size):
            yield view[start : start + size]
        return
    if body[:1] == b".":
        yield b"."
    start, total = 0, len(body)
    while start < total:
        end = min(start + size, total)
        while end < total and body[end - 1] in b"\r\n":
            end += 1
        yield bytes(view[start:end]).replace(b"\r\n.", b"\r\n..")
        start = end
