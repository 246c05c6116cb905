"""Canonicalisation of header fields and bodies (RFC 6376 section 3.4): each body once, each hash once."""

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from hashlib import sha256

_CRLF = b"\r\n"
_WSP_RUN = re.compile(rb"[ \t]+")
_CRLFS_BACKWARDS = re.compile(rb"(?:\n\r)*")
_NO_SPACE = re.compile(rb"[^ \t\r\n]")
_PIECE = 256 * 1024
"""Octets of a body that are looked at in one go."""


class Canon(Enum):
    """How much a field or a body may change on its way and still be the same."""

    SIMPLE = "simple"
    """Nothing but empty lines at the end of the body."""
    RELAXED = "relaxed"
    """White space within lines, folding, the case of field names."""


def relaxed_field(raw: bytes) -> bytes:
    """Return a field without its last CRLF in relaxed form (section 3.4.2)."""
    name, _, value = raw.partition(b":")
    value = value.replace(_CRLF, b"")
    if b"\n" in value or b"\r" in value or b"\x0b" in value or b"\x0c" in value:
        # Only SP and HTAB are WSP here; `bytes.split` would take these four for white space too.
        value = _WSP_RUN.sub(b" ", value).strip(b" ")
    else:
        value = b" ".join(value.split())
    return name.rstrip(b" \t").lower() + b":" + value


def canonical_pieces(data: bytes | bytearray, start: int, canon: Canon) -> Iterator[bytes | memoryview]:
    """Write the body from `start` on in canonical form (sections 3.4.3 and 3.4.4), piece by piece.

    So no copy of all of it is made. Empty lines are held back until something follows them.
    """
    empty_lines = 0
    is_empty = True
    for begin, end in _cuts(data, start):
        text = bytes(memoryview(data)[begin:end])
        if canon is Canon.RELAXED:
            text = _relaxed_lines(text, is_last=end == len(data))
        kept = _without_last_lines(text)
        if kept:
            if empty_lines:
                yield _CRLF * empty_lines
            empty_lines = 0
            is_empty = False
            yield kept
        empty_lines += (len(text) - len(kept)) // 2
    if canon is Canon.SIMPLE or not is_empty:
        yield _CRLF


def _cuts(data: bytes | bytearray, start: int) -> Iterator[tuple[int, int]]:
    """Cut a body into pieces, right after an octet that no white space and no line end is joined to."""
    end = len(data)
    while end - start > 2 * _PIECE:
        found = _NO_SPACE.search(data, start + _PIECE)
        cut = found.end() if found else end
        yield start, cut
        start = cut
    if start < end:
        yield start, end


def _relaxed_lines(text: bytes, *, is_last: bool) -> bytes:
    """Reduce white space within lines and at their ends.

    Each replacement is one pass in C. A run of spaces is halved by each pass, so passes over long
    runs are over ever shorter text.
    """
    text = text.replace(b"\t", b" ") if b"\t" in text else text
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    text = text.replace(b" \r\n", _CRLF)
    return text.removesuffix(b" ") if is_last else text


def _without_last_lines(text: bytes) -> bytes:
    """Take every CRLF off the end."""
    if not text.endswith(_CRLF):
        return text
    kept = text.rstrip(_CRLF)
    tail = text[len(kept) :]
    if found := _CRLFS_BACKWARDS.match(tail[::-1]):
        tail = tail[: len(tail) - found.end()]
    return kept + tail


class Body:
    """A message's body and the hashes of it that were asked for; shared by all signatures."""

    __slots__ = ("_data", "_hashes", "_lengths", "_start")

    def __init__(self, data: bytes | bytearray, start: int) -> None:
        self._data = data
        self._start = start
        self._hashes: dict[tuple[Canon, int | None], bytes] = {}
        self._lengths: dict[Canon, int] = {}

    def __len__(self) -> int:
        return len(self._data) - self._start

    @property
    def octets(self) -> memoryview:
        """The body as it came."""
        return memoryview(self._data)[self._start :]

    def hash(self, wanted: Iterable[tuple[Canon, int | None]]) -> None:
        """Compute the SHA-256 hashes that are not yet known, each canonical form once.

        wanted: canonicalisation and number of octets, None for all. Lengths of one form are hashed
        in one pass in rising order. May run in several threads at once: at worst a form is hashed
        twice.
        """
        missing = {want for want in wanted if want not in self._hashes}
        for canon in {canon for canon, _ in missing}:
            self._hash(canon, {length for form, length in missing if form is canon})

    def _hash(self, canon: Canon, lengths: set[int | None]) -> None:
        running, size = sha256(), 0
        waiting = sorted((length for length in lengths if length is not None), reverse=True)
        for piece in canonical_pieces(self._data, self._start, canon):
            begin = size
            size += len(piece)
            while waiting and waiting[-1] <= size:
                short = running.copy()
                short.update(memoryview(piece)[: waiting[-1] - begin])
                self._hashes[canon, waiting.pop()] = short.digest()
            running.update(piece)
        self._lengths[canon] = size
        for length in [None, *waiting]:  # those beyond the end cover all there is
            self._hashes[canon, length] = running.digest()

    def digest(self, canon: Canon, length: int | None = None) -> bytes:
        """Return the SHA-256 of the canonical body's first `length` octets, or of all of it."""
        if (canon, length) not in self._hashes:
            self._hash(canon, {length})
        return self._hashes[canon, length]

    def length(self, canon: Canon) -> int:
        """Return the number of octets of the canonical body."""
        if canon not in self._lengths:
            self.hash([(canon, None)])
        return self._lengths[canon]
