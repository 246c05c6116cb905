"""The relay with everything on beside Postfix with rspamd: from smtp-source through each to smtp-sink.

Both check SPF, DKIM and DMARC with the answers of one local name server, and add an ARC set.
It runs in a network namespace of its own, where the client's address is no loopback address:
for those, rspamd checks nothing.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from bench.authentication.rspamd import dns_server, rspamd
from bench.relay.load import KIB, Load, Measured, smtp_sink, throughput
from bench.relay.peers import Peer, postfix, relay_settings, running, wait_for, waypost
from bench.relay.tables import DOMAIN, N_USER, make_postfix_table, make_waypost_table
from core import audit, database, signing_keys
from core.audit import OPERATOR
from devtools.stack import free_port
from mailauth import dkim
from mailauth.keys import Algorithm, SigningKey
from mailauth.message import parse

ADDRESS = "192.0.2.10"
RELAY, RIVAL = "the relay, everything on", "Postfix + rspamd"
LOADS = [Load(10, 4 * KIB, 600), Load(10, 50 * KIB, 400), Load(50, 4 * KIB, 600)]
QUICK = Load(10, 4 * KIB, 300)
MOST_ALIASES = 2000


def enter_namespace() -> None:
    """Give the loopback device of a fresh network namespace (`unshare --net`) a public address."""
    for command in ("link set lo up", f"addr add {ADDRESS}/32 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)


@dataclass(frozen=True)
class Keys:
    """The author's key, and the one that both seal with."""

    author: SigningKey
    sealer: SigningKey

    @property
    def records(self) -> dict[str, str]:
        """What DNS says of the author's domain and the sealer's."""
        return {
            "example.com": f"v=spf1 ip4:{ADDRESS} -all",
            "_dmarc.example.com": "v=DMARC1; p=reject",
            **{key.record_name: key.record for key in (self.author, self.sealer)},
        }


def make_keys(url: str) -> Keys:
    """Make both keys, RSA of 2048 bits; the sealer's is in use in the relay's database."""
    settings = relay_settings(url)
    audit.use_secret(settings.record_secret)
    now = database.utc_now()
    with database.connection():
        row = signing_keys.create_key(OPERATOR, DOMAIN, settings, now)
        signing_keys.put_in_use(OPERATOR, row, now)
    (sealer,) = signing_keys.keys_in_use(settings.record_secret)
    return Keys(SigningKey.generate(Algorithm.RSA, "example.com", "sel"), sealer)


def write_message(path: Path, size: int, key: SigningKey) -> None:
    """Write a signed message of about `size` octets, with bare LFs, as smtp-source reads it."""
    head = (
        b"From: Bob <bob@example.com>\r\nTo: user@bench.example\r\nSubject: The meeting at noon\r\n"
        b"Date: %s\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" % formatdate().encode()
    )
    line = b"Some words of an ordinary line of text, and then a few more.\r\n"
    content = head + line * ((size - len(head) - 600) // len(line))
    content = dkim.sign(parse(content), key, int(time.time())) + content
    path.write_bytes(content.replace(b"\r\n", b"\n"))


@contextmanager
def peers(folder: Path, url: str, keys: Keys, sink: int) -> Iterator[list[Peer]]:
    """Start both. url: of the relay's database."""
    make_postfix_table(folder / "aliases.db", MOST_ALIASES, N_USER)
    with ExitStack() as stack:
        dns = stack.enter_context(dns_server(folder / "dns", keys.records))
        milter, scanner = stack.enter_context(
            rspamd(folder / "rspamd", dns, DOMAIN, keys.sealer.selector, keys.sealer.to_pem())
        )
        more = (
            f"mynetworks = {ADDRESS}/32\nsmtpd_milters = inet:127.0.0.1:{milter}\n"
            "milter_default_action = tempfail\n"
        )
        cores = len(os.sched_getaffinity(0))
        relay = waypost(
            RELAY,
            folder / "relay",
            url,
            sink,
            cores,
            ADDRESS,
            MAIL_AUTHENTICATION="enforce",
            RESOLVER=f"127.0.0.1:{dns}",
            RELAY_TRUSTED_NETWORKS=f"{ADDRESS}/32",
        )
        rival = postfix(RIVAL, folder / "postfix", folder / "aliases.db", sink, ADDRESS, more)
        yield [stack.enter_context(relay), stack.enter_context(rival).beside(scanner)]


def look_at_one(folder: Path, peer: Peer, content: Path, port: int) -> None:
    """Send one message and hold that it passed SPF, DKIM and DMARC and was sealed, before it is measured."""
    seen = folder / "seen"
    seen.mkdir()
    with running(["smtp-sink", "-u", "root", "-d", f"{seen}/", f"127.0.0.1:{port}", "10"], folder / "dns"):
        wait_for(port)
        command = ["smtp-source", "-f", "bob@example.com", "-F", str(content), "-N"]
        subprocess.run([*command, "-t", "user@bench.example", f"{ADDRESS}:{peer.port}"], check=True)
        end = time.monotonic() + 20
        while not list(seen.iterdir()) and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.3)
        (file,) = seen.iterdir()
    text = file.read_text().replace("\n\t", " ").replace("\n ", " ").lower()
    file.unlink()
    seen.rmdir()
    head = text.partition("\n\n")[0]
    (results,) = [line for line in head.splitlines() if line.startswith("arc-authentication-results:")]
    for wanted in ("spf=pass", "dkim=pass", "dmarc=pass"):
        if wanted not in results:
            raise RuntimeError(f"{peer.name}: no {wanted} in {results}")
    if f"d={DOMAIN}" not in head.partition("arc-seal:")[2]:
        raise RuntimeError(f"{peer.name}: not sealed")


Runs = dict[str, dict[str, list[Measured]]]


def measure(folder: Path, loads: Sequence[Load], pairs: int) -> Runs:
    """Measure each load, both in turn; returns the runs by load and peer."""
    url, port = make_waypost_table(folder / "waypost.db", MOST_ALIASES, N_USER), free_port()
    keys = make_keys(url)
    runs: Runs = {}
    with peers(folder, url, keys, port) as both:
        for load in loads:
            write_message(folder / load.name, load.size, keys.author)
        for peer in both:
            look_at_one(folder, peer, folder / loads[0].name, port)
        with smtp_sink(folder / "sink", port) as sink:
            for load in loads:
                content, cells = folder / load.name, runs.setdefault(load.name, {})
                for peer in both:
                    throughput(peer, Load(load.sessions, load.size, 100), sink, content)
                for number in range(pairs):
                    for peer in both if number % 2 == 0 else reversed(both):
                        cells.setdefault(peer.name, []).append(throughput(peer, load, sink, content))
    return runs


def ratio(cells: dict[str, list[Measured]], value: str) -> float:
    """Return the median over the pairs of the relay's value over the rival's."""
    pairs = zip(cells[RELAY], cells[RIVAL], strict=True)
    return statistics.median(getattr(ours, value) / getattr(theirs, value) for ours, theirs in pairs)
