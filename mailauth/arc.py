"""Authenticated Received Chain: validating a chain and adding a set to it (RFC 8617)."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from mailauth import signature as signatures
from mailauth import tags
from mailauth.canonical import Canon, relaxed_field
from mailauth.dkim import LARGE_BODY, complete, fields_to_sign, find_key, fold, hash_body, wrap
from mailauth.keys import Algorithm, PublicKey, SigningKey
from mailauth.message import Message
from mailauth.resolver import Resolver
from mailauth.results import Results, parse
from mailauth.signature import Signature, SignatureError

MAX_SETS = 50
"""Instances of a chain (section 4.2.1)."""

SEAL = b"arc-seal"
SIGNATURE = b"arc-message-signature"
RESULTS = b"arc-authentication-results"

_INSTANCE = re.compile(rb"[1-9][0-9]?")
_RESULTS_HEAD = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([1-9][0-9]?)[ \t\r\n]*;")


class Status(Enum):
    """The state of a chain (sections 4.4 and 6)."""

    NONE = "none"
    """There is no chain."""
    PASS = "pass"  # noqa: S105 - a word of the RFC
    FAIL = "fail"
    TEMPERROR = "temperror"
    """A key could not be had now. Not of the RFC's: never written into a seal."""


class Problem(Enum):
    """Why a chain is not a pass."""

    HEADER_TOO_LARGE = "header section too large"
    TOO_MANY = "more than 50 sets"
    INSTANCE = "an instance that is no number from 1 to 50"
    INCOMPLETE = "instances are missing, incomplete or doubled"
    ENDED = "the chain has ended in cv=fail"
    STATES = "chain states that cannot be"
    SEAL = "malformed seal"
    SEAL_MISMATCH = "a seal does not match"
    MESSAGE_SIGNATURE = "the newest message signature does not match"
    KEY = "no usable key"
    KEY_TEMPORARY = "a key not available now"


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One hop of a chain: who sealed and what they found, as they wrote it."""

    instance: int
    domain: str
    selector: str
    payload: bytes

    @property
    def results(self) -> Results | None:
        """What they found; None if it cannot be read."""
        return parse(self.payload)


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain's state. sets: of a PASS, from the first to the newest, and what a TEMPERROR
    claims they are. next: the instance we may add.

    next is None on top of a chain that ended, is full, has unreadable instances, or whose state is
    not known now: then nothing is added.
    """

    status: Status
    problem: Problem | None = None
    sets: tuple[ArcSet, ...] = ()
    next: int | None = None


class _Failed(Exception):
    """The chain is not a pass."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Positions:
    """Where the three fields of a set stand."""

    results: int
    signature: int
    seal: int


@dataclass(frozen=True, slots=True)
class _Seal:
    """The tags of an ARC-Seal (section 4.1.3)."""

    position: int
    algorithm: Algorithm
    value: bytes
    state: bytes
    domain: str
    selector: str

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


async def validate(message: Message, resolver: Resolver, now: float) -> Chain:
    """Validate the message's chain (section 5.2). All failures but of DNS are for good (section 5.2.1)."""
    if message.defect is not None:
        return Chain(Status.FAIL, Problem.HEADER_TOO_LARGE)
    following: int | None = None
    sets: tuple[ArcSet, ...] = ()
    try:
        positions = _collect(message)
        if not positions:
            return Chain(Status.NONE, next=1)
        following = len(positions) + 1 if len(positions) < MAX_SETS else None
        # The newest state decides at once when it is "fail" (step 2), and nothing is added then.
        if _ended(message, positions[-1].seal):
            return Chain(Status.FAIL, Problem.ENDED)
        seals = [_read_seal(message, where.seal) for where in positions]
        _check_states(seals)
        newest = _read_signature(message, positions[-1].signature, now)
        sets = tuple(
            ArcSet(instance, seal.domain, seal.selector, _payload(message, where.results))
            for instance, (seal, where) in enumerate(zip(seals, positions, strict=True), 1)
        )
        if len(message.body) >= LARGE_BODY:
            await hash_body(message, [newest])
        keys = await _find_keys({newest.key_name, *(seal.key_name for seal in seals)}, resolver)
        _verify(message, positions, seals, newest, keys)
    except _Failed as failed:
        if failed.problem is Problem.KEY_TEMPORARY:
            return Chain(Status.TEMPERROR, failed.problem, sets)
        if failed.problem is Problem.INCOMPLETE:
            following = _after_newest(message)
        return Chain(Status.FAIL, failed.problem, next=following)
    return Chain(Status.PASS, None, sets, following)


