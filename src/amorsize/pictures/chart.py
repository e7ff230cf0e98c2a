"""What a picture of a decision shows, and how that is laid out."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from amorsize.domain.wording import seconds as in_words
from amorsize.domain.wording import workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.domain.planning.breakdown import Breakdown
    from amorsize.domain.values import Plan
    from amorsize.domain.wording import Way

COLOURS: Final = {
    "start-up": "#e69f00",
    "moving data": "#cc79a7",
    "computing": "#0072b2",
    "tail": "#8c8c8c",
    "not divided": "#009e73",
}
"""A colour for each part, chosen so that people who see few colours can tell them apart, on white and on black."""

BESIDE: Final = 0.2
"""How far to the right of a bar's middle a run with other chunks is, in bars."""

PALE: Final = 0.4
"""Opacity of numbers of workers that are not allowed."""

GROUPS: Final = {"process": "processes", "thread": "threads", "serial": ""}
"""What stands below the bars of a kind of worker."""

_GAP: Final = 0.6
"""Space between two kinds of worker, in bars."""
_TALLEST: Final = 1.5
"""How far an interval is shown, in heights of the tallest bar or point: a wide one would take the space of the rest."""
_TICKS: Final = 5
"""How many ticks an axis has, at the most about."""
_UNITS: Final = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6))
"""Units of an axis with their seconds, the largest first."""


class FilePath(Protocol):
    """What ``os.PathLike`` is, without the module ``os``, which the core does not import."""

    def __fspath__(self) -> str:
        """Return the path."""


@attrs.frozen
class Chart:
    """What a picture of a decision shows.

    Attributes:
        plan: the plan, which is marked.
        items: how many items there are.
        bars: the numbers of workers with their predicted seconds; serial first, then kind by kind.
        trials: plans that ran, with their measured seconds.
    """

    plan: Plan
    items: int
    bars: tuple[Breakdown, ...]
    trials: tuple[tuple[Way, float], ...] = ()

    @property
    def title(self) -> str:
        """The plan in words."""
        gain = f", {self.plan.speedup:.2f}x serial" if self.plan.n_jobs > 1 else ""
        return f"{workers(self.plan)}: {in_words(self.plan.predicted_seconds)} predicted{gain}"

    @property
    def top_seconds(self) -> float:
        """The largest value that the picture shows; an interval may reach beyond it."""
        values = max([bar.seconds for bar in self.bars] + [seconds for _, seconds in self.trials])
        return min(_TALLEST * values, max(values, *(bar.seconds_high for bar in self.bars)))

    @property
    def has_pale(self) -> bool:
        """Tell whether a number of workers is shown that is not allowed."""
        return not all(bar.is_allowed for bar in self.bars)

    @property
    def parts(self) -> list[str]:
        """Names of the parts that any bar has, in the order in which they are stacked."""
        return [name for name in COLOURS if any(name in bar.parts for bar in self.bars)]

    def is_plan(self, bar: Breakdown) -> bool:
        """Tell whether a bar is that of the plan."""
        return (bar.executor, bar.n_jobs) == (self.plan.executor, self.plan.n_jobs)

    def positions(self) -> list[float]:
        """Return where the middle of each bar is, in bars from the left end of the axis, with space between kinds."""
        found: list[float] = []
        for before, bar in zip((None, *self.bars), self.bars, strict=False):
            gap = _GAP if before is not None and before.executor != bar.executor else 0.0
            found.append(found[-1] + 1.0 + gap if found else 0.5)
        return found

    def groups(self) -> Iterator[tuple[str, float]]:
        """Yield the name of each kind of worker and where its middle is."""
        positions: dict[str, list[float]] = {}
        for bar, position in zip(self.bars, self.positions(), strict=True):
            positions.setdefault(bar.executor, []).append(position)
        for executor, those in positions.items():
            yield GROUPS.get(executor, executor), (those[0] + those[-1]) / 2

    def points(self) -> Iterator[tuple[float, float, bool]]:
        """Yield each trial: where it is, its measured seconds, and whether it is the plan or serial, as predicted."""
        positions = {
            (bar.executor, bar.n_jobs): position for bar, position in zip(self.bars, self.positions(), strict=True)
        }
        sizes = {(bar.executor, bar.n_jobs): bar.chunksize for bar in self.bars}
        for way, seconds in self.trials:
            where = (way.executor, way.n_jobs)
            yield positions[where], seconds, sizes[where] == way.chunksize


def unit_of(seconds: float) -> tuple[str, float]:
    """Return the unit in which an axis up to so many seconds is written, and its seconds."""
    return next(((name, size) for name, size in _UNITS if seconds >= size), _UNITS[-1])


def ticks(most: float) -> list[float]:
    """Return round numbers from 0 to the largest value or just below it, at most about five after 0."""
    if most <= 0:
        return [0.0]
    rough = most / _TICKS
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [round(number * step, 12) for number in range(int(most / step * (1 + 1e-9)) + 1)]
