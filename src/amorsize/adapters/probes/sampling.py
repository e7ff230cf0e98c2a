"""Runs a function on a few items in the caller's own process and says what that showed."""

from __future__ import annotations

import os
import pickle
from functools import partial
from math import ceil, sqrt
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from amorsize.adapters.probes.counters import (
    NO_CLOCKS,
    clocks,
    cpu_share,
    delay_seconds,
    others_running,
    own_memory_bytes,
    peak_memory_bytes,
    waits,
)
from amorsize.adapters.probes.inner_threads import threads_variable
from amorsize.domain.sampling import Budget, mean_and_spread
from amorsize.domain.values import OWN_THREADS, Sample
from amorsize.domain.wording import brief

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.source import Source

_BLOCK_BELOW_SECONDS: Final = 50e-6
_BLOCK_SECONDS: Final = 200e-6
_MOST_IN_BLOCK: Final = 4096
_ENOUGH_FOR_SMALL: Final = 3
_ENOUGH_FOR_TINY: Final = 4
_DEAR_SHARE: Final = 0.03
_ALIKE: Final = 1.5
_LEAST_SHARE: Final = 1 / 64
_FEW: Final = 10
_CHEAP_SHARE: Final = 0.25
_KEPT: Final = 8
_PLACES: Final = 16
_OBSTACLE_LENGTH: Final = 200
_LOCK_TEST_SECONDS: Final = 1e-3
_LOCK_TEST_WORTH: Final = 40
"""Times the test's seconds that a job must take: whatever processes cost, threads may be what pays."""
_LOCK_TEST_SHARE: Final = 0.05
_TICKS_SECONDS: Final = 1.5e-2
_ALONE_SHARE: Final = 0.15
_LOOKS: Final = 3
_COMPUTES: Final = 0.3
_OWN_SECONDS: Final = 2e-3
_LEAST_LEFT: Final = 0.25
"""Share of the wall time that was an item's, however long the thread was delayed: some of that was between items."""
_PICKLED_ITEMS: Final = 32
_MOST_REPEATS_SECONDS: Final = 1e-4
_PICKLING_SECONDS: Final = 5e-4
_SMALL_BYTES: Final = 1 << 14
_LONG_SECONDS: Final = 0.5
_WELL_KNOWN: Final = 0.02


