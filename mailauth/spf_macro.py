"""Macros of SPF records (RFC 7208 section 7): `%{ir}.%{v}._spf.%{d2}`."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

MAX_EXPANDED = 4096
"""Characters of an expansion that are kept, from its end; of a name there are 253 anyway."""

_MACRO = re.compile(r"%(?:\{([a-z])([0-9]{0,3})(r?)([.\-+,/_=]*)\}|([%_-]))", re.IGNORECASE | re.ASCII)
_LETTERS = frozenset("slodiphv")
_EXPLANATION_LETTERS = _LETTERS | frozenset("crt")
_LITERALS = {"%": "%", "_": " ", "-": "%20"}
_VISIBLE = re.compile(r"[!-$&-~]*")
_VISIBLE_OR_SPACE = re.compile(r"[ -$&-~]*")


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro: its letter, how many parts of its value are kept (0: all), and how it is split."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str
    escape: bool


@dataclass(frozen=True, slots=True)
class MacroString:
    """Text and macros in turn. tail: the text after the last macro as it was written."""

    parts: tuple[str | Macro, ...]
    tail: str

    @property
    def needs_validated_name(self) -> bool:
        """Whether it has `%{p}`, which costs DNS questions."""
        return any(isinstance(part, Macro) and part.letter == "p" for part in self.parts)


def parse_macros(text: str, *, explanation: bool = False) -> MacroString | None:
    """Read a macro-string (section 7.1); None if it is malformed.

    explanation: it is the text of an explanation, in which spaces and the letters c, r and t are
    allowed too.
    """
    parts: list[str | Macro] = []
    position = tail = 0
    plain = _VISIBLE_OR_SPACE if explanation else _VISIBLE
    letters = _EXPLANATION_LETTERS if explanation else _LETTERS
    while position < len(text):
        found = plain.match(text, position)
        if found is not None and found.end() > position:
            parts.append(found[0])
            position = found.end()
            continue
        macro = _MACRO.match(text, position)
        if macro is None:
            return None
        letter, digits, reverse, delimiters, literal = macro.groups()
        if literal:
            parts.append(_LITERALS[literal])
        elif letter.lower() not in letters or (digits and not int(digits)):
            # The number of parts is not zero (section 7.3).
            return None
        else:
            parts.append(
                Macro(letter.lower(), int(digits or 0), bool(reverse), delimiters or ".", letter.isupper())
            )
        position = tail = macro.end()
    return MacroString(tuple(parts), text[tail:])


def parse_domain_spec(text: str) -> MacroString | None:
    """Read a domain-spec: a macro-string that ends with a macro or a top label (section 7.1)."""
    found = parse_macros(text)
    if found is None or not found.parts:
        return None
    rest, dot, top = found.tail.removesuffix(".").rpartition(".")
    # Letters, digits and inner hyphens, not digits alone, and never a top label alone.
    sound = top.replace("-", "a").isalnum() and top[0] != "-" and top[-1] != "-" and not top.isdigit()
    return found if not found.tail or (dot and (rest or found.tail != text) and sound) else None


@dataclass(frozen=True, slots=True)
class Macros:
    """What the letters stand for in one check. now: seconds since 1970."""

    client: IPv4Address | IPv6Address
    local_part: str
    sender_domain: str
    helo: str
    receiver: str
    now: float

    def expand(self, text: MacroString, domain: str, validated: str) -> str:
        """Put the values in (section 7.3). validated: the value of `%{p}`."""
        expanded: list[str] = []
        size = 0
        for part in reversed(text.parts):
            expanded.append(part if isinstance(part, str) else self._value(part, domain, validated))
            size += len(expanded[-1])
            if size > MAX_EXPANDED:
                break
        return "".join(reversed(expanded))[-MAX_EXPANDED:]

    def _value(self, macro: Macro, domain: str, validated: str) -> str:
        value = self._letter(macro.letter, domain, validated)
        if macro.keep or macro.reverse or macro.delimiters != ".":
            for delimiter in macro.delimiters:
                value = value.replace(delimiter, "\0")
            parts = value.split("\0")
            if macro.reverse:
                parts.reverse()
            value = ".".join(parts[-macro.keep :])
        # Capital letters: all but the unreserved characters are escaped (RFC 3986 section 2.3).
        return quote(value, safe="-._~") if macro.escape else value

    def _letter(self, letter: str, domain: str, validated: str) -> str:
        four = isinstance(self.client, IPv4Address)
        values = {
            "s": f"{self.local_part}@{self.sender_domain}",
            "l": self.local_part,
            "o": self.sender_domain,
            "d": domain,
            "i": str(self.client) if four else ".".join(self.client.exploded.replace(":", "").upper()),
            "p": validated,
            "v": "in-addr" if four else "ip6",
            "h": self.helo,
            "c": str(self.client),
            "r": self.receiver,
            "t": str(int(self.now)),
        }
        return values[letter]
