"""How much sampling may cost, and what its measurements say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs.validators import optional

from amorsize.domain.fork_costs import FORK_BYTE_SECONDS, FORK_SECONDS, MOST_FORK_SECONDS
from amorsize.domain.values import BYTES, DAY_SECONDS, Value, number, one_of, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORT_SHARE: Final = 0.05
"""Share of a short job that sampling may take: our choice; a twentieth is hardly noticed."""

_GROWN: Final = 1.5
"""Ratio of the later to the earlier half of a stream's first items that counts as growth: our choice."""

_MOST_GROWTH: Final = 8.0
"""Limit of that growth, relative to the later half: our choice; two halves cannot predict more."""

_FORK_BYTES: Final = (MOST_FORK_SECONDS - FORK_SECONDS) / FORK_BYTE_SECONDS
"""Memory of a process whose fork takes as long as a fork may take that only samples."""

_WHERE: Final = one_of("auto", "caller", "worker")


def _where(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate where to sample; ``caller`` was called ``here`` in earlier versions."""
    if value == "here":
        raise ValueError(f"{attribute.name} must be 'caller', which 'here' was renamed to, got 'here'")
    _WHERE(instance, attribute, value)


@attrs.frozen(eq=False, repr=False)
class Budget(Value):
    """How much may be spent on sampling.

    Sampling ends when ``fraction`` of the predicted serial time is spent, but not before ``min_seconds``, or before a
    twentieth of a shorter job. It ends at once when even a high estimate of the whole job is below
    ``worker_start_seconds``.

    Attributes:
        fraction: share of the predicted serial time; 1 % is hardly noticed.
        min_seconds: seconds that every sampling may take; 3 ms measure a fast function well enough.
        assumed_items: stands for a number of items that is not known.
        worker_start_seconds: the least that starting a worker costs, from the overheads.
        most_items: the most items to run; None: no limit.
        where: ``caller`` (the caller's process), ``worker`` (a child process) or ``auto`` (a forked child where a fork
            is safe and cheap).
        item_seconds: a child process ends when an item takes longer.
        fork_bytes: memory of the caller's process up to which a fork is cheap; forking 400 MB takes about 10 ms.
    """

    fraction: float = attrs.field(default=0.01, validator=number(0, 1))
    min_seconds: float = attrs.field(default=0.003, validator=number(0, 3600))
    assumed_items: int = attrs.field(default=1000, validator=whole(1))
    worker_start_seconds: float = attrs.field(default=0.001, validator=number(0, 3600))
    most_items: int | None = attrs.field(default=None, validator=optional(whole(1)))
    where: str = attrs.field(default="auto", validator=_where)
    item_seconds: float = attrs.field(default=60.0, validator=number(0.001, DAY_SECONDS))
    fork_bytes: float = attrs.field(default=_FORK_BYTES, validator=BYTES)

    def seconds(self, serial_seconds: float) -> float:
        """Return the seconds that sampling may take for a job predicted to take ``serial_seconds``."""
        return max(min(self.min_seconds, _SHORT_SHARE * serial_seconds), self.fraction * serial_seconds)

    def is_too_small(self, items: int, upper_seconds_per_item: float) -> bool:
        """Tell whether a high estimate of the whole job is below the cost of starting one worker."""
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


def mean_ahead(seconds: Sequence[float], counts: Sequence[int], total: int) -> float:
    """Return the mean seconds per item to expect of a stream, from blocks of its first items in order.

    It is the plain mean, unless the later half takes clearly longer than the earlier half. Then growth is assumed to go
    on: a line through both halves gives the mean at the middle of ``total`` items, at most eight times the later half.
    """
    mean = sum(seconds) / sum(counts)
    split, first = 0, 0
    while split < len(counts) - 1 and 2 * first < sum(counts):
        first += counts[split]
        split += 1
    if not split:
        return mean
    rest = sum(counts) - first
    quick, slow = sum(seconds[:split]) / first, sum(seconds[split:]) / rest
    if slow <= _GROWN * quick:
        return mean
    apart = (first + rest) / 2
    ahead = max(0.0, total / 2 - (first + rest / 2))
    return min(_MOST_GROWTH * slow, slow + (slow - quick) / apart * ahead)
