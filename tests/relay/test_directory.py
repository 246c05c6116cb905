"""The way to the alias table."""

import asyncio
import threading

import pytest

from core.addresses import Address
from core.alias_table import AliasTableUnavailable
from core.routing import Fate
from relay import directory as module
from relay.directory import Directory, DirectoryUnavailable
from tests.relay.fakes import Table

ADA = Address("ada", "proj.example")


def table() -> Table:
    made = Table()
    made.alias("ada", "ada@home.example.net")
    return made


async def test_on_the_loop_for_sqlite():
    used = []
    directory = Directory(lambda: used.append(threading.current_thread()) or table(), "ops@example.org")
    assert (await directory.route(ADA)).fate is Fate.DELIVER
    assert used == [threading.main_thread()]


async def test_on_threads_for_postgresql_each_with_a_table_of_its_own():
    """A slow database holds up nothing else: four lookups are under way at once, or none would end."""
    used = []
    together = threading.Barrier(4, timeout=10)

    class Slow(Table):
        def serves(self, domain):
            together.wait()
            return super().serves(domain)

    def make():
        used.append(threading.current_thread())
        return Slow()

    directory = Directory(make, "ops@example.org", threads=4)
    await asyncio.gather(*(directory.route(ADA) for _ in range(4)))
    assert threading.main_thread() not in used and len(used) == len(set(used)) <= 4


@pytest.mark.parametrize("threads", [0, 2])
async def test_a_table_that_cannot_be_read_is_no_answer(threads):
    broken = table()
    broken.fault = AliasTableUnavailable("OperationalError")
    directory = Directory(lambda: broken, "ops@example.org", threads)
    for question in (directory.route(ADA), directory.serves("proj.example")):
        with pytest.raises(DirectoryUnavailable):
            await question


async def test_a_domain_that_becomes_ours_is_known_soon(monkeypatch):
    monkeypatch.setattr(module, "_FOREIGN_FOR", 0.05)
    made = table()
    directory = Directory(lambda: made, "ops@example.org")
    assert not await directory.serves("new.example")
    made.domains.add("new.example")
    await asyncio.sleep(0.06)
    assert await directory.serves("new.example")


async def test_real_postgresql(postgres_server):
    """The lookups of `core.alias_table` from threads, on the real thing."""
    from core import database
    from core.alias_table import open_alias_table
    from tests.relay.rows import add_rows

    url = postgres_server.create("relay_directory")
    database.configure(url)
    database.migrate()
    add_rows()
    directory = Directory(lambda: open_alias_table(url), "ops@example.org", threads=3)
    routes = await asyncio.gather(*(directory.route(ADA) for _ in range(12)))
    assert {route.recipients for route in routes} == {("ada@home.example.net",)}
    assert await directory.aliases_of(["ada@home.example.net", "x@y.example"]) == {
        "ada@home.example.net": "ada@proj.example"
    }
