"""Measures items that run: seconds, share of computing, and how far items differ."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.domain.cpus import MOSTLY_WAITS
from amorsize.domain.planning.sampling import mean_and_spread
from amorsize.domain.values import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_BLOCKS: Final = 64
"""Blocks that are kept apart to see how far items differ: our choice; later ones are added up."""

_LEAST_WAITS: Final = 0.1
"""Times that an item gives up its CPU above which it waits: our choice, as other programs do not raise that number."""

_LEAST_SECONDS: Final = 1e-9
"""Seconds that an item is said to take, at least: our choice, a nanosecond, so that nothing is divided by nothing."""

_MOST_CPUS: Final = 1000.0
"""CPU seconds per second that are believed, at most: our choice, as clocks of short blocks are coarse."""


_MATTERS_SECONDS: Final = 0.1
"""Seconds of difference from a sample, over all items of the caller, that count: our choice; less is hardly noticed."""

_LEAST_ITEMS: Final = 4
"""Items that the caller must have run for a comparison with a sample: our choice, a mean of fewer says little."""


class _Clocks(NamedTuple):
    """Wall seconds, CPU seconds of this thread and of ended child processes, its waits and its page faults.

    ``waits`` is how often the thread has given up its CPU, None where the system does not say.
    """

    wall: float
    cpu: float
    waits: int | None
    faults: int


def _clocks() -> _Clocks:
    """Return what the clocks show now; CPU seconds by the thread's clock: ``getrusage`` counts in ticks of 4 ms."""
    if sys.platform == "linux":
        import resource

        mine = resource.getrusage(resource.RUSAGE_THREAD)
        theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = thread_time() + theirs.ru_utime + theirs.ru_stime
        return _Clocks(perf_counter(), cpu, mine.ru_nvcsw, mine.ru_minflt)
    return _Clocks(perf_counter(), thread_time(), None, 0)


class Measure:
    """Adds up what blocks of items take. The first is kept apart: it may import things, and caches are cold."""

    def __init__(self) -> None:
        self.items = 0
        self.seconds = 0.0
        self.first_seconds = 0.0
        self.longest_seconds = 0.0  # of a block, so no item took longer
        self.recent_seconds = 0.0
        self.recent_faults = 0
        self._cpu = 0.0
        self._waits = 0
        self._aside_wall = self._aside_cpu = 0.0
        self._blocks: list[float] = []
        self._counts: list[int] = []

    def block(self, run: Callable[[], list[Any]]) -> list[Any]:
        """Run a block of items, which returns a result for each, and add it up."""
        self._aside_wall = self._aside_cpu = 0.0
        before = _clocks()
        results = run()
        now = _clocks()
        wall = now.wall - before.wall - self._aside_wall
        waits = None if now.waits is None or before.waits is None else now.waits - before.waits
        self.add(wall, now.cpu - before.cpu - self._aside_cpu, len(results), waits)
        self.recent_seconds += wall
        self.recent_faults += now.faults - before.faults
        return results

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave what is done meanwhile out of the seconds of the block that runs."""
        wall, cpu = perf_counter(), thread_time()
        try:
            yield
        finally:
            self._aside_wall += perf_counter() - wall
            self._aside_cpu += thread_time() - cpu

    def begin_anew(self) -> float:
        """Return the page faults per second of the blocks since the last call, and start counting again."""
        share = self.recent_faults / self.recent_seconds if self.recent_seconds else 0.0
        self.recent_seconds, self.recent_faults = 0.0, 0
        return share

    def add(self, seconds: float, cpu: float, count: int, waits: int | None = None) -> None:
        """Add up a block of so many items, with the CPU seconds that it took and how often it gave up its CPU.

        Where that is not known (None), each item may have done so.
        """
        if not count:
            return
        if not self._blocks:  # the first call counts as long as it is the only one
            self._cpu, self._waits = 0.0, 0
        if not self.items:
            self.first_seconds = seconds / count
        elif len(self._blocks) < _MOST_BLOCKS:
            self._blocks.append(seconds)
            self._counts.append(count)
        else:
            self._blocks[-1] += seconds
            self._counts[-1] += count
        self._cpu += cpu
        self._waits += count if waits is None else waits
        self.items += count
        self.seconds += seconds
        self.longest_seconds = max(self.longest_seconds, seconds)

    @property
    def seconds_per_item(self) -> float:
        """Mean seconds of an item, without the first call where there are others; 0.0 before the first."""
        rest = sum(self._counts)
        return sum(self._blocks) / rest if rest else self.first_seconds

    @property
    def spread_seconds(self) -> float:
        """Standard deviation of one item's seconds."""
        return mean_and_spread(self._blocks, self._counts)[1] if self._blocks else 0.0

    @property
    def cpu_fraction(self) -> float:
        """CPU seconds per wall second of the items, those of ended child processes included."""
        rest = sum(self._blocks) or self.seconds
        return self._cpu / rest if rest else 1.0

    @property
    def waits(self) -> bool:
        """Whether items mostly wait: for answers, for time to pass or for children.

        Items that never gave up their CPU do not wait: other programs had it.
        """
        return self._waits > _LEAST_WAITS * self.items and self.cpu_fraction < MOSTLY_WAITS

    def times_as_long_as(self, sample: Sample) -> float | None:
        """Return how many times as long as in a sample the items took, None when too few of them ran.

        A difference of less than a tenth of a second over all items counts as none.
        """
        if self.items < _LEAST_ITEMS or not sample.seconds_per_item:
            return None
        if abs(self.seconds - self.items * sample.seconds_per_item) < _MATTERS_SECONDS:
            return 1.0
        return self.seconds_per_item / sample.seconds_per_item

    def sample(self) -> Sample:
        """Return all this as the cost model takes it; items that gave up no CPU compute, though others had it."""
        share = self.cpu_fraction
        waits = share > 1.0 or self._waits > _LEAST_WAITS * self.items
        return Sample(
            count=max(1, self.items),
            seconds_per_item=max(_LEAST_SECONDS, self.seconds_per_item),
            spread_seconds=self.spread_seconds,
            first_call_seconds=self.first_seconds,
            cpu_fraction=min(_MOST_CPUS, share) if waits else 1.0,
        )
