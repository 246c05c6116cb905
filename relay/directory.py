"""The relay's way to the alias table: straight on the event loop for SQLite, on threads for PostgreSQL."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from core.addresses import Address
from core.alias_table import AliasTableUnavailable
from core.database import utc_now
from core.routing import AliasTable, Route, route

T = TypeVar("T")
_FOREIGN_FOR = 10
"""Seconds for which a domain that is not ours is believed not to be."""
_MOST_KEPT = 10_000


class DirectoryUnavailable(Exception):
    """The alias table cannot be read: nothing is known, the sender should try later."""


class _Lookups:
    """Blocking lookups; one instance a thread."""

    def __init__(self, table: AliasTable, ops_address: str) -> None:
        self._table = table
        self._ops_address = ops_address
        self._foreign: dict[str, float] = {}

    def route(self, address: Address) -> Route:
        return route(self._table, address, self._ops_address, utc_now())

    def serves(self, domain: str) -> bool:
        now = time.monotonic()
        if self._foreign.get(domain, 0) > now:
            return False
        is_ours = self._table.serves(domain)
        if not is_ours:
            if len(self._foreign) >= _MOST_KEPT:
                self._foreign.clear()
            self._foreign[domain] = now + _FOREIGN_FOR
        return is_ours

    def aliases_of(self, recipients: Sequence[str]) -> dict[str, str]:
        return self._table.aliases_of(recipients)


class Directory:
    """Answers for addresses; every method raises DirectoryUnavailable.

    make_table: opens the table, once a thread. threads: how many wait for the database beside the
    event loop; 0 asks on the loop itself, where a lookup takes some 35 µs and a thread would cost more.
    """

    def __init__(self, make_table: Callable[[], AliasTable], ops_address: str, threads: int = 0) -> None:
        self._make_table = make_table
        self._ops_address = ops_address
        self._local = threading.local()
        self._executor = ThreadPoolExecutor(threads, "alias-table") if threads else None

    async def route(self, address: Address) -> Route:
        """Return where mail for an address goes."""
        return await self._ask(_Lookups.route, address)

    async def serves(self, domain: str) -> bool:
        """Whether a domain is one of ours. That one is not is believed for a few seconds."""
        return await self._ask(_Lookups.serves, domain)

    async def aliases_of(self, recipients: Sequence[str]) -> dict[str, str]:
        """Return which of these addresses are recipients of ours, each with an alias that leads there."""
        return await self._ask(_Lookups.aliases_of, recipients)

    async def _ask(self, method: Callable[[_Lookups, Any], T], argument: Any) -> T:
        try:
            if self._executor is None:
                return method(self._lookups(), argument)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, lambda: method(self._lookups(), argument))
        except AliasTableUnavailable:
            raise DirectoryUnavailable from None

    def _lookups(self) -> _Lookups:
        lookups: _Lookups | None = getattr(self._local, "lookups", None)
        if lookups is None:
            lookups = self._local.lookups = _Lookups(self._make_table(), self._ops_address)
        return lookups
