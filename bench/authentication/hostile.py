"""What the inputs cost that are made to cost much, in milliseconds at best of three."""

import gc
import time

from mailauth.keys import read_record
from mailauth.spf_record import parse_record
from tests.mailauth.hostile import HEADERS, RECORDS, judge, with_header, with_record
from tests.mailauth.test_arc import ZONE, sealed

BUDGET_MS = 100.0


def measure(rounds: int) -> dict[str, float]:
    """Return the cost of a whole pass over each input."""
    inputs = {name: with_header(name) for name in HEADERS}
    inputs |= {name: with_record(name) for name in RECORDS}
    inputs["a full chain"] = (sealed(times=50), ZONE)
    return {name: min(_cost(*each) for _ in range(rounds)) for name, each in inputs.items()}


def _cost(data: bytes, zone: object) -> float:
    parse_record.cache_clear()
    read_record.cache_clear()
    gc.collect()
    start = time.perf_counter()
    judge(data, zone)
    return (time.perf_counter() - start) * 1000
