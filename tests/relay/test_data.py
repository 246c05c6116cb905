"""The content of DATA comes in and goes out as it is, however it is cut."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.data import DataReader, has_bare_newline, has_dot_lines, stuffed

pieces_of_mail = st.sampled_from(
    [b"\r\n", b".", b"a", b"..", b"\r\n.", b"\r\n..", b"\0", b"\xe9", b"x" * 70, b" "]
)
contents = st.lists(pieces_of_mail, max_size=30).map(lambda parts: b"".join(parts) + b"\r\n")
contents_or_nothing = st.one_of(st.just(b""), contents)


def wire(content: bytes) -> bytes:
    """What a sender puts on the wire (RFC 5321 §4.5.2), by lines and not in our way."""
    lines = content.split(b"\r\n")[:-1]
    return b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines) + b".\r\n"


def read(octets: bytes, cuts: list[int], limit: int = 10_000) -> tuple[DataReader, bytes | None]:
    reader, places = DataReader(limit), [0, *sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    for start, end in pairwise(places):
        rest = reader.feed(octets[start:end])
        if rest is not None:
            return reader, rest + octets[end:]
    return reader, None


@given(
    contents_or_nothing,
    st.lists(st.integers(0, 10_000), max_size=40),
    st.sampled_from([b"", b"QUIT\r\n", b".\r\n"]),
)
def test_content_is_read_back_wherever_it_is_cut(content, cuts, behind):
    reader, rest = read(wire(content) + behind, cuts)
    assert rest == behind
    assert bytes(reader.body) == content
    assert reader.is_complete and not reader.has_bare_newline and not reader.is_too_big


@given(contents_or_nothing)
def test_content_is_read_back_octet_by_octet(content):
    reader, rest = read(wire(content), list(range(len(wire(content)))))
    assert (bytes(reader.body), rest) == (content, b"")


@given(contents_or_nothing, st.integers(1, 50))
def test_content_is_stuffed_at_every_piece_size(content, size):
    assert b"".join(bytes(piece) for piece in stuffed(content, size)) + b".\r\n" == wire(content)


@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=10), st.integers(1, 40))
def test_what_comes_out_never_ends_early(octets, cuts, size):
    """B02: whatever comes in, no end of data can appear in what goes out."""
    reader, _ = read(octets.replace(b"\r\n.\r\n", b"") + b"\r\n.\r\n", cuts)
    if reader.is_complete and not reader.has_bare_newline:
        out = b"\r\n" + b"".join(bytes(piece) for piece in stuffed(reader.body, size))
        assert b"\r\n.\r\n" not in out
        assert out.count(b"\n") == out.count(b"\r") == out.count(b"\r\n")


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b".\n", b"\n.\r"]
)
def test_b02_no_other_end_of_data_counts(end):
    """B02: each published variant of SMTP smuggling is content, and content with a bare CR or LF."""
    reader, rest = read(b"hi" + end + b"MAIL FROM:<ceo@example.com>\r\n.\r\nNOOP\r\n", [])
    assert rest == b"NOOP\r\n"
    assert reader.has_bare_newline


@given(
    st.sampled_from([b"a\nb", b"a\rb", b"\r\r\n", b"\n", b"a\n\r"]), st.lists(st.integers(0, 20), max_size=10)
)
def test_bare_line_ends_are_seen_wherever_they_are_cut(content, cuts):
    reader, rest = read(content + b"\r\n.\r\n", cuts)
    assert rest == b"" and reader.has_bare_newline


@given(st.integers(0, 60), st.lists(st.integers(0, 100), max_size=10))
def test_too_much_is_read_to_its_end_and_dropped(length, cuts):
    content = b"x" * length + b"\r\n"
    reader, rest = read(wire(content) + b"NOOP\r\n", cuts, limit=32)
    assert rest == b"NOOP\r\n"
    assert reader.is_too_big == (len(content) > 32)
    assert bytes(reader.body) == (b"" if reader.is_too_big else content)


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a", b"\x85", b"\x1c", b"\x0b", b"\x0c"]), max_size=12)
)
def test_a_bare_newline_is_a_bare_newline(parts):
    octets = b"".join(parts)
    assert has_bare_newline(octets) == (re.search(rb"\r(?!\n)|(?<!\r)\n", octets) is not None)


@given(contents_or_nothing)
def test_content_without_dot_lines_goes_out_as_it_is(content):
    reader, _ = read(wire(content), [])
    if not reader.has_dot_lines:
        assert b"".join(bytes(piece) for piece in stuffed(content, 7, has_dots=False)) + b".\r\n" == wire(
            content
        )
    assert reader.has_dot_lines == has_dot_lines(content)
