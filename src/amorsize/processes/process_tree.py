"""The processes that a process has started, and theirs."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final

from amorsize.processes.process_info import read, scheduled, stat_fields, tasks

_GROUP: Final = 2
"""The process group of a process, counted in its ``stat`` from the field after the name on."""


def children(pid: int | str = "self") -> list[int]:
    """Return the numbers of a process's children, those included that have ended and were not waited for.

    None where the system does not list them. Takes 15 us for each thread.
    """
    return [int(child) for task in tasks(pid) for child in read(f"{pid}/task/{task}/children").split()]


def descendants(pid: int | str = "self") -> list[int]:
    """Return the numbers of a process's children, their children and so on."""
    found: list[int] = []
    generation = children(pid)
    while generation:
        found += generation
        generation = [child for parent in generation for child in children(parent)]
    return found


def running_threads(pid: int) -> int:
    """Return how many threads of a process run now, or are ready to."""
    return sum(stat_fields(f"{pid}/task/{task}")[:1] == [b"R"] for task in tasks(pid))


def members(group: int) -> list[int]:
    """Return the numbers of the processes of a process group; looks at every process only when there are any."""
    if sys.platform != "linux":
        return []
    try:
        os.killpg(group, 0)
    except OSError:
        return []
    names = filter(str.isdigit, os.listdir("/proc"))  # noqa: PTH208  pathlib would take longer than all the rest
    wanted = [b"%d" % group]
    return [int(name) for name in names if stat_fields(name)[_GROUP : _GROUP + 1] == wanted]


def end(pids: list[int]) -> None:
    """End processes at once, but for trackers of resources, which remove what others leave behind and then end."""
    if sys.platform != "linux":
        return
    import signal

    for pid in pids:
        with suppress(OSError):
            if b"resource_tracker" not in read(f"{pid}/cmdline"):
                os.kill(pid, signal.SIGKILL)


def scheduled_seconds(pid: int) -> tuple[float, float]:
    """Return the CPU seconds that a process has taken, and how long it was ready and had no CPU; zeros if gone.

    The first holds those of the children that it has waited for. The scheduler counts in nanoseconds, those of
    children come in ticks of 10 ms.
    """
    if sys.platform != "linux":
        return 0.0, 0.0
    computed = delayed = 0.0
    for task in tasks(pid):
        ran, ready = scheduled(f"{pid}/task/{task}")
        computed, delayed = computed + ran, delayed + ready
    computed += sum(map(int, stat_fields(pid)[13:15])) / os.sysconf("SC_CLK_TCK")
    return computed, delayed
