"""What the system counts of this process: seconds of CPUs, waits, delays, threads that run, memory."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from mmap import PAGESIZE
from threading import get_native_id
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORT_SECONDS: Final = 2e-4
_COARSE_CLOCK_SECONDS: Final = 0.05
_MOST_THREADS: Final = 64
NO_CLOCKS: Final[Sequence[float]] = (0.0, 0.0, 0.0, 0.0)
"""What has passed on each of the clocks when nothing has run."""


def clocks() -> tuple[float, float, float, float]:
    """Return seconds of the wall, of CPUs with child processes that have ended, without those, and of this thread."""
    return perf_counter(), cpu_seconds(), process_time(), thread_time()


def cpu_share(cpu: float, wall: float) -> float:
    """Return CPU seconds per wall second; 1.0 for what is too short for the CPU clock (Windows ticks 16 ms)."""
    if wall < (_COARSE_CLOCK_SECONDS if sys.platform == "win32" else _SHORT_SECONDS):
        return 1.0
    return min(65536.0, max(0.0, cpu / wall))


if sys.platform == "win32":

    def waits() -> float:
        """Return a number that differs at each call: Windows does not tell how often a process has waited."""
        return perf_counter()

    def cpu_seconds() -> float:
        """Return the CPU seconds of this process."""
        return process_time()

    def peak_memory_bytes() -> float:
        """Return the most memory this process has had, in bytes."""
        import psutil  # noqa: PLC0415  only a miss needs it

        return float(psutil.Process().memory_info().peak_wset)

else:
    import resource

    _WAITER = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    _KIB = 1 if sys.platform == "darwin" else 1024

    def waits() -> float:
        """Return how often this thread (where only that is known: this process) has given up its CPU to wait."""
        return float(resource.getrusage(_WAITER).ru_nvcsw)

    def cpu_seconds() -> float:
        """Return the CPU seconds of this process and of its children that have ended."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return process_time() + children.ru_utime + children.ru_stime

    def peak_memory_bytes() -> float:
        """Return the most memory this process has had, in bytes."""
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB)


def delay_seconds() -> float:
    """Return how long this thread has been ready to run without a CPU, 0 where the system does not tell (not Linux)."""
    counted = _whole_numbers("/proc/thread-self/schedstat")
    return counted[1] / 1e9 if len(counted) > 1 else 0.0


def own_memory_bytes() -> float:
    """Return the bytes of memory that are this process's alone, 0 where the system does not tell (not Linux)."""
    pages = _whole_numbers("/proc/self/statm")
    return float((pages[1] - pages[2]) * PAGESIZE) if len(pages) > 2 else 0.0  # noqa: PLR2004  resident, less shared and files


def _whole_numbers(path: str) -> list[int]:
    """Return the numbers in a small file of /proc, none where there is no such file."""
    try:
        file = os.open(path, os.O_RDONLY)  # a file object would take thrice as long
        try:
            return [int(word) for word in os.read(file, PAGESIZE).split()]
        finally:
            os.close(file)
    except (OSError, ValueError):
        return []


if sys.platform == "linux":

    def others_running() -> int:
        """Return how many of this process's other threads, of the first 64, are running, or ready to."""
        mine, count = str(get_native_id()), 0
        with suppress(OSError):
            for thread in os.listdir("/proc/self/task")[:_MOST_THREADS]:  # noqa: PTH208  pathlib would take thrice as long
                if thread != mine:
                    count += _is_running(thread)
        return count

    def _is_running(thread: str) -> bool:
        try:
            with open(f"/proc/self/task/{thread}/stat", "rb") as file:  # noqa: PTH123  likewise
                return file.read().rpartition(b")")[2].split()[0] == b"R"
        except (OSError, IndexError):  # it has ended meanwhile
            return False

else:

    def others_running() -> int:
        """Return 0: only Linux tells it cheaply."""
        return 0
