"""core.directories"""

import time

from core.directories import Deadline


def test_a_deadline_counts_down():
    deadline = Deadline(10)
    first = deadline.remaining
    time.sleep(0.02)

    assert 9 < deadline.remaining < first <= 10


def test_a_deadline_never_goes_below_zero():
    assert Deadline(0).remaining == 0
    assert Deadline(-5).remaining == 0
