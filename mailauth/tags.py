"""Tag lists such as `a=rsa-sha256; d=example.org` (RFC 6376 section 3.2), which DKIM, ARC and DMARC share."""

import re

MAX_TAGS = 64
"""More tags than any list defines, unknown ones included; longer lists are not read."""

_FWS = b" \t\r\n"
_VALUE_OF_B = re.compile(rb"(?:^|;)[ \t\r\n]*b[ \t\r\n]*=([^;]*)")


class TagListError(ValueError):
    """It is no tag list: a tag without a value sign, a wrong or doubled name, an empty tag."""


def parse(text: bytes) -> dict[bytes, bytes]:
    """Read a tag list into values by name, both without the white space around them.

    A name that occurs twice makes the whole list invalid (RFC 6376 section 3.2), and so does an
    empty tag, but for one semicolon at the end. Raises TagListError.
    """
    specs = text.split(b";")
    if not specs[-1].strip(_FWS):
        specs.pop()
    if not 0 < len(specs) <= MAX_TAGS:
        raise TagListError("empty, or too many tags")
    tags: dict[bytes, bytes] = {}
    for spec in specs:
        name, sign, value = spec.partition(b"=")
        name = name.strip(_FWS)
        sound = name.isalnum() or name.replace(b"_", b"0").isalnum()
        if not sign or not sound or name in tags or not name[:1].isalpha():
            raise TagListError("a tag without a name or a value sign, or a second one of its name")
        tags[name] = value.strip(_FWS)
    return tags


def without_signature(text: bytes) -> bytes:
    """Return the list with the value of `b=` taken out, all else octet for octet (RFC 6376 section 3.7)."""
    found = _VALUE_OF_B.search(text)
    return text[: found.start(1)] + text[found.end(1) :] if found else text


def compact(value: bytes) -> bytes:
    """Take the folding white space out of a value in which it means nothing, such as base64."""
    return value.translate(None, _FWS)
