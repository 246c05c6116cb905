"""Real worker processes over the embedded broker, against the pretend world."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.queues import wait_for_broker
from core.settings import Settings
from devtools.people import demo_world
from devtools.servers import PretendServers
from tests.support.environment import environment_of
from tests.workers.processes import Run


@pytest.fixture
def outside() -> Iterator[PretendServers]:
    """The pretend world, fresh for each test."""
    servers = PretendServers(demo_world())
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
def settings(settings: Settings, outside: PretendServers, tmp_path: Path) -> Settings:
    """The tests' settings with the pretend Launchpad, and a folder for the broker."""
    return settings.model_copy(
        update={
            "launchpad_api_url": outside.launchpad.url,
            "launchpad_web_url": outside.launchpad.url,
            "resolver": "{}:{}".format(*outside.resolver.address),
            "openid_provider_url": outside.ubuntu_one.url,
            "openid_endpoint": outside.ubuntu_one.endpoint,
            "openid_claimed_id_prefix": outside.ubuntu_one.identifier_prefix,
        }
    )


@pytest.fixture
def run(settings: Settings) -> Iterator[Run]:
    """Starts `python -m MODULE` with these settings; ends all of them afterwards."""
    environment = environment_of(settings)
    running: list[subprocess.Popen[bytes]] = []

    def start(module: str) -> subprocess.Popen[bytes]:
        running.append(subprocess.Popen([sys.executable, "-m", module], env=environment))
        return running[-1]

    yield start
    for process in reversed(running):  # the broker last
        process.terminate()
        process.wait(20)


@pytest.fixture
def embedded(run: Run, settings: Settings, db: object) -> subprocess.Popen[bytes]:
    """The embedded broker, answering."""
    process = run("workers.broker")
    wait_for_broker(settings)
    return process
