"""The whole product on loopback: the Procfile's processes over a fresh database, beside the pretend world."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from devtools.oidc import CLIENT_ID, CLIENT_SECRET, NAME
from devtools.people import demo_world, roster_of

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


class StackProblem(Exception):
    """A process did not come up or a command failed; the text says which, with its last words."""


def free_port() -> int:
    """Return a TCP port of loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """Starts and stops everything. Use as a context manager.

    portal_port: 0 for a free one. database_url: a SQLite file in the stack's folder when not given.
    roster: people sign in by OpenID Connect, and are members by a roster file of the pretend world.
    """

    def __init__(
        self, portal_port: int = 0, database_url: str | None = None, *, roster: bool = False, **more: str
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="waypost-"))
        self.portal_port = portal_port or free_port()
        self.relay_port = free_port()
        self.portal_url = f"http://127.0.0.1:{self.portal_port}"
        self.world: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._more = more
        self._roster = roster
        self._database_url = database_url or f"sqlite:///{self.folder}/waypost.db"
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Stack:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the pretend world, set the product up through its own command, start its processes."""
        self._start_world()
        self.environment = self._environment()
        self.waypost("migrate")
        self._make_keys(self._prove_domains())
        for name, command in self.procfile().items():
            self.run(name, command)
        self._wait_for("web", self._portal_answers)
        self._wait_for("relay", self._relay_answers)

    def procfile(self) -> dict[str, str]:
        """Return the product's processes, by name."""
        lines = (ROOT / "Procfile").read_text().splitlines()
        return {name: command.strip() for name, _, command in (line.partition(":") for line in lines if line)}

    def run(self, name: str, command: str) -> None:
        """Start one process; its output goes to a file in the stack's folder."""
        words = shlex.split(command)
        program = str(BIN / words[0]) if (BIN / words[0]).exists() else words[0]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [program, *words[1:]], cwd=ROOT, env=self.environment or None, stdout=log, stderr=log
            )

    def waypost(self, *arguments: str) -> str:
        """Run the `waypost` command; return what it printed. Raises StackProblem."""
        result = subprocess.run(
            [str(BIN / "waypost"), *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise StackProblem(f"waypost {' '.join(arguments)}: {result.stdout}{result.stderr}")
        return result.stdout

    def stop(self) -> None:
        """End every process by its pid, the product before the pretend world, and remove the folder."""
        world = self.processes.pop("world", None)
        for group in (list(self.processes.values()), [world] if world else []):
            for process in group:
                process.send_signal(signal.SIGTERM)
            for process in group:
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def mail(self, to: str) -> list[dict[str, str]]:
        """Return what the catcher holds for an address, newest first."""
        url = f"{self.world['catcher_url']}messages.json"
        found: list[dict[str, str]] = httpx.get(url, params={"to": to}, timeout=10).json()
        return found

    def mail_text(self, summary: dict[str, str]) -> str:
        """Return the readable text of a mail that `mail` listed."""
        url = f"{self.world['catcher_url']}messages/{summary['number']}.json"
        return str(httpx.get(url, timeout=10).json()["text"])

    def _start_world(self) -> None:
        state = self.folder / "world.json"
        self.run("world", f"python -m devtools.servers --state-file {state}")
        self._wait_for("world", state.exists)
        self.world = {name: str(value) for name, value in json.loads(state.read_text()).items()}

    def _environment(self) -> dict[str, str]:
        world = self.world
        settings = {
            "SECRET_KEY": secrets.token_hex(32),
            "RECORD_SECRET": secrets.token_hex(32),
            "SRS_SECRETS": secrets.token_hex(32),
            "PUBLIC_URL": self.portal_url,
            "DATABASE_URL": self._database_url,
            "STATE_DIR": str(self.folder),
            "RELAY_SOCKET": str(self.folder / "relay.sock"),
            "RELAY_LISTEN": f"127.0.0.1:{self.relay_port}",
            "RELAY_HOSTNAME": "mx.waypost.example",
            "SRS_DOMAIN": "srs.waypost.example",
            "OPS_ADDRESS": "ops@home.example.net",
            "MAIL_FROM": "waypost@waypost.example",
            "PROJECT_NAME": "Ubuntu addresses (demo)",
            "RESOLVER": f"{world['resolver_host']}:{world['resolver_port']}",
            "DELIVERY_PORT": world["smtp_port"],
            "OPENID_PROVIDER_URL": world["ubuntu_one_url"],
            "OPENID_ENDPOINT": world["ubuntu_one_endpoint"],
            "OPENID_CLAIMED_ID_PREFIX": world["ubuntu_one_identifier_prefix"],
            "LAUNCHPAD_API_URL": world["launchpad_url"],
            "LAUNCHPAD_WEB_URL": world["launchpad_url"],
            "PORT": str(self.portal_port),
        }
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        if self._roster:
            settings |= self._roster_settings()
        return {**kept, **settings, "PATH": f"{BIN}:{kept.get('PATH', '')}", **self._more}

    def _roster_settings(self) -> dict[str, str]:
        file = self.folder / "roster.toml"
        file.write_text(roster_of(demo_world()))
        return {
            "DIRECTORY": "roster",
            "ROSTER_FILE": str(file),
            "OIDC_ISSUER": self.world["oidc_issuer"],
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_NAME": NAME,
            "PROJECT_NAME": "Project addresses (demo)",
        }

    @property
    def provider_name(self) -> str:
        """What the sign-in button calls the provider."""
        return NAME if self._roster else "Ubuntu One"

    def _prove_domains(self) -> list[str]:
        """Add Ubuntu's domains, publish their records, have them verified; return their names."""
        lines = self.waypost("domain", "add", "--preset", "ubuntu").splitlines()
        records = [line.split(" ", 2) for line in lines]
        self._publish(records)
        self.waypost("domain", "verify", "--all")
        return [name for name, *_ in records]

    def _make_keys(self, domains: list[str]) -> None:
        """Make a signing key for each domain and for our own mail, publish them, have them in use."""
        own = self.environment["MAIL_FROM"].rpartition("@")[2]
        lines = self.waypost("keys", "create", *domains, own).splitlines()
        self._publish([line.replace(" IN ", " ").split(" ", 2) for line in lines if not line.startswith(";")])
        self.waypost("keys", "check")

    def _publish(self, records: list[list[str]]) -> None:
        """Put records, as name, type and value, into the pretend resolver."""
        url = f"{self.world['control_url']}_control"
        httpx.post(url, json={"add": records}, timeout=10).raise_for_status()

    def _portal_answers(self) -> bool:
        try:
            return httpx.get(self.portal_url, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def _relay_answers(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.relay_port, timeout=2) as relay:
                return relay.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False

    def _wait_for(self, name: str, ready: Callable[[], bool], seconds: float = 40) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if self.processes[name].poll() is not None or time.monotonic() > end:
                log = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise StackProblem(f"{name} did not come up:\n{log}")
            time.sleep(0.1)
