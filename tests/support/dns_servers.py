"""A real authoritative server (NSD) and a real resolver (Unbound) on loopback, with zones that tests write.

They are unpacked from Debian's packages and not installed: an installed one would take port 53.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.dnssec
import dns.message
import dns.query
import dns.rdatatype
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devtools.stack import free_port

CACHE = Path("/var/tmp/waypost-tests-dns")  # one for all runs
GOOD, LAME, MUTE = "127.77.0.1", "127.77.0.2", "127.77.0.3"
"""A server that has the zones, one that has none of them, and one that never answers."""

_NSD = """server:
  ip-address: {address}@{port}
  chroot: ""
  username: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/{address}.pid"
  database: ""
  xfrdfile: "{folder}/{address}.xfrd"
  zonelistfile: "{folder}/{address}.list"
  cookie-secret-file: "{folder}/{address}.cookie"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""

_UNBOUND = """server:
  interface: 127.0.0.1@{port}
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-not-query-localhost: no
  do-ip6: no
  num-threads: 1
  module-config: "validator iterator"
  access-control: 127.0.0.0/8 allow
  harden-dnssec-stripped: yes
  infra-cache-min-rtt: 50
remote-control:
  control-enable: no
"""

_HEAD = """$ORIGIN {zone}.
$TTL 300
@ IN SOA ns.{zone}. hostmaster.{zone}. {serial} 3600 600 86400 300
"""


@dataclass
class DnsServers:
    """Both servers, running."""

    folder: Path
    authoritative_port: int
    resolver: tuple[str, int]
    process: "subprocess.Popen[bytes]"
    serial: int = 1

    def publish(self, zone: str, records: str) -> None:
        """Write a zone that is not signed anew, and wait until the authoritative server has it."""
        self.serial += 1
        path = self.folder / f"{zone}.zone"
        path.write_text(_HEAD.format(zone=zone, serial=self.serial) + records)
        self.process.send_signal(signal.SIGHUP)
        question = dns.message.make_query(f"{zone}.", "SOA")
        _wait_for(lambda: str(self.serial) in str(self._ask(question)), f"the new zone {zone}")

    def _ask(self, question: dns.message.Message) -> dns.message.Message:
        return dns.query.udp(question, GOOD, port=self.authoritative_port, timeout=1)


@contextmanager
def dns_servers(
    folder: Path,
    zones: Mapping[str, str],
    servers: Mapping[str, Sequence[str]],
    *,
    signed: Sequence[str] = (),
) -> Iterator[DnsServers]:
    """Run both. zones: the records of each but its SOA. servers: where the resolver asks, if not at `GOOD`.

    signed: zones with DNSSEC, whose keys the resolver trusts; one that begins with `bogus` has a wrong
    signature.
    """
    programs = unpack()
    port, resolver_port = _port_on(GOOD, LAME, MUTE), free_port()
    anchors = []
    for zone, records in zones.items():
        text = _HEAD.format(zone=zone, serial=1) + records
        if zone in signed:
            text, anchor = _sign(zone, text)
            anchors.append(anchor)
        (folder / f"{zone}.zone").write_text(text)
    with ExitStack() as stack:
        mute = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        mute.bind((MUTE, port))
        listed = "".join(f'zone:\n  name: "{zone}"\n  zonefile: "{zone}.zone"\n' for zone in zones)
        process = _start(stack, folder, programs / "usr/sbin/nsd", "nsd", GOOD, port, listed)
        _start(stack, folder, programs / "usr/sbin/nsd", "nsd", LAME, port, "")
        stubs = "".join(
            f'stub-zone:\n  name: "{zone}"\n'
            + "".join(f"  stub-addr: {address}@{port}\n" for address in servers.get(zone, [GOOD]))
            for zone in {**zones, **servers}
        )
        trusted = "".join(f'server:\n  trust-anchor: "{anchor}"\n' for anchor in anchors)
        program = programs / "usr/sbin/unbound"
        _start(stack, folder, program, "unbound", "127.0.0.1", resolver_port, trusted + stubs)
        yield DnsServers(folder, port, ("127.0.0.1", resolver_port), process)


