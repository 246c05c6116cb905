"""Coroutine tests run on uvloop, as the relay does; the `world` fixture has everything around it."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import structlog
import uvloop

from core import runtime
from core.database import connection
from core.delivery import Count
from core.settings import Settings
from relay.limits import Limits
from relay.process import Relay
from relay.shared import SharedMarks
from tests.relay.fakes import Client, MailServer, Resolver, Table
from tests.relay.kept import NOW
from tests.support.arrange import make_alias, make_domain, make_member


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine tests."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(pyfuncitem.obj(**arguments))
    return True


FAST = Limits(
    connect=2,
    greeting=1,
    reply=1,
    handshake=2,
    dns=1,
    answer_within=2,
    late_reply=2,
    stop_grace=3,
    back_off_first=0.01,
    back_off_most=0,
)
"""The relay's limits with the waiting cut short."""


class World:
    """A relay with a table, a resolver and mail servers around it; `async with World() as world`."""

    def __init__(self, settings: Settings, **limits: Any) -> None:
        self.settings = settings
        self.limits = replace(FAST, **limits)
        self.table = Table()
        self.table.alias("ada", "ada@home.example.net")
        self.counts: list[Count] = []
        self.marks = SharedMarks()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "World":
        self.resolver = await Resolver().start()
        self._stack.callback(self.resolver.transport.close)
        self.home = await self.server("home.example.net")
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def server(self, domain: str = "", **options: Any) -> MailServer:
        """Start a mail server for the mail of `domain`; all listen on one port, on addresses of their own."""
        number = len(getattr(self, "servers", [])) + 10
        self.servers = [*getattr(self, "servers", []), MailServer(options.pop("script", None), **options)]
        server = self.servers[-1]
        port = self.servers[0].port if len(self.servers) > 1 else 0
        await server.start(f"127.0.0.{number}", port)
        self._stack.push_async_callback(server.stop)
        if domain:
            self.resolver.mail_domain(domain, server.host)
        return server

    async def relay(self, **options: Any) -> Relay:
        """Start a relay; the first one is `self.port`'s."""
        settings = self.settings.model_copy(
            update={
                "resolver": self.resolver.address,
                "delivery_port": self.home.port,
                **options.pop("settings", {}),
            }
        )
        limits = replace(self.limits, **options.pop("limits", {}))
        options = {"marks": self.marks, "sink": self.counts.extend, "keys": lambda: (), **options}
        relay = Relay(settings, limits, table=lambda: self.table, **options)
        inbound, own = listen(settings)
        await relay.start([inbound], own)
        self.port = inbound.getsockname()[1]
        self._stack.push_async_callback(relay.stop)
        return relay

    async def client(self, **options: Any) -> Client:
        """Connect and say EHLO."""
        return await (await Client.connect(self.port, **options)).hello()


def listen(settings: Settings) -> tuple[Any, Any]:
    from relay.__main__ import listen_inbound, listen_own

    return listen_inbound([("127.0.0.1", 0)])[0], listen_own(settings.relay_socket)


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    """Settings of a relay for `proj.example`."""
    return Settings(  # type: ignore[call-arg]
        secret_key="s" * 40,
        record_secret="r" * 40,
        srs_secrets="t" * 40,
        public_url="http://localhost:8000",
        database_url=f"sqlite:///{tmp_path}/waypost.db",
        srs_domain="srs.proj.example",
        relay_hostname="mx.proj.example",
        ops_address="ops@home.example.net",
        mail_from="waypost@proj.example",
        relay_listen="127.0.0.1:0",
        relay_socket=tmp_path / "relay.sock",
    )


@pytest.fixture
def filled_url(postgres_url: str, settings: Settings) -> Iterator[str]:
    """A database with `ada@proj.example`; the test changes it on a connection of its own."""
    runtime.prepare(settings.model_copy(update={"database_url": postgres_url}))
    with connection():
        ada = make_member(NOW)
        make_alias(ada, make_domain(NOW), NOW, recipients=[ada.recipients.get()])
        yield postgres_url
    structlog.reset_defaults()


@pytest.fixture
def world(settings: Settings) -> Callable[..., Any]:
    """Make a World with a running relay: `async with world() as w`."""

    @asynccontextmanager
    async def make(**limits: Any) -> AsyncIterator[World]:
        async with World(settings, **limits) as made:
            await made.relay()
            yield made

    return make
