"""Does several things at the same moment, each in a thread with a database connection of its own."""

import threading
from collections.abc import Callable
from typing import Any

from core.database import connection

PATIENCE = 60.0  # seconds


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run all calls at once; return for each what it returned or the exception that it raised."""
    start = threading.Barrier(len(calls))
    results: list[Any] = [TimeoutError("the thread did not end")] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        try:
            with connection():
                start.wait(PATIENCE)
                results[number] = call()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results


def in_another_thread(call: Callable[[], Any], *, wait: float) -> threading.Thread:
    """Start a call on a connection of its own and give it some seconds to end; it may go on after them.

    That is how a test lets somebody come in between two steps, or be kept out by a lock.
    """

    def run() -> None:
        with connection():
            call()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(wait)
    return thread