async def _find_keys(
    names: set[str], resolver: Resolver
) -> dict[str, tuple[PublicKey, ...] | signatures.Problem]:
    """Look up all keys at the same time."""
    if len(names) == 1:
        return {name: await find_key(name, resolver) for name in names}
    found = await asyncio.gather(*(find_key(name, resolver) for name in names))
    return dict(zip(names, found, strict=True))


def _check_states(seals: Sequence[_Seal]) -> None:
    """Check that the first seal says "none" and every later one "pass" (step 3)."""
    if [seal.state for seal in seals] != [b"none"] + [b"pass"] * (len(seals) - 1):
        raise _Failed(Problem.STATES)


def _collect(message: Message) -> list[_Positions]:
    """Find the sets: instances from 1 without a gap, each with one field of each kind (step 3)."""
    kinds = {name: message.where(name) for name in (RESULTS, SIGNATURE, SEAL)}
    if max(map(len, kinds.values())) > MAX_SETS:
        raise _Failed(Problem.TOO_MANY)
    numbered: dict[bytes, dict[int, int]] = {}
    for name, where in kinds.items():
        numbered[name] = {_instance(message, position): position for position in where}
        if len(numbered[name]) != len(where):
            raise _Failed(Problem.INCOMPLETE)
    instances = sorted(numbered[SEAL])
    if instances != list(range(1, len(instances) + 1)) or any(
        sorted(found) != instances for found in numbered.values()
    ):
        raise _Failed(Problem.INCOMPLETE)
    return [_Positions(numbered[RESULTS][i], numbered[SIGNATURE][i], numbered[SEAL][i]) for i in instances]


def _instance(message: Message, position: int) -> int:
    """Read the instance of a field; it is the first tag of ARC-Authentication-Results (section 4.1.1)."""
    value = message.values[position]
    if message.names[position] == RESULTS:
        found = _RESULTS_HEAD.match(value)
        text = found[1] if found else b""
    else:
        try:
            text = tags.parse(value).get(b"i", b"")
        except tags.TagListError:
            text = b""
    if not _INSTANCE.fullmatch(text) or int(text) > MAX_SETS:
        raise _Failed(Problem.INSTANCE)
    return int(text)


def _after_newest(message: Message) -> int | None:
    """Return the instance after the highest of an incomplete chain, whose newest seal has not failed."""
    newest = max(_instance(message, p) for name in (RESULTS, SIGNATURE, SEAL) for p in message.where(name))
    ended = any(_ended(message, p) for p in message.where(SEAL) if _instance(message, p) == newest)
    return None if ended or newest >= MAX_SETS else newest + 1


def _ended(message: Message, position: int) -> bool:
    try:
        return message.tags(position).get(b"cv", b"").lower() == b"fail"
    except tags.TagListError:
        return False


def _read_seal(message: Message, position: int) -> _Seal:
    """Read the tags of an ARC-Seal; it has no `h=` (section 4.1.3)."""
    try:
        found = message.tags(position)
        if not found.keys() >= {b"a", b"b", b"cv", b"d", b"s"} or b"h" in found:
            raise _Failed(Problem.SEAL)
        if b"t" in found and not found[b"t"].isdigit():
            raise _Failed(Problem.SEAL)
        algorithm = Algorithm(found[b"a"].decode("ascii"))
        domain, selector = signatures.signer(found)
        value = signatures.base64(found[b"b"])
    except (ValueError, SignatureError):
        raise _Failed(Problem.SEAL) from None
    return _Seal(position, algorithm, value, found[b"cv"], domain, selector)


def _read_signature(message: Message, position: int, now: float) -> Signature:
    try:
        return signatures.read(message, position, now, arc=True)
    except SignatureError:
        raise _Failed(Problem.MESSAGE_SIGNATURE) from None


