"""`python -m relay`: a small parent, and one process a core that share the port by SO_REUSEPORT."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvloop

from core import runtime
from core.settings import Settings, split_host_port
from relay import faults
from relay.process import Relay
from relay.tls import ServerTls

log = structlog.get_logger()

_RESTART_AFTER = 1.0  # seconds
_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})


def listen_inbound(addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Listen on (host, port) pairs; each process has its own sockets on them (SO_REUSEPORT)."""
    sockets = []
    for host, port in addresses:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
        sockets.append(listener)
    return sockets


def listen_own(path: Path) -> socket.socket:
    """Open the unix socket for our own mail, for this user only. All processes share it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(128)
    listener.setblocking(False)
    return listener


async def serve(
    settings: Settings,
    inbound: Sequence[socket.socket],
    own: socket.socket,
    slot: int = 0,
    parent: int | None = None,
) -> None:
    """Run one process until SIGTERM, SIGINT, or the end of its parent.

    slot: which of the processes it is. parent: a file descriptor that is at its end when the parent
    is gone.
    """
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_report)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if parent is not None:
        loop.add_reader(parent, stopping.set)
    relay = Relay(settings, slot=slot)
    await relay.start(inbound, own)
    log.info("relay.listening", addresses=[_name(listener) for listener in inbound])
    await stopping.wait()
    if parent is not None:
        loop.remove_reader(parent)
    await relay.stop()


def _report(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Report what nobody caught."""
    error = context.get("exception")
    faults.report("loop", error if isinstance(error, BaseException) else None)


def _name(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _run(
    settings: Settings,
    inbound: Sequence[socket.socket],
    own: socket.socket,
    slot: int = 0,
    parent: int | None = None,
) -> None:
    gc.collect()
    gc.freeze()  # what is here now stays: no need to look through it again and again
    gc.set_threshold(20_000, 10, 10)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, inbound, own, slot, parent))


class Parent:
    """Starts the processes, starts another when one dies, and passes SIGTERM on.

    The sockets are opened here, so that mail waits in their queues while a process is started anew.
    """

    def __init__(
        self, settings: Settings, own: socket.socket, first: list[socket.socket], count: int
    ) -> None:
        self._settings = settings
        self._own = own
        addresses = [listener.getsockname()[:2] for listener in first]
        self._inbound = [first, *(listen_inbound(addresses) for _ in range(count - 1))]
        self._children: dict[int, int] = {}
        self._alive, self._until_end = os.pipe()

    def run(self) -> None:
        """Run until SIGTERM or SIGINT and the end of all children."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        for place in range(len(self._inbound)):
            self._start(place)
        is_stopping = False
        while self._children or not is_stopping:
            number = signal.sigwait(_SIGNALS)
            if number == signal.SIGCHLD:
                self._look_after_children(restart=not is_stopping)
            elif not is_stopping:
                is_stopping = True
                self._stop()

    def _start(self, place: int) -> None:
        child = os.fork()
        if child:
            self._children[child] = place
            return
        os.close(self._until_end)
        for other, listeners in enumerate(self._inbound):
            for listener in listeners if other != place else ():
                listener.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        status = 1
        try:
            _run(self._settings, self._inbound[place], self._own, place, self._alive)
            status = 0
        finally:
            os._exit(status)

    def _look_after_children(self, *, restart: bool) -> None:
        dead = []
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                dead.append(found)
        for child, status in dead:
            place = self._children.pop(child)
            if restart:
                log.error("relay.process", state="ended", status=os.waitstatus_to_exitcode(status))
                if signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, _RESTART_AFTER) is None:
                    self._start(place)
                else:
                    os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self) -> None:
        # A socket takes connections as long as anyone holds it open.
        for listener in (listener for listeners in self._inbound for listener in listeners):
            listener.close()
        self._own.close()
        for child in self._children:
            os.kill(child, signal.SIGTERM)


def _prepare(settings: Settings) -> tuple[socket.socket, list[socket.socket]]:
    """Open the sockets and try the certificate; ends the process with a sentence when that cannot be."""
    what = "RELAY_SOCKET"
    try:
        own = listen_own(settings.relay_socket)
        what = "RELAY_LISTEN"
        inbound = listen_inbound([split_host_port(item) for item in settings.relay_listen])
        what = "RELAY_TLS_CERTIFICATE and RELAY_TLS_KEY"
        if settings.relay_tls_certificate is not None and settings.relay_tls_key is not None:
            ServerTls(settings.relay_tls_certificate, settings.relay_tls_key)
    except OSError as error:
        sys.stderr.write(f"Waypost cannot start:\n{what}: {error.strerror or error}.\n")
        raise SystemExit(78) from None  # EX_CONFIG of sysexits.h
    return own, inbound


def main() -> None:
    """Start the relay with the settings of the environment."""
    settings = runtime.start()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold mail
    own, inbound = _prepare(settings)
    runtime.require_tables()
    count = settings.relay_processes or len(os.sched_getaffinity(0))
    if count == 1:
        _run(settings, inbound, own)
    else:
        Parent(settings, own, inbound, count).run()
    settings.relay_socket.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
