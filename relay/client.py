"""A slim SMTP client: one connection to one server, commands in one group where PIPELINING allows."""

import base64
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from relay.data import stuffed
from relay.limits import Limits
from relay.wire import Answer, Broken, Wire

_ECHOED_ADDRESS = re.compile(r"\[(?:IPv6:)?([0-9a-fA-F.:]{7,})\]")
_SMALL = 64 * 1024


class Stage(StrEnum):
    """The step of a dialogue with another server."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    """Our final dot is out: from here on the other server may have the message."""


class Tls(StrEnum):
    """How a connection is protected."""

    CLEAR = "clear"
    """Not at all: the second try after a failed handshake."""
    OPPORTUNISTIC = "opportunistic"
    """TLS where it is offered, with any certificate (RFC 7435)."""
    ENCRYPT = "encrypt"
    """TLS or nothing, with any certificate."""
    VERIFY = "verify"
    """TLS with a certificate for the host's name, or nothing."""


class ClientError(Exception):
    """The dialogue ended early; `stage` says where."""

    our_addresses: tuple[str, ...] = ()
    """Our address on that connection, as this machine and as the server sees it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.value)
        self.stage = stage


class Rejected(ClientError):
    """The server answered, and not as hoped."""

    def __init__(self, stage: Stage, answer: Answer) -> None:
        super().__init__(stage)
        self.answer = answer


class Lost(ClientError):
    """The connection broke, the server spoke no SMTP, or time ran out."""


class TlsFailed(ClientError):
    """The handshake failed, or TLS is a must and is not offered."""


class MissingExtension(ClientError):
    """The server lacks what this message needs, `SMTPUTF8` or `8BITMIME`. Nothing was sent."""

    def __init__(self, extension: str) -> None:
        super().__init__(Stage.MAIL)
        self.extension = extension


class ToOurselves(ClientError):
    """The host is this relay itself."""

    def __init__(self) -> None:
        super().__init__(Stage.CONNECT)


class Withheld(ClientError):
    """`Mail.before_dot` said no. Nothing was delivered."""


@dataclass
class Mail:
    """One message for one recipient, as it goes onto the wire.

    sender, recipient: paths without brackets. prefix: whole header lines of ours. body: lines with
    CRLF, not dot-stuffed. before_dot: asked right before our final dot; False withholds the dot.
    """

    sender: str
    recipient: str
    prefix: bytes
    body: bytes | bytearray
    is_8bit: bool = False
    needs_smtputf8: bool = False
    has_dot_lines: bool = True
    before_dot: Callable[[], bool] = field(default=lambda: True)
    is_dot_sent: bool = False


@dataclass(frozen=True)
class Opening:
    """How to open a connection: our name, protection, and credentials if the server wants them."""

    helo: str
    tls: Tls = Tls.OPPORTUNISTIC
    context: ssl.SSLContext | None = None
    user: str = ""
    password: str = field(default="", repr=False)


class Client:
    """Speaks SMTP over a wire. Methods raise ClientError; `is_usable` says whether to go on after one."""

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self._wire = wire
        self._limits = limits
        self._is_dirty = False
        self._extensions: frozenset[str] = frozenset()
        self.is_encrypted = False
        self.our_addresses: tuple[str, ...] = ()
        """Our address as this machine sees it, and as the server does."""
        self.is_to_ourselves = False
        """Whether both ends have the same address."""
        self.uses = 0
        self.steps: Callable[[str, str], None] | None = None
        """Hears each reply, as stage and the server's own words; only our own mail wants that."""

    @property
    def is_usable(self) -> bool:
        """Whether the connection still stands and the server has said nothing unasked (421, say)."""
        return not self._wire.is_lost and self._wire.is_quiet

    async def open(self, opening: Opening, server_name: str) -> None:
        """Take the greeting, say EHLO, start TLS and authenticate as `opening` wants it."""
        self._look_around()
        answer = await self._reply(Stage.GREETING, self._limits.greeting)
        if answer.code != 220:
            raise Rejected(Stage.GREETING, answer)
        await self._ehlo(opening.helo)
        if opening.tls is not Tls.CLEAR:
            if "STARTTLS" in self._extensions:
                await self._start_tls(opening, server_name)
            elif opening.tls is not Tls.OPPORTUNISTIC:
                raise TlsFailed(Stage.STARTTLS)
        if opening.user:
            await self._authenticate(opening)

    async def send(self, mail: Mail) -> Answer:
        """Send one message; return the 250 that follows the final dot, however long it takes."""
        commands = self._commands(mail)
        self.uses += 1
        await self._open_data(commands)
        try:
            await self._write_content(mail)
        except BaseException:
            self.abort()  # DATA is open: only a cut connection takes it back
            raise
        answer = await self._reply(Stage.CONTENT, None)
        if answer.code != 250:
            raise Rejected(Stage.CONTENT, answer)
        self._is_dirty = False
        return answer

    def quit(self) -> None:
        """Say goodbye and close, without waiting for the answer."""
        if not self._wire.is_lost:
            self._write(Stage.CONTENT, b"QUIT\r\n")
            assert self._wire.transport is not None
            self._wire.transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._wire.abort()

    def _look_around(self) -> None:
        transport = self._wire.transport
        assert transport is not None
        ours, theirs = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if isinstance(ours, tuple) and isinstance(theirs, tuple):
            self.our_addresses = (ours[0],)
            self.is_to_ourselves = ours[0] == theirs[0]

    async def _ehlo(self, helo: str) -> None:
        self._write(Stage.EHLO, f"EHLO {helo}\r\n".encode())
        answer = await self._reply(Stage.EHLO, self._limits.reply)
        if answer.code in (500, 501, 502, 504):  # an old server (RFC 5321 §3.2)
            self._write(Stage.EHLO, f"HELO {helo}\r\n".encode())
            answer = await self._reply(Stage.EHLO, self._limits.reply)
        if answer.code != 250:
            raise Rejected(Stage.EHLO, answer)
        self._extensions = frozenset(line.upper().split()[0] for line in answer.lines[1:] if line.strip())
        self.our_addresses = (*self.our_addresses[:1], *_ECHOED_ADDRESS.findall(answer.lines[0]))

    async def _start_tls(self, opening: Opening, server_name: str) -> None:
        self._write(Stage.STARTTLS, b"STARTTLS\r\n")
        answer = await self._reply(Stage.STARTTLS, self._limits.reply)
        if answer.code != 220:
            if opening.tls is Tls.OPPORTUNISTIC:
                return
            raise TlsFailed(Stage.STARTTLS)
        if not self._wire.is_quiet:
            # Said in clear behind the 220, so that it counts inside TLS (RFC 3207 §6).
            self.abort()
            raise TlsFailed(Stage.STARTTLS)
        await self._shake_hands(opening.context, server_name)
        await self._ehlo(opening.helo)

    async def _shake_hands(self, context: ssl.SSLContext | None, server_name: str) -> None:
        assert context is not None
        try:
            await self._wire.start_tls(context, server_name, self._limits.handshake)
        except Broken:
            raise TlsFailed(Stage.STARTTLS) from None
        self.is_encrypted = True

    async def _authenticate(self, opening: Opening) -> None:
        if not (self.is_encrypted or self.is_to_ourselves):
            raise TlsFailed(Stage.AUTH)  # a password never travels in clear
        user, password = opening.user.encode(), opening.password.encode()
        self._write(Stage.AUTH, b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password) + b"\r\n")
        answer = await self._reply(Stage.AUTH, self._limits.reply)
        if answer.code in (500, 502, 504):  # no PLAIN here: the older LOGIN
            self._write(Stage.AUTH, b"AUTH LOGIN\r\n")
            for secret in (user, password):
                if (answer := await self._reply(Stage.AUTH, self._limits.reply)).code != 334:
                    raise Rejected(Stage.AUTH, answer)
                self._write(Stage.AUTH, base64.b64encode(secret) + b"\r\n")
            answer = await self._reply(Stage.AUTH, self._limits.reply)
        if answer.code != 235:
            raise Rejected(Stage.AUTH, answer)

    def _commands(self, mail: Mail) -> list[tuple[Stage, bytes]]:
        parameters = ""
        if "SIZE" in self._extensions:
            parameters += f" SIZE={len(mail.prefix) + len(mail.body)}"
        for is_needed, extension, parameter in (
            (mail.is_8bit, "8BITMIME", " BODY=8BITMIME"),
            (mail.needs_smtputf8, "SMTPUTF8", " SMTPUTF8"),
        ):
            if is_needed:
                if extension not in self._extensions:
                    raise MissingExtension(extension)
                parameters += parameter
        commands = [
            (Stage.MAIL, f"MAIL FROM:<{mail.sender}>{parameters}\r\n".encode()),
            (Stage.RCPT, f"RCPT TO:<{mail.recipient}>\r\n".encode()),
            (Stage.DATA, b"DATA\r\n"),
        ]
        if self._is_dirty:
            commands.insert(0, (Stage.MAIL, b"RSET\r\n"))
        self._is_dirty = True
        return commands

    async def _open_data(self, commands: list[tuple[Stage, bytes]]) -> None:
        is_grouped = "PIPELINING" in self._extensions
        if is_grouped:
            self._write(Stage.MAIL, *(command for _, command in commands))
        refusal: Rejected | None = None
        is_open = is_recipient_taken = False
        for stage, command in commands:
            if not is_grouped:
                self._write(stage, command)
            answer = await self._reply(stage, self._limits.reply)
            is_open = stage is Stage.DATA and answer.code == 354
            is_recipient_taken |= stage is Stage.RCPT and answer.code < 300
            if not is_open and (answer.code not in (250, 251, 252) or stage is Stage.DATA):
                refusal = refusal or Rejected(stage, answer)
                if answer.code == 421 or not is_grouped:
                    break
        if refusal is not None:
            if is_open and is_recipient_taken:
                self.abort()  # a server that refuses the sender and goes on: an empty message would arrive
            elif is_open:
                # Nobody takes it, yet DATA is open: an empty message, and no success (RFC 2920 §3.1).
                self._write(Stage.DATA, b".\r\n")
                await self._reply(Stage.DATA, self._limits.reply)
            raise refusal

    async def _write_content(self, mail: Mail) -> None:
        if len(mail.body) < _SMALL:
            pieces = [mail.prefix, *stuffed(mail.body, has_dots=mail.has_dot_lines)]
        else:
            self._write(Stage.DATA, mail.prefix)
            for piece in stuffed(mail.body, has_dots=mail.has_dot_lines):
                self._write(Stage.DATA, piece)
                await self._drain()
            pieces = []
        if not mail.before_dot():
            raise Withheld(Stage.DATA)
        mail.is_dot_sent = True
        mail.body = b""
        self._write(Stage.CONTENT, *pieces, b".\r\n")

    def _write(self, stage: Stage, *pieces: bytes | memoryview) -> None:
        try:
            self._wire.write(*pieces)
        except Broken:
            raise Lost(stage) from None

    async def _drain(self) -> None:
        try:
            await self._wire.drain(self._limits.write)
        except Broken:
            raise Lost(Stage.DATA) from None

    async def _reply(self, stage: Stage, patience: float | None) -> Answer:
        try:
            answer = await self._wire.reply(patience)
        except Broken:
            raise Lost(stage) from None
        if self.steps is not None:
            self.steps(stage, f"{answer.code} {' / '.join(answer.lines)}")
        return answer