def _verify(
    message: Message,
    positions: Sequence[_Positions],
    seals: Sequence[_Seal],
    newest: Signature,
    keys: dict[str, tuple[PublicKey, ...] | signatures.Problem],
) -> None:
    """Check the newest message signature (step 4) and all seals (step 6); older ones may have broken."""
    if not any(signatures.check(message, newest, key) is None for key in _usable(keys[newest.key_name])):
        raise _Failed(Problem.MESSAGE_SIGNATURE)
    running = sha256()
    for where, seal in zip(positions, seals, strict=True):
        # Each seal covers all fields up to its own (section 5.1.1): what is common is hashed once.
        for position in (where.results, where.signature):
            running.update(message.relaxed(position) + b"\r\n")
        own = running.copy()
        own.update(signatures.bare(message.raws[seal.position], Canon.RELAXED))
        digest = own.digest()
        usable = [key for key in _usable(keys[seal.key_name]) if key.algorithm is seal.algorithm]
        if not any(key.verifies(seal.value, digest) for key in usable):
            raise _Failed(Problem.SEAL_MISMATCH)
        running.update(message.relaxed(seal.position) + b"\r\n")


def _usable(keys: tuple[PublicKey, ...] | signatures.Problem) -> tuple[PublicKey, ...]:
    if keys is signatures.Problem.KEY_TEMPORARY:
        raise _Failed(Problem.KEY_TEMPORARY)
    if isinstance(keys, signatures.Problem):
        raise _Failed(Problem.KEY)
    return keys


def _payload(message: Message, position: int) -> bytes:
    """Return a set's results without their instance."""
    found = _RESULTS_HEAD.match(message.values[position])
    return message.values[position][found.end() :] if found else b""


def seal(
    message: Message,
    chain: Chain,
    results: Results,
    key: SigningKey,
    now: float,
    *,
    names: Sequence[bytes] | None = None,
    canon: tuple[Canon, Canon] = (Canon.RELAXED, Canon.SIMPLE),
    width: int = 72,
) -> bytes | None:
    """Make the next set of a chain for the key's domain (section 5.1); None where none may be added.

    message: as it is passed on, without what stands on top of this set. chain: of `validate` for
    this message (removing other fields than ARC's from it changes nothing). results: ours, for
    ARC-Authentication-Results. now: seconds since 1970. names: for `h=` of the message signature;
    None signs the usual fields that are there, and From once more. canon: of the message signature.
    width: characters of a line of a signature; the seal covers how the message signature is folded.
    Returns three fields with their CRLFs, to stand on top. May be called from several threads.
    """
    if chain.next is None:
        return None
    number = b"%d" % chain.next
    aar = b"ARC-Authentication-Results: i=" + number + b"; " + results.payload()
    if names is None:
        names = fields_to_sign(message, (b"from",))
    domain, selector, made = key.domain.encode("ascii"), key.selector.encode("ascii"), b"%d" % now
    algorithm = key.algorithm.value.encode()
    found = [
        (b"a", algorithm),
        (b"b", b""),
        (b"bh", b64encode(message.body.digest(canon[1]))),
        (b"c", f"{canon[0].value}/{canon[1].value}".encode()),
        (b"d", domain),
        (b"h", b":".join(names)),
        (b"i", number),
        (b"s", selector),
        (b"t", made),
    ]
    ams = complete(b"ARC-Message-Signature", found, message, names, key, canon[0], width)
    running = sha256()
    if chain.status is Status.PASS:
        for where in _collect(message):
            for position in (where.results, where.signature, where.seal):
                running.update(message.relaxed(position) + b"\r\n")
    # A failed chain is sealed as if the new set was the only one (section 5.1.2).
    running.update(relaxed_field(aar) + b"\r\n" + relaxed_field(ams.removesuffix(b"\r\n")) + b"\r\n")
    head, tail = fold(
        b"ARC-Seal",
        [
            (b"a", algorithm),
            (b"b", b""),
            (b"cv", chain.status.value.encode()),
            (b"d", domain),
            (b"i", number),
            (b"s", selector),
            (b"t", made),
        ],
    )
    running.update(relaxed_field(head + tail))
    own = head + wrap(b64encode(key.sign(running.digest())), width) + tail
    return own + b"\r\n" + ams + aar + b"\r\n"
