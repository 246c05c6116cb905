"""HTTP with a deadline for the whole exchange: connection, TLS, header and body together.

httpx limits each read; a server that sends an octet a second would hold it for ever. Here every
read and write of the connection looks at the one deadline.
"""

import itertools
import socket
import ssl
import typing
from collections.abc import Iterable, Mapping
from contextvars import ContextVar

import httpcore
import httpx

from core.directories import Deadline

TRY_NEXT_AFTER = 1.0  # seconds

_deadline: ContextVar[Deadline] = ContextVar("deadline")


def _left(timeout: float | None, error: type[Exception]) -> float:
    left = _deadline.get().remaining
    if left <= 0:
        raise error("the deadline has passed")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> typing.Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def __init__(self) -> None:
        self._answered: dict[str, str] = {}
        """By host, the address that took the last connection: the first to try next time."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to whichever address of a host answers, IPv6 or IPv4 (in the spirit of RFC 8305).

        One that does not answer within a second is passed over; the last try has all the time left.
        """
        found = _addresses(host, port)
        found.sort(key=lambda address: address != self._answered.get(host))
        tries = [*found, found[0]] if len(found) > 1 else found
        for number, address in enumerate(tries):
            left = _left(timeout, httpcore.ConnectTimeout)
            is_last = number == len(tries) - 1
            patience = left if is_last else min(left, TRY_NEXT_AFTER)
            try:
                stream = super().connect_tcp(address, port, patience, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if is_last:
                    raise
                continue
            self._answered[host] = address
            return _Stream(stream)
        raise httpcore.ConnectError("the host has no address")


def _addresses(host: str, port: int) -> list[str]:
    """Look up a host's addresses, the two families in turns, the system's favourite first."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    families = list(dict.fromkeys(info[0] for info in infos))
    columns = [[str(info[4][0]) for info in infos if info[0] is family] for family in families]
    turns = itertools.zip_longest(*columns)
    return list(dict.fromkeys(address for turn in turns for address in turn if address is not None))


class _Transport(httpx.HTTPTransport):
    def __init__(self) -> None:
        super().__init__()
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(), max_connections=20, network_backend=_Backend()
        )


class Fetcher:
    """Fetches without following redirects; safe to share between threads."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self._client = httpx.Client(
            headers={"Accept-Encoding": "identity", **(headers or {})}, transport=_Transport()
        )

    def fetch(
        self,
        url: str,
        deadline: Deadline,
        *,
        most: int,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a GET, or a POST with content, and read the whole answer.

        most: octets that the body may have. Raises httpx.HTTPError when there is no whole answer in
        time, and httpx.InvalidURL or ValueError for an address that is none.
        """
        token = _deadline.set(deadline)
        try:
            method = "GET" if content is None else "POST"
            with self._client.stream(
                method, url, content=content, headers=headers, timeout=max(deadline.remaining, 0.001)
            ) as response:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise httpx.DecodingError(
                        "compressed, which was not asked for, and could swell without end"
                    )
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > most:
                        raise httpx.ReadError("the answer is too long")
                return httpx.Response(response.status_code, headers=response.headers, content=bytes(body))
        finally:
            _deadline.reset(token)
