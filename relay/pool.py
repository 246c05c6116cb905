"""Connections to other servers: kept for the next message, limited and backed off per destination."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from relay.client import Client, ClientError, Lost, Mail, Opening, Rejected, Stage, Tls, ToOurselves
from relay.limits import Limits
from relay.mx import Host
from relay.wire import Answer, Wire

Steps = Callable[[str, str], None] | None
"""Hears each step of a dialogue, as stage and the other server's words."""


class Unavailable(Exception):
    """The destination is backed off, or has more than enough to do: nothing was sent."""


@dataclass
class _Destination:
    idle: list[tuple[Client, float]] = field(default_factory=list)
    in_use: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    failures: int = 0
    closed_until: float = 0


class Pool:
    """Sends messages over connections that it keeps.

    One slow or dead destination holds up its own messages only: each has a limit of connections,
    one of messages that wait, and a pause after failures.

    opening: how connections are opened. own_ports: where this relay itself listens.
    """

    def __init__(self, opening: Opening, limits: Limits, own_ports: frozenset[int] = frozenset()) -> None:
        self._opening = opening
        self._limits = limits
        self._own_ports = own_ports
        self._loop = asyncio.get_running_loop()
        self._destinations: dict[tuple[str, int], _Destination] = {}

    async def send(self, host: Host, mail: Mail, steps: Steps = None) -> Answer:
        """Send one message to one host; return the 250.

        steps: hears the dialogue in the other server's words. Raises ClientError or Unavailable;
        once `mail.is_dot_sent` is true no other try may follow.
        """
        key = (host.address, host.port)
        destination = self._destinations.get(key)
        if destination is None:
            destination = self._destinations[key] = _Destination()
        await self._take_slot(destination)
        try:
            client = self._take_idle(destination)
            if client is not None:
                try:
                    return await self._use(destination, client, mail, steps)
                except ClientError as error:
                    if not _is_stale(error) or mail.is_dot_sent:
                        raise
            client = await self._open(host, destination, steps)
            return await self._use(destination, client, mail, steps)
        finally:
            self._give_slot(destination)

    def sweep(self) -> None:
        """Close what has been idle for too long and forget quiet destinations; called now and then."""
        now = self._loop.time()
        for key, destination in list(self._destinations.items()):
            while destination.idle and destination.idle[0][1] + self._limits.pool_idle <= now:
                destination.idle.pop(0)[0].quit()
            if not (destination.idle or destination.in_use or destination.closed_until > now):
                del self._destinations[key]

    def close(self) -> None:
        """Say goodbye on all idle connections."""
        for destination in self._destinations.values():
            while destination.idle:
                destination.idle.pop()[0].quit()

    async def _take_slot(self, destination: _Destination) -> None:
        if destination.closed_until > self._loop.time():
            raise Unavailable
        if destination.in_use < self._limits.destination_connections:
            destination.in_use += 1
            return
        if len(destination.waiting) >= self._limits.destination_waiting:
            raise Unavailable
        turn: asyncio.Future[None] = self._loop.create_future()
        destination.waiting.append(turn)
        try:
            async with asyncio.timeout(self._limits.destination_patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give_slot(destination)  # it came too late
            else:
                destination.waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise Unavailable from None
            raise

    @staticmethod
    def _give_slot(destination: _Destination) -> None:
        """Hand the slot to whoever waits first, else free it."""
        while destination.waiting:
            turn = destination.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        destination.in_use -= 1

    def _take_idle(self, destination: _Destination) -> Client | None:
        oldest = self._loop.time() - self._limits.pool_idle
        while destination.idle:
            client, since = destination.idle.pop()
            if client.is_usable and since > oldest:
                return client
            client.quit()
        return None

    async def _use(self, destination: _Destination, client: Client, mail: Mail, steps: Steps) -> Answer:
        client.steps = steps
        try:
            answer = await client.send(mail)
        except ClientError as error:
            error.our_addresses = client.our_addresses
            if isinstance(error, Rejected) and error.answer.code != 421:
                self._put_back(destination, client)
            else:
                client.abort()
            raise
        except BaseException:
            client.abort()
            raise
        self._put_back(destination, client)
        return answer

    def _put_back(self, destination: _Destination, client: Client) -> None:
        client.steps = None
        if client.is_usable and client.uses < self._limits.pool_uses:
            destination.idle.append((client, self._loop.time()))
        else:
            client.quit()

    async def _open(self, host: Host, destination: _Destination, steps: Steps) -> Client:
        try:
            client = await self._try_to_open(host, self._opening, steps)
        except ClientError as error:
            if error.stage is not Stage.STARTTLS or self._opening.tls is not Tls.OPPORTUNISTIC:
                self._note_failure(destination)
                raise
            # A new connection in clear: what TLS has begun cannot be taken back (RFC 7435, RFC 3207 §4.1).
            client = await self._try_to_open(host, replace(self._opening, tls=Tls.CLEAR), steps)
        destination.failures = 0
        return client

    async def _try_to_open(self, host: Host, opening: Opening, steps: Steps) -> Client:
        client = Client(await self._connect(host), self._limits)
        client.steps = steps
        if steps is not None:
            steps(Stage.CONNECT, str(host))
        try:
            await client.open(opening, host.name)
            self._refuse_ourselves(client, host)
        except BaseException as error:
            if isinstance(error, ClientError):
                error.our_addresses = client.our_addresses
            client.abort()
            raise
        return client

    def _refuse_ourselves(self, client: Client, host: Host) -> None:
        if client.is_to_ourselves and host.port in self._own_ports:
            raise ToOurselves

    async def _connect(self, host: Host) -> Wire:
        try:
            async with asyncio.timeout(self._limits.connect):
                _, wire = await self._loop.create_connection(Wire, host.address, host.port)
        except (OSError, TimeoutError):
            raise Lost(Stage.CONNECT) from None
        return wire

    def _note_failure(self, destination: _Destination) -> None:
        """From the second failure in a row on, leave the destination alone for longer and longer."""
        destination.failures += 1
        if destination.failures > 1:
            pause = self._limits.back_off_first * 2 ** (destination.failures - 2)
            destination.closed_until = self._loop.time() + min(pause, self._limits.back_off_most)


def _is_stale(error: ClientError) -> bool:
    """Whether a kept connection had just ended: a new one may do better."""
    return isinstance(error, Lost) or (isinstance(error, Rejected) and error.answer.code == 421)
