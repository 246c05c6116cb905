"""CPU seconds and memory of a tree of processes, read from /proc."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """Return a process and everything below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        found.append(queue.pop())
        queue += parents.get(found[-1], [])
    return found


def cpu_seconds(root: int) -> float:
    """Return the CPU time of a tree, that of children which have ended included."""
    ticks = 0
    for process in tree(root):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])  # user and system, own and of ended children
    return ticks / _TICK


def memory(root: int) -> int:
    """Return the memory of a tree in octets; what processes share counts once (PSS)."""
    total = 0
    for process in tree(root):
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
    return total


class PeakMemory:
    """Samples the memory of some trees while the `with` block runs; `peak` is the most, in octets."""

    def __init__(self, roots: Sequence[int], every: float = 0.2) -> None:
        self._roots = roots
        self._every = every
        self._end = threading.Event()
        self.peak = 0

    def __enter__(self) -> "PeakMemory":
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.is_set():
            self.peak = max(self.peak, sum(map(memory, self._roots)))
            self._end.wait(self._every)


def machine() -> str:
    """Describe the machine in one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    total = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    cores, system = len(os.sched_getaffinity(0)), f"{os.uname().sysname} {os.uname().release}"
    return f"{cores} cores of {model}, {total} MiB, {system}, {time.strftime('%Y-%m-%d')}"
