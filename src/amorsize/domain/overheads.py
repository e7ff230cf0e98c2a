"""What workers cost on this machine."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.fork_costs import CHILD_BYTE_SECONDS, FORK_SECONDS, FORK_SHARE
from amorsize.domain.values import BYTES, DATE, MAX_BYTES, START_METHODS, number, one_of

if TYPE_CHECKING:
    from amorsize.domain.values import Machine

_MOST_SECONDS: Final = 900.0
"""Seconds of the largest cost that is accepted: our choice; four of a quarter of an hour add up to one hour."""

_COST: Final = number(0, _MOST_SECONDS)
"""Validates a cost."""

_NEWEST: Final = 0.5
"""Weight of a new observation on a logarithmic scale: our choice of half, so that a few observations are enough."""

_FARTHEST: Final = 8.0
"""Factor by which one observation may differ: our choice; a larger one comes from a machine that stood still."""

_SHARED_CORE_SLOWDOWN: Final = 1.5
"""Slowdown beside another computation on the same core: our choice; two threads do 1.3 times the work of one."""

_FORKING: Final = (
    *("start_seconds", "start_worker_seconds", "boot_seconds", "end_seconds"),
    *("fork_seconds", "fork_byte_seconds", "first_pool_seconds"),
)
"""The costs that what a fork took says something about."""

SOURCES: Final = ("prior", "calibrated", "measured")
"""Where overheads come from, the least reliable first."""


@attrs.frozen
class Overheads:
    """What workers of one start method cost on this machine, in seconds (per worker, chunk, byte) and bytes.

    A pool of p processes starts in ``start_seconds + p * start_worker_seconds``, and is ready ``boot_seconds`` later.

    Attributes:
        start_method: ``fork``, ``spawn`` or ``forkserver``.
        start_seconds: starting a pool, without its workers.
        start_worker_seconds: starting and ending each worker.
        end_seconds: ending a pool, without its workers.
        chunk_parent_seconds: what a chunk costs the parent.
        chunk_worker_seconds: what a chunk costs a worker.
        item_seconds: what an item of a chunk costs a worker.
        byte_seconds: a byte of a message that is larger than a pipe; smaller messages are part of the chunk.
        thread_start_seconds: starting and ending a thread.
        thread_chunk_seconds: what a chunk costs a thread.
        worker_bytes: memory of a worker process.
        slowdown: how many times longer computing takes when all usable CPUs are busy.
        slowdown_half: the same when half of them are busy.
        boot_seconds: until a started worker is ready; workers get ready in parallel as far as there are CPUs.
        thread_pool_seconds: starting and ending a thread pool, without its threads.
        jitter: relative standard deviation of a CPU's speed from one moment to the next.
        first_pool_seconds: what the first pool of a process imports.
        fork_byte_seconds: each byte of the parent's memory for each forked worker; about half of it is its end.
        chunk_crowded_seconds: replaces ``chunk_worker_seconds`` when computing workers leave the parent no CPU.
        fork_seconds: a bare fork of a process without memory.
        source: ``prior`` (of a similar machine), ``calibrated`` (a prior moved by observations) or ``measured``.
        measured_at: Unix seconds, 0.0 when it was not measured or the time is not known.
    """

    start_method: str = attrs.field(validator=one_of(*START_METHODS))
    start_seconds: float = attrs.field(validator=_COST)
    start_worker_seconds: float = attrs.field(validator=_COST)
    end_seconds: float = attrs.field(validator=_COST)
    chunk_parent_seconds: float = attrs.field(validator=_COST)
    chunk_worker_seconds: float = attrs.field(validator=_COST)
    item_seconds: float = attrs.field(validator=_COST)
    byte_seconds: float = attrs.field(validator=number(0, 1))
    thread_start_seconds: float = attrs.field(validator=_COST)
    thread_chunk_seconds: float = attrs.field(validator=_COST)
    worker_bytes: float = attrs.field(validator=BYTES)
    slowdown: float = attrs.field(default=1.0, validator=number(1, 1000))
    slowdown_half: float = attrs.field(default=1.0, validator=number(1, 1000))
    boot_seconds: float = attrs.field(default=0.0, validator=_COST)
    thread_pool_seconds: float = attrs.field(default=0.0, validator=_COST)
    jitter: float = attrs.field(default=0.0, validator=number(0, 1000))
    first_pool_seconds: float = attrs.field(default=0.0, validator=_COST)
    fork_byte_seconds: float = attrs.field(default=0.0, validator=number(0, 1))
    chunk_crowded_seconds: float = attrs.field(default=0.0, validator=_COST)
    fork_seconds: float = attrs.field(default=0.0, validator=_COST)
    source: str = attrs.field(default="measured", validator=one_of(*SOURCES))
    measured_at: float = attrs.field(default=0.0, validator=DATE, eq=False)

    def running(self) -> Overheads:
        """Return the overheads of processes that run already: nothing to start or to end."""
        return attrs.evolve(
            self,
            start_seconds=0.0,
            start_worker_seconds=0.0,
            boot_seconds=0.0,
            end_seconds=0.0,
            fork_byte_seconds=0.0,
        )

    def with_first_pool(self) -> Overheads:
        """Return the overheads of a process that has not started a pool yet."""
        start = min(_MOST_SECONDS, self.start_seconds + self.first_pool_seconds)
        return attrs.evolve(self, start_seconds=start)

    def calibrated(self, fork_seconds: float, memory_bytes: float = 0.0) -> Overheads:
        """Return the overheads moved halfway to what a fork took, on a logarithmic scale; measured ones do not change.

        Args:
            fork_seconds: CPU time of the parent for one fork; other programs do not affect it.
            memory_bytes: the parent's own memory.
        """
        expected = self.fork_cost(memory_bytes)
        if self.source == "measured" or fork_seconds <= 0 or expected <= 0:
            return self
        ratio = min(_FARTHEST, max(1 / _FARTHEST, fork_seconds / expected)) ** _NEWEST
        costs: dict[str, Any] = {name: getattr(self, name) * ratio for name in _FORKING}
        return attrs.evolve(self, source="calibrated", **costs)

    def fork_cost(self, memory_bytes: float) -> float:
        """Return the seconds of a fork of a process with ``memory_bytes`` of its own, without the end of the child."""
        return self.fork_seconds + memory_bytes * FORK_SHARE * self.fork_byte_seconds

    def memory_forked_in(self, seconds: float) -> float | None:
        """Return the memory of a process whose fork takes ``seconds``; None when nothing forks."""
        if not self.fork_byte_seconds:
            return None
        memory = max(0.0, seconds - self.fork_seconds) / (FORK_SHARE * self.fork_byte_seconds)
        return min(memory, MAX_BYTES)  # the cost of a byte may be so small that this is infinite

    def dated(self, now: float) -> Overheads:
        """Return the overheads as measured now, in Unix seconds."""
        return attrs.evolve(self, measured_at=float(floor(now)))

    def pool_seconds(self, kind: str) -> float:
        """Return the seconds of starting and ending a pool of processes or threads, without its workers."""
        return self.thread_pool_seconds if kind == "thread" else self.start_seconds + self.end_seconds

    @property
    def least_seconds(self) -> float:
        """The least that using a process costs: a pool of one, from start to end."""
        return self.start_seconds + self.start_worker_seconds + self.boot_seconds + self.end_seconds


def prior(machine: Machine) -> Overheads:
    """Return the assumed overheads of a machine about which nothing is known."""
    shares_cores = machine.logical_cores > machine.physical_cores and machine.usable_cpus > machine.physical_cores
    known = _PRIORS[machine.start_method]
    return attrs.evolve(known, slowdown=_SHARED_CORE_SLOWDOWN) if shares_cores else known


_FORK: Final = Overheads(
    start_method="fork",
    start_seconds=2.5e-3,
    start_worker_seconds=1.5e-3,
    end_seconds=1.3e-3,
    chunk_parent_seconds=4e-5,
    chunk_worker_seconds=2e-5,
    item_seconds=4e-8,
    byte_seconds=2.5e-9,
    thread_start_seconds=1.5e-4,
    thread_chunk_seconds=3.5e-6,
    worker_bytes=2e6,
    thread_pool_seconds=1.1e-3,
    jitter=0.08,
    first_pool_seconds=0.012,
    fork_byte_seconds=CHILD_BYTE_SECONDS,
    chunk_crowded_seconds=3e-4,
    fork_seconds=FORK_SECONDS,
    source="prior",
)
"""What forked workers cost on the machine of ``_PRIORS``; the other start methods differ from it in what they state."""

_PRIORS: Final = {
    "fork": _FORK,
    "spawn": attrs.evolve(
        _FORK,
        start_method="spawn",
        start_seconds=2e-3,
        start_worker_seconds=3e-3,
        boot_seconds=0.055,
        end_seconds=2e-3,
        worker_bytes=9e6,
        fork_seconds=0.0,
        fork_byte_seconds=0.0,
    ),
    "forkserver": attrs.evolve(
        _FORK,
        start_method="forkserver",
        start_seconds=0.032,
        start_worker_seconds=3e-3,
        boot_seconds=0.025,
        end_seconds=2e-3,
        worker_bytes=7e6,
        fork_seconds=0.0,
        fork_byte_seconds=0.0,
    ),
}
"""What workers cost on 2 virtual CPUs of a server of 2023 (AMD EPYC, Linux, Python 3.11), rounded.

Printed by ``python tests/benchmarks/overheads.py --priors``, but for what ``fork_costs`` states.
"""
