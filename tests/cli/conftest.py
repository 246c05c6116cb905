"""The `waypost` command in a process of its own, and the world that it asks."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.settings import Settings
from devtools.people import demo_world
from devtools.servers import PretendServers
from tests.support.environment import environment_of

Waypost = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def outside() -> Iterator[PretendServers]:
    """Launchpad, Ubuntu One and a resolver of this module's own."""
    servers = PretendServers(demo_world())
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
def settings(settings: Settings, outside: PretendServers) -> Settings:
    """The tests' settings, with the outside world on loopback."""
    host, port = outside.resolver.address
    return settings.model_copy(
        update={
            "resolver": f"{host}:{port}",
            "launchpad_api_url": outside.launchpad.url,
            "launchpad_web_url": outside.launchpad.url,
            "openid_provider_url": outside.ubuntu_one.url,
            "openid_endpoint": outside.ubuntu_one.endpoint,
            "openid_claimed_id_prefix": outside.ubuntu_one.identifier_prefix,
        }
    )


@pytest.fixture
def waypost(settings: Settings, db: object) -> Waypost:
    """Runs the installed command in a process of its own."""
    environment = environment_of(settings)

    def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "waypost"), *arguments]
        return subprocess.run(
            command, env=environment, input=typed, capture_output=True, text=True, timeout=60, check=False
        )

    return run
