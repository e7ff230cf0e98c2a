"""Tells the cache what running showed: an entry that is contradicted twice running is measured again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from amorsize.domain import keys

if TYPE_CHECKING:
    from amorsize.domain.values import Entry, Plan, Sample
    from amorsize.execution.job import Job
    from amorsize.optimizer import Optimizer
    from amorsize.question import Near

_OFF: Final = 2.0
_DEMOTED_AFTER: Final = 2
_MATTERS_SECONDS: Final = 0.1
_LEAST_ITEMS: Final = 4


def ratio(job: Job, sample: Sample, plan: Plan, seconds: float, slowdown: float) -> float | None:
    """Return how many times as long as expected a run took, None when too few items ran to say.

    What it was off by matters only from a tenth of a second.

    Serially and in processes that goes by the item; busy CPUs are allowed the slowdown this machine is known for.
    Threads wait for each other, so that only the whole run tells.
    """
    if job.ran < _LEAST_ITEMS or not sample.seconds_per_item:
        return None
    if abs(job.busy_seconds - job.ran * sample.seconds_per_item) < _MATTERS_SECONDS:
        return 1.0
    if plan.executor == "thread":
        return seconds / plan.predicted_seconds if plan.predicted_seconds else None
    off = job.busy_seconds / job.ran / sample.seconds_per_item
    return max(1.0, off / slowdown) if plan.executor == "process" and off > 1 else off


def tell(optimizer: Optimizer, near: Near, sample: Sample, off: float, doubts: int) -> None:
    """Fold into the entry that a sample came from how far off it was; nothing is read or written when all is well.

    Args:
        optimizer: whose cache it is.
        near: function, kind and number of items, as they were looked up.
        sample: what the entry holds.
        off: times as long as expected.
        doubts: how often running it was contradicted before, as far as was known.
    """
    wrong = not 1 / _OFF <= off <= _OFF
    if not wrong and not doubts:
        return
    locator = keys.locator(near[0], near[1], near[2])
    found = optimizer.entries.find(locator, keys.variant_suffix(optimizer.solver.machine()[1]))
    for entry in found.values():
        if entry.sample.seconds_per_item == sample.seconds_per_item:
            _fold(optimizer, entry, wrong=wrong)
    optimizer.forget(near)


def _fold(optimizer: Optimizer, entry: Entry, *, wrong: bool) -> None:
    contradictions = entry.contradictions + 1 if wrong else 0
    if contradictions >= _DEMOTED_AFTER:
        optimizer.entries.drop(entry)
    elif contradictions != entry.contradictions:
        optimizer.entries.keep(attrs.evolve(entry, contradictions=contradictions))
