# ruff: noqa: E501 - an input a line
"""Nothing a stranger sends or publishes raises, or costs more than it should."""

import asyncio
import contextlib
import gc
import time
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailauth import arc, check, dkim, dmarc, message, names, results, spf, tags
from mailauth.author import addresses_in
from mailauth.canonical import Canon, relaxed_field
from mailauth.keys import read_record
from mailauth.spf_macro import parse_domain_spec, parse_macros
from mailauth.spf_record import SpfSyntaxError, parse_record
from tests.mailauth.hostile import (
    ARC_FIELD,
    FIELD,
    HEADERS,
    RECORDS,
    Anything,
    judge,
    with_header,
    with_record,
)
from tests.mailauth.mails import NOW, PLAIN, canonical, key, published, signed

ENDLESS = 2.0
"""Seconds of CPU: twenty times what is allowed, and far below what a quadratic way takes."""


def within_bounds(data, resolver):
    """The whole pass; its CPU time is far from what anything but a linear way takes.

    How much it is to the millisecond is measured by `script/bench authentication`.
    """
    parse_record.cache_clear()
    read_record.cache_clear()
    gc.collect()
    start = time.thread_time()
    verdict = judge(data, resolver)
    assert time.thread_time() - start < ENDLESS
    return verdict


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_costs_little_and_has_a_status(name):
    data, zone = with_header(name)
    verdict = within_bounds(data, zone)
    assert all(result.status is not dkim.Status.PASS for result in verdict.dkim)
    assert len(verdict.dkim) <= 10
    assert verdict.arc.status in (arc.Status.NONE, arc.Status.FAIL)
    if len(data) > message.MAX_HEADER + 100:
        assert verdict.dkim[0].status is dkim.Status.PERMERROR
        assert verdict.dmarc.status is dmarc.Status.PERMERROR


@pytest.mark.parametrize("name", RECORDS)
def test_a_hostile_record_costs_little_and_has_a_status(name):
    verdict = within_bounds(*with_record(name))
    assert verdict.spf.status in (spf.Status.NONE, spf.Status.PERMERROR, spf.Status.NEUTRAL, spf.Status.FAIL)
    assert verdict.dkim[0].status in (dkim.Status.PERMERROR, dkim.Status.FAIL)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("piece", [b" ", b"\t ", b"\r\n", b" \r\n", b"\n", b"\r", b"a \t b\r\n", b"\n\r"])
def test_bodies_are_read_in_linear_time(size, piece):
    body = piece * (size * 500_000 // len(piece))
    start = time.thread_time()
    for canon in Canon:
        canonical(body, canon)
    assert time.thread_time() - start < ENDLESS


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


@settings(max_examples=400)
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
    for canon in Canon:
        assert canonical(canonical(body, canon), canon) == canonical(body, canon)
    field = relaxed_field(b"Name:" + head)
    assert relaxed_field(field) == field
    assert canonical(body, Canon.RELAXED).translate(None, b" \t\r\n") == body.translate(None, b" \t\r\n")


@given(noise.map(lambda text: text.replace(b"\r\n\r\n", b"")), noise)
def test_what_we_sign_verifies_whatever_it_is(head, body):
    data = b"From: a@example.org\r\nX: " + head.strip(b"\r\n") + b"\r\n\r\n" + body
    for canon in Canon:
        made = signed(data, key("ed25519"), names=(b"from", b"x"), canon=(canon, canon))
        (result,) = asyncio.run(dkim.verify(message.parse(made), published(key("ed25519")), NOW))
        several = len(message.parse(data).where(b"from")) > 1
        assert result.status is (dkim.Status.POLICY if several else dkim.Status.PASS)


@example(b"\r:\n")
@given(noise)
def test_both_ways_to_the_relaxed_form_are_one(text):
    parsed = message.parse(text)
    for position, raw in enumerate(parsed.raws):
        if parsed.names[position]:
            assert parsed.relaxed(position) == relaxed_field(raw)


def test_a_plain_message_is_untouched_by_all_of_it():
    parsed = message.parse(PLAIN)
    assert parsed.header() + bytes(parsed.body.octets) == PLAIN
