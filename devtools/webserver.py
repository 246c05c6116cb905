"""A small HTTP/1.1 server on loopback which can also answer in broken ways."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

BODY_LIMIT = 1024 * 1024


class Breakage(Enum):
    """How an answer goes wrong on the wire."""

    TRUNCATED = "truncated"  # Content-Length promises more than is sent, then the connection is cut
    HANG = "hang"  # no byte of an answer until the server stops
    CLOSED = "closed"  # the connection is closed instead of an answer


@dataclass(frozen=True)
class Request:
    """One request as it came; `target` is the raw request target, `path` is unquoted."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    client_host: str

    @property
    def path(self) -> str:
        """The unquoted path."""
        return unquote(urlsplit(self.target).path)

    @property
    def raw_query(self) -> str:
        """The query as it was sent."""
        return urlsplit(self.target).query

    def query(self, name: str, default: str = "") -> str:
        """The first value of a query argument."""
        return parse_qs(self.raw_query, keep_blank_values=True).get(name, [default])[0]

    def form(self) -> list[tuple[str, str]]:
        """The fields of a form-encoded body, in order."""
        return parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    def header(self, name: str, default: str = "") -> str:
        """A request header by its name in any case."""
        return self.headers.get(name.lower(), default)


@dataclass(frozen=True)
class Answer:
    """What to send back."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    breakage: Breakage | None = None


def text(status: int, body: str, *headers: tuple[str, str]) -> Answer:
    """A text/plain answer."""
    return Answer(status, body.encode(), "text/plain; charset=utf-8", headers)


def html(status: int, body: str, *headers: tuple[str, str]) -> Answer:
    """An HTML answer."""
    return Answer(status, body.encode(), headers=headers)


def as_json(value: Any, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(value).encode(), "application/json")


class ControlError(Exception):
    """A control request which cannot be carried out; the text says why."""


def control(request: Request, carry_out: Callable[[dict[str, Any]], Any]) -> Answer:
    """Hands the JSON object of `POST /_control` to `carry_out` and answers with what that returns.

    Only loopback callers and `application/json` are taken: a web page elsewhere cannot send that
    without asking first, which this server never grants.
    """
    if request.client_host not in ("127.0.0.1", "::1"):
        return text(403, "only from loopback")
    if request.method != "POST":
        return text(405, "POST only", ("Allow", "POST"))
    if request.header("content-type").split(";")[0].strip() != "application/json":
        return text(415, "application/json only")
    try:
        return as_json(carry_out(dict(json.loads(request.body))))
    except (ControlError, ValueError, TypeError, KeyError) as problem:
        return text(400, f"{type(problem).__name__}: {problem}")


class WebServer:
    """Serves `answer(request)` with keep-alive, one thread a connection.

    Args:
        answer: makes the answer to a request; called from many threads at once.
        port: 0 takes a free one.
        public_host: host name written into `url`; the listening address is 127.0.0.1 all the same.
    """

    def __init__(
        self, answer: Callable[[Request], Answer], *, port: int = 0, public_host: str = "127.0.0.1"
    ) -> None:
        self._answer = answer
        self._wanted_port = port
        self._public_host = public_host
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on; valid after `start`."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """`http://HOST:PORT/`."""
        return f"http://{self._public_host}:{self.port}/"

    def start(self) -> None:
        """Listens and serves in a thread of its own.

        Raises:
            OSError: the port is taken.
        """
        self._server = _Server(("127.0.0.1", self._wanted_port), self._answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stops listening and cuts every open connection, those that hang included."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.stopping.set()
        server.shutdown()
        server.server_close()
        server.cut_connections()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the client was quicker
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is ordinary here; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120
    server: _Server

    def do_GET(self) -> None:
        """Serves every method alike; the answering function looks at it."""
        request = self._read()
        if request is not None:
            self._send(request, self.server.answer(request))

    do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def _read(self) -> Request | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > BODY_LIMIT:
            self.close_connection = True
            self.send_error(413)
            return None
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(length))
        return Request(self.command, self.path, headers, body, self.client_address[0])

    def _send(self, request: Request, answer: Answer) -> None:
        if answer.breakage is Breakage.HANG:
            self.server.stopping.wait()
        if answer.breakage in (Breakage.HANG, Breakage.CLOSED):
            self.close_connection = True
            return
        truncated = answer.breakage is Breakage.TRUNCATED
        self.close_connection = self.close_connection or truncated
        length = len(answer.body) + 1000 if truncated else len(answer.body)
        lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Status')}"]
        lines += [f"Date: {self.date_time_string()}"]
        if answer.status != 304:
            lines += [f"Content-Type: {answer.content_type}", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if self.close_connection:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        # One write: head and body in two small packets would wait for each other's ACK.
        self.wfile.write(head if request.method == "HEAD" else head + answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing: the tests and the demo own the terminal."""
