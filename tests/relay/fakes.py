"""What stands around the relay in its tests: other mail servers, a resolver, an alias table, a client."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from core.routing import AliasFacts, Entitlement, Hold, RouteRecipient, Switch

DROP = "drop"
"""A step of a script: cut the connection."""
SILENT = "silent"
"""A step of a script: never answer."""

Step = str | Callable[["Visit"], "str | None"]


@dataclass
class Taken:
    """A message that a server has taken."""

    sender: str
    recipient: str
    content: bytes
    mail_line: str
    is_tls: bool

    @property
    def body(self) -> bytes:
        """The content below what the relay put on top."""
        rest = self.content.partition(b"\r\nWaypost-Loop:")[2]
        while rest:
            rest = rest.partition(b"\r\n")[2]
            if not rest.startswith(b"Waypost-Loop:"):
                return rest
        return self.content if b"Waypost-Loop:" not in self.content else b""


@dataclass
class Visit:
    """One connection to a fake server."""

    server: "MailServer"
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    commands: list[str] = field(default_factory=list)
    is_tls: bool = False
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    mail_line: str = ""
    is_in_mail: bool = False


class MailServer:
    """A mail server that follows a script.

    script: what to answer at `connect`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, `data`, `dot`, `quit`;
    a text, DROP, SILENT, or a function of the visit which returns one of them or None for the usual.
    delay: seconds to wait before the answer to the final dot.
    """

    def __init__(
        self,
        script: dict[str, Step] | None = None,
        *,
        extensions: Iterable[str] = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 99999999"),
        tls: ssl.SSLContext | None = None,
        delay: float = 0,
    ) -> None:
        self.script = script or {}
        self.extensions = list(extensions)
        self.tls = tls
        self.delay = delay
        self.taken: list[Taken] = []
        self.visits: list[Visit] = []
        self.open = 0
        self.most_open = 0
        self.server_names: list[str | None] = []

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> "MailServer":
        """Listen."""
        self._server = await asyncio.start_server(self._meet, host, port, limit=1 << 22)
        self.port = self._server.sockets[0].getsockname()[1]
        self.host = host
        return self

    async def stop(self) -> None:
        """Stop listening."""
        self._server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(self, len(self.visits), reader, writer)
        self.visits.append(visit)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._talk(visit)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _say(self, visit: Visit, stage: str, usual: str) -> str:
        """Say what the script wants at this stage, or the usual; return it."""
        step = self.script.get(stage)
        answer = step(visit) if callable(step) else step
        text = usual if answer is None else answer
        if text == DROP:
            visit.writer.transport.abort()
            raise ConnectionResetError
        if text == SILENT:
            while await visit.reader.read(65536):
                pass
            raise ConnectionResetError
        visit.writer.write(text.encode() + b"\r\n")
        await visit.writer.drain()
        return text

    async def _talk(self, visit: Visit) -> None:
        greeting = await self._say(visit, "connect", "220 mx.test ESMTP")
        if not greeting.startswith("220"):
            return
        while line := await visit.reader.readline():
            command = line.decode("utf-8", "replace").rstrip("\r\n")
            visit.commands.append(command)
            verb = command.split(" ")[0].lower().split(":")[0]
            method = getattr(self, f"_{verb}", None)
            if method is not None:
                await method(visit, command)
            else:
                await self._say(visit, verb, "221 bye" if verb == "quit" else "250 ok")
            if verb == "quit":
                return

    async def _ehlo(self, visit: Visit, command: str) -> None:
        offers = ["mx.test", *self.extensions]
        if self.tls is not None and not visit.is_tls:
            offers.append("STARTTLS")
        lines = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
        await self._say(visit, "ehlo", "\r\n".join(lines))

    async def _helo(self, visit: Visit, command: str) -> None:
        await self._say(visit, "ehlo", "250 mx.test")

    async def _starttls(self, visit: Visit, command: str) -> None:
        answer = await self._say(visit, "starttls", "220 go ahead")
        if answer.startswith("220") and self.tls is not None:
            await visit.writer.start_tls(self.tls)
            visit.is_tls = True

    async def _auth(self, visit: Visit, command: str) -> None:
        await self._say(visit, "auth", "235 2.7.0 ok")

    async def _mail(self, visit: Visit, command: str) -> None:
        visit.mail_line = command
        visit.recipients = []
        answer = await self._say(visit, "mail", "250 2.1.0 ok")
        visit.is_in_mail = answer.startswith("250")
        visit.sender = command[command.find("<") + 1 : command.rfind(">")]

    async def _rcpt(self, visit: Visit, command: str) -> None:
        usual = "250 2.1.5 ok" if visit.is_in_mail else "503 5.5.1 MAIL first"
        answer = await self._say(visit, "rcpt", usual)
        if answer.startswith("250"):
            visit.recipients.append(command[command.find("<") + 1 : command.rfind(">")])

    async def _data(self, visit: Visit, command: str) -> None:
        usual = "354 go on" if visit.recipients else "503 5.5.1 no recipients"
        answer = await self._say(visit, "data", usual)
        if answer.startswith("354"):
            await self._content(visit)

    async def _content(self, visit: Visit) -> None:
        lines = []
        while (line := await visit.reader.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError
            lines.append(line[1:] if line.startswith(b".") else line)
        if self.delay:
            await asyncio.sleep(self.delay)
        answer = await self._say(visit, "dot", "250 2.0.0 taken")
        if answer.startswith("250"):
            content = b"".join(lines)
            self.taken += [
                Taken(visit.sender, recipient, content, visit.mail_line, visit.is_tls)
                for recipient in visit.recipients
            ]


class Resolver(asyncio.DatagramProtocol):
    """A DNS server for the names it is given.

    records: {(name, type): [record texts]}; a value may be a code (`SERVFAIL`, `REFUSED`), `TIMEOUT`
    for no answer, or `TRUNCATED`. A name without any records does not exist.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str] | str] = {}
        self.questions: list[tuple[str, str]] = []
        self.ttl = 300

    async def start(self) -> "Resolver":
        """Listen on UDP only."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.address = "{}:{}".format(*transport.get_extra_info("sockname"))
        self.transport = transport
        return self

    def mail_domain(self, domain: str, *addresses: str) -> None:
        """Let a domain have one MX with these addresses."""
        self.records[domain, "MX"] = [f"10 mx.{domain}."]
        self.records[f"mx.{domain}", "A"] = list(addresses or ("127.0.0.1",))

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        """Answer one question."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, kind))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        found = self.records.get((name, kind))
        alias = self.records.get((name, "CNAME"))
        if isinstance(alias, list):
            target = alias[0].rstrip(".")
            answer.answer.append(dns.rrset.from_text(question.name, self.ttl, "IN", "CNAME", alias[0]))
            found = self.records.get((target, kind))
            name = target
        if found == "TIMEOUT":
            return
        if found == "TRUNCATED":
            answer.flags |= dns.flags.TC
        elif isinstance(found, str):
            answer.set_rcode(dns.rcode.from_text(found))
        elif found:
            answer.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", kind, *found))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), peer)


