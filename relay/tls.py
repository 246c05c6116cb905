"""TLS contexts: ours for clients, read anew when the certificate changes, and the one for other servers."""

import ssl
import time
from pathlib import Path

import structlog

log = structlog.get_logger()

_LOOK_EVERY = 2  # seconds


class ServerTls:
    """Our certificate. A broken new one is reported, and the old one stays in use.

    certificate, key: PEM files. Raises OSError (ssl.SSLError is one) at the start when they cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._stamp = self._look()
        self._context = self._load()
        self._looked_at = time.monotonic()

    def context(self) -> ssl.SSLContext:
        """Return the context with the present certificate."""
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            self._refresh()
        return self._context

    def _refresh(self) -> None:
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._context = self._load()
                self._stamp = stamp
                log.info("relay.certificate", change="read")
        except OSError as error:
            log.warning(
                "relay.certificate", change="unreadable, the old one stays", kind=type(error).__name__
            )

    def _look(self) -> list[tuple[int, int]]:
        return [(status.st_mtime_ns, status.st_ino) for status in (file.stat() for file in self._files)]

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._files)
        return context


def client_context(*, verify: bool) -> ssl.SSLContext:
    """Make the context for other servers.

    verify: the certificate must be valid for the host's name; otherwise any will do (RFC 7435).
    """
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
