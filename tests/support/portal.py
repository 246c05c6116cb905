"""A real portal: gunicorn with two processes over a database of its own, as gunicorn.conf.py says."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from core.settings import Settings
from tests.support.environment import environment_of

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds for the start, on a busy machine
PROCESSES = 2


class Portal:
    """Serves at the public URL of its settings, which must be on loopback."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = settings.public_url
        self._folder = tempfile.TemporaryDirectory(prefix="waypost-portal-")
        self._log = Path(self._folder.name) / "log"
        self._read = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until both processes answer."""
        port = self.url.rpartition(":")[2]
        more = {"PORT": port, "WEB_CONCURRENCY": str(PROCESSES), "LANG": "C.UTF-8"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"],
                cwd=ROOT,
                env=environment_of(self.settings) | more,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + PATIENCE
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the portal does not start:\n{self.log()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it by its pid."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def log(self) -> str:
        """Return what the processes wrote so far."""
        return self._log.read_text(errors="replace")

    def new_troubles(self) -> list[str]:
        """Return the lines on errors that nobody expected, written since this was last asked."""
        text = self.log()
        lines = text[self._read :].splitlines()
        self._read = len(text)
        return [line for line in lines if "unexpected error" in line or "Error handling request" in line]

    def processes(self) -> list[int]:
        """Return the pids of the processes that answer requests."""
        pid = self._process.pid if self._process else 0
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return sorted(map(int, text.split()))

    @contextlib.contextmanager
    def only(self, number: int) -> Iterator[None]:
        """Let one process alone answer: the others stand still meanwhile."""
        others = [pid for index, pid in enumerate(self.processes()) if index != number]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    def _is_up(self) -> bool:
        try:
            return httpx.get(self.url, timeout=2).status_code == 200 and len(self.processes()) == PROCESSES
        except (httpx.HTTPError, OSError):
            return False
