"""External workers: those of a chosen executor backend, on this machine or on others."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from amorsize.domain.values import MAX_CPUS, MIN_CPUS

if TYPE_CHECKING:
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.situation import Situation
    from amorsize.domain.values import Machine

_FRESH: Final = "spawn"
"""The start method whose workers, like external ones, know only what imports give them."""


class Capacity(NamedTuple):
    """How many workers an executor backend has.

    Attributes:
        workers: their number.
        memory_bytes: memory that all of them together may still take; None: they run on this machine.
        processes: interpreters that they share, each with a lock of its own; None: one each.
        place: names where they are, so that their overheads can be kept; empty: they are not kept.
    """

    workers: int
    memory_bytes: int | None = None
    processes: int | None = None
    place: str = ""


@attrs.frozen
class ExternalWorkers:
    """The workers of a chosen executor backend, with their overheads.

    Attributes:
        name: the name of the backend.
        kind: what a worker is to the cost model: ``process``, ``thread`` or ``serial``.
        capacity: how many workers there are now.
        overheads: what they cost.
        blocked_reason: why they cannot take the function, its items or its results, None when they can.
    """

    name: str
    kind: str
    capacity: Capacity
    overheads: Overheads
    blocked_reason: str | None = None

    @property
    def is_here(self) -> bool:
        """True when they run on this machine, in place of those that amorsize would start."""
        return self.capacity.memory_bytes is None

    def situation(self, situation: Situation) -> Situation:
        """Return the situation of these workers: their machine and number, and nothing that blocks the caller."""
        most = situation.constraints.max_workers or MAX_CPUS
        limits = attrs.evolve(
            situation.constraints, executor="auto", max_workers=max(1, min(most, self.capacity.workers, MAX_CPUS))
        )
        machine = situation.machine if self.is_here else self._machine(situation)
        sample = attrs.evolve(situation.sample, blocked_reason=self.blocked_reason)
        return attrs.evolve(situation, machine=machine, constraints=limits, sample=sample, blocked_reason=None)

    def _machine(self, situation: Situation) -> Machine:
        """Return one machine that stands for all workers: a CPU each, fewer where they share a GIL."""
        workers, memory, processes = self.capacity.workers, self.capacity.memory_bytes or 0, self.capacity.processes
        cpus = float(workers)
        if processes is not None and situation.gil_fraction > 0:
            cpus = min(cpus, max(1, processes) / situation.gil_fraction)
        cores = min(MAX_CPUS, max(1, ceil(cpus)))
        return attrs.evolve(
            situation.machine,
            physical_cores=cores,
            logical_cores=cores,
            usable_cpus=min(float(MAX_CPUS), max(MIN_CPUS, cpus)),
            available_memory_bytes=memory,
            total_memory_bytes=memory,
            load=0.0,
            start_method=_FRESH,  # however they were started, they were not forked from the caller
        )
