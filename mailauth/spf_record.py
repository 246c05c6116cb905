"""SPF records as they are written (RFC 7208 sections 4.6, 5, 6 and 12), read without DNS."""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Network, IPv6Network, NetmaskValueError

from mailauth.spf_macro import MacroString, parse_domain_spec, parse_macros

MAX_RECORD = 16 * 1024
"""Octets of a record. RFC 7208 section 3.4 asks for less than 450; the longest in use have some thousands."""

_TERM = re.compile(r"([+?~-]?)([a-z][a-z0-9._-]*)(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_LENGTH = r"(0|[1-9][0-9]{0,2})"
_DUAL = re.compile(rf"(?:/{_LENGTH})?(?://{_LENGTH})?\Z", re.ASCII)
_ANY_LENGTH = re.compile(r"(?:/[0-9]+)\Z", re.ASCII)
_SINGLE = re.compile(rf"([^/]+)(?:/{_LENGTH})?", re.ASCII)


class SpfSyntaxError(ValueError):
    """The record breaks the grammar somewhere (section 4.6)."""


class Mechanism(Enum):
    """What a client is compared with (section 5)."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


_MECHANISMS = {mechanism.value: mechanism for mechanism in Mechanism}


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism with its qualifier, one of `+-~?`. bits4, bits6: lengths of `a` and `mx`."""

    qualifier: str
    mechanism: Mechanism
    target: MacroString | None = None
    network: IPv4Network | IPv6Network | None = None
    bits4: int = 32
    bits6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """The mechanisms in order, and the two modifiers that mean something."""

    terms: tuple[Term, ...]
    redirect: MacroString | None
    explanation: MacroString | None


@lru_cache(maxsize=512)
def parse_record(text: bytes) -> Record:
    """Read a whole record that begins with `v=spf1`; any error in it counts (section 4.6).

    Raises SpfSyntaxError.
    """
    if len(text) > MAX_RECORD or not text.isascii():
        raise SpfSyntaxError("too long, or not in ASCII")
    terms: list[Term] = []
    modifiers: dict[str, MacroString] = {}
    for word in text[6:].decode("ascii").split(" "):
        if not word:
            continue
        found = _TERM.fullmatch(word)
        if found is None:
            raise SpfSyntaxError("neither a mechanism nor a modifier")
        qualifier, name, rest = found.groups()
        if rest.startswith("="):
            if qualifier:
                raise SpfSyntaxError("a modifier has no qualifier")
            _modifier(name.lower(), rest[1:], modifiers)
        else:
            terms.append(_mechanism(qualifier or "+", name.lower(), rest))
    return Record(tuple(terms), modifiers.get("redirect"), modifiers.get("exp"))


def _modifier(name: str, value: str, modifiers: dict[str, MacroString]) -> None:
    """Read a modifier: `redirect` and `exp` occur once at most (section 6); any needs a sound value."""
    known = name in ("redirect", "exp")
    parsed = parse_domain_spec(value) if known else parse_macros(value)
    if parsed is None or (known and name in modifiers):
        raise SpfSyntaxError("a malformed or doubled modifier")
    if known:
        modifiers[name] = parsed


def _mechanism(qualifier: str, name: str, rest: str) -> Term:
    mechanism = _MECHANISMS.get(name)
    match mechanism:
        case None:
            raise SpfSyntaxError("an unknown mechanism")
        case Mechanism.ALL:
            if rest:
                raise SpfSyntaxError("all takes no argument")
            return Term(qualifier, mechanism)
        case Mechanism.IP4 | Mechanism.IP6:
            return Term(qualifier, mechanism, network=_network(mechanism, rest))
        case Mechanism.A | Mechanism.MX:
            found = _DUAL.search(rest)
            assert found is not None
            bits4, bits6 = int(found[1] or 32), int(found[2] or 128)
            rest = rest[: found.start()]
            if bits4 > 32 or bits6 > 128 or _ANY_LENGTH.search(rest):
                raise SpfSyntaxError("a length beyond the address")
            return Term(qualifier, mechanism, _target(rest, needed=False), None, bits4, bits6)
        case _:
            needed = mechanism is not Mechanism.PTR
            return Term(qualifier, mechanism, _target(rest, needed=needed))


def _target(rest: str, *, needed: bool) -> MacroString | None:
    """Read `:domain-spec`, which may be left out unless needed, and is never empty."""
    if not rest and not needed:
        return None
    parsed = parse_domain_spec(rest[1:]) if rest.startswith(":") else None
    if parsed is None:
        raise SpfSyntaxError("a malformed domain")
    return parsed


def _network(mechanism: Mechanism, rest: str) -> IPv4Network | IPv6Network:
    """Read an address with an optional length; all four parts of an IPv4 address (section 5.6)."""
    found = _SINGLE.fullmatch(rest[1:]) if rest.startswith(":") else None
    if found is None or "%" in rest:
        raise SpfSyntaxError("a malformed address")
    address, bits = found.groups()
    try:
        if mechanism is Mechanism.IP4:
            return IPv4Network((address, int(bits or 32)), strict=False)
        return IPv6Network((address, int(bits or 128)), strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise SpfSyntaxError("a malformed address or length") from None
