"""Canonicalisation of header fields and bodies (RFC 6376 section 3.4): each body once, each hash once."""

import re
from collections.abc import Iterable
from enum import Enum
from hashlib import sha256

_CRLF = b"\r\n"
_WSP_RUN = re.compile(rb"[ \t]+")
_CRLFS_BACKWARDS = re.compile(rb"(?:\n\r)*")


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


def simple_body(body: bytes) -> bytes:
    """Return the body with one CRLF at its end, whatever it had there (section 3.4.3)."""
    if body.endswith(_CRLF) and not body.endswith(b"\r\n\r\n") and body != _CRLF:
        return body
    return _without_last_lines(body) + _CRLF


def relaxed_body(body: bytes) -> bytes:
    """Return the body with its white space reduced (section 3.4.4).

    Each replacement is one pass in C. A run of spaces is halved by each pass, so passes over long
    runs are over ever shorter text.
    """
    text = body.replace(b"\t", b" ") if b"\t" in body else body
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    text = text.replace(b" \r\n", _CRLF)
    if text.endswith(b" "):
        text = text[:-1]
    if text.endswith(b"\r\n\r\n") or text == _CRLF:
        text = _without_last_lines(text)
    if text and not text.endswith(_CRLF):
        text += _CRLF
    return text


def _without_last_lines(text: bytes) -> bytes:
    """Take every CRLF off the end."""
    kept = text.rstrip(_CRLF)
    tail = text[len(kept) :]
    if found := _CRLFS_BACKWARDS.match(tail[::-1]):
        tail = tail[: len(tail) - found.end()]
    return kept + tail


class Body:
    """A message's body and the hashes of it that were asked for; shared by all signatures."""

    __slots__ = ("_data", "_hashes", "_lengths", "_start")

    def __init__(self, data: bytes, start: int) -> None:
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
            text = memoryview(self._canonical(canon))
            self._lengths[canon] = size = len(text)
            running, done = sha256(), 0
            lengths = {size if length is None else min(length, size) for c, length in missing if c is canon}
            digests: dict[int, bytes] = {}
            for length in sorted(lengths):
                running.update(text[done:length])
                done = length
                digests[length] = running.digest()
            for want in missing:
                if want[0] is canon:
                    self._hashes[want] = digests[size if want[1] is None else min(want[1], size)]

    def digest(self, canon: Canon, length: int | None = None) -> bytes:
        """Return the SHA-256 of the canonical body's first `length` octets, or of all of it."""
        key = (canon, length)
        if key not in self._hashes:
            if length is not None:
                self.hash([key])
            else:
                text = self._canonical(canon)
                self._lengths[canon] = len(text)
                self._hashes[key] = sha256(text).digest()
        return self._hashes[key]

    def _canonical(self, canon: Canon) -> bytes:
        body = self._data[self._start :]
        return simple_body(body) if canon is Canon.SIMPLE else relaxed_body(body)

    def length(self, canon: Canon) -> int:
        """Return the number of octets of the canonical body."""
        if canon not in self._lengths:
            self.hash([(canon, None)])
        return self._lengths[canon]
