"""Messages, keys and changes to messages that several tests use."""

import asyncio
import functools
import random

from mailauth import dkim, message
from mailauth.canonical import canonical_pieces
from mailauth.keys import Algorithm, SigningKey
from tests.mailauth.zone import Zone

NOW = 1_767_300_000
"""A moment in January 2026; the judges look at their own clocks, which are past it."""

PLAIN = (
    b"From: Ada <ada@example.org>\r\nTo: bob@proj.example\r\nSubject: Good  morning\r\n"
    b"Date: Fri, 2 Jan 2026 08:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
    b"Hello Bob,\r\n\r\nhow are  you?\t\r\n\r\n"
)


@functools.cache
def key(kind: str = "rsa", domain: str = "example.org", selector: str = "sel") -> SigningKey:
    """A key, made once a run: rsa (2048 bits), rsa1024, or ed25519."""
    algorithm = Algorithm.ED25519 if kind == "ed25519" else Algorithm.RSA
    return SigningKey.generate(algorithm, domain, selector, 1024 if kind == "rsa1024" else 2048)


def published(*keys: SigningKey, extra: str = "") -> Zone:
    """A zone with the keys' records; extra: tags added to each."""
    records = {}
    for one in keys:
        record = one.record.replace("; p=", f"; {extra}; p=") if extra else one.record
        records.setdefault(one.record_name, []).append(("TXT", record.encode()))
    return Zone(records)


def verify(data: bytes, zone: Zone, now: float = NOW) -> tuple[dkim.Result, ...]:
    return asyncio.run(dkim.verify(message.parse(data), zone, now))


def signed(data: bytes = PLAIN, using: SigningKey | None = None, **options) -> bytes:
    """The message with our signature on top."""
    return dkim.sign(message.parse(data), using or key(), NOW, **options) + data


def body(chance: random.Random, lines: int) -> bytes:
    """Some lines with runs of white space, tabs, empty lines and odd octets."""
    words = [b"lorem", b"ipsum", b"dolor", b"sit", b".", b"=20", b"\xc3\xa9", b"\xff", b"--", b"From"]
    gaps = [b" ", b" ", b" ", b"  ", b"\t", b" \t ", b"        "]
    made = []
    for _ in range(lines):
        line = b"".join(chance.choice(words) + chance.choice(gaps) for _ in range(chance.randrange(12)))
        made.append(line if chance.random() < 0.3 else line.rstrip())
    return b"\r\n".join(made) + chance.choice([b"", b"\r\n", b"\r\n\r\n\r\n", b" \r\n \r\n", b"\r\n\t"])


def header(chance: random.Random, domain: bytes = b"example.org") -> bytes:
    """Some fields, folded in all ways that are allowed."""
    fold = chance.choice([b" ", b"\r\n ", b"\r\n\t", b" \r\n  ", b"\r\n \t "])
    colon = chance.choice([b": ", b":", b":  ", b":\t", b":\r\n "])
    fields = [
        b"From" + colon + b"Ada" + fold + b"Byron" + fold + b"<ada@" + domain + b">",
        b"To" + colon + fold.join([b"bob@proj.example,", b"carol@proj.example"]),
        b"Subject"
        + colon
        + fold.join([b"one", b"two", b"\xe2\x82\xac", b"three"])
        + chance.choice([b"", b" ", b"\t"]),
        b"DATE: Fri, 2 Jan 2026 08:00:00 +0000",
        b"MIME-version: 1.0",
        b"Received: from a by b;" + fold + b"Fri, 2 Jan 2026 08:00:00 +0000",
        b"Received: from c by d;" + fold + b"Fri, 2 Jan 2026 07:00:00 +0000",
        b"X-Empty:",
        b"References:" + fold + (b"<" + b"x" * 300 + b"@a>") * 3,
    ]
    chance.shuffle(fields)
    return b"\r\n".join(fields) + b"\r\n"


def canonical(body, canon):
    """The whole canonical form of a body."""
    return b"".join(canonical_pieces(body, 0, canon))
