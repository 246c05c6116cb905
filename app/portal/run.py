"""A test mail on its way: its steps, in the memory of the process that sends it, while its page asks.

Nothing of it is stored. Whichever process of the portal on this machine is asked finds the run by a
socket that is no file (abstract, unix(7)); its name can be made only with the secret key and the ids of
the person and the alias, and it answers nobody but this user's processes.
"""

import contextlib
import json
import os
import socket
import struct
import threading
import time
from dataclasses import asdict, dataclass, field

from core.letters import Letter
from core.secrets import derive_key, keyed_hash, new_token
from core.settings import Settings
from core.submission import PATIENCE, Outcome, Step, submit

KEPT = 120.0  # seconds after the end
MOST = 8
"""So many at once in one process."""

_places = threading.BoundedSemaphore(MOST)


class Busy(Exception):
    """Too many test mails are on their way."""


@dataclass
class Progress:
    """How far a test mail has come."""

    steps: list[Step] = field(default_factory=list)
    outcome: Outcome | None = None
    """None while it is on its way."""
    code: str = ""


def start(settings: Settings, person_id: int, alias_id: int, letter: Letter) -> str:
    """Submit a test mail in the background; return the id of the run. Raises Busy."""
    if not _places.acquire(blocking=False):
        raise Busy
    run_id, progress, done, path = new_token(), Progress(), threading.Event(), settings.relay_socket
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(_name(settings, run_id, person_id, alias_id))
    listener.listen()

    def send() -> None:
        try:
            result = submit(path, letter.to, letter.message, progress.steps.append)
            progress.outcome, progress.code = result.outcome, result.code
        finally:
            _places.release()
            done.set()

    threading.Thread(target=send, daemon=True).start()
    threading.Thread(target=_answer, args=(listener, progress, done), daemon=True).start()
    return run_id


def look(settings: Settings, run_id: str, person_id: int, alias_id: int) -> Progress | None:
    """Return how far a run has come; None when there is no such run of this person and alias any more."""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(2)
            asking.connect(_name(settings, run_id, person_id, alias_id))
            pieces = iter(lambda: asking.recv(65536), b"")
            found = json.loads(b"".join(pieces))
    except (OSError, ValueError):
        return None
    outcome = Outcome(found["outcome"]) if found["outcome"] else None
    return Progress([Step(**step) for step in found["steps"]], outcome, found["code"])


def _name(settings: Settings, run_id: str, person_id: int, alias_id: int) -> str:
    key = derive_key(settings.secret_key, "test mail")
    return "\0waypost-" + keyed_hash(key, run_id, str(person_id), str(alias_id))


def _answer(listener: socket.socket, progress: Progress, done: threading.Event) -> None:
    """Answer whoever of ours asks, until some time after the end."""
    ends = time.monotonic() + PATIENCE + KEPT
    is_over = False
    with listener:
        listener.settimeout(1)
        while time.monotonic() < ends:
            if done.is_set() and not is_over:
                is_over, ends = True, time.monotonic() + KEPT
            with contextlib.suppress(OSError):  # nobody asked just now, or they have left
                asking, _ = listener.accept()
                with asking:
                    asking.settimeout(2)
                    if _is_ours(asking):
                        asking.sendall(json.dumps(asdict(progress)).encode())


def _is_ours(asking: socket.socket) -> bool:
    credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1] == os.getuid()
