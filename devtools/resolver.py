"""A pretend DNS resolver over UDP and TCP whose zone and troubles change while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from devtools.loopthread import LoopThread

LONGEST_CHAIN = 8
LARGEST_UDP = 1232
NEGATIVE_TTL = 5


class Trouble(StrEnum):
    """How answers about a name go wrong."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    TIMEOUT = "timeout"  # no answer, neither by UDP nor by TCP
    TRUNCATED = "truncated"  # UDP says TC=1, TCP answers
    TRUNCATED_NO_TCP = "truncated-no-tcp"  # UDP says TC=1, TCP is closed without an answer


@dataclass(frozen=True)
class Question:
    """One question that came: for tests."""

    name: str  # without the last dot, in lower case
    rtype: str
    transport: str  # udp or tcp


Key = tuple[dns.name.Name, dns.rdatatype.RdataType]


class PretendResolver:
    """Answers from its own records only; a name it does not have is NXDOMAIN.

    Args:
        port: 0 takes one that is free for both UDP and TCP.

    Attributes:
        latency: seconds before every answer.
        questions: the last ones, oldest first.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.latency = 0.0
        self.questions: deque[Question] = deque(maxlen=10_000)
        self._wanted_port = port
        self._lock = threading.Lock()
        self._zone: dict[Key, dns.rrset.RRset] = {}
        self._troubles: dict[tuple[dns.name.Name, dns.rdatatype.RdataType | None], Trouble] = {}
        self._thread: LoopThread | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    # -- for tests and the demo ------------------------------------------------------------------

    def start(self) -> None:
        """Listens on 127.0.0.1.

        Raises:
            OSError: the port is taken.
        """
        udp, tcp = _socket_pair(self._wanted_port)
        self._thread = LoopThread()
        self._thread.run(self._listen(udp, tcp))

    def stop(self) -> None:
        """Stops."""
        if self._thread is None:
            return
        self._thread.run(self._close())
        self._thread.stop()
        self._thread = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, the same for UDP and TCP."""
        if self._tcp is None:
            raise RuntimeError("the resolver is not started")
        host, port = self._tcp.sockets[0].getsockname()[:2]
        return host, port

    def add(self, name: str, rtype: str, *values: str, ttl: int = 60) -> None:
        """Adds records, as in `add("example.net", "MX", "10 mail.example.net.")`.

        A TXT value that does not begin with a quotation mark is one text, whatever its length.

        Raises:
            dns.exception.DNSException: a name, type or value is none.
        """
        key = _key(name, rtype)
        with self._lock:
            records = self._zone.setdefault(key, dns.rrset.RRset(key[0], dns.rdataclass.IN, key[1]))
            for value in values:
                text = _quoted(value) if rtype.upper() == "TXT" and not value.startswith('"') else value
                records.add(dns.rdata.from_text(dns.rdataclass.IN, key[1], text), ttl)

    def remove(self, name: str, rtype: str | None = None) -> None:
        """Takes away a name's records of one type, or all of them."""
        with self._lock:
            owner = dns.name.from_text(name)
            gone = [key for key in self._zone if key[0] == owner and rtype in (None, _type_name(key[1]))]
            for key in gone:
                del self._zone[key]

    def trouble(self, name: str, kind: Trouble | str, rtype: str | None = None) -> None:
        """Makes answers about a name go wrong, for one type or for all."""
        with self._lock:
            wanted = dns.rdatatype.from_text(rtype) if rtype else None
            self._troubles[dns.name.from_text(name), wanted] = Trouble(kind)

    def heal(self) -> None:
        """Ends all troubles and the latency."""
        with self._lock:
            self._troubles.clear()
        self.latency = 0.0

    def control(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carries out what came over HTTP, lists of the arguments of the methods of the same names.

        As in `{"add": [["ubuntu.com", "TXT", "waypost-site-verification=abc"]], "heal": true}`; the
        others are `remove`, `trouble` and `latency`.
        """
        if order.get("heal"):
            self.heal()
        self.latency = float(order.get("latency", self.latency))
        for arguments in order.get("remove", []):
            self.remove(*arguments)
        for arguments in order.get("add", []):
            self.add(*arguments)
        for arguments in order.get("trouble", []):
            self.trouble(*arguments)
        with self._lock:
            return {"records": sum(len(records) for records in self._zone.values())}

    # -- answering -------------------------------------------------------------------------------

    def _answer(self, wire: bytes, transport: str) -> bytes | None:
        """The answer's wire form, or None where there is to be none."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if not query.question:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        name, rtype = query.question[0].name, query.question[0].rdtype
        asked = name.to_text(omit_final_dot=True).lower()
        self.questions.append(Question(asked, _type_name(rtype), transport))
        with self._lock:
            trouble = self._fill(response, name, rtype)
        if trouble is Trouble.TIMEOUT or (trouble is Trouble.TRUNCATED_NO_TCP and transport == "tcp"):
            return None
        if trouble in (Trouble.TRUNCATED, Trouble.TRUNCATED_NO_TCP) and transport == "udp":
            response = dns.message.make_response(query, recursion_available=True)
            response.flags |= dns.flags.TC
        if trouble in (Trouble.SERVFAIL, Trouble.REFUSED):
            response = dns.message.make_response(query, recursion_available=True)
            response.set_rcode(dns.rcode.from_text(trouble))
        if transport == "tcp":
            return response.to_wire(max_size=65535)
        limit = min(max(query.payload, 512), LARGEST_UDP) if query.edns >= 0 else 512
        return response.to_wire(max_size=limit, prefer_truncation=True)

    def _fill(
        self, response: dns.message.Message, name: dns.name.Name, rtype: dns.rdatatype.RdataType
    ) -> Trouble | None:
        """Puts the records in, along CNAMEs, or says which trouble was met on the way."""
        trouble: Trouble | None = None
        for _ in range(LONGEST_CHAIN):
            trouble = trouble or self._troubles.get((name, rtype)) or self._troubles.get((name, None))
            found = self._zone.get((name, rtype))
            if found:
                response.answer.append(found.copy())
                return trouble
            alias = self._zone.get((name, dns.rdatatype.CNAME))
            if alias is None:
                break
            response.answer.append(alias.copy())
            name = alias[0].target
        else:
            return Trouble.SERVFAIL
        if not any(owner.is_subdomain(name) for owner, _ in self._zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(_soa(name))
        return trouble

    async def _listen(self, udp: socket.socket, tcp: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), sock=udp)
        self._tcp = await asyncio.start_server(self._serve_tcp, sock=tcp)

    async def _close(self) -> None:
        if self._udp and self._tcp:
            self._udp.close()
            self._tcp.close()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = self._answer(await reader.readexactly(length), "tcp")
                await asyncio.sleep(self.latency)
                if answer is None:
                    return
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, resolver: PretendResolver) -> None:
        self._resolver = resolver

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._resolver._answer(data, "udp")
        if answer is None:
            return
        if self._resolver.latency:
            loop = asyncio.get_running_loop()
            loop.call_later(self._resolver.latency, self._transport.sendto, answer, addr)
        else:
            self._transport.sendto(answer, addr)


