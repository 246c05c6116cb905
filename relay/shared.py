"""The marks that outlive a session: in memory, and copied to Valkey for other processes and relays.

Each process keeps all outstanding marks in memory (they are few), fed by a channel. When Valkey is
gone, memory alone decides; when it is back, each side gives the other what it lacks.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from relay.fingerprint import Mark, State

log = structlog.get_logger()

_PREFIX = b"waypost:mark:"
_CHANNEL = b"waypost:marks"
_MOST_KEPT = 200_000
_RETRY = 1.0


class SharedMarks:
    """The marks of this process and, as far as they are known, of the others."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._marks: dict[bytes, Mark] = {}
        self._indexes: dict[bytes, set[bytes]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for: so it is nearly always."""
        return not self._marks

    def has(self, index: bytes) -> bool:
        """Whether a message with this index may be known."""
        return index in self._indexes

    def get(self, fingerprint: bytes) -> Mark | None:
        """Return a mark that still counts."""
        mark = self._marks.get(fingerprint)
        return mark if mark is not None and mark.until > self._clock() else None

    def put(self, index: bytes, fingerprint: bytes, mark: Mark) -> None:
        """Set a mark."""
        if len(self._marks) >= _MOST_KEPT:
            self.sweep()
        self._marks[fingerprint] = mark
        self._indexes.setdefault(index, set()).add(fingerprint)

    def drop(self, index: bytes, fingerprint: bytes) -> None:
        """Remove a mark, if it is there."""
        self._marks.pop(fingerprint, None)
        known = self._indexes.get(index)
        if known is not None:
            known.discard(fingerprint)
            if not known:
                del self._indexes[index]

    def sweep(self) -> None:
        """Forget what no longer counts; when there is far too much, the oldest too."""
        now = self._clock()
        kept = {fingerprint: mark for fingerprint, mark in self._marks.items() if mark.until > now}
        if len(kept) >= _MOST_KEPT:
            kept = dict(sorted(kept.items(), key=lambda item: item[1].since)[len(kept) // 4 :])
        if len(kept) != len(self._marks):
            self._marks = kept
            self._indexes = {
                index: left
                for index, known in self._indexes.items()
                if (left := {f for f in known if f in kept})
            }


class ValkeyMarks(SharedMarks):
    """The same, in step with every process and relay by Valkey.

    url: where the broker is. name: of this process, the same after it was killed and started anew.
    From `start` to `close` they are kept in step; whenever Valkey is gone, memory alone decides.
    """

    def __init__(self, url: str, name: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._redis = Redis.from_url(url, socket_connect_timeout=2, socket_timeout=5)
        self._name = name.encode()
        self._own: dict[bytes, bytes] = {}
        """Fingerprint and index of each mark of this process: what a Valkey that comes back may lack."""
        self._unwritten: dict[bytes, bytes] = {}
        self._has_unwritten = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_in_step = asyncio.Event()
        self._is_closing = False

    def put(self, index: bytes, fingerprint: bytes, mark: Mark) -> None:
        """Set a mark, here at once and everywhere soon."""
        super().put(index, fingerprint, mark)
        self._own[fingerprint] = index
        self._changed(index, fingerprint)

    def drop(self, index: bytes, fingerprint: bytes) -> None:
        """Remove a mark, here at once and everywhere soon."""
        if fingerprint in self._marks:
            super().drop(index, fingerprint)
            self._own.pop(fingerprint, None)
            self._changed(index, fingerprint)

    def sweep(self) -> None:
        """Forget what no longer counts."""
        super().sweep()
        self._own = {
            fingerprint: index for fingerprint, index in self._own.items() if fingerprint in self._marks
        }

    def _changed(self, index: bytes, fingerprint: bytes) -> None:
        self._unwritten[fingerprint] = index
        self._has_unwritten.set()

    async def start(self, patience: float = 3) -> None:
        """Begin to keep in step; wait a while (in seconds) until what others know is known here."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_in_step.wait(), patience)

    async def close(self) -> None:
        """Write what is unwritten and end; gives up after a moment."""
        self._is_closing = True
        self._has_unwritten.set()
        while self._task is not None and not self._task.done():
            # A cancellation can get lost in the middle of a command to Valkey.
            await asyncio.wait([self._task], timeout=_RETRY)
            self._task.cancel()
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()

    async def _run(self) -> None:
        """Keep in step; Valkey's absence is waited out."""
        is_gone = False
        while not self._is_closing:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(_CHANNEL)
                    await channel.get_message(timeout=5)  # the confirmation: from here on nothing is missed
                    await self._load()
                    is_gone = False
                    self._is_in_step.set()
                    await self._keep_in_step(channel)
            except (RedisError, OSError) as error:
                if not is_gone:
                    log.warning("relay.valkey", state="gone", kind=type(error).__name__)
                is_gone = True
                self._is_in_step.set()  # nothing to wait for
                if not self._is_closing:
                    await asyncio.sleep(_RETRY)

    async def _keep_in_step(self, channel: PubSub) -> None:
        """Give what this process knows, then what changes, while listening to the others."""
        for fingerprint, index in self._own.items():
            self._changed(index, fingerprint)
        listening = asyncio.ensure_future(self._listen(channel))
        listening.add_done_callback(self._listening_ended)
        try:
            while not listening.done():
                await self._write_all()
                if self._is_closing:
                    return
                await self._has_unwritten.wait()
            listening.result()
        finally:
            listening.cancel()

    def _listening_ended(self, task: "asyncio.Task[None]") -> None:
        self._has_unwritten.set()
        if not task.cancelled():
            task.exception()  # seen: `_keep_in_step` raises it, unless it has ended before

    async def _load(self) -> None:
        """Read what others have set before we listened."""
        async for key in self._redis.scan_iter(match=_PREFIX + b"*", count=1000):
            value = cast(bytes | None, await self._redis.get(key))
            if value is not None:
                self._take_over(key.removeprefix(_PREFIX), value.split(b" "))

    def _take_over(self, fingerprint_hex: bytes, words: list[bytes]) -> None:
        """Take what lay in Valkey; what was pending in a process that died is not any more."""
        self._take(fingerprint_hex, words[:-1])
        index, fingerprint = bytes.fromhex(words[0].decode()), bytes.fromhex(fingerprint_hex.decode())
        if words[-1] == self._name and fingerprint not in self._own:
            mark = self._marks.get(fingerprint)
            if mark is not None and mark.state is State.PENDING:
                self.drop(index, fingerprint)

    async def _listen(self, channel: PubSub) -> None:
        while True:
            message = await channel.get_message(timeout=10)
            if message is None:
                continue
            origin, fingerprint, *rest = cast(bytes, message["data"]).split(b" ")
            if origin != self._name:
                self._take(fingerprint, rest)

    def _take(self, fingerprint_hex: bytes, words: list[bytes]) -> None:
        """Take over what another process has set or dropped."""
        index, fingerprint = bytes.fromhex(words[0].decode()), bytes.fromhex(fingerprint_hex.decode())
        if len(words) == 1:
            super().drop(index, fingerprint)
            return
        mark = Mark(State(words[1].decode()), float(words[2]), float(words[3]))
        known = self._marks.get(fingerprint)
        if known is None or known.state is State.PENDING:  # what was served stays served
            super().put(index, fingerprint, mark)

    async def _write_all(self) -> None:
        self._has_unwritten.clear()
        while self._unwritten:
            fingerprint, index = next(iter(self._unwritten.items()))
            mark = self._marks.get(fingerprint)
            await self._write_one(index, fingerprint, mark)
            if self._marks.get(fingerprint) is mark:
                self._unwritten.pop(fingerprint, None)

    async def _write_one(self, index: bytes, fingerprint: bytes, mark: Mark | None) -> None:
        name, key = fingerprint.hex().encode(), _PREFIX + fingerprint.hex().encode()
        value = index.hex().encode()
        async with self._redis.pipeline(transaction=False) as pipeline:
            if mark is None:
                pipeline.delete(key)
            else:
                value += f" {mark.state} {mark.since} {mark.until}".encode()
                pipeline.set(key, value + b" " + self._name, pxat=int(mark.until * 1000))
            pipeline.publish(_CHANNEL, b" ".join((self._name, name, value)))
            await pipeline.execute()
