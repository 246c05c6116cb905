"""One signature over a message, as DKIM-Signature and ARC-Message-Signature write it (RFC 6376 section 3.5).

Reading its tags and checking it against a key, without DNS. `dkim` and `arc` look up the keys.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from mailauth import tags
from mailauth.canonical import Canon, relaxed_field
from mailauth.keys import Algorithm, PublicKey
from mailauth.message import Message, names_in
from mailauth.names import ascii_name

MAX_SIGNED = 1000
"""Names in `h=`; a message has about thirty fields."""
MAX_FUTURE = 86_400
"""Seconds by which a signature may be made after our now, since clocks differ."""

_NUMBER = re.compile(rb"[0-9]{1,76}")
_TIME = re.compile(rb"[0-9]{1,12}")
_CANONS = {b"simple": Canon.SIMPLE, b"relaxed": Canon.RELAXED}
_ALGORITHMS = {algorithm.value.encode(): algorithm for algorithm in Algorithm}


class Problem(Enum):
    """Why a signature is not a plain pass."""

    HEADER_TOO_LARGE = "header section too large"
    SYNTAX = "malformed signature"
    MISSING_TAG = "a required tag is missing"
    VERSION = "unknown version"
    ALGORITHM = "unknown or outdated algorithm"
    CANONICALISATION = "unknown canonicalisation"
    DOMAIN = "no usable domain or selector"
    REGISTRY = "signed by a public suffix"
    IDENTITY = "identity outside the domain"
    FROM_UNSIGNED = "From is not signed"
    SEVERAL_FROM = "several From fields"
    QUERY = "no known way to the key"
    TIMES = "times that cannot be"
    EXPIRED = "expired"
    LENGTH = "length beyond the body"
    NO_KEY = "no key"
    KEY = "unusable key"
    SHORT_KEY = "key too short"
    KEY_TEMPORARY = "key not available now"
    BODY = "body altered"
    SIGNATURE = "signature does not match"
    PARTIAL = "covers a part of the body"
    TESTING = "domain is testing"
    SEAL_IN_FIELDS = "ARC-Seal is signed"


class SignatureError(Exception):
    """The signature can never verify."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(slots=True)
