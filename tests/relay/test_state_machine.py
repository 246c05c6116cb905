"""The dialogue against a model of it: whatever a client says in whatever order, cut in whatever pieces."""

import asyncio
import tempfile
from pathlib import Path

import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from core.settings import Settings
from tests.relay.conftest import World
from tests.relay.fakes import Client, message


def make_settings(folder: Path) -> Settings:
    return Settings(  # type: ignore[call-arg]
        secret_key="s" * 40,
        record_secret="r" * 40,
        srs_secrets="t" * 40,
        public_url="http://localhost:8000",
        database_url=f"sqlite:///{folder}/x.db",
        srs_domain="srs.proj.example",
        relay_hostname="mx.proj.example",
        ops_address="ops@home.example.net",
        mail_from="w@proj.example",
        relay_socket=folder / "r.sock",
    )


class Dialogue(RuleBasedStateMachine):
    """The model: said EHLO or not, in a transaction or not, how many recipients."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.folder = tempfile.TemporaryDirectory(prefix="ws")
        self.has_helo = self.in_mail = False
        self.recipients = self.delivered = 0
        self.queue: list[tuple[bytes, list[str]]] = []

    @initialize()
    def connect(self) -> None:
        async def start() -> tuple[World, Client]:
            world = await World(
                make_settings(Path(self.folder.name)), errors=10**6, commands_without_mail=10**6
            ).__aenter__()
            await world.relay()
            client = await Client.connect(world.port)
            await client.reply()
            return world, client

        self.world, self.client = self.runner.run(start())

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.flush(3)
            assert len(self.world.home.taken) == self.delivered
            self.client.close()
            self.runner.run(self.world.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    def say(self, line: str, *codes: str) -> None:
        """Add a command and the codes that must come back."""
        self.queue.append((line.encode() + b"\r\n", list(codes)))

    @rule(verb=st.sampled_from(["EHLO", "helo"]))
    def helo(self, verb: str) -> None:
        self.say(f"{verb} x.example.com", "250")
        self.has_helo, self.in_mail, self.recipients = True, False, 0

    @rule(sender=st.sampled_from(["bob@example.com", "", "broken", '"b b"@example.com']))
    def mail(self, sender: str) -> None:
        is_good = sender != "broken"
        if not self.has_helo or self.in_mail:
            self.say(f"MAIL FROM:<{sender}>", "503")
        elif is_good:
            self.say(f"MAIL FROM:<{sender}>", "250")
            self.in_mail = True
        else:
            self.say(f"MAIL FROM:<{sender}>", "553")

    @rule(recipient=st.sampled_from(["ada@proj.example", "nobody@proj.example", "ada+x@proj.example", "@@"]))
    def rcpt(self, recipient: str) -> None:
        if not self.in_mail:
            self.say(f"RCPT TO:<{recipient}>", "503")
        elif recipient == "@@":
            self.say(f"RCPT TO:<{recipient}>", "553")
        elif recipient.startswith("ada"):
            self.say(f"RCPT TO:<{recipient}>", "250")
            self.recipients += 1
        else:
            self.say(f"RCPT TO:<{recipient}>", "550")

    @precondition(lambda self: not self.recipients)
    @rule()
    def data_without_recipients(self) -> None:
        self.say("DATA", "503")

    @precondition(lambda self: self.recipients)
    @rule(text=st.sampled_from([b"x\r\n", b".\r\nQUIT\r\n", b"", b"..\r\n.\r\n", b"\n"]))
    def data(self, text: bytes) -> None:
        content = message(text)
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        is_bare = text == b"\n"
        self.queue.append((b"DATA\r\n" + stuffed + b".\r\n", ["354", "550" if is_bare else "250"]))
        if text == b"\n":
            self.queue[-1] = (b"DATA\r\n" + content + b"\r\n.\r\n", ["354", "550"])
        self.in_mail, self.recipients = False, 0
        self.delivered += not is_bare

    @rule()
    def rset(self) -> None:
        self.say("RSET", "250")
        self.in_mail, self.recipients = False, 0

    @rule(
        line=st.sampled_from(
            [("NOOP", "250"), ("VRFY ada", "252"), ("XYZ", "500"), ("AUTH PLAIN", "500"), ("", "500")]
        )
    )
    def other(self, line: tuple[str, str]) -> None:
        self.say(*line)

    @rule(pieces=st.integers(1, 7))
    def flush(self, pieces: int) -> None:
        """Send what has been gathered, cut in pieces; each reply comes, in order."""
        octets = b"".join(part for part, _ in self.queue)
        codes = [code for _, parts in self.queue for code in parts]
        self.queue = []

        async def talk() -> list[str]:
            size = max(1, len(octets) // pieces)
            for start in range(0, len(octets), size):
                self.client.send(octets[start : start + size])
                await asyncio.sleep(0)
            return [(await self.client.reply())[:3] for _ in codes]

        assert self.runner.run(talk()) == codes


TestDialogue = Dialogue.TestCase
TestDialogue.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
