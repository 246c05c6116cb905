# ruff: noqa: E501 - an input a line
"""Inputs that are made to cost much, and the whole pass over one of them."""

import asyncio
from ipaddress import IPv4Address, ip_address

from mailauth import check, message, names, policy, results, upstream
from mailauth.resolver import Mx
from tests.mailauth.mails import NOW, key, published, signed
from tests.mailauth.zone import Zone

CLIENT = check.Client(ip_address("192.0.2.10"), "mail.s.example", "x@s.example")

names.organisational("warm.example")  # the list is read once a process
names.is_registry("warm.example")


class Anything:
    """A resolver that gives every question the same answer."""

    def __init__(self, **records):
        self.records = records

    def __getattr__(self, kind):
        async def ask(_name):
            found = self.records.get(kind)
            zone = Zone({"x": [(kind.upper(), value) for value in found or []]})
            return zone._answer("x", kind.upper())

        return ask


def judge(data, resolver=None, client=CLIENT):
    """The whole pass."""
    parsed = message.parse(data)
    verdict = asyncio.run(check.check(parsed, client, resolver or Zone({}), now=NOW))
    verdict.results("mx.proj.example").field()
    policy.decide(parsed, verdict, policy.Trust(frozenset({"a.example"}), frozenset({"b.example"})))
    results.claiming(parsed, {"mx.proj.example"})
    upstream.last_hop(parsed, client.address, client.helo, [])
    return verdict


BIG = 2_000_000
FIELD = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel; h=from; bh=AAAA; b=AAAA\r\n"
ARC_FIELD = b"ARC-Seal: i=%d; a=rsa-sha256; cv=none; d=example.org; s=sel; b=AAAA\r\n"
HEADERS = {
    "one long field": b"X-Long: " + b"a" * BIG,
    "many fields": b"X: y\r\n" * (BIG // 6),
    "many folds": b"Subject: a" + b"\r\n " * (BIG // 3),
    "no colon": b"a\r\n" * (BIG // 3),
    "only line ends": b"\n" * BIG,
    "many signatures": FIELD * 10_000,
    "signatures up to the limit": FIELD * 6_000,
    "fields up to the limit": b"X: y\r\n" * 87_000,
    "folds up to the limit": b"Subject: a" + b"\r\n " * 170_000,
    "one field up to the limit": b"From: " + b"<" * 520_000,
    "commas in From": b"From: " + b"a@b.example," * 1_300,
    "comments in From": b"From: " + b"(" * 16_000,
    "quotes in From": b'From: "' + b"\\" * 16_000,
    "angles in From": b"From: <" + b",;:" * 5_000,
    "many From fields": b"From: a@b.example\r\n" * 20_000,
    "many seals": b"".join(ARC_FIELD % number for number in range(1, 5_000)),
    "fifty seals": b"".join(ARC_FIELD % number for number in range(1, 51)),
    "a long h=": b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel; bh=AAAA; b=AAAA; h=from"
    + b":from" * 100_000,
    "ten long h=": (b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel; bh=AAAA; b=AAAA; h=" + b"from:" * 999 + b"to\r\n")
    * 10,
    "many tags": b"DKIM-Signature: " + b"a=b; " * 100_000,
    "a long b=": b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel; h=from; bh=AAAA; b=" + b"A" * 500_000,
    "spaces in b=": b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel; h=from; bh=AAAA; b=" + b" \r\n " * 120_000,
    "a long d=": b"DKIM-Signature: v=1; a=rsa-sha256; s=sel; h=from; bh=AAAA; b=AAAA; d=" + b"a." * 200_000 + b"org",
    "many results": b"Authentication-Results: mx.proj.example; spf=pass\r\n" * 10_000,
    "long results": b"Authentication-Results: mx.proj.example;" + b"(" * 60_000,
    "results of comments": b"Authentication-Results: " + b"()" * 30_000 + b"\r\n" + b"ARC-Authentication-Results: i=1; " + b"(" * 60_000,
    "a long List-Id": b"List-Id: " + b"<" * 500_000,
    "long Received": (b"Received: from a (" + b"(" * 50_000 + b"\r\n") * 9,
}  # fmt: skip


def with_header(name):
    """A message with one of HEADERS, and the zone for it."""
    data = HEADERS[name].removesuffix(b"\r\n") + b"\r\nFrom: x@s.example\r\n\r\nHi\r\n"
    return data, Zone({"_dmarc.s.example": [("TXT", b"v=DMARC1; p=reject")], **published(key()).records})


def chain(number):
    return {
        f"i{n}.example": [("TXT", f"v=spf1 include:i{n + 1}.example -all".encode())] for n in range(number)
    }


RECORDS = {
    "2,000 nested includes": Zone({**chain(2000), "s.example": [("TXT", b"v=spf1 include:i0.example -all")]}),
    "includes side by side": Zone({"s.example": [("TXT", b"v=spf1 " + b"include:s.example " * 800)]}),
    "a long TXT record": Anything(txt=[b"v=spf1 " + b"a " * 32_000]),
    "a long record of macros": Anything(txt=[b"v=spf1 exists:" + b"%{s1r+-=,_/}" * 1_300 + b".example -all"]),
    "a long record of slashes": Anything(txt=[b"v=spf1 a:" + b"/1" * 8_000 + b" -all"]),
    "a long record of letters": Anything(txt=[b"v=spf1 a:b." + b"a" * 16_000 + b"! -all"]),
    "a long record of percents": Anything(txt=[b"v=spf1 a:" + b"%%" * 8_000 + b".b -all"]),
    "a long record of addresses": Anything(txt=[b"v=spf1 " + b"ip4:1.1.1.1 " * 1_300 + b"-all"]),
    "a long policy": Anything(txt=[b"v=DMARC1; " + b"p=" * 32_000]),
    "a policy of semicolons": Anything(txt=[b"v=DMARC1" + b";" * 64_000]),
    "a long key": Anything(txt=[b"v=DKIM1; p=" + b"A" * 64_000]),
    "thousands of addresses": Anything(
        txt=[b"v=spf1 a mx ptr a mx ptr a mx ptr -exists:%{p}.x.example -all"],
        a=[IPv4Address(number) for number in range(3_000)],
        mx=[Mx(number, f"m{number}.example") for number in range(10)],
        ptr=[f"p{number}.s.example" for number in range(3_000)],
    ),
    "thousands of exchangers": Anything(
        txt=[b"v=spf1 mx -all"], mx=[Mx(number, "m.example") for number in range(3_000)]
    ),
    "thousands of texts": Anything(txt=[b"v=spf2"] * 5_000),
    "thousands of records": Anything(txt=[b"v=spf1 -all"] * 5_000),
    "odd octets": Anything(txt=[bytes(range(256)) * 200]),
    "nothing": Anything(txt=[b""]),
}


def with_record(name):
    """A message whose author's domain has one of RECORDS, and the zone for it."""
    return signed().replace(b"ada@example.org", b"x@s.example"), RECORDS[name]
