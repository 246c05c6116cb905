"""Loses nothing (invariant 1): a short game of `script/bench chaos`; the long one is run by hand."""

import tempfile
from pathlib import Path

from bench.chaos import Game, play


async def test_nothing_is_lost_and_nothing_doubled_without_excuse():
    """Destinations fail at every command, processes are killed with SIGKILL, the sender tries again."""
    # A relay that shares a busy machine may read a 250 late; `script/bench chaos` holds it to 10 ms.
    game = Game(messages=150, kill_every=1.5, faults=0.05, leaving=0.0, seed=11, excused=0.150)
    with tempfile.TemporaryDirectory(prefix="waypost-chaos") as folder:
        outcome = await play(Path(folder), game)
    assert outcome.lost == 0
    assert outcome.unexcused_copies == 0, outcome
    assert outcome.kills >= 2
    assert outcome.aliases_accepted > 150
