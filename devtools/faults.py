"""Faults which the pretend Launchpad can be told to show: which kind, where, how often."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from enum import StrEnum

from devtools.webserver import Answer, Breakage, html, text


class FaultKind(StrEnum):
    """What goes wrong. The ones of the last block concern collections and nothing else."""

    EXPIRED_503 = "503-text"  # Launchpad's own database limit: text/plain, RequestExpired
    DOWN_503 = "503-html"  # the front end, with Retry-After
    BAD_GATEWAY_502 = "502-html"
    TOO_MANY_429 = "429"  # with Retry-After
    BAD_JSON = "bad-json"
    TRUNCATED = "truncated"  # Content-Length promises more than comes
    HTML_200 = "html-200"  # a login or maintenance page with status 200
    SLOW = "slow"  # answers rightly, after `seconds`
    HANG = "hang"  # no answer until the server stops
    CLOSED = "closed"  # the connection is closed without an answer

    HALF_COLLECTION = "half-collection"  # page 2 and later answer 503
    TOTAL_SIZE_CHANGES = "total-size-changes"  # each page counts one more than the page before
    FOREIGN_NEXT = "foreign-next"  # the next link leads to another host
    REPEATING_NEXT = "repeating-next"  # the next link leads to the same page
    EMPTY_COLLECTION = "empty-collection"  # no entries, total_size 0


@dataclass(frozen=True)
class Fault:
    """One fault: shown for paths that begin with `prefix`, the next `times` times (None: always)."""

    kind: FaultKind
    prefix: str = "/"
    times: int | None = None
    seconds: float = 1.0  # of SLOW, and of the Retry-After headers

    def concerns(self, path: str, start: int | None) -> bool:
        """Whether it touches this path; `start` is the collection page's first index, else None."""
        if not path.startswith(self.prefix):
            return False
        if self.kind is FaultKind.HALF_COLLECTION:
            return bool(start)
        return start is not None or self.kind not in COLLECTION_KINDS


COLLECTION_KINDS = (
    FaultKind.HALF_COLLECTION,
    FaultKind.TOTAL_SIZE_CHANGES,
    FaultKind.FOREIGN_NEXT,
    FaultKind.REPEATING_NEXT,
    FaultKind.EMPTY_COLLECTION,
)

_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


class FaultList:
    """The faults in force; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Puts one more in force; of several that concern a path the oldest is shown."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Ends all."""
        with self._lock:
            self._faults.clear()

    def all(self) -> list[Fault]:
        """Those still in force."""
        with self._lock:
            return list(self._faults)

    def take(self, path: str, start: int | None) -> Fault | None:
        """The fault to show for this answer, which counts as shown from now on."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fault.concerns(path, start):
                    continue
                if fault.times is not None:
                    left = replace(fault, times=fault.times - 1)
                    self._faults[index : index + 1] = [left] if fault.times > 1 else []
                return fault
        return None


def replaced_answer(fault: Fault, right: Answer) -> Answer:
    """What is sent in place of the right answer; faults of collections leave it as it is."""
    if fault.kind is FaultKind.SLOW:
        time.sleep(fault.seconds)
    half = right.body[: len(right.body) // 2]
    retry_after = ("Retry-After", str(round(fault.seconds)))
    expired = text(503, "RequestExpired", ("X-Lazr-OopsId", "OOPS-a2f1c0e5d7"))
    answers = {
        FaultKind.EXPIRED_503: expired,
        FaultKind.HALF_COLLECTION: expired,
        FaultKind.DOWN_503: html(503, _PAGE.format("Launchpad is offline for maintenance"), retry_after),
        FaultKind.BAD_GATEWAY_502: html(502, _PAGE.format("502 Bad Gateway")),
        FaultKind.TOO_MANY_429: html(429, _PAGE.format("429 Too Many Requests"), retry_after),
        FaultKind.HTML_200: html(200, _PAGE.format("Log in")),
        FaultKind.BAD_JSON: replace(right, body=half + b"}"),
        FaultKind.TRUNCATED: replace(right, body=half, breakage=Breakage.TRUNCATED),
        FaultKind.HANG: replace(right, breakage=Breakage.HANG),
        FaultKind.CLOSED: replace(right, breakage=Breakage.CLOSED),
    }
    return answers.get(fault.kind, right)
