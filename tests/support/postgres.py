"""A private PostgreSQL server on loopback, for one run of the tests."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from devtools.stack import free_port

PATIENCE = 60.0  # seconds for the start, on a busy machine
SYSTEM_USER = "postgres"  # the server refuses to run as root

_CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "shared_buffers": "64MB",
}


def find_binaries() -> Path | None:
    """Return the folder of Debian's newest PostgreSQL that has both initdb and postgres, or None."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    complete = [folder for folder in folders if (folder / "postgres").exists()]
    return max(complete, key=lambda folder: float(folder.parent.name), default=None)


class PostgresServer:
    """Its databases are reached by `url(name)`; nothing of it stays after `stop`."""

    def __init__(self, binaries: Path, **configuration: str) -> None:
        self._binaries = binaries
        self._configuration = _CONFIGURATION | configuration
        self._folder = Path(tempfile.mkdtemp(prefix="waypost-postgres-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make an empty server and wait until it answers; raises RuntimeError with its log otherwise."""
        if os.geteuid() == 0:
            account = pwd.getpwnam(SYSTEM_USER)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        data = str(self._folder / "data")
        initdb = [str(self._binaries / "initdb"), "--pgdata", data, "--username", "waypost", "--no-sync"]
        subprocess.run(
            [*_as_system_user(), *initdb, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        try:
            self.resume()
        except RuntimeError:
            self.stop()
            raise

    def resume(self) -> None:
        """Start it with the data that it has; raises RuntimeError with its log when it does not start."""
        data = str(self._folder / "data")
        options = [part for name, value in self._configuration.items() for part in ("-c", f"{name}={value}")]
        port = ["-p", str(self._port)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_system_user(), str(self._binaries / "postgres"), "-D", data, *port, *options],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        self._wait_until_it_answers(self._process)

    def stop(self) -> None:
        """End the server and remove its files."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def halt(self) -> None:
        """End the server by its process id."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast shutdown": clients are cut off
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """End the server as a crash does; `resume` recovers what was committed.

        Started with `synchronous_commit="on"`, that is; else the last few commits are lost.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def url(self, name: str) -> str:
        """Return DATABASE_URL for one of its databases."""
        return f"postgresql://waypost@127.0.0.1:{self._port}/{name}"

    def create(self, name: str) -> str:
        """Make an empty database; return its URL."""
        self.command(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.command(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def command(self, sql: str) -> None:
        """Run a statement as the superuser, outside any transaction and any test's database."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.encode())

    def _wait_until_it_answers(self, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.command("SELECT 1")
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > end:
                    log = (self._folder / "log").read_text(errors="replace")
                    self.halt()
                    raise RuntimeError(f"PostgreSQL does not start:\n{log}") from None
                time.sleep(0.05)
            else:
                return


def _as_system_user() -> list[str]:
    """Return the words before a command that run it as PostgreSQL's own user, and end it with us."""
    words = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        words += ["--reuid", SYSTEM_USER, "--regid", SYSTEM_USER, "--init-groups"]
    return [*words, "--"]
