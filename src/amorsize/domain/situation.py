"""What a decision rests on, and the most workers that it bears."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Constraints, Machine, Sample

_WAITING_WORKERS: Final = 64
_MEMORY_SHARE: Final = 0.9
_PICKLE_TWICE: Final = 2
_SMALL_QUOTA: Final = 0.25


@attrs.frozen
class Situation:
    """All that a decision rests on but the overheads.

    ``items`` is 1 or more; ``obstacle`` says why no process can be used from where the caller is, None when one can.
    ``assumed`` says that nobody knows the number of items, which may well be smaller.
    """

    items: int
    sample: Sample
    machine: Machine
    constraints: Constraints
    obstacle: str | None = None
    assumed: bool = False

    @property
    def serial_seconds(self) -> float:
        """Predicted seconds of running everything here, one item after another."""
        return self.items * self.sample.seconds_per_item

    @property
    def lock_share(self) -> float:
        """Share of the time in which only one thread can run."""
        return lock_share(self.sample, self.machine)

    @property
    def blocked(self) -> str | None:
        """Why no process can be used, from the place or from what was measured."""
        return self.obstacle or self.sample.obstacle

    @property
    def memory_bytes(self) -> int:
        """Bytes that all workers together may take."""
        return self.constraints.memory_limit or int(self.machine.available_memory_bytes * _MEMORY_SHARE)


def lock_share(sample: Sample, machine: Machine) -> float:
    """Return the share of the time in which only one thread can run; all of the computing while it is not measured."""
    if not machine.gil_enabled:
        return 0.0
    return min(1.0, sample.cpu_fraction) if sample.gil_fraction is None else sample.gil_fraction


def worker_cap(executor: str, situation: Situation, overheads: Overheads | None = None) -> int:
    """Return the most workers of a kind worth weighing: by CPUs (more for waiting), memory, items and the limits."""
    sample, constraints = situation.sample, situation.constraints
    if executor == "serial":
        return 1
    by_cpu = _by_cpu(sample, situation.machine)
    most = constraints.max_workers or by_cpu
    if executor == "process":
        most = min(most, by_cpu)
    by_memory = int(situation.memory_bytes / max(1.0, worker_bytes(executor, situation, overheads)))
    return max(1, min(situation.items, most, by_memory))


def worker_bytes(executor: str, situation: Situation, overheads: Overheads | None = None) -> float:
    """Return the bytes of memory that one more worker takes."""
    sample = situation.sample
    each = sample.peak_bytes
    if executor == "process":
        each += _PICKLE_TWICE * (sample.item_bytes + sample.result_bytes) + (overheads.worker_bytes if overheads else 0)
    return each


def _by_cpu(sample: Sample, machine: Machine) -> int:
    """Return usable CPUs over the share of time each worker computes, at least one a CPU, at most 64 beyond that."""
    cpus = machine.usable_cpus
    if sample.cpu_fraction > 1:
        return max(1, round(cpus / sample.cpu_fraction))
    whole = max(1, ceil(cpus - _SMALL_QUOTA))
    return max(whole, min(_WAITING_WORKERS, ceil(cpus / max(sample.cpu_fraction, cpus / _WAITING_WORKERS))))
