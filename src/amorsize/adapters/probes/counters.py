"""What the system counts of this process: seconds of CPUs, waits, delays, threads that run, memory."""

from __future__ import annotations

import sys
from threading import get_native_id
from time import perf_counter, process_time, thread_time
from typing import Final, NamedTuple

from amorsize.processes import process_tree
from amorsize.processes.process_info import scheduled, stat_fields, tasks

_SHORT_SECONDS: Final = 2e-4
"""Wall seconds under which CPU seconds say nothing: our choice; reading the clocks counts too then."""

_COARSE_CLOCK_SECONDS: Final = 0.05
"""The same on Windows, in seconds: our choice, some three ticks of its CPU clock of 15.6 ms."""

_MOST_THREADS: Final = 64
"""Threads of this process that are looked at, at most: our choice, since each look reads a file."""


class Clocks(NamedTuple):
    """Seconds of the wall, of CPUs with ended child processes, of CPUs without those, and of this thread's CPU."""

    wall: float = 0.0
    cpu: float = 0.0
    process: float = 0.0
    thread: float = 0.0


def clocks() -> Clocks:
    """Return what the clocks show now."""
    return Clocks(perf_counter(), cpu_seconds(), process_time(), thread_time())


def cpu_share(cpu: float, wall: float) -> float:
    """Return CPU seconds per wall second; 1.0 for what is too short for the CPU clock (Windows ticks 16 ms)."""
    if wall < (_COARSE_CLOCK_SECONDS if sys.platform == "win32" else _SHORT_SECONDS):
        return 1.0
    return min(65536.0, max(0.0, cpu / wall))


def live_seconds() -> tuple[float, float]:
    """Return the CPU seconds of child processes that run now, and of theirs, and how long they had to wait for a CPU.

    Zeros where the system does not report it. What children that have ended took is in ``cpu_seconds``, so that both
    together never go back.
    """
    scheduled = [process_tree.scheduled_seconds(pid) for pid in process_tree.descendants()]
    return sum(computed for computed, _ in scheduled), sum(delayed for _, delayed in scheduled)


if sys.platform == "win32":

    def waits() -> float:
        """Return a number that differs at each call: Windows does not report how often a process has waited."""
        return perf_counter()

    def cpu_seconds() -> float:
        """Return the CPU seconds of this process."""
        return process_time()

    def peak_memory_bytes() -> float:
        """Return the most memory this process has had, in bytes."""
        import psutil

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
    """Return how long this thread has been ready to run without a CPU, 0 where that is not known (not Linux)."""
    return scheduled("thread-self")[1]


def others_running() -> int:
    """Return how many of this process's other threads, of the first 64, are running, or ready to (Linux only)."""
    mine = str(get_native_id())
    others = [thread for thread in tasks()[:_MOST_THREADS] if thread != mine]
    return sum(stat_fields(f"self/task/{thread}")[:1] == [b"R"] for thread in others)
