"""The bytes of an outgoing SMTP connection: writes with flow control, replies cut out of what arrives."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import cast

_MOST_REPLY = 64 * 1024
_MOST_WAITING = 100


@dataclass(frozen=True)
class Answer:
    """A reply of another server: its code and its lines without the code."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


class Broken(Exception):
    """The connection broke, time ran out, or what the other side speaks is no SMTP."""


class Wire(asyncio.Protocol):
    """Reads replies and writes octets; knows nothing of what they mean."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._lines: list[str] = []
        self._replies: list[Answer] = []
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport | None = None
        self.is_lost = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Cut replies out of what arrives (RFC 5321 §4.2)."""
        buffer = self._buffer + data if self._buffer else data
        *lines, self._buffer = buffer.split(b"\n")
        for line in lines:
            self._take_line(line)
        if max(len(self._lines), len(self._replies)) > _MOST_WAITING or self._size() > _MOST_REPLY:
            self.abort()
        if self._replies:
            self._wake(self._waiter)

    def _take_line(self, line: bytes) -> None:
        code, rest = line[:3], line.rstrip(b"\r")[3:]
        if not (len(code) == 3 and code.isdigit() and code[:1] in b"2345" and rest[:1] in (b"", b" ", b"-")):
            self.abort()
            return
        self._lines.append(rest[1:].decode("utf-8", "replace"))
        if rest[:1] != b"-":
            self._replies.append(Answer(int(code), tuple(self._lines)))
            self._lines = []

    def _size(self) -> int:
        return len(self._buffer) + sum(map(len, self._lines))

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits."""
        self.is_lost = True
        self._wake(self._waiter)
        self._wake(self._drained)

    def pause_writing(self) -> None:
        """The other side is slow: `drain` waits from now on."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """The other side has caught up."""
        self._wake(self._drained)
        self._drained = None

    @staticmethod
    def _wake(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)

    # for the client

    @property
    def is_quiet(self) -> bool:
        """Whether nothing lies here unread: no reply, no part of one."""
        return not (self._buffer or self._lines or self._replies)

    def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Write without waiting."""
        if self.transport is None or self.is_lost:
            raise Broken
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        else:
            self.transport.writelines(pieces)

    async def drain(self, patience: float) -> None:
        """Wait until the other side has taken most of what was written.

        patience: in seconds. Raises Broken when it takes too long.
        """
        if self._drained is not None:
            await self._wait(self._drained, patience)
        if self.is_lost:
            raise Broken

    async def reply(self, patience: float | None) -> Answer:
        """Return the next reply.

        patience: in seconds, None waits until the connection ends. Raises Broken.
        """
        if not self._replies:
            if self.is_lost:
                raise Broken
            self._waiter = self._loop.create_future()
            try:
                await self._wait(self._waiter, patience)
            finally:
                self._waiter = None
            if not self._replies:
                raise Broken
        return self._replies.pop(0)

    async def _wait(self, future: asyncio.Future[None], patience: float | None) -> None:
        timer = None if patience is None else self._loop.call_later(patience, self._give_up, future)
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()

    def _give_up(self, future: asyncio.Future[None]) -> None:
        self.abort()
        self._wake(future)

    async def start_tls(self, context: ssl.SSLContext, server_name: str, patience: float) -> None:
        """Shake hands; `server_name` goes into SNI. Raises Broken."""
        assert self.transport is not None
        try:
            self.transport = await self._loop.start_tls(
                self.transport, self, context, server_hostname=server_name, ssl_handshake_timeout=patience
            )
        except (OSError, ssl.SSLError):
            self.transport = None
        if self.transport is None:
            self.is_lost = True
            raise Broken

    def abort(self) -> None:
        """Cut the connection at once. What arrived so far can still be read."""
        self.is_lost = True
        if self.transport is not None:
            self.transport.abort()
