"""What the tests do with worker processes."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

from bench.relay.processes import tree
from core.models import Person
from core.people import SignIn, sign_in
from core.settings import Settings
from devtools.servers import PretendServers
from tests.support.arrange import UNKNOWN

PATIENCE = 40.0  # seconds, on a busy machine

Run = Callable[[str], subprocess.Popen[bytes]]
"""Starts `python -m MODULE`: the fixture `run`."""


def until(true: Callable[[], object]) -> None:
    """Wait for something to become true; fails when it does not."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def kill_with_its_job(worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker and whatever it has forked: its job runs in a process of its own."""
    for pid in tree(worker.pid):
        os.kill(pid, signal.SIGKILL)
    worker.wait()


def newcomer(outside: PretendServers, settings: Settings, name: str, now: object) -> Person:
    """Somebody who signed in while Launchpad was silent."""
    subject = outside.ubuntu_one.claimed_id(name)
    return sign_in(SignIn(settings.openid_provider_url, subject), UNKNOWN, now)[0]
