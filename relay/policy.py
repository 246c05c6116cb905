"""Who may talk, and how much: limits by client address, held in memory only."""

import ipaddress
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from secrets import token_bytes

from core.routing import Reply
from relay import replies
from relay.limits import Limits

_MOST_KEPT = 50_000


@dataclass
class _Client:
    connections: int = 0
    unknown: int = 0
    window_ends: float = 0


@dataclass
class Policy:
    """The limits of one process. trusted: networks without limits by client, as `10.0.0.0/8`."""

    limits: Limits
    trusted: Iterable[str] = ()
    clock: Callable[[], float] = time.monotonic
    connections: int = 0
    memory_used: int = 0
    _clients: dict[str, _Client] = field(default_factory=dict)
    _pairs: dict[bytes, float] = field(default_factory=dict)
    _key: bytes = field(default_factory=lambda: token_bytes(32))

    def __post_init__(self) -> None:
        self._trusted = [ipaddress.ip_network(network, strict=False) for network in self.trusted]
        self._known: dict[str, tuple[str, bool]] = {}

    def client_of(self, address: str) -> tuple[str, bool]:
        """Return the client of an address (an IPv6 /64 counts as one), and whether it is trusted."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._known[address] = self._look_at(address)
        return known

    def _look_at(self, address: str) -> tuple[str, bool]:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return address, True  # the unix socket: its file mode decides
        is_trusted = any(parsed in network for network in self._trusted)
        if parsed.version == 6:
            return str(ipaddress.ip_network((parsed, 64), strict=False)), is_trusted
        return address, is_trusted

    def connect(self, address: str) -> Reply | None:
        """Count a connection; return a reply if it is one too many. `disconnect` must follow in any case."""
        self.connections += 1
        client, is_trusted = self.client_of(address)
        if is_trusted:
            return replies.TOO_MANY_CONNECTIONS if self.connections > self.limits.connections else None
        entry = self._clients.setdefault(client, _Client())
        entry.connections += 1
        if (
            self.connections > self.limits.connections
            or entry.connections > self.limits.connections_per_client
        ):
            return replies.TOO_MANY_CONNECTIONS
        return replies.TOO_MANY_UNKNOWN if self._is_guessing(entry) else None

    def disconnect(self, address: str) -> None:
        """Count the end of a connection."""
        self.connections -= 1
        client, is_trusted = self.client_of(address)
        if is_trusted:
            return
        entry = self._clients.get(client)
        if entry is not None:
            entry.connections -= 1
            if entry.connections <= 0 and entry.window_ends < self.clock():
                del self._clients[client]

    def unknown_recipient(self, address: str) -> Reply | None:
        """Count an unknown address or a false SRS hash; return a reply when the client only guesses."""
        client, is_trusted = self.client_of(address)
        if is_trusted:
            return None
        entry = self._clients.setdefault(client, _Client())
        now = self.clock()
        if entry.window_ends < now:
            entry.unknown, entry.window_ends = 0, now + self.limits.unknown_window
        entry.unknown += 1
        return replies.TOO_MANY_UNKNOWN if self._is_guessing(entry) else None

    def _is_guessing(self, entry: _Client) -> bool:
        return entry.unknown > self.limits.unknown_recipients and entry.window_ends >= self.clock()

    def pair(self, address: str, sender: str, alias: str) -> Reply | None:
        """Count a message of one sender to one alias; return a reply when they have too many.

        This ends what two automatic answerers say to each other. Only a hash with a key of this
        process is kept, and only until it no longer matters.
        """
        if self.client_of(address)[1]:
            return None
        key = blake2b(
            f"{sender}\0{alias}".encode("utf-8", "surrogateescape"), key=self._key, digest_size=8
        ).digest()
        now = self.clock()
        # Generic cell rate algorithm: the moment at which the bucket would be full again.
        full_at = max(self._pairs.get(key, now), now) + self.limits.pair_refill
        if full_at > now + self.limits.pair_refill * self.limits.pair_burst:
            return replies.TOO_MUCH_MAIL
        if len(self._pairs) >= _MOST_KEPT:
            self.sweep()
        self._pairs[key] = full_at
        return None

    def reserve(self, octets: int) -> bool:
        """Take memory for a message; False when that would pass the ceiling."""
        if self.memory_used + octets > self.limits.memory:
            return False
        self.memory_used += octets
        return True

    def release(self, octets: int) -> None:
        """Give memory back."""
        self.memory_used -= octets

    def sweep(self) -> None:
        """Forget what no longer matters; called now and then."""
        now = self.clock()
        self._pairs = {key: full_at for key, full_at in self._pairs.items() if full_at > now}
        if len(self._pairs) >= _MOST_KEPT:
            self._pairs.clear()
        self._clients = {
            name: entry
            for name, entry in self._clients.items()
            if entry.connections > 0 or entry.window_ends >= now
        }
