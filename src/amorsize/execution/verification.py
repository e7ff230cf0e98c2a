"""Runs a plan and the plans near it, and compares the predicted seconds with the measured ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Sized
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.iterables import together
from amorsize.domain.planning.neighbours import Neighbour, neighbours
from amorsize.domain.values import EXECUTORS
from amorsize.domain.wording import seconds as in_words
from amorsize.domain.wording import workers

if TYPE_CHECKING:
    from os import PathLike

    from amorsize.application.result import OptimizationResult
    from amorsize.pictures.chart import Chart
    from amorsize.pictures.timeline import Timeline

HEAD: Final = ("", "way", "predicted", "measured", "predicted/measured")
"""The head of the table of a comparison."""


@attrs.frozen
class Trial:
    """A way of running with the median of the wall seconds it took."""

    way: Neighbour
    seconds: float


@attrs.frozen
class Verification:
    """The result that was verified, and what each way took: the plan itself first.

    ``timeline`` is what each worker did in the plan's run of median length; None when it ran on executors of a plugin.
    """

    result: OptimizationResult
    trials: tuple[Trial, ...]
    timeline: Timeline | None = None

    @property
    def chosen(self) -> Trial:
        """The plan itself."""
        return self.trials[0]

    @property
    def best(self) -> Trial:
        """The quickest."""
        return min(self.trials, key=lambda trial: trial.seconds)

    def plot(self, path: str | PathLike[str] | None = None) -> Any:
        """Draw predicted seconds over the number of workers, with the measured ones, as ``OptimizationResult.plot``."""
        from amorsize.pictures.figure import drawn

        return drawn(self.chart("plot"), path, "plot")

    def chart(self, where: str) -> Chart:
        """Return what a picture of predicted and measured seconds shows; as ``OptimizationResult.chart``."""
        return self.result.chart(where, [(trial.way, trial.seconds) for trial in self.trials])

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the table that ``amorsize verify`` prints, as HTML, all of it escaped."""
        from amorsize.pictures.notebook import of_verification

        return of_verification(HEAD, rows(self), verdict(self))

    @property
    def regret(self) -> float:
        """Seconds of the plan over those of the quickest; 1.0 when it is the quickest."""
        return self.chosen.seconds / self.best.seconds if self.best.seconds else 1.0


def verify(
    func: Callable[..., Any], data: Sequence[Any], *more: Sequence[Any], result: OptimizationResult, rounds: int = 3
) -> Verification:
    """Run the plan of a result and its neighbours over data in turn, and time them.

    Everything runs ``rounds`` times in each way, results are thrown away. Pools are those of ``multiprocessing``, but a
    plan for executors of a plugin runs there, as ``result.run()`` runs it.

    Args:
        func: takes one item, and one of each further iterable.
        data: the items, one or more, that can be run over again and again.
        more: further iterables, as for ``optimize``.
        result: what ``optimize(func, data, *more, profile=True)`` gave back.
        rounds: how often each way is run, 1 or more; medians are kept.

    Raises:
        ValueError: the result has no profile or the function could not be measured, or rounds is less than 1.
        TypeError: data or a further iterable is an iterator, which runs over once; or the plan is for executors of a
            plugin, and the result was made by hand.
        Exception: whatever func raises, and for executors of a plugin what execute raises.
    """
    from amorsize.execution.recording import recorded
    from amorsize.pictures.timeline import Timeline

    if rounds < 1:
        raise ValueError(f"verify: rounds must be 1 or more, got {rounds!r}")
    for each in (data, *more):
        if isinstance(each, Iterator) or (more and not isinstance(each, Sized)):
            raise TypeError(
                f"verify: data are run over several times, got {type(each).__name__}: pass a list of its items"
            )
    profile = result.profile
    if profile is None or profile.situation is None:
        raise ValueError(
            f"verify: result must have a profile of a measured function, got one without ({result.reason})"
        )
    func, items = together(func, data, more)
    ways = neighbours(result.plan, profile.situation, profile.overheads)
    planned = attrs.evolve(result, func=func, data=items)
    runs: dict[Neighbour, list[Timeline]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in ways if turn % 2 == 0 else reversed(ways):
            if way.executor in EXECUTORS:
                runs[way].append(recorded(func, items, way, profile.machine.start_method))
            else:
                began = time.perf_counter()
                planned.run()
                runs[way].append(Timeline(time.perf_counter() - began, ()))
    trials = tuple(Trial(way, median(run.seconds for run in runs[way])) for way in ways)
    usual = sorted(runs[ways[0]], key=lambda run: run.seconds)[(rounds - 1) // 2]
    return Verification(result, trials, usual if usual.spans else None)


def comparison(verification: Verification) -> Iterator[str]:
    """Yield a table of what was predicted and measured for each way, and how the plan did against the best."""
    for mark, way, predicted, measured, ratio in (HEAD, *rows(verification)):
        yield f"{mark:2}{way:<34}{predicted:>12}{measured:>12}{ratio:>20}"
    yield verdict(verification)


def rows(verification: Verification) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield a mark for the plan, the way in words, its predicted and measured seconds, and their ratio."""
    for trial in verification.trials:
        way = trial.way
        mark = "*" if trial is verification.chosen else ""
        predicted, ratio = "unknown", ""
        if way.predicted_seconds is not None:
            predicted, ratio = in_words(way.predicted_seconds), f"{way.predicted_seconds / trial.seconds:.2f}"
        yield mark, workers(way), predicted, in_words(trial.seconds), ratio


def verdict(verification: Verification) -> str:
    """Say how the plan did against the best."""
    best = verification.best
    said = "it is the best of these" if best is verification.chosen else f"the best of these is {workers(best.way)}"
    return f"the plan (*) took {verification.regret:.2f} times the least; {said}"
