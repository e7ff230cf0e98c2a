"""When sampling has shown enough: the budget, and the moment a decision is clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from amorsize.domain.values import Value, number, one_of, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORT_SHARE: Final = 0.05


@attrs.frozen(eq=False, repr=False)
class Budget(Value):
    """How much may be spent on looking before deciding.

    Sampling ends when ``fraction`` of the predicted serial seconds is spent, and at least ``min_seconds`` or, of a
    shorter job, a twentieth of it. It ends at once when the whole job is dearly estimated cheaper than
    ``worker_start_seconds``, the least that starting a worker costs, or after ``most_items`` when that is given.
    ``assumed_items`` stands in for a number of items that nobody knows. ``where`` is ``here``, in the caller's own
    process, or ``worker``, in a child that is ended when an item takes longer than ``item_seconds``.
    """

    fraction: float = attrs.field(default=0.01, validator=number(0, 1))
    min_seconds: float = attrs.field(default=0.003, validator=number(0, 3600))
    assumed_items: int = attrs.field(default=1000, validator=whole(1))
    worker_start_seconds: float = attrs.field(default=0.001, validator=number(0, 3600))
    most_items: int | None = attrs.field(default=None, validator=whole(1, optional=True))
    where: str = attrs.field(default="here", validator=one_of("here", "worker"))
    item_seconds: float = attrs.field(default=60.0, validator=number(0.001, 86400))

    def seconds(self, serial_seconds: float) -> float:
        """Return the seconds that may be spent on a job predicted to take serial_seconds in one worker."""
        return max(min(self.min_seconds, _SHORT_SHARE * serial_seconds), self.fraction * serial_seconds)

    def is_too_small(self, items: int, upper_seconds_per_item: float) -> bool:
        """Tell whether the whole job costs less than starting one worker, by its upper estimate."""
        return items * upper_seconds_per_item <= self.worker_start_seconds


def mean_and_spread(seconds: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """Return the mean seconds per item and the standard deviation of one item's seconds.

    Each of seconds is the time of a block of the matching number of items; a block's variance is that of its items
    divided by their number, so blocks are weighted by size. One block gives a spread of 0.
    """
    total = sum(counts)
    mean = sum(seconds) / total
    if len(seconds) == 1:
        return mean, 0.0
    squares = sum(count * (block / count - mean) ** 2 for block, count in zip(seconds, counts, strict=True))
    return mean, float((squares / (len(seconds) - 1)) ** 0.5)
