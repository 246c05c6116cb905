"""The load: browsers that ask for one page again and again over connections that stay open."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What a load took."""

    rate: float
    """Pages a second."""
    p50: float
    """Milliseconds."""
    p95: float
    p99: float


def ask(
    port: int,
    headers: Sequence[str],
    clients: int,
    seconds: float,
    path: str = "/home",
    most: int | None = None,
    *,
    strangers: bool = False,
) -> Measured:
    """Ask for a page for so long, or so many times.

    headers: one for each visitor, such as `Cookie: x`; they take turns. clients: how many pages are
    asked for at once. strangers: each page over a connection of its own, as different visitors come; else
    a connection stays with the process that took it, and two of them may share one while the other idles.
    Raises RuntimeError when an answer is anything but 200.
    """
    turns = itertools.islice(itertools.cycle(headers), most)
    times: list[float] = []
    problems: list[str] = []
    end = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=_one_client, args=(port, path, turns, end, times, problems, strangers))
        for _ in range(clients)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    if problems or not times:
        raise RuntimeError(f"port {port}, {path}: {problems[:1] or 'no answer'}")
    times.sort()
    percentile = {p: times[min(len(times) * p // 100, len(times) - 1)] * 1000 for p in (50, 95, 99)}
    return Measured(len(times) / took, percentile[50], percentile[95], percentile[99])


def _one_client(
    port: int,
    path: str,
    turns: Iterator[str],
    end: float,
    times: list[float],
    problems: list[str],
    strangers: bool,
) -> None:
    connection = Connection(port)
    try:
        for header in turns:
            began = time.perf_counter()
            if began >= end:
                return
            if strangers:
                connection.open_anew()
            status, _ = connection.get(path, header)
            times.append(time.perf_counter() - began)
            if status != 200:
                problems.append(f"status {status}")
                return
    except (OSError, ValueError) as error:
        problems.append(repr(error))
    finally:
        connection.close()


class Connection:
    """HTTP/1.1 over one connection, with next to nothing between the socket and the clock."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open()

    def open_anew(self) -> None:
        """Begin a new connection."""
        self.close()
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str, header: str) -> tuple[int, bytes]:
        """Return the status and the body of a page."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = head.lower().split(b"\r\n")
        length = next(int(field[15:]) for field in fields if field.startswith(b"content-length:"))
        parts, have = [body], len(body)
        while have < length:
            parts.append(self._more())
            have += len(parts[-1])
        if b"connection: close" in fields:
            self.open_anew()
        return int(head[9:12]), b"".join(parts)

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def close(self) -> None:
        """Close it."""
        self._socket.close()
