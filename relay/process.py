"""One process of the relay: puts the parts together, listens, and stops without losing a message."""

import asyncio
import contextlib
import platform
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from ipaddress import ip_network
from pathlib import Path

import structlog

from core.addresses import to_ascii_domain
from core.alias_table import open_alias_table
from core.delivery import record
from core.domains import dmarc_policies
from core.routing import AliasTable
from core.secrets import derive_key
from core.settings import Settings, split_host_port
from core.signing_keys import keys_in_use
from mailauth import dmarc
from mailauth.policy import Trust
from mailauth.resolver import DnsResolver
from mailauth.srs import Srs
from relay import faults
from relay.accept import Acceptor, Senders
from relay.alias_cache import AliasCache
from relay.alias_changes import ChangeListener
from relay.authenticate import Authentication, Mode
from relay.client import Opening, Tls
from relay.counters import Counters, Sink
from relay.courier import Courier
from relay.deliver import Delivery
from relay.directory import Directory
from relay.fingerprint import Keys, Marks
from relay.keyring import Keyring, Load
from relay.limits import Limits
from relay.mx import MailExchangers
from relay.policy import Policy
from relay.pool import Pool
from relay.returns import Returns
from relay.server import Session
from relay.service import Service
from relay.shared import SharedMarks, ValkeyMarks
from relay.submission import OwnSession
from relay.tls import ServerTls, client_context
from relay.trace import Tracer

log = structlog.get_logger()

_SWEEP_EVERY = 2.0
_BACKLOG = 1024


