"""All pretend servers start together as one process, say where they are, and stop cleanly."""

import json
import os
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.resolver
import httpx
import pytest

from devtools.people import demo_world
from devtools.servers import PretendServers


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "devtools.servers", "--state-file", str(tmp_path / "state.json")]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as started:
        yield started
        started.kill()


def state_of(path: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    state: dict[str, Any] = json.loads(path.read_text())
    return state


def stub(state: dict[str, Any]) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [state["resolver_host"]], state["resolver_port"]
    return resolver


def test_the_process_serves_and_stops_on_sigterm(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    state = state_of(tmp_path / "state.json")

    assert state["pid"] == process.pid
    assert httpx.get(f"{state['launchpad_url']}1.0/~ada").json()["name"] == "ada"
    assert httpx.get(state["ubuntu_one_url"]).status_code == 200
    assert httpx.get(state["control_url"]).json() == state
    with smtplib.SMTP(state["smtp_host"], state["smtp_port"], timeout=5) as client:
        client.sendmail("", ["ada@home.example.net"], b"Subject: hello\r\n\r\n")
    assert "hello" in httpx.get(state["catcher_url"]).text

    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(5) == 0
    assert not (tmp_path / "state.json").exists()


@pytest.fixture
def servers() -> Iterator[PretendServers]:
    all_servers = PretendServers(demo_world())
    all_servers.start()
    yield all_servers
    all_servers.stop()


def test_the_outside_domains_lead_to_the_catcher(servers: PretendServers) -> None:
    resolver = stub(servers.state())
    for domain in ("home.example.net", "mail.example.org", "post.example.com"):
        (record,) = resolver.resolve(domain, "MX")
        assert record.exchange.to_text() == "catcher.example.net."
    assert [record.address for record in resolver.resolve("catcher.example.net", "A")] == ["127.0.0.1"]


def test_records_are_added_over_http(servers: PretendServers) -> None:
    state = servers.state()
    order = {"add": [["ubuntu.com", "TXT", "waypost-site-verification=abc"]]}
    assert httpx.post(f"{state['control_url']}_control", json=order).status_code == 200
    (record,) = stub(state).resolve("ubuntu.com", "TXT")
    assert record.strings == (b"waypost-site-verification=abc",)


def test_launchpad_knows_the_claimed_ids_of_ubuntu_one(servers: PretendServers) -> None:
    claimed_id = servers.ubuntu_one.claimed_id("gail-moss")
    arguments = {"ws.op": "getByOpenIDIdentifier", "identifier": claimed_id}
    answer = httpx.get(f"{servers.launchpad.url}devel/people", params=arguments)
    assert answer.json()["name"] == "gail-moss"


def test_a_taken_port_stops_all(servers: PretendServers) -> None:
    port = servers.catcher.address[1]
    second = PretendServers(demo_world(), smtp_port=port)
    with pytest.raises(OSError, match="in use"):
        second.start()
