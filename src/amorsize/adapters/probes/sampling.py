"""Runs a function on a few items in this process and returns what that showed."""

from __future__ import annotations

import os
import pickle
from itertools import islice
from math import ceil, sqrt
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from amorsize.adapters.probes.counters import (
    Clocks,
    clocks,
    cpu_share,
    delay_seconds,
    live_seconds,
    others_running,
    peak_memory_bytes,
    waits,
)
from amorsize.adapters.probes.pickle_costs import pickle_costs
from amorsize.domain.cpus import MOST_WAITING, MOSTLY_WAITS
from amorsize.domain.lazy import lazy_result
from amorsize.domain.planning.sampling import Budget, mean_ahead, mean_and_spread
from amorsize.domain.process_state import sets_process_state
from amorsize.domain.sharing import is_unshareable
from amorsize.domain.values import BLOCKED_TEXT, MAX_POSITIONS, OWN_THREADS, Sample
from amorsize.domain.wording import brief
from amorsize.errors import SamplingError
from amorsize.processes.blas import threads_variable
from amorsize.processes.distributions import loaded
from amorsize.processes.failures import note_item
from amorsize.processes.leftovers import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.source import Source

_BLOCK_BELOW_SECONDS: Final = 50e-6
"""Seconds of an item below which items are timed in blocks: our choice; of shorter ones, reading clocks is a part."""

_BLOCK_SECONDS: Final = 200e-6
"""Seconds that a block of short items may take: our choice, a fifteenth of what sampling may take."""

_MOST_IN_BLOCK: Final = 4096
"""Items of a block, at most: our choice, as its items and results are held in memory."""

_ENOUGH_FOR_SMALL: Final = 3
"""Blocks, with the first call, that show that a small job is small: our choice, two beside the first call."""

_ENOUGH_FOR_TINY: Final = 4
"""Blocks of tiny items after which the cost of pickling is measured: our choice, their mean is known roughly then."""

_EXPENSIVE_SHARE: Final = 0.03
"""Share of what is at stake that sampling one more item may take: our choice, hardly noticed."""

_ALIKE: Final = 1.5
"""Times the mean that a first call may take to count as like the others: our choice; cold caches explain less."""

_FEW: Final = 10
"""Items below which there are few: our choice; one of them is a tenth of the job or more."""

_CHEAP_SHARE: Final = 0.25
"""Share of an item's seconds that pickling takes from which it decides: our choice; more samples change nothing."""

_KEPT: Final = 8
"""Results that are kept, to pickle them: our choice, as they may be large."""

_GIL_TEST_SECONDS: Final = 1e-3
"""Seconds of work of each of the two threads that measure the GIL: our choice, a third of what sampling may take."""

_GIL_TEST_WORTH: Final = 40
"""Times these seconds that a job must take, 40 ms: our choice, the test is 5 % of it; threads may be the best plan."""

_STUCK_SECONDS: Final = 5.0
"""Seconds after which two threads that test the GIL are given up, beside what their items take: our choice."""

_STUCK_TIMES: Final = 20
"""Times what the items of one of them take that is added: our choice; the GIL makes it two, other programs more."""

_GIL_TEST_SHARE: Final = 0.05
"""Share of all items that measuring the GIL may run: our choice, so that most items are left to run."""

_TICKS_SECONDS: Final = 1.5e-2
"""Seconds of a look that shows the CPU time of other threads: our choice, a few ticks of Linux of 1 to 4 ms."""

_LOOKS: Final = 3
"""Looks at the threads that run, of which the least counts: our choice, a thread that runs for a moment is left out."""

_GIL_SHARE: Final = 0.3
"""CPU seconds per second from which the GIL is measured: our choice, below ``MOSTLY_WAITS``; else it hardly counts."""

_BESIDE: Final = 0.3
"""CPU seconds per second that child processes or own threads add at most where the GIL is measured: our choice, few."""

_OWN_SECONDS: Final = 2e-3
"""CPU seconds of the own thread from which others are counted by the ratio to them: our choice, for coarse clocks."""

_LEAST_LEFT: Final = 0.25
"""Share of the wall time that is an item's, whatever the delay: our choice; some of it was between items."""

_PICKLED_ITEMS: Final = 32
"""Items that are kept, to pickle them: our choice, enough for a mean."""

_LONG_SECONDS: Final = 0.5
"""Seconds after which sampling ends once the mean is well known: our choice, workers wait meanwhile."""

_WELL_KNOWN: Final = 0.02
"""Standard error of the mean, relative, from which it is well known: our choice, far below the model's own error."""

_ROUGHLY: Final = 0.3
"""The same for a stream's first items: the mean is within 50 % in nine of ten cases, as 1.645 times 0.3 is 0.49."""


