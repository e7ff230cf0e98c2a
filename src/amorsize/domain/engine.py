"""Engines: workers that a plugin brings, on this machine or elsewhere, as far as a decision depends on them."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

if TYPE_CHECKING:
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.situation import Situation
    from amorsize.domain.values import Machine

_MOST_WORKERS: Final = 65536
_FRESH: Final = "spawn"


class Room(NamedTuple):
    """How many workers executors have.

    ``memory_bytes`` is what all of them together may still take; None: they are workers on this machine. ``processes``
    is how many interpreters they share, each with a lock of its own; None: one each. ``place`` names where they are, so
    that what they charge can be remembered; empty: not to be remembered.
    """

    workers: int
    memory_bytes: int | None = None
    processes: int | None = None
    place: str = ""


@attrs.frozen
class Engine:
    """Executors that were chosen by name, with what they charge.

    ``kind`` is what a worker is to the cost model. ``obstacle`` says why they cannot take the function, its items or
    its results, None when they can.
    """

    name: str
    kind: str
    room: Room
    overheads: Overheads
    obstacle: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether its workers are on this machine, in place of those amorsize would start."""
        return self.room.memory_bytes is None

    def situation(self, situation: Situation) -> Situation:
        """Return what a decision rests on where this engine's workers are."""
        most = situation.constraints.max_workers or _MOST_WORKERS
        limits = attrs.evolve(
            situation.constraints, executor="auto", max_workers=max(1, min(most, self.room.workers, _MOST_WORKERS))
        )
        machine = situation.machine if self.is_here else self._machine(situation)
        sample = attrs.evolve(situation.sample, obstacle=self.obstacle)
        return attrs.evolve(situation, machine=machine, constraints=limits, sample=sample, obstacle=None)

    def _machine(self, situation: Situation) -> Machine:
        """Return the machine that all workers together make: a CPU each, but for those that share a lock they hold."""
        workers, memory, processes = self.room.workers, self.room.memory_bytes or 0, self.room.processes
        cpus = float(workers)
        if processes is not None and situation.lock_share > 0:
            cpus = min(cpus, max(1, processes) / situation.lock_share)
        cores = min(_MOST_WORKERS, max(1, ceil(cpus)))
        return attrs.evolve(
            situation.machine,
            physical_cores=cores,
            logical_cores=cores,
            usable_cpus=min(float(_MOST_WORKERS), max(0.01, cpus)),
            available_memory_bytes=memory,
            total_memory_bytes=memory,
            start_method=_FRESH,  # whatever they have started with, they were not forked from the caller
        )
