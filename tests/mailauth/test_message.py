"""Reading a message's octets, tag lists and canonical forms."""

from hashlib import sha256
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailauth import canonical as forms
from mailauth import message, tags
from mailauth.canonical import Body, Canon, canonical_pieces, relaxed_field
from mailauth.message import Defect
from tests.mailauth.mails import canonical


@pytest.mark.parametrize(
    ("data", "names", "body"),
    [
        (b"A: 1\r\nB: 2\r\n\r\ntext", [b"a", b"b"], b"text"),
        (b"A: 1\r\n folded\r\n\tagain\r\nB:\r\n\r\n", [b"a", b"b"], b""),
        (b"A: 1\r\n", [b"a"], b""),
        (b"A: 1", [b"a"], b""),
        (b"\r\nonly a body", [], b"only a body"),
        (b"", [], b""),
        (b"A : obsolete\r\nno field\r\n: no name\r\nFrom x\r\n\r\n", [b"a", b"", b"", b""], b""),
        (b" leading: fold\r\nA: 1\r\n\r\n", [b" leading", b"a"], b""),
        (b"A: 1\n\nB: not a new field\r\n\r\nbody", [b"a"], b"body"),
    ],
)
def test_any_octets_have_a_reading(data, names, body):
    found = message.parse(data)
    assert found.names == names
    assert bytes(found.body.octets) == body


def test_the_parts_are_the_whole():
    data = b"A: 1\r\n  x\r\nb:\xff\r\n\r\n\r\ntext\n"
    found = message.parse(data)
    assert found.header() + bytes(found.body.octets) == data


def test_fields_can_be_left_out_and_the_body_is_shared():
    found = message.parse(b"A: 1\r\nB: 2\r\nA: 3\r\n\r\ntext")
    kept = found.without(found.where(b"a"))
    assert kept.header() == b"B: 2\r\n\r\n"
    assert kept.body is found.body
    assert found.without([]) is found


def test_a_header_section_has_a_limit():
    field = b"X: " + b"a" * (message.MAX_HEADER - 3)
    assert message.parse(field + b"\r\n\r\ntext").defect is None
    assert message.parse(field + b"a\r\n\r\ntext").defect is Defect.HEADER_TOO_LARGE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"a=1; b=2", {b"a": b"1", b"b": b"2"}),
        (b" a = 1 ;\r\n\tb_2=x = y ; ", {b"a": b"1", b"b_2": b"x = y"}),
        (b"a=", {b"a": b""}),
        (b"A=1;a=2", {b"A": b"1", b"a": b"2"}),
    ],
)
def test_tag_lists(text, found):
    assert tags.parse(text) == found


@pytest.mark.parametrize(
    "text", [b"", b";", b"a", b"a=1;;b=2", b"a=1; a=2", b"1a=1", b"a b=1", b"=1", b"\xe4=1"]
)
def test_what_is_no_tag_list(text):
    with pytest.raises(tags.TagListError):
        tags.parse(text)


def test_a_list_has_a_limit():
    with pytest.raises(tags.TagListError):
        tags.parse(b";".join(b"t%d=1" % number for number in range(tags.MAX_TAGS + 1)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"a=1; b=abc\r\n def ; bh=x", b"a=1; b=; bh=x"),
        (b"b=abc", b"b="),
        (b" bh=x;\tb = a b c", b" bh=x;\tb ="),
        (b"bb=x; b2=y", b"bb=x; b2=y"),
    ],
)
def test_a_signature_is_taken_out_and_nothing_else(text, wanted):
    assert tags.without_signature(text) == wanted


def test_the_example_of_rfc_6376_section_3_4_5():
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert relaxed_field(b"A: X") == b"a:X"
    assert relaxed_field(b"B : Y\t\r\n\tZ  ") == b"b:Y Z"
    assert canonical(body, Canon.RELAXED) == b" C\r\nD E\r\n"
    assert canonical(body, Canon.SIMPLE) == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b" \t\r\n\r\n", b" \t\r\n", b""),
        (b"a", b"a\r\n", b"a\r\n"),
        (b"a\n\r\n", b"a\n\r\n", b"a\n\r\n"),
        (b"a\r\r\n\r\n", b"a\r\r\n", b"a\r\r\n"),
        (b"a\x0b\x0c b\r\n", b"a\x0b\x0c b\r\n", b"a\x0b\x0c b\r\n"),
    ],
)
def test_the_ends_of_bodies(body, simple, relaxed):
    assert canonical(body, Canon.SIMPLE) == simple
    assert canonical(body, Canon.RELAXED) == relaxed


def test_hashes_of_several_lengths_are_those_of_each_alone():
    data = b"line one \r\nline  two\r\n\r\n"
    together = Body(data, 0)
    together.hash([(canon, length) for canon in Canon for length in (None, 0, 3, 7, 500)])
    for canon in Canon:
        for length in (None, 0, 3, 7, 500):
            assert together.digest(canon, length) == Body(data, 0).digest(canon, length)
        assert together.length(canon) == Body(data, 0).length(canon)


BODIES = st.lists(
    st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r", b"\n", b"bc", b"\xff"]), max_size=60
).map(b"".join)


@given(BODIES, st.integers(1, 9), st.sampled_from(Canon))
def test_the_pieces_of_a_body_are_its_canonical_form(body, size, canon):
    whole = canonical(body, canon)
    with mock.patch.object(forms, "_PIECE", size):
        assert b"".join(canonical_pieces(b"head" + body, 4, canon)) == whole
        assert b"".join(canonical_pieces(bytearray(body), 0, canon)) == whole
        split = Body(body, 0)
        split.hash([(canon, None), (canon, 3), (canon, 10_000)])
        assert split.digest(canon) == split.digest(canon, 10_000) == sha256(whole).digest()
        assert split.digest(canon, 3) == sha256(whole[:3]).digest()
