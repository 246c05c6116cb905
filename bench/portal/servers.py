"""The portal and its rivals as gunicorn serves them: two processes by the project's own configuration."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from core.settings import Settings
from devtools.stack import ROOT, free_port
from tests.support.environment import environment_of

PORTAL = "the home page"
BARE = "the same queries, one template"
HELLO = "Flask's hello"
APPLICATIONS = {
    PORTAL: "wsgi:app",
    BARE: "bench.portal.rivals:make_bare()",
    HELLO: "bench.portal.rivals:make_hello()",
}
PATIENCE = 60.0  # seconds for the start


def settings_for(database_url: str, folder: Path) -> Settings:
    """Settings of a portal on loopback that asks nobody outside."""
    return Settings(
        secret_key="the secret key of the benchmark 12",
        record_secret="the record secret of the benchmark",
        srs_secrets="the SRS secret of the benchmark 12",  # type: ignore[arg-type]
        public_url="http://127.0.0.1:8000",
        database_url=database_url,
        srs_domain="srs.waypost.example",
        relay_hostname="mx.waypost.example",
        ops_address="ops@ops.example.net",
        mail_from="waypost@waypost.example",
        project_name="Project",
        state_dir=str(folder / "state"),
        relay_socket=str(folder / "relay.sock"),
        log_level="WARNING",
    )


@contextmanager
def server(name: str, settings: Settings) -> Iterator[int]:
    """Serve one of the applications; gives its port."""
    port = free_port()
    settings = settings.model_copy(update={"public_url": f"http://127.0.0.1:{port}"})
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", APPLICATIONS[name]],
        cwd=ROOT,
        env=environment_of(settings) | {"PORT": str(port), "LANG": "C.UTF-8"},
        stderr=subprocess.DEVNULL if "WAYPOST_BENCH_LOG" not in os.environ else None,
    )
    try:
        _wait(name, port, process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(name: str, port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/nothing", timeout=5)
            return
        except httpx.HTTPError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} does not start") from None
            time.sleep(0.1)
