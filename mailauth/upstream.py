"""Who handed a message to our own hosts: the last hop before them, out of their Received fields.

A backup MX or a project's own Postfix passes mail on by plain SMTP. The client to judge is then the
one that they saw. Only the fields which our hosts wrote are believed, one a host, from the top.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from mailauth.message import Message
from mailauth.names import ascii_name
from mailauth.spf import Address, unmapped

MAX_HOPS = 10
MAX_FIELD = 4096

_FROM = re.compile(
    r"\s*from\s+(\S{1,255})\s*(\([^()]{0,512}(?:\([^()]{0,128}\)[^()]{0,256}){0,4}\))?", re.IGNORECASE
)
_ADDRESS = re.compile(r"\[(?:IPv6:)?([0-9a-fA-F.:]{2,45})\]", re.IGNORECASE)


def last_hop(
    message: Message, client: Address, helo: str, trusted: Iterable[IPv4Network | IPv6Network]
) -> tuple[Address, str]:
    """Return address and HELO name of the last client outside our own networks.

    client, helo: of the connection. trusted: the networks of our own hosts. While the client is one
    of them, the next Received field from the top is theirs and names the client before. One that
    cannot be read ends the search at the host that wrote it.
    """
    networks = tuple(trusted)
    client = unmapped(client)
    for position in message.where(b"received")[:MAX_HOPS]:
        if not any(client in network for network in networks):
            break
        before = _read(message.values[position])
        if before is None:
            break
        client, helo = before
    return client, helo


def _read(value: bytes) -> tuple[Address, str] | None:
    """Read `from HELO (name [address])` or `from HELO ([address])` (RFC 5321 section 4.4)."""
    found = _FROM.match(value[:MAX_FIELD].replace(b"\r\n", b"").decode("ascii", "replace"))
    if found is None:
        return None
    helo, comment = found.groups()
    # The address which the host saw stands in the comment: last as Postfix and Sendmail write it, first
    # as Exim does, where the client's own words follow it.
    inside = _ADDRESS.findall(comment or "")
    if not inside:
        return None
    seen = inside[0] if comment.startswith("([") else inside[-1]
    try:
        address: IPv4Address | IPv6Address = ip_address(seen)
    except ValueError:
        return None
    return unmapped(address), ascii_name(helo) or helo
