"""Hears from PostgreSQL what has changed in the alias table (LISTEN/NOTIFY), and keeps the cache right.

How old an answer can be: a change counts here as soon as its message comes, some milliseconds after its
commit. Every second the relay sends itself a message through PostgreSQL, over another connection than
the one that listens. Messages come in the order of their commits, so when it is back, all changes from
before it are known. The cache answers for `STALE_AFTER` seconds from the moment when the last one that
came back was sent: that is the most by which an answer can be behind, whatever happens to the network,
the server, or a connection pooler between. After that, and while there is no connection, the database
itself is asked.
"""

import asyncio
import secrets
import time
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import structlog

from core.alias_table import DEAD_PEER
from relay.alias_cache import AliasCache

log = structlog.get_logger()

CHANNEL = "alias_table"
BEAT_EVERY = 1.0
"""Seconds between two messages of our own."""
STALE_AFTER = 4.0
"""Seconds after which a message of our own that is not back means that the connection is lost."""
_RETRY_FIRST, _RETRY_MOST = 0.2, 5.0


class ChangeListener:
    """Keeps a cache right from `start` to `stop`, by a connection that listens and one that proves it.

    When they are lost the cache is empty and does not answer until a new pair has proven itself.
    """

    def __init__(self, database_url: str, cache: AliasCache) -> None:
        self._url = database_url
        self._cache = cache
        self._task: asyncio.Task[None] | None = None
        self._is_back = asyncio.Event()
        self._failures = 0

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End; a database that does not answer is waited for a second at most."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1)

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except* Exception as group:  # noqa: BLE001  # mail goes on without a cache
                if not self._failures:
                    log.warning("relay.alias_cache", state="gone", kind=type(group.exceptions[0]).__name__)
            await asyncio.sleep(min(_RETRY_FIRST * 2**self._failures, _RETRY_MOST))
            self._failures = min(self._failures + 1, 10)

    async def _listen(self) -> None:
        """Listen until a connection is lost or a message of our own stays away."""
        own_channel = f"{CHANNEL}_{secrets.token_hex(8)}"
        async with AsyncExitStack() as stack:
            listening, telling = await self._connect(stack), await self._connect(stack)
            stack.callback(self._cache.forget)
            for channel in (CHANNEL, own_channel):
                await listening.execute(f"LISTEN {channel}".encode())
            self._cache.forget()  # from here on, whatever changes is heard
            async with asyncio.TaskGroup() as together:
                together.create_task(self._hear(listening, own_channel))
                together.create_task(self._prove(telling, own_channel))

    async def _connect(self, stack: AsyncExitStack) -> psycopg.AsyncConnection[Any]:
        options = "-c synchronous_commit=off"  # what is told to ourselves is not worth a wait for the disk
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, options=options, **DEAD_PEER
        )
        stack.push_async_callback(connection.close)
        return connection

    async def _hear(self, listening: psycopg.AsyncConnection[Any], own_channel: str) -> None:
        async for message in listening.notifies():
            if message.channel == own_channel:
                self._is_back.set()
            else:
                self._cache.changed(message.payload)

    async def _prove(self, telling: psycopg.AsyncConnection[Any], own_channel: str) -> None:
        """Send messages to ourselves; each that comes back lets the cache answer a while longer."""
        while True:
            self._is_back.clear()
            sent = time.monotonic()
            async with asyncio.timeout(STALE_AFTER):
                await telling.execute("SELECT pg_notify(%s, '')", (own_channel,))
                await self._is_back.wait()
            self._cache.confirm(sent + STALE_AFTER)
            if self._failures:
                log.info("relay.alias_cache", state="back")
            self._failures = 0
            await asyncio.sleep(BEAT_EVERY)
