"""DomainKeys Identified Mail: verifying and making signatures (RFC 6376, 8301, 8463, 8616)."""

import asyncio
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from mailauth import tags
from mailauth.canonical import Canon, relaxed_field
from mailauth.keys import KeyProblem, PublicKey, SigningKey, read_record
from mailauth.message import Message
from mailauth.names import is_registry
from mailauth.resolver import Outcome, Resolver
from mailauth.signature import (
    Problem,
    Signature,
    SignatureError,
    check,
    read,
    select,
)

MAX_SIGNATURES = 10
"""Signatures evaluated, from the top; the others count as absent."""
MAX_KEYS = 3
"""Key records tried when a name has several (RFC 6376 section 6.1.2)."""
LARGE_BODY = 256 * 1024
"""From this size on a body is hashed in a thread, so that other sessions go on."""

FIELD = b"dkim-signature"

SIGNED_FIELDS = tuple(
    name.encode()
    for name in """from sender reply-to to cc subject date message-id in-reply-to references mime-version
    content-type content-transfer-encoding content-disposition content-id content-description
    resent-date resent-from resent-sender resent-to resent-cc resent-message-id
    list-id list-help list-unsubscribe list-unsubscribe-post list-subscribe list-post list-owner list-archive
    dkim-signature""".split()
)
"""Fields signed when they are there (RFC 6376 section 5.4.1); trace fields, which others add to, are not."""


class Status(Enum):
    """Results of one signature (RFC 8601 section 2.7.1)."""

    NONE = "none"
    """There is no signature."""
    PASS = "pass"  # noqa: S105 - a word of the RFC
    """It verifies and covers the whole message."""
    FAIL = "fail"
    """It does not verify."""
    POLICY = "policy"
    """It verifies, and vouches for less than the message or with less than a sound key."""
    NEUTRAL = "neutral"
    """It counts as if it was not there."""
    TEMPERROR = "temperror"
    """The key could not be had now."""
    PERMERROR = "permerror"
    """It can never be verified."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one signature is worth. Only a PASS may be relied on, for `domain`.

    identity: the domain of `i=`. tail: the first characters of `b=`, which tell signatures apart
    (RFC 6008). bits: of the key.
    """

    status: Status
    problem: Problem | None = None
    domain: str | None = None
    selector: str | None = None
    identity: str | None = None
    algorithm: str | None = None
    tail: str = ""
    bits: int | None = None


_STATUS = {
    None: Status.PASS,
    Problem.BODY: Status.FAIL,
    Problem.SIGNATURE: Status.FAIL,
    Problem.PARTIAL: Status.POLICY,
    Problem.SHORT_KEY: Status.POLICY,
    Problem.SEVERAL_FROM: Status.POLICY,
    Problem.TESTING: Status.NEUTRAL,
    Problem.KEY_TEMPORARY: Status.TEMPERROR,
}


async def verify(message: Message, resolver: Resolver, now: float) -> tuple[Result, ...]:
    """Evaluate the message's signatures, at most ten from the top, each on its own (section 6.1).

    now: seconds since 1970. Returns one result a signature; without any, one of Status.NONE.
    """
    if message.defect is not None:
        return (Result(Status.PERMERROR, Problem.HEADER_TOO_LARGE),)
    positions = message.where(FIELD)[:MAX_SIGNATURES]
    if not positions:
        return (Result(Status.NONE),)
    readings = [_read(message, position, now) for position in positions]
    usable = [reading for reading in readings if isinstance(reading, Signature)]
    if len(usable) > 1 or len(message.body) >= LARGE_BODY:
        await hash_body(message, usable)
    if len(readings) == len(usable) == 1:
        return (await _verify(message, usable[0], resolver),)
    done = iter(await asyncio.gather(*(_verify(message, signature, resolver) for signature in usable)))
    return tuple(next(done) if isinstance(reading, Signature) else reading for reading in readings)


def _read(message: Message, position: int, now: float) -> Signature | Result:
    try:
        signature = read(message, position, now)
    except SignatureError as error:
        return _unusable(message, position, error.problem)
    # "com" or "co.uk" cannot vouch for what is below it (section 8.14).
    if is_registry(signature.domain):
        return _unusable(message, position, Problem.REGISTRY)
    return signature


def _unusable(message: Message, position: int, problem: Problem) -> Result:
    """Report a signature that is not tried, with as much of its tags as can be read."""
    try:
        found = message.tags(position)
    except tags.TagListError:
        found = {}
    texts = {name: value[:255].decode("ascii", "replace") for name, value in found.items()}
    return Result(
        Status.PERMERROR,
        problem,
        domain=texts.get(b"d"),
        selector=texts.get(b"s"),
        algorithm=texts.get(b"a"),
        tail=tags.compact(found.get(b"b", b""))[:8].decode("ascii", "replace"),
    )


async def hash_body(message: Message, signatures: Iterable[Signature]) -> None:
    """Hash the body for some signatures, in a thread when it is large."""
    wanted = [(signature.body_canon, signature.length) for signature in signatures]
    if len(message.body) >= LARGE_BODY:
        await asyncio.to_thread(message.body.hash, wanted)
    else:
        message.body.hash(wanted)


async def _verify(message: Message, signature: Signature, resolver: Resolver) -> Result:
    key = await find_key(signature.key_name, resolver)
    bits = None
    if isinstance(key, Problem):
        problem: Problem | None = key
    else:
        problem, bits = _judge(message, signature, key), key[0].bits
    return Result(
        _STATUS.get(problem, Status.PERMERROR),
        problem,
        signature.domain,
        signature.selector,
        signature.identity,
        signature.algorithm.value,
        b64encode(signature.value[:6])[:8].decode("ascii"),
        bits,
    )


