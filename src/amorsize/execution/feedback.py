"""Records in the cache what a run showed: an entry that two runs in a row contradict is measured again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from amorsize.application.optimizer import Optimizer
    from amorsize.application.question import Known
    from amorsize.domain.values import Sample
    from amorsize.execution.measure import Measure

_OFF: Final = 2.0
"""Times as long as expected, or as short, from which on an entry is contradicted."""

_MATTERS_SECONDS: Final = 0.1
"""Seconds of difference, over all items of the caller, under which none counts."""

_LEAST_ITEMS: Final = 4
"""Items that the caller must have run for a comparison."""


def ratio(measure: Measure, sample: Sample) -> float | None:
    """Return how many times as long as expected the caller's items took, None when too few of them ran.

    A difference of less than a tenth of a second over all items of the caller counts as none.
    """
    if measure.items < _LEAST_ITEMS or not sample.seconds_per_item:
        return None
    if abs(measure.seconds - measure.items * sample.seconds_per_item) < _MATTERS_SECONDS:
        return 1.0
    return measure.seconds_per_item / sample.seconds_per_item


def record(optimizer: Optimizer, known: Known, off: float) -> None:
    """Record how far off an entry was; nothing is read or written when it was right.

    Args:
        optimizer: whose cache it is.
        known: what was known of the workload before it ran.
        off: times as long as expected.
    """
    wrong = not 1 / _OFF <= off <= _OFF
    if wrong or known.contradictions:
        optimizer.judge(known, wrong=wrong)
