"""Runs a plan and those around it, and holds what was predicted against what it took."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import attrs

from amorsize.domain.neighbours import neighbours
from amorsize.domain.values import EXECUTORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.domain.neighbours import Neighbour
    from amorsize.result import OptimizationResult


@attrs.frozen
class Trial:
    """A way of running with the median of the wall seconds it took."""

    way: Neighbour
    seconds: float


@attrs.frozen
class Verification:
    """The result that was verified, and what each way took: the plan itself first."""

    result: OptimizationResult
    trials: tuple[Trial, ...]

    @property
    def chosen(self) -> Trial:
        """The plan itself."""
        return self.trials[0]

    @property
    def best(self) -> Trial:
        """The quickest."""
        return min(self.trials, key=lambda trial: trial.seconds)

    @property
    def regret(self) -> float:
        """Seconds of the plan over those of the quickest; 1.0 when it is the quickest."""
        return self.chosen.seconds / self.best.seconds if self.best.seconds else 1.0


def verify(
    func: Callable[[Any], Any], data: Sequence[Any], result: OptimizationResult, *, rounds: int = 3
) -> Verification:
    """Run the plan of a result and its neighbours over data by turns, and time them.

    Everything runs ``rounds`` times in each way, results are thrown away. Pools are those of ``multiprocessing``, but a
    plan for executors of a plugin runs there, as ``result.run()`` runs it.

    Args:
        func: takes one item.
        data: the items, one or more, that can be run over again and again.
        result: what ``optimize(func, data, profile=True)`` gave back.
        rounds: how often each way is run, 1 or more; medians are kept.

    Raises:
        ValueError: the result has no profile or the function could not be measured, or rounds is less than 1.
        TypeError: the plan is for executors of a plugin, and the result was made by hand.
        Exception: whatever func raises, and for executors of a plugin what execute raises.
    """
    if rounds < 1:
        raise ValueError(f"verify: rounds must be 1 or more, got {rounds!r}")
    profile = result.profile
    if profile is None or profile.situation is None:
        raise ValueError(
            f"verify: result must have a profile of a measured function, got one without ({result.reason})"
        )
    ways = neighbours(result.plan, profile.situation, profile.overheads)
    planned = attrs.evolve(result, func=func, data=data)
    seconds: dict[Neighbour, list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in ways if turn % 2 == 0 else reversed(ways):
            began = time.perf_counter()
            if way.executor in EXECUTORS:
                run(func, data, way, profile.machine.start_method)
            else:
                planned.run()
            seconds[way].append(time.perf_counter() - began)
    return Verification(result, tuple(Trial(way, median(seconds[way])) for way in ways))


def run(func: Callable[[Any], Any], data: Sequence[Any], way: Neighbour, start_method: str) -> None:
    """Run func over data in one way, with a pool of the standard library."""
    if way.n_jobs == 1:
        for item in data:
            func(item)
        return
    import multiprocessing.pool  # noqa: PLC0415  serial needs none

    if way.executor == "thread":
        with multiprocessing.pool.ThreadPool(way.n_jobs) as threads:
            threads.map(func, data, way.chunksize)
    else:
        with multiprocessing.get_context(start_method).Pool(way.n_jobs) as processes:
            processes.map(func, data, way.chunksize)