async def find_key(name: str, resolver: Resolver) -> tuple[PublicKey, ...] | Problem:
    """Look up the keys of a selector: the usable ones of the first three, or why there is none."""
    answer = await resolver.txt(name)
    if answer.outcome is Outcome.TEMPORARY:
        return Problem.KEY_TEMPORARY
    if answer.void or not answer.records:
        return Problem.NO_KEY
    found = [read_record(record) for record in answer.records[:MAX_KEYS]]
    keys = tuple(key for key in found if isinstance(key, PublicKey))
    if not keys:
        return Problem.SHORT_KEY if KeyProblem.TOO_SHORT in found else Problem.KEY
    return keys


def _judge(message: Message, signature: Signature, keys: tuple[PublicKey, ...]) -> Problem | None:
    """Try a signature with each key; the order is ours to choose (section 6.1.2)."""
    problem: Problem | None = Problem.KEY
    for key in keys:
        problem = check(message, signature, key)
        if problem in (None, Problem.PARTIAL):
            break
    else:
        return problem
    # `t=s`: the identity's domain must not be below `d=`; `t=y`: as if unsigned (section 3.6.1).
    if key.strict and signature.identity != signature.domain:
        return Problem.IDENTITY
    if key.testing:
        return Problem.TESTING
    # Readers show one From or another; a signature over one does not vouch for the others
    # (section 8.15), and a message has exactly one (RFC 5322 section 3.6).
    if len(message.where(b"from")) > 1:
        return Problem.SEVERAL_FROM
    return problem


def sign(
    message: Message,
    key: SigningKey,
    now: float,
    *,
    names: Sequence[bytes] | None = None,
    canon: tuple[Canon, Canon] = (Canon.RELAXED, Canon.SIMPLE),
    identity: str | None = None,
) -> bytes:
    """Sign a message for the key's domain; returns the DKIM-Signature field with its CRLF, to stand on top.

    now: seconds since 1970. names: for `h=`, in lower case; None signs the fields of SIGNED_FIELDS
    that are there, and From, To, Subject and Date once more than they occur, so that nobody can add
    one (section 8.15). canon: of header and body. May be called from several threads.
    """
    if names is None:
        names = fields_to_sign(message, (b"from", b"to", b"subject", b"date"))
    found = [
        (b"a", key.algorithm.value.encode()),
        (b"b", b""),
        (b"bh", b64encode(message.body.digest(canon[1]))),
        (b"c", f"{canon[0].value}/{canon[1].value}".encode()),
        (b"d", key.domain.encode("ascii")),
        (b"h", b":".join(names)),
        *([(b"i", identity.encode("utf-8"))] if identity else []),
        (b"s", key.selector.encode("ascii")),
        (b"t", b"%d" % now),
        (b"v", b"1"),
    ]
    return complete(b"DKIM-Signature", found, message, names, key, canon[0])


def fields_to_sign(message: Message, guarded: Iterable[bytes] = ()) -> tuple[bytes, ...]:
    """Return SIGNED_FIELDS as often as the message has each, and the guarded ones once more."""
    guard = set(guarded)
    return tuple(
        name for name in SIGNED_FIELDS for _ in range(len(message.where(name)) + (1 if name in guard else 0))
    )


def complete(
    field: bytes,
    found: list[tuple[bytes, bytes]],
    message: Message,
    names: Sequence[bytes],
    key: SigningKey,
    canon: Canon = Canon.RELAXED,
    width: int = 72,
) -> bytes:
    """Sign the fields of `names` and the signature field itself; return the field with its CRLF.

    found: the tags in order, `b` empty. width: characters of a line of the signature.
    """
    relaxed = canon is Canon.RELAXED
    head, tail = fold(field, found)
    raw = head + tail
    fields = [
        message.relaxed(position) if relaxed else message.raws[position]
        for position in select(message, tuple(names))
    ]
    fields.append(relaxed_field(raw) if relaxed else raw)
    digest = sha256(b"\r\n".join(fields)).digest()
    return head + wrap(b64encode(key.sign(digest)), width) + tail + b"\r\n"


def fold(field: bytes, found: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Write a tag list into a folded field; returns what stands before and after the value of `b`."""
    lines: list[bytes] = []
    line = field + b":"
    before = b""
    for number, (name, value) in enumerate(found):
        item = name + b"=" + value + (b";" if number + 1 < len(found) else b"")
        if name == b"b":
            before = b"\r\n".join([*lines, line, b" b="])
            lines, line = [b";"], b" "
            continue
        if len(line) + len(item) + 1 > 76 and line not in (b" ", field + b":"):
            lines.append(line)
            line = b" "
        elif line != b" ":
            line += b" "
        line += _fold_names(item) if name == b"h" else item
    return before, b"\r\n".join([*lines, line])


def _fold_names(item: bytes) -> bytes:
    """Fold `h=` between names, where white space means nothing, into lines of about 76 characters."""
    lines, line = [], b""
    for name in item.split(b":"):
        if line and len(line) + len(name) > 70:
            lines.append(line + b":")
            line = name
        else:
            line = line + b":" + name if line else name
    return b"\r\n  ".join([*lines, line])


def wrap(value: bytes, width: int) -> bytes:
    """Fold a base64 value into lines of some characters."""
    return b"\r\n  ".join(value[start : start + width] for start in range(0, len(value), width))
