"""Replies of other servers, whatever they send."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.wire import Answer, Broken, Wire


class Transport:
    """Takes note of an abort, and nothing else."""

    is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


def wire_with(*pieces: bytes) -> Wire:
    """Feed pieces to a wire, as they arrive."""

    async def feed() -> Wire:
        wire = Wire()
        wire.connection_made(Transport())  # type: ignore[arg-type]
        for piece in pieces:
            wire.data_received(piece)
        return wire

    return asyncio.run(feed())


codes = st.integers(200, 599)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=30)
answers = st.builds(Answer, codes, st.lists(texts, min_size=1, max_size=4).map(tuple))


def written(answer: Answer) -> bytes:
    lines = [f"{answer.code}-{line}" for line in answer.lines[:-1]] + [f"{answer.code} {answer.lines[-1]}"]
    return "".join(f"{line}\r\n" for line in lines).encode()


@given(st.lists(answers, max_size=5), st.lists(st.integers(0, 500), max_size=10))
def test_replies_are_read_wherever_they_are_cut(replies, cuts):
    octets = b"".join(map(written, replies))
    places = [0, *sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    wire = wire_with(*(octets[start:end] for start, end in zip(places, places[1:], strict=False)))  # noqa: RUF007
    assert wire._replies == replies
    assert not wire.is_lost and wire.is_quiet == (not replies)


@given(st.binary(max_size=300))
def test_what_is_no_reply_ends_the_connection(octets):
    wire = wire_with(octets + b"\r\n")
    assert wire.is_lost or all(200 <= reply.code < 600 for reply in wire._replies)


@pytest.mark.parametrize(
    "octets", [b"hello\r\n", b"250_x\r\n", b"25\r\n", b"999 x\r\n", b"\xff50 x\r\n", b"\r\n"]
)
async def test_an_odd_line_is_no_answer(octets):
    wire = Wire()
    wire.connection_made(Transport())
    wire.data_received(octets)
    with pytest.raises(Broken):
        await wire.reply(1)


@pytest.mark.parametrize("flood", [b"250-" + b"x" * 70_000, b"250-x\r\n" * 20_000, b"250 x\r\n" * 200])
def test_a_flood_of_words_ends_the_connection(flood):
    assert wire_with(flood).is_lost


async def test_a_reply_is_waited_for_no_longer_than_asked():
    wire = Wire()
    wire.connection_made(Transport())
    with pytest.raises(Broken):
        await wire.reply(0.05)
    assert wire.is_lost
