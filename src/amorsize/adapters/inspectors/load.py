"""How many CPUs programs outside our own process tree would keep busy, as Linux reports it."""

from __future__ import annotations

import os
import sys
import time
from math import exp
from typing import TYPE_CHECKING, Final

from amorsize.adapters.inspectors.procfs import read
from amorsize.domain.values import MAX_CPUS
from amorsize.processes.process_info import stat_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

_MINUTE_SECONDS: Final = 60.0
"""Over which the kernel's first load average decays to 1/e."""
_LEAST: Final = 0.5
"""Load below which none is reported: what a desktop or a server does beside everything."""
_STEP: Final = 0.5
"""To what the load is rounded, so that a plan solved a moment ago holds."""
_START_FIELD: Final = 19
"""Index of the start time in /proc/self/stat, counted from the state, which follows the name."""
_MOST_PROCESSES: Final = 1024
"""Processes above ours that are followed to find our own tree: far more than are ever nested."""


class OthersLoad:
    """Reads the load of other programs.

    That is the load of the last minute less what this process and its children have added to it, and no more than what
    of others is running at this moment: a program that has ended is still in the average, and one that flashes up is no
    load. Where the system does not tell, there is none.

    Args:
        root: the folder that holds ``proc``.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._read_at: float | None = None
        self._used_seconds = 0.0
        self._own = 0.0
        """What this process and its children have added to the average of the last minute."""

    def now(self) -> float:
        """Return the load of other programs, rounded to halves, 0.0 when there is next to none."""
        own = self._own_average()
        average, running = self._read_load()
        load = average - own
        if load < _LEAST or running <= 1:
            return 0.0
        load = min(load, running - self._own_running())
        return 0.0 if load < _LEAST else min(float(MAX_CPUS), round(load / _STEP) * _STEP)

    def _read_load(self) -> tuple[float, int]:
        """Return the load average of the last minute and how many threads are running now, this one included."""
        try:
            average, _, _, running, _ = (read(f"{self._root}/proc/loadavg") or b"").split()
            return max(0.0, float(average)), int(running.partition(b"/")[0])
        except ValueError:
            return 0.0, 0

    def _own_average(self) -> float:
        """Return what this process and the children it has waited for add to the load average."""
        times = os.times()
        used = times.user + times.system + times.children_user + times.children_system
        now = time.monotonic()
        seconds = self._age() if self._read_at is None else now - self._read_at
        if seconds > 0:
            kept = exp(-seconds / _MINUTE_SECONDS)
            self._own = self._own * kept + (used - self._used_seconds) / seconds * (1.0 - kept)
        self._read_at, self._used_seconds = now, used
        return self._own

    def _age(self) -> float:
        """Return for how many seconds this process has been there, 0.0 when that is not known."""
        if sys.platform != "linux":
            return 0.0
        try:
            started = int(stat_fields("self")[_START_FIELD])
            return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")
        except (IndexError, ValueError, OSError):
            return 0.0

    def _own_running(self) -> int:
        """Return how many threads of this process and of its descendants are running now, at least one."""
        running = 0
        for process in self._family():
            folder = f"{self._root}/proc/{process}/task"
            for thread in _listed(folder):
                state = (read(f"{folder}/{thread}/stat") or b"").rpartition(b")")[2].split(None, 1)[:1]
                running += state == [b"R"]
        return max(1, running)

    def _family(self) -> Iterator[str]:
        """Yield the ids of this process and of its descendants."""
        todo = [str(os.getpid())]
        for _ in range(_MOST_PROCESSES):
            if not todo:
                return
            process = todo.pop()
            yield process
            for thread in _listed(f"{self._root}/proc/{process}/task"):
                children = read(f"{self._root}/proc/{process}/task/{thread}/children") or b""
                todo += children.decode("ascii", "replace").split()


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  names are what is wanted
    except OSError:
        return []
