"""Each pretend server, started for one test."""

from collections.abc import Iterator

import httpx
import pytest

from devtools.catcher import MailCatcher
from devtools.launchpad import PretendLaunchpad
from devtools.people import demo_world
from devtools.resolver import PretendResolver
from devtools.ubuntu_one import PretendUbuntuOne
from devtools.world import World


@pytest.fixture
def world() -> World:
    return demo_world()


@pytest.fixture
def launchpad(world: World) -> Iterator[PretendLaunchpad]:
    server = PretendLaunchpad(world)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def lp(launchpad: PretendLaunchpad) -> Iterator[httpx.Client]:
    """A client of the pretend Launchpad."""
    with httpx.Client(base_url=launchpad.url, headers={"User-Agent": "waypost-test"}, timeout=5) as client:
        yield client


@pytest.fixture
def ubuntu_one(world: World) -> Iterator[PretendUbuntuOne]:
    server = PretendUbuntuOne(world)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def resolver() -> Iterator[PretendResolver]:
    server = PretendResolver()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def catcher() -> Iterator[MailCatcher]:
    server = MailCatcher()
    server.start()
    yield server
    server.stop()
