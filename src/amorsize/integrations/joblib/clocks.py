"""Reads clocks around tasks: what they compute, what they wait for, and how often they give their CPU up."""

from __future__ import annotations

import sys
from contextlib import suppress
from time import process_time, thread_time
from typing import Final, NamedTuple


class Clocks(NamedTuple):
    """What this process and this thread have done until now, in seconds.

    Attributes:
        asked: the CPU time that the process has asked for: what its threads and ended children have computed, and on
            Linux what this thread has waited for a CPU that others had. So a task on a busy machine does not look like
            one that waits for an answer.
        own: the same of this thread alone.
        computed: what this thread has computed.
        switches: how often this thread has given its CPU up by itself.
    """

    asked: float
    own: float
    computed: float
    switches: int


COMPUTES: Final = 0.75
"""CPU seconds asked for per second from which on a batch computes."""


def clocks() -> Clocks:
    """Return what this process and this thread have done until now; takes some 15 us."""
    if sys.platform == "win32":
        return Clocks(process_time(), thread_time(), thread_time(), 0)
    import resource

    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = ended.ru_utime + ended.ru_stime
    waited, switches = 0.0, 0
    if sys.platform == "linux":
        with suppress(OSError, ValueError, IndexError), open("/proc/thread-self/schedstat", "rb") as file:  # noqa: PTH123  pathlib would take longer than all the rest
            waited = int(file.read().split()[1]) / 1e9
        switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    computed = thread_time()
    return Clocks(process_time() + children + waited, computed + waited, computed, switches)


def work(wall: float, before: Clocks, after: Clocks, *, shared: bool) -> tuple[float, float]:
    """Return the seconds that a batch takes on a CPU of its own, and its CPU seconds.

    Of a batch that computes that is what it has computed: it is compared with what workers cost on an idle machine.

    Args:
        wall: the seconds that it has taken.
        before: the clocks before it.
        after: the clocks after it, in the same thread.
        shared: whether other threads of this process ran batches too.
    """
    own, computed = after.own - before.own, after.computed - before.computed
    asked = own if shared else after.asked - before.asked
    if after.asked - before.asked <= COMPUTES * wall:
        return wall, max(0.0, asked)
    cpu = max(asked - (own - computed), 1e-9)
    return min(wall, cpu), cpu
