"""What the relay writes on top of a message: `Received` and the loop mark. Nothing below is touched."""

import hmac
import re
import secrets
import time
from collections.abc import Iterable
from email.utils import formatdate

from relay.message import LOOP_FIELD

MOST_RECEIVED = 50
_STRANGE = re.compile(r"[^A-Za-z0-9.:\[\]_-]+")


class Tracer:
    """Writes the trace fields. hostname: ours. key: keys the loop marks."""

    def __init__(self, hostname: str, key: bytes) -> None:
        self._hostname = hostname
        self._key = key
        self._second = 0
        self._date = ""

    def received(self, helo: str, address: str, protocol: str) -> bytes:
        """Write the Received field (RFC 5321 §4.4), without `for`: recipients are private.

        helo: the client's word for itself. address: its IP address, empty on the own socket.
        protocol: the word after `with` (RFC 3848, RFC 6531 §3.7.3).
        """
        literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
        client = f"{_STRANGE.sub('?', helo)[:255] or 'unknown'} ({literal})" if address else "localhost"
        return (
            f"Received: from {client}\r\n\tby {self._hostname} with {protocol} id {secrets.token_hex(8)};"
            f"\r\n\t{self._now()}\r\n"
        ).encode()

    def loop_mark(self, alias: str) -> bytes:
        """Return what marks a message that has passed an alias; only we can tell which."""
        return hmac.digest(self._key, alias.encode(), "sha256")[:12].hex().encode()

    def loop_fields(self, aliases: Iterable[str]) -> bytes:
        """Write the loop marks of the aliases by which a copy goes."""
        return b"".join(b"%s: %s\r\n" % (LOOP_FIELD.title(), self.loop_mark(alias)) for alias in aliases)

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, formatdate(second, localtime=True)
        return self._date
