"""What was signed stays valid: makers' messages verify before our fields stand on top, and after."""

import asyncio
from ipaddress import ip_address

import dkim as dkimpy
import pytest

from mailauth import arc, check, dkim, message, results
from mailauth.canonical import Canon
from mailauth.dkim import Status
from tests.mailauth.mails import NOW, key, published, verify
from tests.mailauth.makers import MAKERS, message_of

ID = "mx.proj.example"
SEALER = key("rsa1024", "proj.example", "arc")
AUTHORS = [key("rsa1024", selector="one"), key("ed25519", selector="two")]
ZONE = published(SEALER, *AUTHORS)
CANONS = [(head, body) for head in Canon for body in Canon]
CASES = [(maker, canon, using) for maker in MAKERS for canon in CANONS for using in AUTHORS]
FORGED = b"Authentication-Results: MX.proj.example; dmarc=pass\r\n"
STRANGERS = b"Authentication-Results: mx.other.example;\r\n  dkim=pass  header.d=x\r\n"
CLIENT = check.Client(ip_address("192.0.2.10"), "mail.example.org", "ada@example.org")


def their_verdict(data):
    return dkimpy.verify(
        data,
        dnsfunc=lambda name, timeout=5: dict(ZONE.records.get(name.decode().removesuffix("."), ())).get(
            "TXT"
        ),
    )


async def forward(data):
    """What the relay does with a message."""
    parsed = message.parse(data)
    verdict = await check.check(parsed, CLIENT, ZONE, now=NOW)
    found = verdict.results(ID)
    kept = parsed.without(results.claiming(parsed, {ID}))
    sealed = arc.seal(kept, verdict.arc, found, SEALER, NOW)
    return sealed + found.field() + kept.header() + bytes(kept.body.octets)


def test_there_are_enough_messages():
    assert len(CASES) >= 300


@pytest.mark.parametrize("maker", MAKERS)
def test_what_was_signed_stays_valid(maker):
    for canon in CANONS:
        for using in AUTHORS:
            data = STRANGERS + message_of(maker, b"example.org")
            parsed = message.parse(data)
            names = tuple(name for name in parsed.names if name)
            data = FORGED + dkim.sign(parsed, using, NOW, names=names, canon=canon) + data
            # dkimpy judges the first signature, wherever it stands.
            assert their_verdict(data), (canon, using.algorithm)
            after = asyncio.run(forward(data))
            assert their_verdict(after), (canon, using.algorithm)
            assert [result.status for result in verify(after, ZONE)] == [Status.PASS]
            assert asyncio.run(arc.validate(message.parse(after), ZONE, NOW)).status is arc.Status.PASS
            assert after.endswith(data.removeprefix(FORGED))
            assert FORGED not in after
            assert STRANGERS in after