class Sampling:
    """One sampling: runs items until the budget says that enough is known.

    Every item runs at most once, at the positions the source gives. What the function raises comes out as it is, with a
    note that names the item. ``begun`` is told the positions of each block before it runs; ``warms_workers`` says that
    workers will take over what the first call has warmed up, as forked ones do. ``alone`` runs so many items where no
    other thread is and returns the CPU seconds per wall second that they take, None when it cannot.
    """

    def __init__(  # noqa: PLR0913  what one sampling is made of
        self,
        func: Callable[[Any], Any],
        source: Source,
        budget: Budget,
        begun: Callable[[list[int]], None] | None = None,
        *,
        warms_workers: bool = False,
        alone: Callable[[int], float | None] | None = None,
    ) -> None:
        self.func = func
        self.source = source
        self.budget = budget
        self.begun = begun
        self.warms_workers = warms_workers
        self.alone = alone
        self.total = source.total or source.hint or budget.assumed_items
        self.places: list[int] = []
        self.items: list[Any] = []
        self.results: list[Any] = []
        self.count = 0
        self._passed = NO_CLOCKS
        self._waited = 0.0

    def run(self) -> Sample:
        """Sample and return what it showed; ValueError when there is no item."""
        peak_before, begun = peak_memory_bytes(), delay_seconds()
        beside = others_running()
        first = self._block(1)
        if first is None:
            raise ValueError("sample: source must have an item, got none")
        at_first, between = (self._passed, self._waited), delay_seconds()
        self._passed, self._waited = NO_CLOCKS, 0.0
        seconds, counts = self._steady(first)
        delay = delay_seconds() - between
        if not seconds:  # one item only: the first call is all there is to know
            seconds, counts, delay = [first], [1], between - begun
            self._passed, self._waited = at_first
        cpu, inside = self._passed[1:3]
        mean, spread = mean_and_spread(seconds, counts)
        if self.count == 2:  # noqa: PLR2004  one block of one item: how the first differs is all there is to know
            spread = abs(first - mean) / sqrt(2)
        share = self._cpu_share(delay)
        costs, obstacle = self._pickles()
        share = self._with_threads(share, mean, beside, obstacle)
        here = cpu_share(inside, cpu)  # the rest is computed by child processes, which hold no lock of ours
        held = min(1.0, share) * here if here < 1.0 - _COMPUTES else self._lock_share(mean, share)
        threaded = share > OWN_THREADS
        return Sample(
            count=self.count,
            seconds_per_item=mean,
            spread_seconds=spread,
            first_call_seconds=first,
            cpu_fraction=share,
            gil_fraction=held,
            peak_bytes=max(0.0, peak_memory_bytes() - peak_before),
            obstacle=obstacle,
            positions=tuple(self.places),  # type: ignore[arg-type]  # attrs takes the converter's own type
            threads_variable=threads_variable() if threaded else None,
            parent_bytes=own_memory_bytes() if self.warms_workers else 0.0,
            **costs,
        )

    def _cpu_share(self, delay: float) -> float:
        """Return CPU seconds per wall second, without the time in which other processes had the CPU.

        That is all that is missing if it never waited; then what all its threads took, over what its own took, is how
        many of them there were. Else it is the delay that the system counted.
        """
        wall, cpu, _, own = self._passed
        share = cpu_share(cpu, wall)
        if not self._waited:
            threads = cpu_share(cpu, own) if own > _OWN_SECONDS else 0.0
            return max(1.0, share, min(threads, float(os.cpu_count() or 1)))
        return share if share >= 1.0 else min(1.0, cpu / max(wall - delay, _LEAST_LEFT * wall))

    def _with_threads(self, share: float, mean: float, beside: int, obstacle: str | None) -> float:
        """Return the CPU share with the threads that are the function's, where so many ran before its first call.

        A BLAS's threads go on spinning for up to a tenth of a second after their library was imported, or used: where
        such ran before, a few items are run where they are not. And what other threads take is counted by ticks of 1
        to 4 ms, so that a short look may miss it: threads that run on now, and did not before, are the function's.
        """
        if share > OWN_THREADS:
            count = ceil(_TICKS_SECONDS / mean) if mean else 0
            if beside and self.alone and obstacle is None and 0 < count <= _ALONE_SHARE * (self.total - self.count):
                return self.alone(count) or share
        elif not beside and self._passed[0] < _TICKS_SECONDS:
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
            if mean < _BLOCK_BELOW_SECONDS and len(seconds) == _ENOUGH_FOR_TINY:
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
            # So few and so dear that one more would be a good part of the job, and whatever it showed, of little use.
            return self.warms_workers and self.total < _FEW and mean > _FEW * budget.worker_start_seconds
        if blocks >= _ENOUGH_FOR_SMALL - 1 and budget.is_too_small(self.total, 2 * mean):
            return True
        alike = first <= _ALIKE * mean  # a first call unlike the next tells little, and leaves open how items differ
        # Waiting is shared by many workers, so that a job that waits is over sooner the less it computes.
        computing = self._computing()
        at_stake = serial * (max(computing, _LEAST_SHARE) if alike or computing < _COMPUTES else 1.0)
        if blocks < _ENOUGH_FOR_SMALL - 1:
            looked = spent + first if alike else spent
            return spent + mean > _DEAR_SHARE * at_stake and looked >= budget.min_seconds
        return spent >= budget.seconds(at_stake) or (spent >= _LONG_SECONDS and self._is_even(seconds, counts))

    def _is_even(self, seconds: list[float], counts: list[int]) -> bool:
        """Tell whether the mean is known so well that going on would only keep the workers waiting."""
        mean, spread = mean_and_spread(seconds, counts)
        return spread <= _WELL_KNOWN * mean * sqrt(sum(counts))

    def _computing(self) -> float:
        """Return CPU seconds per wall second since the first call, 1.0 when that is too short to tell."""
        wall, cpu, _, _ = self._passed
        return min(1.0, cpu_share(cpu, wall))

    def _block(self, size: int) -> float | None:
        """Run the next size items and return their seconds; None when there is none left.

        What the clocks show is added up over items only: getting them may wait or compute for itself.
        """
        taken = take(self, size)
        if not taken:
            return None
        places = [position for position, _ in taken]
        items = [item for _, item in taken]
        func = self.func
        results: list[Any] = []
        keep = results.append
        if self.begun:
            self.begun(places)
        waited, before = waits(), clocks()
        began = perf_counter()
        try:
            for item in items:
                keep(func(item))
        except BaseException as error:
            self.source.keep(places, results, error)
            note(error, places[len(results)], items[len(results)])
            raise
        seconds = perf_counter() - began
        passed = zip(self._passed, clocks(), before, strict=True)
        self._passed = [known + now - then for known, now, then in passed]
        self._waited += waits() - waited
        self.source.keep(places, results)
        self.count += len(items)
        _keep(self.places, places, _PLACES)
        _keep(self.items, items, _PICKLED_ITEMS)
        _keep(self.results, results, _KEPT)
        return seconds

    def _pickles(self) -> tuple[dict[str, float], str | None]:
        """Return what pickling an item and a result costs, and what cannot be pickled."""
        obstacle = None
        try:
            pickle.dumps(self.func, pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
            obstacle = f"the function {name_of(self.func)} cannot be pickled ({brief(error)})"
        costs: dict[str, float] = {}
        for word, objects in (("item", self.items), ("result", self.results)):
            put, get, size, fault = pickle_costs(objects)
            costs |= {f"pickle_{word}_seconds": put, f"unpickle_{word}_seconds": get, f"{word}_bytes": size}
            if fault and obstacle is None:
                obstacle = f"{'an item' if word == 'item' else 'a result'} cannot be pickled ({fault})"
        return costs, obstacle[:_OBSTACLE_LENGTH] if obstacle else None

    def _lock_share(self, mean: float, share: float) -> float | None:
        """Return the share of wall time the interpreter lock is held, from two threads side by side.

        None when that is not worth its price or cannot be told.
        """
        each = max(1, ceil(_LOCK_TEST_SECONDS / mean)) if mean else 0
        worth = self.total * mean > _LOCK_TEST_WORTH * _LOCK_TEST_SECONDS
        cheap = 2 * each <= _LOCK_TEST_SHARE * self.total
        if not (_COMPUTES <= share <= 1.0 + _COMPUTES and worth and cheap) or self.budget.most_items is not None:
            return None
        if mean < _BLOCK_BELOW_SECONDS:
            return None
        from amorsize.adapters.probes.side_by_side import lock_share  # noqa: PLC0415  few functions come this far

        return lock_share(self, each, mean, share)

    def waits_in(self, count: int) -> float:
        """Return how often so many items wait, by those after the first."""
        return self._waited / max(1, self.count - 1) * count


def _keep(kept: list[Any], new: list[Any], most: int) -> None:
    kept.extend(new[: max(0, most - len(kept))])


def take(sampling: Sampling, count: int) -> list[tuple[int, Any]]:
    """Return the next positions and items to run, fewer than count when there are no more."""
    block = []
    for position in sampling.source.positions():
        block.append((position, sampling.source.at(position)))
        if len(block) == count:
            break
    return block


def pickle_costs(objects: list[Any]) -> tuple[float, float, float, str | None]:
    """Return seconds to pickle and to unpickle and bytes, each per object, and why one cannot be pickled.

    All of them at once when they are small, else one after another for as long as half a millisecond.
    """
    put, get, size, count = 0.0, 0.0, 0, 0
    try:
        while count < len(objects) and put + get < _PICKLING_SECONDS:
            some = objects[count:] if 0 < size < count * _SMALL_BYTES else objects[count : count + 1]
            seconds, text = _timed(partial(pickle.dumps, some, pickle.HIGHEST_PROTOCOL))
            put += seconds
            get += _timed(partial(pickle.loads, text))[0]
            size += len(text)
            count += len(some)
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return 0.0, 0.0, 0.0, brief(error)
    return put / count, get / count, size / count, None


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of an action, the least of three when it is short, and what it returned."""
    seconds = []
    for _ in range(3):
        began = perf_counter()
        value = action()
        seconds.append(perf_counter() - began)
        if seconds[0] > _MOST_REPEATS_SECONDS:
            break
    return min(seconds), value


def note(error: BaseException, position: int, item: object) -> None:
    """Add to an exception which item amorsize was running."""
    error.add_note(f"amorsize was sampling the item at position {position}: {shortly(item)}")


def shortly(item: object) -> str:
    """Return an item in a few characters."""
    from reprlib import repr as short  # noqa: PLC0415  only a failure needs it

    try:
        return short(item)
    except Exception:  # noqa: BLE001  a hostile __repr__ must not hide the error
        return f"<{type(item).__name__}>"


def name_of(func: object) -> str:
    """Return what to call a function in a message."""
    name = getattr(func, "__qualname__", None)
    return name if isinstance(name, str) else type(func).__name__
