"""What the relay tells the core of deliveries: recipient, day, class and enhanced code, never more.

Counts are gathered in memory and handed over every few seconds; what the answer to a sender rests
on is handed over before that answer.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import UTC, date, datetime

from core.delivery import Count, Event
from relay.outcome import About, Kind, Result

Sink = Callable[[Sequence[Count]], None]
"""Takes counts for good, on a thread; raises when it cannot. `core.delivery.record` is the one."""


class Counters:
    """Gathers counts of one process. sink: where they go. executor: where the sink may block."""

    def __init__(self, sink: Sink, executor: Executor) -> None:
        self._sink = sink
        self._executor = executor
        self._gathered: Counter[tuple[Event, int | None, str, date, str]] = Counter()
        self._traffic: Counter[str] = Counter()

    def note(self, alias_id: int | None, recipient: str, result: Result) -> None:
        """Count how a try at a recipient ended."""
        if result.kind is Kind.DELIVERED:
            event, enhanced = Event.DELIVERED, ""
        elif result.kind is Kind.DEFERRED:
            event, enhanced = Event.DEFERRED, result.enhanced
            if result.about is About.US:
                self._add(Event.ABOUT_US, None, recipient.rpartition("@")[2], result.enhanced)
        else:
            is_mailbox = result.about is About.MAILBOX
            event = Event.REFUSED_MAILBOX if is_mailbox else Event.REFUSED_MESSAGE
            enhanced = result.enhanced
        self._add(event, alias_id, recipient, enhanced)
        self._traffic[result.kind.value] += 1

    def note_refused_here(self, alias_id: int | None, recipients: Sequence[str]) -> None:
        """Count a message that this relay refused by its author's policy, before any try."""
        for recipient in recipients:
            self._add(Event.REFUSED_HERE, alias_id, recipient, "5.7.1")

    async def left_out(self, alias_id: int | None, recipients: Sequence[tuple[str, str]]) -> None:
        """Have the owner told of recipients (with enhanced codes) that an alias was served without.

        Raises whatever the sink raises: then nobody would be told, and the sender must try again.
        """
        today = datetime.now(UTC).date()
        counts = [Count(Event.LEFT_OUT, alias_id, address, today, code) for address, code in recipients]
        await asyncio.get_running_loop().run_in_executor(self._executor, self._sink, counts)

    def _add(self, event: Event, alias_id: int | None, recipient: str, enhanced: str) -> None:
        self._gathered[event, alias_id, recipient, datetime.now(UTC).date(), enhanced] += 1

    def take_traffic(self) -> dict[str, int]:
        """Return how many tries ended in which way since the last time; for the log, so of nobody."""
        traffic, self._traffic = dict(self._traffic), Counter()
        return traffic

    async def flush(self) -> None:
        """Hand over what was gathered; keep it when the sink cannot take it."""
        if not self._gathered:
            return
        gathered, self._gathered = self._gathered, Counter()
        counts = [Count(*key, count) for key, count in gathered.items()]
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._sink, counts)
        except Exception:
            self._gathered.update(gathered)
            raise