class Signature:
    """The tags of one signature field, read and found usable. Do not change them."""

    position: int
    algorithm: Algorithm
    value: bytes
    body_hash: bytes
    header_canon: Canon
    body_canon: Canon
    domain: str
    selector: str
    identity: str | None
    """The domain of `i=`."""
    signed: tuple[bytes, ...]
    length: int | None

    @property
    def key_name(self) -> str:
        """Where DNS has the key (RFC 6376 section 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


def read(message: Message, position: int, now: float, *, arc: bool = False) -> Signature:
    """Read the signature field at a position.

    now: seconds since 1970. arc: it is an ARC-Message-Signature, which has no `v=` and whose `i=`
    is a number (RFC 8617 section 4.1.2). Raises SignatureError for whatever makes it unusable
    (RFC 6376 section 6.1.1).
    """
    try:
        found = message.tags(position)
    except tags.TagListError:
        raise SignatureError(Problem.SYNTAX) from None
    for name in (b"a", b"b", b"bh", b"d", b"h", b"s"):
        if name not in found:
            raise SignatureError(Problem.MISSING_TAG)
    if not arc and found.get(b"v") != b"1":
        raise SignatureError(Problem.VERSION if b"v" in found else Problem.MISSING_TAG)
    algorithm = _ALGORITHMS.get(found[b"a"])
    if algorithm is None:
        # rsa-sha1 among them: it has permanently failed (RFC 8301 section 3.1).
        raise SignatureError(Problem.ALGORITHM)
    # The default is simple/simple; one name alone is the header's (section 3.5, `c=`).
    header_canon, slash, body_canon = found.get(b"c", b"simple/simple").partition(b"/")
    canons = _CANONS.get(header_canon), _CANONS.get(body_canon if slash else b"simple")
    if canons[0] is None or canons[1] is None:
        raise SignatureError(Problem.CANONICALISATION)
    domain, selector = signer(found)
    _check_times(found, now)
    return Signature(
        position=position,
        algorithm=algorithm,
        value=base64(found[b"b"]),
        body_hash=base64(found[b"bh"]),
        header_canon=canons[0],
        body_canon=canons[1],
        domain=domain,
        selector=selector,
        identity=None if arc else _identity(found, domain),
        signed=_signed(found[b"h"], arc=arc),
        length=_length(found),
    )


def signer(found: dict[bytes, bytes]) -> tuple[str, str]:
    """Return `d=` and `s=` as names for DNS, of two labels at least and of one."""
    try:
        # U-labels in UTF-8 are allowed (RFC 8616 section 4).
        domain = ascii_name(found[b"d"].decode("utf-8"))
        selector = ascii_name(found[b"s"].decode("utf-8"))
    except UnicodeError:
        domain = selector = None
    if domain is None or selector is None or "." not in domain:
        raise SignatureError(Problem.DOMAIN)
    return domain, selector


def base64(value: bytes) -> bytes:
    """Return the octets of a base64 value that may be folded anywhere; empty is malformed."""
    try:
        octets = b64decode(tags.compact(value), validate=True)
    except (Base64Error, ValueError):
        raise SignatureError(Problem.SYNTAX) from None
    if not octets:
        raise SignatureError(Problem.SYNTAX)
    return octets


def _signed(value: bytes, *, arc: bool) -> tuple[bytes, ...]:
    """Read `h=`. From MUST be signed (RFC 6376 section 5.4), for ARC too (RFC 8617 section 4.1.2)."""
    if value.count(b":") >= MAX_SIGNED:
        raise SignatureError(Problem.SYNTAX)
    names = tuple(names_in(value))
    if b"from" not in names:
        raise SignatureError(Problem.FROM_UNSIGNED)
    if arc and b"arc-seal" in names:
        raise SignatureError(Problem.SEAL_IN_FIELDS)
    return names


def _identity(found: dict[bytes, bytes], domain: str) -> str:
    """Read the domain of `i=`, which is `d=` or below it, and check `q=` (RFC 6376 section 6.1.1)."""
    if b"q" in found and b"dns/txt" not in [way.strip(b" \t\r\n") for way in found[b"q"].split(b":")]:
        raise SignatureError(Problem.QUERY)
    if b"i" not in found:
        return domain
    _, at, of = found[b"i"].rpartition(b"@")
    try:
        identity = ascii_name(of.decode("utf-8"))
    except UnicodeError:
        identity = None
    if not at or identity is None or not (identity == domain or identity.endswith("." + domain)):
        raise SignatureError(Problem.IDENTITY)
    return identity


def _length(found: dict[bytes, bytes]) -> int | None:
    if b"l" not in found:
        return None
    if not _NUMBER.fullmatch(found[b"l"]):
        raise SignatureError(Problem.SYNTAX)
    return int(found[b"l"])


def _check_times(found: dict[bytes, bytes], now: float) -> None:
    """Check `t=` and `x=`: x is later than t, not past, and t is not to come (section 3.5)."""
    times: dict[bytes, int] = {}
    for name in (b"t", b"x"):
        if name in found:
            if not _TIME.fullmatch(found[name]):
                raise SignatureError(Problem.SYNTAX)
            times[name] = int(found[name])
    made, expires = times.get(b"t"), times.get(b"x")
    if made is not None and (made > now + MAX_FUTURE or (expires is not None and expires <= made)):
        raise SignatureError(Problem.TIMES)
    if expires is not None and expires <= now:
        raise SignatureError(Problem.EXPIRED)


def header_digest(message: Message, signature: Signature) -> bytes:
    """Return the SHA-256 of the signed fields and of the signature field itself (RFC 6376 section 3.7)."""
    raws, relaxed = message.raws, message.relaxed
    if signature.header_canon is Canon.RELAXED:
        fields = [relaxed(position) for position in select(message, signature.signed)]
    else:
        fields = [raws[position] for position in select(message, signature.signed)]
    fields.append(bare(raws[signature.position], signature.header_canon))
    return sha256(b"\r\n".join(fields)).digest()


def select(message: Message, names: tuple[bytes, ...]) -> list[int]:
    """Return the positions of the fields that `h=` names, in its order (section 5.4.2).

    A name given several times means as many fields, from the bottom up; one that is not there
    means an empty string.
    """
    index = message.index
    used: dict[bytes, int] = {}
    positions = []
    for name in names:
        where = index.get(name)
        # A line that is no field has the empty name, which `h=` cannot mean.
        if where is None or not name:
            continue
        if name not in used:
            used[name] = 1
            positions.append(where[-1])
        elif used[name] < len(where):
            used[name] += 1
            positions.append(where[-used[name]])
    return positions


def bare(raw: bytes, canon: Canon) -> bytes:
    """Return a signature's field in canonical form with an empty `b=`."""
    name, colon, value = raw.partition(b":")
    field = name + colon + tags.without_signature(value)
    return relaxed_field(field) if canon is Canon.RELAXED else field


def check(message: Message, signature: Signature, key: PublicKey) -> Problem | None:
    """Check a signature against a key; None when all of the message's body and the fields are covered."""
    if key.algorithm is not signature.algorithm:
        return Problem.KEY
    if signature.length is not None and signature.length > message.body.length(signature.body_canon):
        # `l=` MUST NOT be larger than the body (section 3.5).
        return Problem.LENGTH
    if message.body.digest(signature.body_canon, signature.length) != signature.body_hash:
        return Problem.BODY
    if not key.verifies(signature.value, header_digest(message, signature)):
        return Problem.SIGNATURE
    if signature.length is not None and signature.length < message.body.length(signature.body_canon):
        # What stands after the signed octets is anybody's (section 8.2).
        return Problem.PARTIAL
    return None
