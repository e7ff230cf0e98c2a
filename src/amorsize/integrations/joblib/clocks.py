"""Reads clocks around tasks: what they compute, what they wait for, and how often they give their CPU up."""

from __future__ import annotations

import sys
from time import thread_time
from typing import NamedTuple

from amorsize.adapters.probes.counters import cpu_seconds, delay_seconds, waits
from amorsize.domain.cpus import WAITS_AT_ALL


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
    switches: float


def clocks() -> Clocks:
    """Return what this process and this thread have done until now; takes some 15 us."""
    waited, computed = delay_seconds(), thread_time()
    switches = waits() if sys.platform == "linux" else 0.0
    return Clocks(cpu_seconds() + waited, computed + waited, computed, switches)


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
    if after.asked - before.asked <= WAITS_AT_ALL * wall:
        return wall, max(0.0, asked)
    cpu = max(asked - (own - computed), 1e-9)
    return min(wall, cpu), cpu
