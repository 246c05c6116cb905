"""Starts all pretend servers together: `python -m devtools.servers --state-file PATH`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

from devtools.catcher import MailCatcher
from devtools.launchpad import PROVIDER_PREFIXES, PretendLaunchpad
from devtools.oidc import PretendOidc
from devtools.people import demo_world
from devtools.resolver import PretendResolver
from devtools.ubuntu_one import PretendUbuntuOne
from devtools.webserver import Answer, Request, WebServer, as_json, control
from devtools.world import World

OUTSIDE_DOMAINS = ("home.example.net", "mail.example.org", "post.example.com")


class PretendServers:
    """Launchpad, Ubuntu One, an OIDC provider, resolver, mail catcher and a control port, over one world.

    Every port may be 0 for a free one. The control port takes the resolver's orders at `/_control` and
    answers any other path with `state()`.
    """

    def __init__(
        self,
        world: World,
        *,
        launchpad_port: int = 0,
        ubuntu_one_port: int = 0,
        oidc_port: int = 0,
        resolver_port: int = 0,
        smtp_port: int = 0,
        catcher_port: int = 0,
        control_port: int = 0,
    ) -> None:
        self.world = world
        self.launchpad = PretendLaunchpad(world, port=launchpad_port)
        self.ubuntu_one = PretendUbuntuOne(world, port=ubuntu_one_port)
        self.oidc = PretendOidc(world, port=oidc_port)
        self.resolver = PretendResolver(port=resolver_port)
        self.catcher = MailCatcher(port=smtp_port, web_port=catcher_port)
        self._control = WebServer(self._serve_control, port=control_port)
        outside = (self.ubuntu_one, self.oidc, self.launchpad, self.resolver, self.catcher)
        self._all = (*outside, self._control)

    def start(self) -> None:
        """Starts all, or none if one cannot be.

        Raises:
            OSError: a port is taken.
        """
        try:
            for server in self._all:
                server.start()
        except OSError:
            self.stop()
            raise
        self.launchpad.identifier_prefixes = (self.ubuntu_one.identifier_prefix, *PROVIDER_PREFIXES)
        self.launchpad.delegate_prefix = self.ubuntu_one.identifier_prefix
        self._add_mail_records()

    def stop(self) -> None:
        """Stops all; may be called twice."""
        for server in reversed(self._all):
            server.stop()

    def state(self) -> dict[str, Any]:
        """Where everything listens."""
        return {
            "pid": os.getpid(),
            "launchpad_url": self.launchpad.url,
            "ubuntu_one_url": self.ubuntu_one.url,
            "ubuntu_one_endpoint": self.ubuntu_one.endpoint,
            "ubuntu_one_identifier_prefix": self.ubuntu_one.identifier_prefix,
            "oidc_issuer": self.oidc.issuer,
            "resolver_host": self.resolver.address[0],
            "resolver_port": self.resolver.address[1],
            "smtp_host": self.catcher.address[0],
            "smtp_port": self.catcher.address[1],
            "catcher_url": self.catcher.url,
            "control_url": self._control.url,
        }

    def _add_mail_records(self) -> None:
        """The people's own mail domains all lead to the catcher."""
        addresses = [account.email for account in self.world.accounts() if account.email]
        domains = {address.rpartition("@")[2] for address in addresses} | set(OUTSIDE_DOMAINS)
        for domain in sorted(domains):
            self.resolver.add(domain, "MX", f"10 {self.catcher.hostname}.")
        self.resolver.add(self.catcher.hostname, "A", "127.0.0.1")

    def _serve_control(self, request: Request) -> Answer:
        if request.path == "/_control":
            return control(request, self.resolver.control)
        return as_json(self.state())


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Writes the state as JSON; a reader sees the whole file or none."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(state, indent=1) + "\n")
    draft.replace(path)


def main(arguments: list[str] | None = None) -> None:
    """Runs until SIGTERM or SIGINT; the state file is there as long as the servers are up."""
    parser = argparse.ArgumentParser(prog="python -m devtools.servers", description=__doc__)
    parser.add_argument("--state-file", type=Path, required=True, help="where to write the addresses")
    ports = ("launchpad", "ubuntu-one", "oidc", "resolver", "smtp", "catcher", "control")
    for name in ports:
        parser.add_argument(f"--{name}-port", type=int, default=0, metavar="PORT", help="0: a free one")
    options = vars(parser.parse_args(arguments))
    state_file = options.pop("state_file")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    servers = PretendServers(demo_world(), **options)
    servers.start()
    write_state(state_file, servers.state())
    stopping.wait()
    state_file.unlink(missing_ok=True)
    servers.stop()


if __name__ == "__main__":
    main()
