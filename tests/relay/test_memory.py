"""Memory: what a process takes when idle, and what a message in flight adds."""

import asyncio
import tempfile
from pathlib import Path

from bench.relay.memory import memory_report


async def test_a_process_is_small_and_so_is_a_message_in_flight():
    """90 MiB idle; at most 1.3 times a message's size and 64 KiB for each in flight; within the ceiling."""
    with tempfile.TemporaryDirectory(prefix="waypost-memory") as folder:
        report = await asyncio.to_thread(memory_report, Path(folder))
    assert report.pop("idle_mib") <= 90
    assert 0.5 < report.pop("of_ceiling") <= 1  # forty messages of 5 MiB at a ceiling of 96
    assert len(report) == 5
    assert all(extra <= 64 for extra in report.values()), report
