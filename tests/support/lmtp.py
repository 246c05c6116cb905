"""A small LMTP server (RFC 2033) on a unix socket, in the place of the relay's own socket."""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")


@dataclass(frozen=True)
class Received:
    """One message that was taken: with its envelope, and the text between DATA and the dot unstuffed."""

    sender: str
    recipient: str
    content: bytes


class LmtpServer:
    """Takes every mail, unless `replies` says otherwise.

    Attributes:
        replies: by stage (greeting, lhlo, mail, rcpt, data, dot, quit) what is said in place of the
            ordinary reply; "" says nothing at all and "drop" closes the connection.
        received: what was answered with 2xx after the dot.
        extensions: what LHLO offers.
        at_dot: called before the reply to the dot, with what came.
    """

    def __init__(self, path: Path) -> None:
        self.replies: dict[str, str] = {}
        self.received: list[Received] = []
        self.extensions = EXTENSIONS
        self.at_dot: Callable[[Received], None] = lambda _: None
        self.connections = 0
        self._path = path
        self._open: list[socket.socket] = []

    def start(self) -> None:
        """Listen."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Close the socket and everything that is open."""
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, _Hung), connection, connection.makefile("rb") as lines:
            say = _Voice(connection, self.replies)
            say("greeting", "220 relay.test LMTP")
            sender = recipient = ""
            for line in lines:
                verb, _, rest = line.decode("utf-8").strip().partition(" ")
                verb = verb.upper()
                argument = rest.partition("<")[2].partition(">")[0]
                if verb == "LHLO":
                    say("lhlo", "\r\n".join(f"250-{name}" for name in self.extensions) + "\r\n250 OK")
                elif verb == "MAIL":
                    sender = argument
                    say("mail", "250 2.1.0 ok")
                elif verb == "RCPT":
                    recipient = argument
                    say("rcpt", "250 2.1.5 ok")
                elif verb == "DATA":
                    if say("data", "354 go ahead").startswith("354"):
                        self._take(Received(sender, recipient, _read_to_dot(lines)), say)
                elif verb == "QUIT":
                    say("quit", "221 2.0.0 bye")
                    return
                else:
                    say("other", "250 2.0.0 ok")

    def _take(self, message: Received, say: "_Voice") -> None:
        self.at_dot(message)
        if say("dot", "250 2.0.0 delivered").startswith("2"):
            self.received.append(message)


class _Hung(Exception):
    """The connection is over for this server."""


class _Voice:
    """Says the ordinary reply of a stage or the one that a test wants; returns what was said."""

    def __init__(self, connection: socket.socket, replies: dict[str, str]) -> None:
        self._connection = connection
        self._replies = replies

    def __call__(self, stage: str, ordinary: str) -> str:
        reply = self._replies.get(stage, ordinary)
        if reply == "drop":
            raise _Hung
        if reply:
            self._connection.sendall(reply.encode() + b"\r\n")
        return reply


def _read_to_dot(lines: object) -> bytes:
    content = []
    for line in lines:  # type: ignore[attr-defined]
        if line == b".\r\n":
            return b"".join(content)
        content.append(line.removeprefix(b".") if line.startswith(b"..") else line)
    raise _Hung