class Table:
    """An alias table in memory; the values can be changed while the relay runs."""

    def __init__(self) -> None:
        self.domains = {"proj.example"}
        self.aliases: dict[str, AliasFacts] = {}
        self.admins: list[str] = []
        self.fault: Exception | None = None

    def alias(self, name: str, *recipients: str, **facts: object) -> None:
        """Add `name@proj.example` that delivers to these recipients."""
        address = name if "@" in name else f"{name}@proj.example"
        values = {
            "alias_id": len(self.aliases) + 1,
            "entitlement": Entitlement.ENTITLED,
            "switch": Switch.ON,
            "switched_at": datetime(2026, 1, 1, tzinfo=UTC),
            "hold": Hold.NONE,
            "recipients": tuple(RouteRecipient(recipient, deliverable=True) for recipient in recipients),
            **facts,
        }
        self.aliases[address] = AliasFacts(**values)

    def serves(self, domain: str) -> bool:
        if self.fault:
            raise self.fault
        return domain in self.domains

    def find(self, domain: str, local_part: str) -> AliasFacts | None:
        if self.fault:
            raise self.fault
        return self.aliases.get(f"{local_part}@{domain}")

    def admin_recipients(self, domain: str) -> list[str]:
        return self.admins

    def aliases_of(self, recipients: Iterable[str]) -> dict[str, str]:
        wanted = {recipient.lower(): recipient for recipient in recipients}
        return {
            wanted[known.address.lower()]: alias
            for alias, facts in self.aliases.items()
            for known in facts.recipients
            if known.address.lower() in wanted
        }


class Client:
    """An SMTP client that says exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int, host: str = "127.0.0.1", source: str | None = None) -> "Client":
        local = (source, 0) if source else None
        return cls(*await asyncio.open_connection(host, port, limit=1 << 20, local_addr=local))

    async def reply(self) -> str:
        """Read one reply, its lines joined by a newline."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 20)).decode()
            if not line:
                raise ConnectionResetError("closed: " + "\n".join(lines))
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def send(self, data: str | bytes) -> None:
        """Send octets as they are."""
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def say(self, line: str) -> str:
        """Send one command; return the reply."""
        self.send(line + "\r\n")
        return await self.reply()

    async def hello(self) -> "Client":
        """Take the greeting, say EHLO."""
        assert (await self.reply()).startswith("220")
        assert (await self.say("EHLO client.example.com")).startswith("250")
        return self

    async def envelope(self, *recipients: str, sender: str = "bob@example.com", more: str = "") -> list[str]:
        """Say MAIL and RCPT; return the replies to RCPT."""
        assert (await self.say(f"MAIL FROM:<{sender}>{more}")).startswith("250")
        return [await self.say(f"RCPT TO:<{recipient}>") for recipient in recipients]

    async def data(self, content: bytes) -> str:
        """Send a message, dot-stuffed and with its final dot; return the answer."""
        assert (await self.say("DATA")).startswith("354")
        if content.startswith(b"."):
            content = b"." + content
        self.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return await self.reply()

    async def mail(self, *recipients: str, sender: str = "bob@example.com", content: bytes = b"") -> str:
        """Send a whole message; return the answer after the final dot."""
        replies = await self.envelope(*recipients, sender=sender)
        assert all(reply.startswith("250") for reply in replies), replies
        return await self.data(content or message())

    async def end_of_file(self) -> bool:
        """Wait for the other side to close."""
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(self.reader.read(65536), 20):
                pass
        return True

    def reset(self) -> None:
        """Leave with a RST."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


_numbers = iter(range(1, 1_000_000))


def message(text: bytes = b"hello\r\n", **fields: str) -> bytes:
    """Write a message with a Message-ID of its own."""
    values = {
        "From": "Bob <bob@example.com>",
        "To": "ada@proj.example",
        "Subject": "hi",
        "Date": "Sat, 26 Sep 2026 10:00:00 +0000",
        "Message-ID": f"<{next(_numbers)}@example.com>",
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in values.items() if value)
    return head.encode() + b"\r\n" + text
