# ruff: noqa: E501 - an input a line
"""Nothing a stranger sends or publishes raises, or costs more than 100 ms."""

import asyncio
import contextlib
import gc
import time
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailauth import arc, check, dkim, dmarc, message, names, policy, results, spf, tags, upstream
from mailauth.author import addresses_in
from mailauth.canonical import Canon, relaxed_body, relaxed_field, simple_body
from mailauth.keys import read_record
from mailauth.resolver import Mx
from mailauth.spf_macro import parse_domain_spec, parse_macros
from mailauth.spf_record import SpfSyntaxError, parse_record
from tests.mailauth.mails import NOW, PLAIN, key, published, signed
from tests.mailauth.zone import Zone

CLIENT = check.Client(ip_address("192.0.2.10"), "mail.s.example", "x@s.example")
BUDGET = 0.1

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


def timed(data, resolver):
    """The whole pass, and the time it took at best of three."""
    times = []
    for _ in range(3):
        parse_record.cache_clear()
        read_record.cache_clear()
        gc.collect()
        start = time.perf_counter()
        verdict = judge(data, resolver)
        times.append(time.perf_counter() - start)
    return verdict, min(times)


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


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_costs_little_and_has_a_status(name):
    data = HEADERS[name].removesuffix(b"\r\n") + b"\r\nFrom: x@s.example\r\n\r\nHi\r\n"
    zone = Zone({"_dmarc.s.example": [("TXT", b"v=DMARC1; p=reject")], **published(key()).records})
    verdict, seconds = timed(data, zone)
    assert seconds < BUDGET
    assert all(result.status is not dkim.Status.PASS for result in verdict.dkim)
    assert len(verdict.dkim) <= 10
    assert verdict.arc.status in (arc.Status.NONE, arc.Status.FAIL)
    if len(data) > message.MAX_HEADER + 100:
        assert verdict.dkim[0].status is dkim.Status.PERMERROR
        assert verdict.dmarc.status is dmarc.Status.PERMERROR


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


@pytest.mark.parametrize("name", RECORDS)
def test_a_hostile_record_costs_little_and_has_a_status(name):
    data = signed().replace(b"ada@example.org", b"x@s.example")
    verdict, seconds = timed(data, RECORDS[name])
    assert seconds < BUDGET
    assert verdict.spf.status in (spf.Status.NONE, spf.Status.PERMERROR, spf.Status.NEUTRAL, spf.Status.FAIL)
    assert verdict.dkim[0].status in (dkim.Status.PERMERROR, dkim.Status.FAIL)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("piece", [b" ", b"\t ", b"\r\n", b" \r\n", b"\n", b"\r", b"a \t b\r\n", b"\n\r"])
def test_bodies_are_read_in_linear_time(size, piece):
    body = piece * (size * 500_000 // len(piece))
    start = time.perf_counter()
    relaxed_body(body)
    simple_body(body)
    assert time.perf_counter() - start < 0.05 * size


class Never(Exception):
    """What a parser without an error of its own raises."""


LETTERS = st.sampled_from(list(b' \t\r\n:;=<>()"\\,@.%{}/-+~?!0189abdfhimpstv_AZ\x00\x80\xff'))
noise = st.lists(LETTERS, max_size=120).map(bytes) | st.binary(max_size=200)
SEEDS = [
    FIELD, ARC_FIELD % 1, b"From: a@b.example\r\n", b"ARC-Authentication-Results: i=1; a; spf=pass\r\n",
    b"Authentication-Results: a; spf=pass smtp.mailfrom=b\r\n", b"v=spf1 a:%{ir}.b mx/24//64 -all exp=%{d}",
    b"v=DMARC1; p=reject; sp=none; pct=5", key().record.encode(), signed(), b"Received: from a (b [192.0.2.1])\r\n",
]  # fmt: skip


@st.composite
def mangled(draw):
    """A piece of real text with noise in it, or noise alone."""
    text = draw(st.sampled_from(SEEDS))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 20)))
    return text[:start] + draw(noise) + text[end:]


@settings(max_examples=400, deadline=1000)
@given(st.lists(mangled(), max_size=4).map(b"".join), mangled(), st.text(max_size=60), st.text(max_size=60))
def test_no_message_and_no_answer_raises(data, record, helo, sender):
    client = check.Client(ip_address("2001:db8::1"), helo, sender)
    verdict = judge(data, Anything(txt=[record], a=[IPv4Address("192.0.2.1")], ptr=["a.b"]), client)
    assert all(result.status is not dkim.Status.PASS or b"sel" in data for result in verdict.dkim)
    parsed = message.parse(data)
    assert (parsed.header() + bytes(parsed.body.octets)).startswith(data[: len(data) - 4])
    made = arc.seal(parsed, verdict.arc, verdict.results("mx.proj.example"), key("rsa1024"), NOW)
    assert made is None or message.parse(made).names == [arc.SEAL, arc.SIGNATURE, arc.RESULTS]


@settings(max_examples=300)
@given(mangled())
def test_no_parser_raises_anything_but_its_own_error(text):
    for parse, error in (
        (tags.parse, tags.TagListError),
        (parse_record, SpfSyntaxError),
        (read_record, Never),
        (dmarc.parse_record, Never),
        (results.parse, Never),
        (addresses_in, Never),
        (relaxed_field, Never),
        (lambda found: parse_macros(found.decode("latin-1")), Never),
        (lambda found: parse_domain_spec(found.decode("latin-1")), Never),
        (lambda found: names.ascii_name(found.decode("latin-1")), Never),
    ):
        with contextlib.suppress(error):
            parse(text)


@given(noise, noise)
def test_canonical_forms_are_stable(head, body):
    """Applied twice they say the same; what they drop is white space and nothing else."""
    for canonical in (relaxed_body, simple_body):
        assert canonical(canonical(body)) == canonical(body)
    field = relaxed_field(b"Name:" + head)
    assert relaxed_field(field) == field
    assert relaxed_body(body).translate(None, b" \t\r\n") == body.translate(None, b" \t\r\n")


@given(noise.map(lambda text: text.replace(b"\r\n\r\n", b"")), noise)
def test_what_we_sign_verifies_whatever_it_is(head, body):
    data = b"From: a@example.org\r\nX: " + head.strip(b"\r\n") + b"\r\n\r\n" + body
    for canon in Canon:
        made = signed(data, key("ed25519"), names=(b"from", b"x"), canon=(canon, canon))
        (result,) = asyncio.run(dkim.verify(message.parse(made), published(key("ed25519")), NOW))
        several = len(message.parse(data).where(b"from")) > 1
        assert result.status is (dkim.Status.POLICY if several else dkim.Status.PASS)


@given(noise)
def test_both_ways_to_the_relaxed_form_are_one(text):
    parsed = message.parse(text)
    for position, raw in enumerate(parsed.raws):
        if parsed.names[position]:
            assert parsed.relaxed(position) == relaxed_field(raw)


def test_a_plain_message_is_untouched_by_all_of_it():
    parsed = message.parse(PLAIN)
    assert parsed.header() + bytes(parsed.body.octets) == PLAIN
