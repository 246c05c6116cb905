"""One client's connection: lines in, replies out, one timer; on aiosmtpd, with its costs taken out.

aiosmtpd gives the shape (a method `smtp_X` a command) and the rare commands. Its StreamReader, its
look through all methods for each connection, and its log of every line (which names senders) go.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from core.routing import Reply
from relay import faults, replies
from relay.data import DataReader
from relay.limits import Limits

_BUFFER = 64 * 1024
_BROWSERS = frozenset({b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"HOST:"})


Command = Callable[[Any, str | None], Awaitable[None]]


class Dialogue(SMTP):
    """Reads commands and writes replies. Subclasses say what the commands do.

    Replies to a pipelined group go out together (RFC 2920); DATA goes to its reader in the chunks
    that arrive.
    """

    session: Session
    transport: asyncio.Transport | None
    commands: ClassVar[dict[bytes, Command]] = {}
    # What aiosmtpd's own methods look at:
    _handle_hooks = {}  # noqa: RUF012
    _smtp_methods = {}  # noqa: RUF012
    _auth_required = False
    _tls_protocol = None
    enable_SMTPUTF8 = True  # noqa: N815

    def __init_subclass__(cls) -> None:
        names = [name for name in dir(cls) if name.startswith("smtp_") and name != "smtp_AUTH"]
        cls.commands = {name[5:].encode(): getattr(cls, name) for name in names}

    def __init__(self, hostname: str, limits: Limits) -> None:
        # Not aiosmtpd's own __init__: it makes a StreamReader and inspects every method, each time.
        self.loop = self._loop = asyncio.get_running_loop()
        self.hostname = hostname
        self.limits = limits
        self.session = Session(self.loop)
        self.envelope = Envelope()
        self.transport = None
        self.address = ""
        self.reader: DataReader | None = None
        """Takes what arrives while DATA is open."""
        self.is_closing = False
        self.is_at_end = False
        """The client will send no more."""
        self._in = bytearray()
        self._out: list[bytes] = []
        self._input: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._handler_coroutine: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._data_since = 0.0
        self._is_paused = False
        self._is_skipping = False
        self._errors = 0
        self.commands_since_mail = 0

    # What subclasses fill in

    def greet(self) -> Reply:
        """Return the first reply; 421 or 5xx closes the connection."""
        raise NotImplementedError

    def on_input(self) -> None:
        """Something arrived."""

    def on_data(self) -> None:
        """The reader has taken a piece of DATA."""

    def on_end(self) -> None:
        """The client will send no more."""

    def on_gone(self) -> None:
        """The connection is gone."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the dialogue."""
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0].removeprefix("::ffff:") if isinstance(peer, tuple) else ""
        self._deadline = self.loop.time() + self.limits.idle
        self._timer = self.loop.call_later(self.limits.idle, self._look_at_clock)
        self._handler_coroutine = self.loop.create_task(self._handle_client())

    def data_received(self, data: bytes) -> None:
        """Give DATA to its reader, keep everything else for the command loop."""
        self.on_input()
        if self.reader is None:
            self._in += data
            if len(self._in) > _BUFFER and not self._is_paused and self.transport is not None:
                self._is_paused = True
                self.transport.pause_reading()
        else:
            rest = self.reader.feed(data)
            self.on_data()
            if rest is None:
                self._deadline = self.loop.time() + self.limits.data_idle
                return
            self._in += rest
            self.reader = None
        self._wake()

    def eof_received(self) -> bool:
        """The client sends no more: it has left, or at best still reads."""
        self.is_at_end = True
        self.on_end()
        self._wake()
        return self.session.ssl is None

    def connection_lost(self, error: Exception | None) -> None:
        """Clean up. A transaction that runs goes on by itself."""
        self.is_closing = self.is_at_end = True
        self.transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._wake()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self.on_gone()

    def pause_writing(self) -> None:
        """The client does not read its replies."""
        self._writable = self.loop.create_future()

    def resume_writing(self) -> None:
        """It does again."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # The command loop

    async def _handle_client(self) -> None:
        self.say(self.greet())
        while not self.is_closing:
            line = self._next_line()
            if line is not None:
                try:
                    await self._obey(line)
                except Exception as error:  # noqa: BLE001  # a fault of ours: the sender tries again, nothing is lost
                    faults.report("dialogue", error)
                    self.say(replies.FAULT)
            elif self.is_at_end:
                break
            else:
                await self._more()
        self.close()

    def _next_line(self) -> bytes | None:
        """Return the next command line with its line end; b"" stands for one that was too long."""
        end = self._in.find(b"\n")
        line: bytes | None = None
        if end >= 0:
            line = b"" if self._is_skipping or end >= self.limits.command_line else bytes(self._in[: end + 1])
            self._is_skipping = False
            del self._in[: end + 1]
        elif len(self._in) > self.limits.command_line:
            self._is_skipping = True
            self._in.clear()
        if self._is_paused and len(self._in) <= _BUFFER and self.transport is not None:
            self._is_paused = False
            self.transport.resume_reading()
        return line

    async def _more(self) -> None:
        """Send the replies, wait for input."""
        self.flush()
        if self._writable is not None:
            await self._writable
        else:
            self._input = self.loop.create_future()
            await self._input

    async def content(self, reader: DataReader) -> bool:
        """Read DATA to its end; False when the client went away, or took too long."""
        self._data_since = self.loop.time()
        self._deadline = self._data_since + self.limits.data_idle
        pending = bytes(self._in)
        self._in.clear()
        rest = reader.feed(pending)
        if rest is None:
            self.reader = reader
            while self.reader is not None and not self.is_at_end:
                await self._more()
            self.reader = None
        else:
            self._in += rest
        return reader.is_complete

    async def _obey(self, line: bytes) -> None:
        self._deadline = self.loop.time() + self.limits.idle
        if line[-2:] != b"\r\n" or b"\r" in line[:-2] or b"\0" in line:
            self.say(replies.BARE_NEWLINE if line else replies.LINE_TOO_LONG)
            return
        verb, _, rest = line.strip().partition(b" ")
        verb = verb.upper()
        command = self.commands.get(verb)
        self.commands_since_mail += 1
        if self.commands_since_mail > self.limits.commands_without_mail:
            self.say(replies.TOO_MANY_COMMANDS)
        elif command is not None:
            await command(self, rest.strip().decode("utf-8", "surrogateescape") if rest else None)
        elif verb in _BROWSERS:
            self.hang_up(replies.UNKNOWN_COMMAND)  # a web page that makes a browser talk to us
        else:
            self.say(replies.UNKNOWN_COMMAND)

    # Replies

    def say(self, reply: Reply | str) -> None:
        """Add a reply; it goes out when there is no more input to work on."""
        text = str(reply)
        if text[0] == "5":
            self._errors += 1
            if self._errors > self.limits.errors:
                text = str(replies.TOO_MANY_ERRORS)
        self._out.append(text.encode() + b"\r\n")
        if text.startswith("421"):
            self.is_closing = True

    async def push(self, status: str | bytes) -> None:
        """Reply, as aiosmtpd's methods do it."""
        self.say(status if isinstance(status, str) else status.decode())

    def flush(self) -> None:
        """Send the replies that were added."""
        if self._out and self.transport is not None:
            self.transport.write(b"".join(self._out))
        self._out.clear()

    def hang_up(self, reply: Reply) -> None:
        """Reply and close."""
        self.say(reply)
        self.is_closing = True
        self._wake()

    def close(self) -> None:
        """Send what is left and close."""
        self.is_closing = True
        self.flush()
        if self.transport is None:
            return
        self.transport.close()
        if self.transport.get_write_buffer_size() and self._timer is not None:
            self._timer.cancel()  # they do not read: what is left waits for them, but not for ever
            self._timer = self.loop.call_later(self.limits.linger, self.transport.abort)

    async def start_tls(self, context: ssl.SSLContext) -> bool:
        """Shake hands; what was said before counts no more (RFC 3207 §4.2). False when it fails."""
        assert self.transport is not None
        self.flush()
        self._in.clear()  # said in clear behind STARTTLS
        try:
            transport = await self.loop.start_tls(
                self.transport, self, context, server_side=True, ssl_handshake_timeout=self.limits.handshake
            )
        except (OSError, ssl.SSLError):
            transport = None
        if transport is None:
            self.is_closing = True
            return False
        self.transport = transport
        self.session = Session(self.loop)
        self.session.ssl = {"cipher": transport.get_extra_info("cipher")}
        return True

    # The clock

    def _wake(self) -> None:
        if self._input is not None and not self._input.done():
            self._input.set_result(None)

    def _look_at_clock(self) -> None:
        """Close when the deadline has passed, else look again when it may have."""
        now = self.loop.time()
        is_their_turn = self._input is not None and not self._input.done()
        if self.reader is not None and self._is_slow(now):
            self._time_out(replies.TOO_SLOW)
        elif now >= self._deadline and is_their_turn:
            self._time_out(replies.TIMED_OUT)
        elif now >= self._deadline and self._writable is not None and self.transport is not None:
            self.transport.abort()  # they do not even read
        else:
            pause = self._deadline - now if self._deadline > now else self.limits.idle / 20
            if self.reader is not None:
                pause = min(pause, self.limits.data_slow_after / 2)
            self._timer = self.loop.call_later(pause, self._look_at_clock)

    def _is_slow(self, now: float) -> bool:
        assert self.reader is not None
        age = now - self._data_since
        # A trickle that resets an idle timer for ever would hold a place for ever.
        is_below = age > self.limits.data_slow_after and self.reader.size < age * self.limits.data_floor
        return is_below or age > self.limits.data_total

    def _time_out(self, reply: Reply) -> None:
        self.reader = None
        self.is_at_end = True
        self.hang_up(reply)