class Sampling:
    """One sampling: runs items until the budget says that enough is known.

    Every item runs at most once, at the positions the source gives. What the function raises comes out as it is, with a
    note that names the item. ``begun`` is called with the positions of each block before it runs. With ``in_order`` no
    two items run at once: they share something that this would spoil.
    """

    def __init__(
        self,
        func: Callable[[Any], Any],
        source: Source,
        budget: Budget,
        begun: Callable[[list[int]], None] | None = None,
        *,
        in_order: bool = False,
    ) -> None:
        self.func = func
        self.in_order = in_order
        self.source = source
        self.budget = budget
        self.begun = begun
        self.positions: list[int] = []
        self.items: list[Any] = []
        self.results: list[Any] = []
        self.count = 0
        self._passed = Clocks()
        self._waited = 0.0
        self._delayed = delay_seconds()
        self._ended = False

    @property
    def total(self) -> int:
        """How many items there are as far as is known: of a stream at least twice as many as have come."""
        source = self.source
        return source.total or source.hint or max(self.budget.assumed_items, 2 * self.count)

    def run(self) -> Sample:
        """Sample and return what it showed; ValueError when there is no item."""
        peak_before, beside, before = peak_memory_bytes(), others_running(), Snapshot.now()
        begun = (delay_seconds(), *live_seconds())
        first = self._block(1)
        if first is None:
            raise ValueError("sample: source must have an item, got none")
        at_first, between = (self._passed, self._waited), (delay_seconds(), *live_seconds())
        self._passed, self._waited = Clocks(), 0.0
        seconds, counts = self._steady(first)
        ended = (delay_seconds(), *live_seconds())
        if not seconds:  # one item only: the first call is all there is to know
            seconds, counts, ended = [first], [1], between
            self._passed, self._waited = at_first
        else:
            begun = between
        left, grown = before.left_since(), max(0.0, peak_memory_bytes() - peak_before)
        mean, spread = self._mean_and_spread(first, seconds, counts)
        share, here = self._shares(beside, *(max(0.0, now - then) for now, then in zip(ended, begun, strict=True)))
        costs, blocked_reason = self._pickles()
        held = self._gil_fraction(mean, share, here, is_open=bool(left and self.begun is None))
        return Sample(
            count=self.count,
            seconds_per_item=mean,
            spread_seconds=spread,
            first_call_seconds=first,
            cpu_fraction=share,
            gil_fraction=held,
            peak_bytes=grown,
            blocked_reason=blocked_reason,
            positions=tuple(self.positions),  # type: ignore[arg-type]  # attrs takes the converter's own type
            threads_variable=threads_variable() if share * here > OWN_THREADS else None,
            children_fraction=1.0 - here,
            leaves=left,
            lazy_result=lazy_result(self.results),
            **costs,
        )

    def _shares(self, beside: int, delay: float, of_children: float, delay_of_children: float) -> tuple[float, float]:
        """Return the CPU seconds per wall second, and which part of them this process took, not its child processes."""
        cpu = self._passed.cpu + of_children
        # Child processes that were ready and had no CPU would have taken one on a machine that does nothing else.
        share = self._with_threads(self._cpu_share(cpu + delay_of_children, delay), beside)
        # What they compute does not hold the GIL of this process.
        here = min(1.0, cpu_share(self._passed.process, cpu)) if cpu > 0 else 1.0
        return share, here

    def _gil_fraction(self, mean: float, share: float, here: float, *, is_open: bool) -> float | None:
        """Return the share of its time in which the function holds the GIL, None where it is not known.

        ``here`` is the share of the CPU time that this process took, not its child processes. ``is_open`` says that
        items have left something open in the caller's process, which two threads at once could spoil.
        """
        if self._shares_with_threads():
            return 1.0  # two threads at once would spoil what they share
        if here < 1.0 - _BESIDE:
            return min(1.0, share) * here
        return None if is_open else self._gil_fraction_measured(mean, share)

    def _shares_with_threads(self) -> bool:
        """Return whether two threads at once would spoil what items share, as far as that shows.

        Items that have run may have made what they share.
        """
        from amorsize.processes.process_bound import find_process_bound

        if self.in_order or sets_process_state(self.func, loaded()):
            return True
        return find_process_bound(self.func) is not None

    def _mean_and_spread(self, first: float, seconds: list[float], counts: list[int]) -> tuple[float, float]:
        """Return the seconds an item takes, and how they spread; of a stream, those of the items that are to come."""
        mean, spread = mean_and_spread(seconds, counts)
        if self.source.in_order and not self._ended:
            ahead = mean_ahead(seconds, counts, self.total)
            mean, spread = ahead, max(spread, ahead - mean)
        if self.count == 2:  # noqa: PLR2004  one block of one item: how the first differs is all there is to know
            spread = abs(first - mean) / sqrt(2)
        return mean, spread

    def _cpu_share(self, cpu: float, delay: float) -> float:
        """Return CPU seconds per wall second, without the time in which other processes had the CPU.

        That is all that is missing if it never waited; then what all its threads took, over what its own took, is how
        many of them there were. Else it is the delay that the system counted.
        """
        wall, own = self._passed.wall, self._passed.thread
        cpus = float(os.cpu_count() or 1)  # other threads are counted by ticks, which may be more than there was time
        share = min(cpus, cpu_share(cpu, wall))
        if not self._waited:
            threads = cpu_share(cpu, own) if own > _OWN_SECONDS else 0.0
            return max(1.0, share, min(threads, cpus))
        return share if share >= 1.0 else min(1.0, cpu / max(wall - delay, _LEAST_LEFT * wall))

    def _with_threads(self, share: float, beside: int) -> float:
        """Return the CPU share with the threads that are the function's.

        What other threads take is counted by ticks of 1 to 4 ms, so that a short look may miss it: threads that run on
        now, and did not before the first call, are the function's.
        """
        if share <= OWN_THREADS and not beside and self._passed.wall < _TICKS_SECONDS:
            running = min(others_running() for _ in range(_LOOKS))
            return max(share, 1.0 + running) if running else share
        return share

    def _steady(self, first: float) -> tuple[list[float], list[int]]:
        """Run further items until the decision is clear; return block seconds and block counts."""
        seconds: list[float] = []
        counts: list[int] = []
        mean = first
        started = perf_counter()
        while not self._is_enough(first, perf_counter() - started, mean, seconds, counts):
            size = 1 if mean >= _BLOCK_BELOW_SECONDS else min(_MOST_IN_BLOCK, max(2 * sum(counts), 1))
            if mean * size > _BLOCK_SECONDS:
                size = max(1, int(_BLOCK_SECONDS / mean))
            before = self.count
            block = self._block(size)
            if block is None:
                break
            seconds.append(block)
            counts.append(self.count - before)
            mean = sum(seconds) / sum(counts)
            if mean < _BLOCK_BELOW_SECONDS and len(seconds) == _ENOUGH_FOR_TINY and not self.source.in_order:
                costs, _ = self._pickles()
                if costs["pickle_item_seconds"] + costs["unpickle_result_seconds"] >= _CHEAP_SHARE * mean:
                    break  # moving items costs as much as running them: more samples would change nothing
        return seconds, counts

    def _is_enough(self, first: float, spent: float, mean: float, seconds: list[float], counts: list[int]) -> bool:
        budget = self.budget
        if budget.most_items is not None and self.count >= budget.most_items:
            return True
        serial, blocks = self.total * mean, len(seconds)
        if blocks == 0:
            # Items are so few and so long that one more is a large part of the job, and changes the plan little.
            return self.total < _FEW and mean > _FEW * budget.worker_start_seconds
        if self.source.in_order and self._is_open(spent + first, seconds, counts):
            return False
        if blocks >= _ENOUGH_FOR_SMALL - 1 and budget.is_too_small(self.total, 2 * mean):
            return True
        alike = first <= _ALIKE * mean  # a first call unlike the next says little of how items differ
        # Waiting is shared by many workers, so that a job that waits is over sooner the less it computes.
        computing = self._computing()
        at_stake = serial * (max(computing, 1 / MOST_WAITING) if alike or computing < MOSTLY_WAITS else 1.0)
        if blocks < _ENOUGH_FOR_SMALL - 1:
            looked = spent + first if alike else spent
            return spent + mean > _EXPENSIVE_SHARE * at_stake and looked >= budget.min_seconds
        return spent >= budget.seconds(at_stake) or (spent >= _LONG_SECONDS and _is_known(seconds, counts, _WELL_KNOWN))

    def _is_open(self, spent: float, seconds: list[float], counts: list[int]) -> bool:
        """Return whether a stream must be looked at further: its first items need not be like the others.

        That is so until the mean is roughly known and does not grow, but for a moment only. What other programs took
        of that moment has shown nothing.
        """
        if spent - (delay_seconds() - self._delayed) >= self.budget.min_seconds or spent >= _LONG_SECONDS:
            return False
        if not _is_known(seconds, counts, _ROUGHLY):
            return True
        return mean_ahead(seconds, counts, self.total) > sum(seconds) / sum(counts)

    def _computing(self) -> float:
        """Return CPU seconds per wall second since the first call, 1.0 when that is too short to tell."""
        return min(1.0, cpu_share(self._passed.cpu, self._passed.wall))

    def _block(self, size: int) -> float | None:
        """Run the next size items and return their seconds; None when there is none left.

        What the clocks show is added up over items only: getting them may wait or compute for itself.
        """
        taken = self._take(size)
        self._ended = len(taken) < size
        if not taken:
            return None
        positions, items = [position for position, _ in taken], [item for _, item in taken]
        func = self.func
        results: list[Any] = []
        keep = results.append
        if self.begun:
            self.begun(positions)
        elif any(map(is_unshareable, items)):  # a child has copies, the caller has not
            raise SamplingError("the items", "are iterators or open files, which would be used up", 0.0)
        waited, before = waits(), clocks()
        began = perf_counter()
        try:
            for item in items:
                keep(func(item))
        except BaseException as error:
            note_item(error, positions[len(results)], items[len(results)], "sampling")
            raise
        seconds = perf_counter() - began
        passed = zip(self._passed, clocks(), before, strict=True)
        self._passed = Clocks(*(known + now - then for known, now, then in passed))
        self._waited += waits() - waited
        self.count += len(items)
        _keep(self.positions, positions, MAX_POSITIONS)
        _keep(self.items, items, _PICKLED_ITEMS)
        _keep(self.results, results, _KEPT)
        return seconds

    def _take(self, size: int) -> list[tuple[int, Any]]:
        """Return the next items, each with its position; fewer where there are no more."""
        source = self.source
        taken = [(position, source.at(position)) for position in islice(source.positions(), size)]
        return [(position, source.at(position)) for position, _ in taken] if source.is_changing else taken

    def _pickles(self) -> tuple[dict[str, Any], str | None]:
        """Return what pickling an item and a result costs, and what cannot be pickled."""
        blocked_reason = None
        try:
            pickle.dumps(self.func, pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
            blocked_reason = f"the function {name_of(self.func)} cannot be pickled ({brief(error)})"
        costs: dict[str, Any] = {}
        for word, objects in (("item", self.items), ("result", self.results)):
            put, get, size, fault = pickle_costs(objects)
            costs |= {f"pickle_{word}_seconds": put, f"unpickle_{word}_seconds": get, f"{word}_bytes": size}
            if fault and blocked_reason is None:
                blocked_reason = f"{'an item' if word == 'item' else 'a result'} cannot be pickled ({fault})"
        return costs, blocked_reason[:BLOCKED_TEXT] if blocked_reason else None

    def _gil_fraction_measured(self, mean: float, share: float) -> float | None:
        """Return the share of time that the GIL is held, by two threads; None where that is not worth it or unclear."""
        may_need_gil = _GIL_SHARE <= share <= 1.0 + _BESIDE
        if self.budget.most_items is not None or mean < _BLOCK_BELOW_SECONDS or not may_need_gil:
            return None
        each = max(1, ceil(_GIL_TEST_SECONDS / mean))
        worth = self.total * mean > _GIL_TEST_WORTH * _GIL_TEST_SECONDS
        cheap = 2 * each <= _GIL_TEST_SHARE * self.total
        return self.gil_fraction_of_two(each, mean, share) if worth and cheap else None

    def gil_fraction_of_two(self, each: int, mean: float, share: float) -> float | None:
        """Run so many items in each of two threads at once and return the share of time the GIL was held.

        None when it cannot be measured; see gil_fraction_of.
        """
        from amorsize.adapters.probes.gil import gil_fraction_of, side_by_side

        blocks = [self._take(each), self._take(each)]
        if not all(blocks):
            return None
        if self.begun:
            self.begun([position for block in blocks for position, _ in block])
        waits_alone = self._waited / max(1, self.count - 1) * 2 * each
        sides = side_by_side(self.func, blocks, _STUCK_SECONDS + _STUCK_TIMES * each * mean)
        if sides is None:
            return 1.0
        self.count += sum(map(len, blocks[: len(sides)]))
        return gil_fraction_of(sides, each * mean, waits_alone, share) if len(sides) == len(blocks) else None


def _is_known(seconds: list[float], counts: list[int], error: float) -> bool:
    """Return whether the standard error of the mean is at most so large a part of it, by three blocks or more."""
    if len(seconds) < _ENOUGH_FOR_SMALL:
        return False
    mean, spread = mean_and_spread(seconds, counts)
    return spread <= error * mean * sqrt(sum(counts))


def _keep(kept: list[Any], new: list[Any], most: int) -> None:
    kept.extend(new[: max(0, most - len(kept))])


def name_of(func: object) -> str:
    """Return what to call a function in a message."""
    name = getattr(func, "__qualname__", None)
    return name if isinstance(name, str) else type(func).__name__