class Relay:
    """Everything of one process. Made, started and stopped on one event loop.

    slot: which of the processes on this machine. table: opens the alias table; None takes the one of
    the settings. sink: takes the counts. marks: kept in step by Valkey unless given. keys: reads the
    signing keys instead of `core.signing_keys`, and policies the DMARC policies instead of `core.domains`.
    """

    def __init__(
        self,
        settings: Settings,
        limits: Limits | None = None,
        *,
        slot: int = 0,
        table: Callable[[], AliasTable] | None = None,
        sink: Sink = record,
        marks: SharedMarks | None = None,
        keys: Load | None = None,
        policies: Callable[[], dict[str, str]] | None = None,
    ) -> None:
        self.limits = limits or limits_of(settings)
        self._marks = marks if marks is not None else ValkeyMarks(settings.broker_url, _name(settings, slot))
        self._executor = ThreadPoolExecutor(1, "database")
        self._signers = ThreadPoolExecutor(2, "signing")
        self._keyring = Keyring(keys or (lambda: keys_in_use(settings.record_secret)))
        self._policies = policies or (dmarc_policies if keys is None else dict)
        self._configured = trust_of(settings).overrides
        self._pool = Pool(_opening(settings), self.limits, _own_ports(settings))
        self._listeners: list[asyncio.Server] = []
        self._chores: list[asyncio.Task[None]] = []
        self._aliases = AliasCache()
        self._changes: ChangeListener | None = None
        self.service = self._service(settings, table, sink)

    def _service(self, settings: Settings, table: Callable[[], AliasTable] | None, sink: Sink) -> Service:
        limits, own_names = self.limits, (settings.relay_hostname,)
        if table is None and not settings.database_url.startswith("sqlite:///"):
            self._changes = ChangeListener(settings.database_url, self._aliases)
        directory = Directory(
            table or (lambda: open_alias_table(settings.database_url)),
            settings.ops_address,
            threads=8 if self._changes else 0,
            cache=self._aliases,
        )
        secrets = [secret.encode() for secret in settings.srs_secrets]
        senders = Senders(
            Srs(settings.srs_domain, secrets, settings.srs_max_age_days),
            Srs(
                settings.srs_domain,
                [derive_key(secret, "relay own bounces") for secret in settings.srs_secrets],
            ),
        )
        smarthost = split_host_port(settings.smarthost) if settings.smarthost else None
        exchangers = MailExchangers(settings.resolver, settings.delivery_port, own_names, limits.dns)
        delivery = Delivery(
            Courier(self._pool, exchangers, limits, own_names, smarthost),
            Marks(Keys(derive_key(settings.secret_key, "relay marks")), self._marks, limits),
            Counters(sink, self._executor),
            Tracer(settings.relay_hostname, derive_key(settings.secret_key, "relay loop marks")),
            limits,
        )
        certificate, key = settings.relay_tls_certificate, settings.relay_tls_key
        tls = ServerTls(certificate, key) if certificate is not None and key is not None else None
        return Service(
            settings.relay_hostname,
            limits,
            Policy(limits, settings.relay_trusted_networks),
            Acceptor(directory, senders, settings.relay_hostname, settings.ops_address),
            senders,
            delivery,
            Returns(directory, delivery.counters, settings.relay_hostname),
            self._authentication(settings, delivery.counters),
            tls,
        )

    def _authentication(self, settings: Settings, counters: Counters) -> Authentication:
        server = split_host_port(settings.resolver) if settings.resolver else None
        return Authentication(
            Mode(settings.mail_authentication),
            settings.relay_hostname.lower(),
            DnsResolver([server[0]], server[1]) if server else DnsResolver(),
            trust_of(settings),
            [ip_network(network, strict=False) for network in settings.trusted_upstreams],
            self._keyring,
            counters,
            self._signers,
        )

    async def start(self, inbound: Sequence[socket.socket], own: socket.socket | None) -> None:
        """Take mail on these listening sockets.

        inbound: for other servers. own: the unix socket for our own mail.
        """
        loop = asyncio.get_running_loop()
        await self._read_keys()
        if self._changes is not None:
            self._changes.start()
        if isinstance(self._marks, ValkeyMarks):
            await self._marks.start()  # first, or a retry after a crash would not be known
        for listener in inbound:
            self._listeners.append(
                await loop.create_server(lambda: Session(self.service), sock=listener, backlog=_BACKLOG)
            )
        if own is not None:
            self._listeners.append(
                await loop.create_unix_server(lambda: OwnSession(self.service), sock=own, backlog=_BACKLOG)
            )
        self._chores.append(loop.create_task(self._sweep()))

    async def stop(self) -> None:
        """Take no new connections, finish the messages that are on their way, say 421 to everyone else."""
        self.service.is_stopping = True
        for listener in self._listeners:
            listener.close()
        for dialogue in list(self.service.dialogues):
            dialogue.stop()
        if self.service.dialogues:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.service.is_quiet.wait(), self.limits.stop_grace)
        for dialogue in list(self.service.dialogues):
            dialogue.cut()
        self._pool.close()
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await self._flush()
        if isinstance(self._marks, ValkeyMarks):
            await self._marks.close()
        if self._changes is not None:
            await self._changes.stop()
        self._executor.shutdown(wait=False)
        self._signers.shutdown(wait=False)

    async def _sweep(self) -> None:
        logged_at = keys_at = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            try:
                self._pool.sweep()
                self.service.policy.sweep()
                self._marks.sweep()
            except Exception as error:  # noqa: BLE001  # the chores must go on
                faults.report("sweep", error)
            await self._flush()
            if asyncio.get_running_loop().time() - logged_at >= self.limits.log_every:
                logged_at = asyncio.get_running_loop().time()
                self._log_traffic()
            if asyncio.get_running_loop().time() - keys_at >= self.limits.read_keys_every:
                keys_at = asyncio.get_running_loop().time()
                await self._read_keys()

    async def _read_keys(self) -> None:
        """Read what admins change now and then: signing keys, and the DMARC policies of domains."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._keyring.refresh)
            found = await asyncio.get_running_loop().run_in_executor(self._executor, self._policies)
        except Exception as error:  # noqa: BLE001  # those from before stay good, mail goes on
            faults.report("signing keys", error)
            return
        overrides = self.service.authentication.trust.overrides
        overrides.clear()
        overrides.update({name: dmarc.Policy(policy) for name, policy in found.items()} | self._configured)

    def _log_traffic(self) -> None:
        """Say in one line how much went by; nothing of whom."""
        traffic, policy = self.service.counters.take_traffic(), self.service.policy
        if traffic:
            log.info("relay.traffic", connections=policy.connections, memory=policy.memory_used, **traffic)

    async def _flush(self) -> None:
        try:
            await self.service.counters.flush()
        except Exception as error:  # noqa: BLE001  # counts wait for a better moment, mail does not
            faults.report("counts", error)


def limits_of(settings: Settings) -> Limits:
    """Return the limits that the settings ask for."""
    return Limits(
        message_size=settings.message_size_limit,
        memory=settings.relay_memory_limit,
        connections=settings.relay_connection_limit,
        connections_per_client=settings.relay_client_connection_limit,
    )


def trust_of(settings: Settings) -> Trust:
    """Return what the operator trusts."""
    overrides = dict(item.split("=") for item in settings.dmarc_overrides)
    return Trust(
        frozenset(settings.trusted_sealers),
        frozenset(settings.trusted_lists),
        {to_ascii_domain(domain): dmarc.Policy(policy) for domain, policy in overrides.items()},
    )


def _opening(settings: Settings) -> Opening:
    protection = Tls(settings.delivery_tls)
    context = client_context(verify=protection is Tls.VERIFY)
    user, password = settings.smarthost_user or "", settings.smarthost_password or ""
    return Opening(settings.relay_hostname, protection, context, user, password)


def _name(settings: Settings, slot: int) -> str:
    """Name a process, the same when it is started anew, and no other one's: neither here nor elsewhere."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    network = Path("/proc/self/ns/net")
    parts = (
        boot.read_text().strip() if boot.exists() else platform.node(),
        str(network.readlink()) if network.exists() else "",
        str(settings.relay_socket.absolute()),
        str(slot),
    )
    return blake2b("|".join(parts).encode(), digest_size=8).hexdigest()


def _own_ports(settings: Settings) -> frozenset[int]:
    return frozenset(split_host_port(listen)[1] for listen in settings.relay_listen)
