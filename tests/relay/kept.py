"""A directory with its cache on a real PostgreSQL, and the one alias that its tests change."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from core.addresses import Address
from core.alias_table import open_alias_table
from core.models import Alias
from core.routing import AliasTable, Route
from relay.alias_cache import AliasCache
from relay.alias_changes import ChangeListener
from relay.directory import Directory

ADA, EVA = Address("ada", "proj.example"), Address("eva", "proj.example")
HOME, WORK = "ada@home.example.net", "ada@work.example.net"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 30.0  # seconds; only what hangs takes them


class Counting:
    """The alias table of the database, which counts what it is asked for."""

    def __init__(self, url: str) -> None:
        self._table = open_alias_table(url)
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> object:
        self.asked.append(name)
        return getattr(self._table, name)


class Kept:
    """A directory with its cache, its listener, and the tables that its thread has opened."""

    def __init__(self, url: str, make_table: Callable[[], AliasTable] | None = None) -> None:
        self.tables: list[Counting] = []
        self.cache = AliasCache()
        self.listener = ChangeListener(url, self.cache)
        make_table = make_table or (lambda: self.tables.append(Counting(url)) or self.tables[-1])
        self.directory = Directory(make_table, "ops@ops.example", threads=1, cache=self.cache)

    @property
    def asked(self) -> int:
        """How often the database was asked."""
        return sum(len(table.asked) for table in self.tables)

    async def route(self, address: Address = ADA) -> Route:
        return await self.directory.route(address)

    async def live(self) -> "Kept":
        await until(lambda: self.cache.is_live)
        return self

    async def is_kept(self, address: Address = ADA) -> Route:
        """Wait until the cache answers, as it does unless a message comes between; return the route."""
        found = await self.route(address)

        async def asks_nobody() -> bool:
            nonlocal found
            before, found = self.asked, await self.route(address)
            return self.asked == before

        await until(asks_nobody)
        return found

    async def becomes(self, expected: Callable[[Route], object], address: Address = ADA) -> None:
        """Wait until the route is as expected."""

        async def is_so() -> object:
            return expected(await self.route(address))

        await until(is_so)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a function, or a coroutine function, says yes."""
    async with asyncio.timeout(PATIENCE):
        while True:
            said = condition()
            if await said if inspect.isawaitable(said) else said:
                return
            await asyncio.sleep(0.002)


@asynccontextmanager
async def kept(url: str, make_table: Callable[[], AliasTable] | None = None) -> AsyncIterator[Kept]:
    """A directory whose cache answers."""
    made = Kept(url, make_table)
    made.listener.start()
    try:
        yield await made.live()
    finally:
        await made.listener.stop()


def ada() -> Alias:
    return Alias.get(Alias.local_part == "ada")


def of_ada(**change: object) -> None:
    Alias.update(change).where(Alias.local_part == "ada").execute()
