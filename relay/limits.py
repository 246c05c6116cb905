"""Every time, size and number that the relay keeps to. Times in seconds, sizes in octets."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Limits:
    """What a process of the relay keeps to; each number counts for one process."""

    # In: RFC 5321 §4.5.3.2.7 has a server wait at least 5 minutes for the next command.
    message_size: int = 50 * MIB
    memory: int = 256 * MIB
    """Messages in flight, all together: past it 452 4.3.1."""
    recipients: int = 100
    connections: int = 1000
    connections_per_client: int = 20
    """A client is an IPv4 address or an IPv6 /64."""
    unknown_recipients: int = 30
    """Unknown addresses and false SRS hashes that one client may name in `unknown_window`."""
    unknown_window: float = 600
    errors: int = 20
    """Replies 5xx in one session before it is closed."""
    commands_without_mail: int = 200
    """Commands in one session since its start or the last message."""
    command_line: int = 4 * KIB
    idle: float = 300
    data_idle: float = 180
    data_slow_after: float = 60
    """From this age on, DATA must have come at `data_floor` octets a second on average."""
    data_floor: int = 512
    data_total: float = 3600
    handshake: float = 30
    linger: float = 10
    """How long our last words wait for a client that does not read."""
    pair_burst: int = 100
    """Messages of one sender to one alias at once; one more every `pair_refill`."""
    pair_refill: float = 180

    # The final dot (design, The relay, 5)
    answer_within: float = 240
    late_reply: float = 600
    """How long the next server's reply is awaited after the client has its answer or is gone."""

    # Marks (design, The relay, 3 and 4)
    pending_for: float = 660
    served_for: float = 5 * 86_400
    share_after: float = 1
    """A message still unfinished so long after its first mark is shared with other processes."""
    share_served_after: float = 0.002
    """The same after a recipient's 250 while other recipients are still open."""
    defer_until: float = 4 * 3600
    """So long after the first try, a recipient that still defers no longer holds up the others."""
    alone_for: float = 86_400

    # Out: RFC 5321 §4.5.3.2
    connect: float = 30
    greeting: float = 60
    reply: float = 120
    write: float = 180
    """How long the other side may take none of our octets while we write a message."""
    hosts: int = 5
    """Addresses tried for one recipient in one transaction."""
    destination_connections: int = 20
    destination_waiting: int = 100
    destination_patience: float = 30
    pool_idle: float = 5
    pool_uses: int = 100
    back_off_first: float = 2
    back_off_most: float = 120
    dns: float = 8
    log_every: float = 60
    read_keys_every: float = 60
    stop_grace: float = 60
    """After SIGTERM: how long messages in DATA may take to finish."""
