"""The relay's way to the alias table: on the event loop for SQLite; for PostgreSQL a cache, then threads."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from core.addresses import Address
from core.alias_table import AliasTableUnavailable
from core.database import utc_now
from core.routing import AliasTable, Route, route
from relay.alias_cache import AliasCache, NotCached, Noted

T = TypeVar("T")
_FOREIGN_FOR = 10
"""Seconds for which a domain that is not ours is believed not to be, on SQLite."""
_MOST_KEPT = 10_000
_PATIENCE = 5.0
"""Seconds for an answer from a thread: a server that is gone without a word says nothing."""


class DirectoryUnavailable(Exception):
    """The alias table cannot be read: nothing is known, the sender should try later."""


class Directory:
    """Answers for addresses; every method raises DirectoryUnavailable.

    make_table: opens the table, once a thread. threads: how many wait for the database beside the
    event loop; 0 asks on the loop itself, where a lookup takes some 35 µs and a thread would cost more.
    cache: answers before the threads do, while it is live; whoever gives it keeps it right.
    """

    def __init__(
        self,
        make_table: Callable[[], AliasTable],
        ops_address: str,
        threads: int = 0,
        cache: AliasCache | None = None,
    ) -> None:
        self._make_table = make_table
        self._ops_address = ops_address
        self._cache = cache or AliasCache()
        self._foreign: dict[str, float] = {}
        self._local = threading.local()
        self._executor = ThreadPoolExecutor(threads, "alias-table") if threads else None

    async def route(self, address: Address) -> Route:
        """Return where mail for an address goes."""
        return await self._ask(lambda table: route(table, address, self._ops_address, utc_now()))

    async def serves(self, domain: str) -> bool:
        """Whether a domain is one of ours."""
        if self._executor is not None:
            return await self._ask(lambda table: table.serves(domain))
        now = time.monotonic()
        if self._foreign.get(domain, 0) > now:
            return False
        is_ours = await self._ask(lambda table: table.serves(domain))
        if not is_ours:
            if len(self._foreign) >= _MOST_KEPT:
                self._foreign.clear()
            self._foreign[domain] = now + _FOREIGN_FOR
        return is_ours

    async def aliases_of(self, recipients: Sequence[str]) -> dict[str, str]:
        """Return which of these addresses are recipients of ours, each with an alias that leads there."""
        return await self._ask(lambda table: table.aliases_of(recipients))

    async def _ask(self, question: Callable[[AliasTable], T]) -> T:
        try:
            if self._executor is None:
                return question(self._table())
            if self._cache.is_live:
                with contextlib.suppress(NotCached):
                    return question(self._cache)
            version = self._cache.version
            asked = asyncio.get_running_loop().run_in_executor(self._executor, self._look_up, question)
            found, answers = await asyncio.wait_for(asked, _PATIENCE)
        except (AliasTableUnavailable, TimeoutError):
            raise DirectoryUnavailable from None
        self._cache.keep(answers, version)
        return found

    def _look_up(self, question: Callable[[AliasTable], T]) -> tuple[T, dict[str, Any]]:
        """Ask the database, on a thread; return its answer, and the answers that the cache may keep."""
        noted = Noted(self._table())
        return question(noted), noted.answers

    def _table(self) -> AliasTable:
        table: AliasTable | None = getattr(self._local, "table", None)
        if table is None:
            table = self._local.table = self._make_table()
        return table
