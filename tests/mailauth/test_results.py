"""Authentication-Results: reading others', writing ours, and not believing what claims to be ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailauth import message
from mailauth.results import Method, Results, claimed_id, claiming, parse

OURS = {"mx.proj.example"}

# B28: a spoof with fields that claim our id, one of another host, and Microsoft's form without an id.
SPOOF = (
    b"Authentication-Results: mx.proj.example; dmarc=pass\r\n"
    b"Authentication-Results: MX.PROJ.EXAMPLE 1; spf=pass\r\n"
    b"Authentication-Results: other.example; dkim=pass\r\n"
    b"Authentication-Results: spf=pass smtp.mailfrom=a@x.example; x.example; dkim=pass\r\n"
    b"From: a@x.example\r\n\r\nHi\r\n"
)


def test_fields_that_claim_our_id_are_found_and_no_others():
    assert claiming(message.parse(SPOOF), OURS) == [0, 1]


@pytest.mark.parametrize(
    "value",
    [
        b" mx.proj.example",
        b" mx.proj.example;none",
        b"\r\n\tMx.Proj.Example\r\n\t1; none",
        b" (a comment (nested)) mx.proj.example (x); spf=pass",
        b' "mx.proj.example"; spf=pass',
        b' "mx\\.proj.example"; spf=pass',
        b" mx.proj.example.; spf=pass",
        b" mx.proj.example/1; spf=pass",
        b" mx.proj.example; ((((",
        b" mx.proj.example; \xff\xfe spf=",
        b" mx.proj.example spf=pass",
        b" mx.proj.example=",
    ],
)
def test_no_way_of_writing_our_id_escapes(value):
    assert claimed_id(value) in OURS


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ;",
        b" (mx.proj.example); spf=pass",
        b" notmx.proj.example; spf=pass",
        b" mx.proj.example.evil.example; spf=pass",
        b" (unclosed mx.proj.example; spf=pass",
        b" spf=pass; mx.proj.example",
    ],
)
def test_other_ids_are_not_ours(value):
    assert claimed_id(value) not in OURS


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b" a.example; none", Results("a.example")),
        (b" a.example 1; none", Results("a.example")),
        (
            b' a.example; spf=pass smtp.mailfrom=x@b;\r\n\tdkim=FAIL (bad (very)) reason="it\'s" header.d=b',
            Results(
                "a.example",
                (
                    Method("spf", "pass", properties=(("smtp.mailfrom", "x@b"),)),
                    Method("dkim", "fail", "bad (very)", "it's", (("header.d", "b"),)),
                ),
            ),
        ),
        (b" a.example; dkim/1=pass", Results("a.example", (Method("dkim", "pass"),))),
        (b" a.example; spf=", None),
        (b" a.example; spf", None),
        (b" a.example; =pass", None),
        (b" a.example; spf=pass (open", None),
        (b' a.example; spf=pass reason="open', None),
        (b" spf=pass; x.example; dkim=pass", None),
        (b" a.example; smtp.mailfrom=x", None),
        (b"", None),
        (b" a.example;" + b"x" * 70_000, None),
    ],
)
def test_fields_are_read_or_refused(value, wanted):
    assert parse(value) == wanted


def test_a_field_of_ours_is_folded_and_reads_back():
    results = Results(
        "mx.proj.example",
        (
            Method("spf", "pass", properties=(("smtp.mailfrom", "ada@x.example"),)),
            Method("dkim", "fail", "body altered", "", (("header.d", "x.example"), ("header.b", "ab/+cd=="))),
        ),
    )
    field = results.field()
    assert field.startswith(b"Authentication-Results: mx.proj.example;\r\n\tspf=pass")
    assert parse(message.parse(field).values[0]) == results
    assert parse(Results("mx.proj.example").payload()) == Results("mx.proj.example")


@given(st.text(max_size=500), st.text(max_size=500))
def test_no_value_breaks_out_of_the_field(value, comment):
    field = Results(
        "a.example", (Method("spf", "pass", comment, value, (("smtp.mailfrom", value),)),)
    ).field()
    assert field.isascii()
    parsed = message.parse(field)
    assert len(parsed.raws) == 1
    found = parse(parsed.values[0])
    assert found is not None
    assert len(found.methods) == 1
    assert found.methods[0].result == "pass"


@given(st.binary(max_size=300) | st.text('a.;=() "\\\r\n1', max_size=60).map(str.encode))
def test_no_field_raises(value):
    parse(value)
    claimed_id(value)
