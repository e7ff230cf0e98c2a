"""What a decision depends on, and the largest number of workers that it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.cpus import workers_by_cpu

if TYPE_CHECKING:
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Constraints, Machine, Sample

_MEMORY_SHARE: Final = 0.9
"""Share of the available memory that workers may take: our choice; the rest is left to other programs."""
_PICKLE_TWICE: Final = 2
"""Copies of an item and its result that a process holds: the object and its pickle."""

NO_ITEMS: Final[dict[str, Any]] = {"item_bytes": 0.0, "pickle_item_seconds": 0.0, "unpickle_item_seconds": 0.0}
"""What a sample has where items cost nothing to move."""
NO_RESULTS: Final[dict[str, Any]] = {"result_bytes": 0.0, "pickle_result_seconds": 0.0, "unpickle_result_seconds": 0.0}
"""What a sample has where results cost nothing to move."""


@attrs.frozen
class Situation:
    """Everything that a decision depends on, except the overheads.

    Attributes:
        items: their number, 1 or more.
        sample: what running a few of them showed.
        machine: the facts about the machine.
        constraints: what the caller allows.
        blocked_reason: why the caller cannot start a process, None when it can.
        assumed: True when the number of items is a guess; it may be smaller.
    """

    items: int
    sample: Sample
    machine: Machine
    constraints: Constraints
    blocked_reason: str | None = None
    assumed: bool = False

    @property
    def serial_seconds(self) -> float:
        """Predicted seconds of running all items one after another."""
        return self.items * self.sample.seconds_per_item + self.sample.warm_up_seconds

    @property
    def gil_fraction(self) -> float:
        """Share of the time in which only one thread can run."""
        return gil_fraction(self.sample, self.machine)

    @property
    def blocked(self) -> str | None:
        """Why no process can be used here or for this function, None when one can."""
        return self.blocked_reason or self.sample.blocked_reason

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory that all workers together may take."""
        return self.constraints.memory_limit or int(self.machine.available_memory_bytes * _MEMORY_SHARE)


def gil_fraction(sample: Sample, machine: Machine) -> float:
    """Return the share of the time in which only one thread can run; all computing counts when it was not measured."""
    if not machine.gil_enabled:
        return 0.0
    return min(1.0, sample.cpu_fraction) if sample.gil_fraction is None else sample.gil_fraction


def worker_cap(executor: str, situation: Situation, overheads: Overheads | None = None) -> int:
    """Return the most workers of a kind worth comparing, by CPUs (more for waiting), memory, items and constraints."""
    sample, constraints = situation.sample, situation.constraints
    if executor == "serial":
        return 1
    by_cpu = workers_by_cpu(situation.machine.free_cpus, sample.cpu_fraction)
    most = constraints.max_workers or by_cpu
    if executor == "process":
        # On a busy machine an item may wait for a CPU: more processes would only take turns.
        computing = max(1.0, sample.cpu_fraction) if situation.machine.is_busy else sample.cpu_fraction
        most = min(most, workers_by_cpu(situation.machine.free_cpus, computing))
    by_memory = int(situation.memory_bytes / max(1.0, worker_bytes(executor, situation, overheads)))
    return max(1, min(situation.items, most, by_memory))


def worker_bytes(executor: str, situation: Situation, overheads: Overheads | None = None) -> float:
    """Return the bytes of memory that one worker takes."""
    sample = situation.sample
    each = sample.peak_bytes
    if executor == "process":
        each += _PICKLE_TWICE * (sample.item_bytes + sample.result_bytes) + (overheads.worker_bytes if overheads else 0)
    return each