def _socket_pair(port: int) -> tuple[socket.socket, socket.socket]:
    """Sockets for UDP and TCP on the same port of 127.0.0.1."""
    for attempt in range(20):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.bind(("127.0.0.1", port))
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
            if port or attempt == 19:
                raise
        else:
            return udp, tcp
    raise AssertionError("the loop returns or raises")


def _key(name: str, rtype: str) -> Key:
    return dns.name.from_text(name), dns.rdatatype.from_text(rtype)


def _type_name(rtype: dns.rdatatype.RdataType) -> str:
    return dns.rdatatype.to_text(rtype)


def _quoted(text: str) -> str:
    """A TXT value in zone file form: strings of 255 octets at most."""
    escaped = [f"\\{byte:03d}" if byte in b'"\\' or byte > 126 else chr(byte) for byte in text.encode()]
    parts = [escaped[start : start + 255] for start in range(0, len(escaped), 255)] or [[]]
    return " ".join('"' + "".join(part) + '"' for part in parts)


def _soa(name: dns.name.Name) -> dns.rrset.RRset:
    """What a negative answer carries (RFC 2308 section 2), so that caches know for how long it holds."""
    apex = dns.name.Name(name.labels[-3:])
    value = f"ns.{apex} hostmaster.{apex} 1 3600 600 86400 {NEGATIVE_TTL}"
    return dns.rrset.from_text(apex, NEGATIVE_TTL, "IN", "SOA", value)