def _start(
    stack: ExitStack, folder: Path, program: Path, kind: str, address: str, port: int, more: str
) -> "subprocess.Popen[bytes]":
    """Start a server and wait until it answers at all."""
    config = folder / f"{kind}-{address}.conf"
    template = _NSD if kind == "nsd" else _UNBOUND
    config.write_text(template.format(folder=folder, address=address, port=port) + more)
    log = stack.enter_context((folder / f"{kind}-{address}.log").open("wb"))
    libraries = ":".join(map(str, CACHE.glob("usr/lib/*-linux-gnu*")))
    process = subprocess.Popen(
        [str(program), "-d", "-c", str(config)],
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
        stdout=log,
        stderr=log,
    )
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)

    def answers() -> bool:
        assert process.poll() is None, Path(log.name).read_text()
        dns.query.udp(dns.message.make_query("version.bind.", "TXT", "CH"), address, port=port, timeout=0.5)
        return True

    _wait_for(answers, f"{kind} at {address}")
    return process


def _wait_for(answers: Callable[[], bool], what: str) -> None:
    for _ in range(200):
        try:
            if answers():
                return
        except (OSError, dns.exception.DNSException):
            pass
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come")


def _port_on(*addresses: str) -> int:
    """Find a port that is free for UDP and TCP on several addresses."""
    for _ in range(50):
        port = free_port()
        try:
            for address in addresses:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with socket.socket(socket.AF_INET, kind) as tried:
                        tried.bind((address, port))
        except OSError:
            continue
        return port
    raise AssertionError("no free port")


def _sign(zone: str, text: str) -> tuple[str, str]:
    """Sign a zone with a key of its own; return it and the trust anchor for it."""
    key = Ed25519PrivateKey.generate()
    public = dns.dnssec.make_dnskey(key.public_key(), dns.dnssec.Algorithm.ED25519, flags=257)
    whole = dns.zone.from_text(text, origin=f"{zone}.", relativize=False)
    now = datetime.now(UTC)
    with whole.writer() as writer:
        dns.dnssec.sign_zone(
            whole,
            writer,
            keys=[(key, public)],
            add_dnskey=True,
            dnskey_ttl=300,
            inception=now - timedelta(hours=1),
            expiration=now + timedelta(days=1),
        )
    lines = whole.to_text(relativize=False).splitlines()
    if zone.startswith("bogus"):  # what the TXT records say was changed after they were signed
        lines = [line.replace("tampered-before", "tampered-after") for line in lines]
    return "\n".join(lines) + "\n", f"{zone}. DNSKEY {public.to_text()}"


def unpack() -> Path:
    """Return the folder with Debian's NSD and Unbound in it; skips the test when they cannot be had."""
    done = CACHE / "done"
    if done.exists():
        return CACHE
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("NSD and Unbound are unpacked from Debian's packages")
    partly = CACHE.with_name(f"{CACHE.name}-{os.getpid()}")
    partly.mkdir(parents=True)
    try:
        names = _needed() or (_update() and _needed())
        if (
            not names
            or subprocess.run(
                ["apt-get", "download", *names], cwd=partly, capture_output=True, check=False
            ).returncode
        ):
            pytest.skip("Debian's packages of NSD and Unbound cannot be reached")
        for package in partly.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, partly], check=True)
        (partly / "done").touch()
        if not CACHE.exists():
            partly.rename(CACHE)
    finally:
        shutil.rmtree(partly, ignore_errors=True)
    return CACHE


def _needed() -> list[str]:
    """Name both packages, and what they need of which this machine has nothing yet."""
    wanted = ["nsd", "unbound"]
    command = ["apt-get", "--simulate", "--no-install-recommends", "install", *wanted]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if said.returncode else sorted({*re.findall(r"^Inst (\S+)", said.stdout, re.M), *wanted})


def _update() -> bool:
    return os.geteuid() == 0 and not subprocess.run(["apt-get", "update", "-qq"], check=False).returncode
