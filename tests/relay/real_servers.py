"""Private Postfix and Exim for the tests: between a client, the relay, and a sink. Both want root."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.relay.peers import _SERVICES

_CACHE = Path("/var/tmp/waypost-tests-exim")

_POSTFIX = """compatibility_level = 3.6
config_directory = {folder}/etc
queue_directory = {folder}/spool
data_directory = {folder}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_bind_address = 127.0.0.1
myhostname = postfix.example.net
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
transport_maps = inline:{{ proj.example=smtp:[127.0.0.1]:{relay}, srs.proj.example=smtp:[127.0.0.1]:{relay} }}
relayhost = [{sink_address}]:{sink_port}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level = may
minimal_backoff_time = 2s
maximal_backoff_time = 3s
queue_run_delay = 2s
smtpd_tls_security_level = none
"""

_EXIM = """primary_hostname = exim.example.net
exim_user = Debian-exim
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/log-%s
local_interfaces = {address}.{port}
daemon_smtp_ports = {port}
domainlist ours = proj.example : srs.proj.example
acl_smtp_rcpt = ok
tls_advertise_hosts =
keep_environment =
never_users =
prdr_enable = true
begin acl
ok:
  accept
begin routers
relay:
  driver = manualroute
  domains = +ours
  transport = out
  route_list = * 127.0.0.1::{relay}
  self = send
sink:
  driver = manualroute
  transport = out
  route_list = * {sink_address}::{sink_port}
  self = send
begin transports
out:
  driver = smtp
  allow_localhost
  interface = 127.0.0.1
  hosts_try_dane =
begin retry
* * F,1h,2s
"""


class RealServer:
    """A running server; `submit` gives it a message of its own to send."""

    def __init__(self, address: str, command: list[str], log: Path) -> None:
        self.address = address
        self._command = command
        self._log = log

    def submit(self, sender: str, recipients: list[str], content: bytes) -> None:
        """Hand in a message as a local user does."""
        command = [*self._command, "-f", sender or "<>", *recipients]
        done = subprocess.run(
            command,
            input=content.replace(b"\r\n", b"\n"),
            check=False,
            capture_output=True,
            cwd=self._log.parent,
        )
        assert done.returncode == 0, done.stderr

    def log(self) -> str:
        """Return what it has logged."""
        return "".join(path.read_text() for path in self._log.parent.glob(f"{self._log.name}*"))


def _wait_for(address: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection((address, port), 1).close()
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("".join(path.read_text() for path in log.parent.glob(f"{log.name}*")))


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def postfix(folder: Path, address: str, port: int, relay: int, sink: tuple[str, int]) -> Iterator[RealServer]:
    """Run a Postfix which sends our domains to the relay and all others to the sink."""
    if os.geteuid() or not Path("/usr/lib/postfix/sbin/master").exists():
        pytest.skip("Postfix is not installed (Debian package `postfix`), or this is not root")
    for part in ("etc", "spool", "data"):
        (folder / part).mkdir()
    os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
    folder.chmod(0o755)
    values = {
        "folder": folder,
        "address": address,
        "relay": relay,
        "sink_address": sink[0],
        "sink_port": sink[1],
    }
    (folder / "etc/main.cf").write_text(_POSTFIX.format(**values))
    (folder / "etc/master.cf").write_text(_SERVICES.format(port=port, host=address))
    done = subprocess.run(["postfix", "-c", folder / "etc", "check"], check=False, capture_output=True)
    assert done.returncode == 0, (folder / "mail.log").read_text()
    log = folder / "mail.log"
    with _running(["/usr/lib/postfix/sbin/master", "-c", str(folder / "etc"), "-d"]) as process:
        _wait_for(address, port, process, log)
        yield RealServer(address, ["sendmail", "-C", str(folder / "etc"), "-i"], log)


def _unpack_exim() -> Path:
    """Unpack Debian's Exim beside Postfix, which cannot be installed at the same time."""
    if os.geteuid() or shutil.which("apt-get") is None:
        pytest.skip("Exim is unpacked from Debian's packages by root")
    program = _CACHE / "usr/sbin/exim4"
    if not program.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        download = ["apt-get", "download", "exim4-daemon-light", "exim4-base", "libidn12"]
        if subprocess.run(download, cwd=_CACHE, capture_output=True, check=False).returncode:
            pytest.skip("Debian's packages of Exim cannot be reached")
        for package in _CACHE.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, _CACHE], check=True)
    with contextlib.suppress(KeyError):
        pwd.getpwnam("Debian-exim")
        return program
    subprocess.run(["useradd", "--system", "Debian-exim"], check=True)
    return program


@contextmanager
def exim(folder: Path, address: str, port: int, relay: int, sink: tuple[str, int]) -> Iterator[RealServer]:
    """Run an Exim which sends our domains to the relay and all others to the sink."""
    program = _unpack_exim()
    (folder / "spool").mkdir()
    owner = pwd.getpwnam("Debian-exim")
    for path in (folder, folder / "spool"):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid() and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    values = {"folder": folder, "address": address, "port": port, "relay": relay, "program": folder / "exim4"}
    wrapper = folder / "exim4"  # Exim starts itself anew, with an empty environment
    libraries = _CACHE / "usr/lib/x86_64-linux-gnu"
    wrapper.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {program} "$@"\n')
    wrapper.chmod(0o755)
    program.chmod(0o755)  # with the setuid bit the loader ignores LD_LIBRARY_PATH
    config = folder / "exim.conf"
    config.write_text(_EXIM.format(**values, sink_address=sink[0], sink_port=sink[1]))
    command = [str(wrapper), "-C", str(config)]
    log = folder / "log-"
    with _running([*command, "-bdf", "-q1s"]) as process:
        _wait_for(address, port, process, log)
        yield RealServer(address, [*command, "-oi", "-odb"], log)
