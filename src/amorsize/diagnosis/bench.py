"""Compares plans with brute force on this machine, in bounded time."""

from __future__ import annotations

import time
from functools import partial
from math import ceil, exp, log
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.planning.neighbours import Neighbour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from amorsize.application.optimizer import Optimizer
    from amorsize.diagnosis.workloads import Workload
    from amorsize.domain.values import Constraints, Plan

    Runner = Callable[[Neighbour], float]

_SHARES: Final = (4, 1, 16)
"""Chunks per worker that are tried with processes: our choice; the first is what ``Pool.map`` does."""
_THREADS: Final = (16, 64)
"""Numbers of threads that are tried beside those of the CPUs: our choice, up to the most that plans have."""
_MOST_ROUNDS: Final = 7
"""Rounds in which the ways of a job take turns, at most: our choice, so that a job ends in seconds."""


@attrs.frozen
class Row:
    """How a plan did against all ways that were run.

    Attributes:
        name: the workload.
        plan: the plan.
        seconds: what the plan took.
        best: the quickest way.
        best_seconds: what that took.
        serial_seconds: what serial took.
        usual_seconds: what a process for each CPU took with the chunks of ``Pool.map``; None when it was not run.
        deciding_seconds: what it took to find the plan.
        is_complete: whether all ways were run.
    """

    name: str
    plan: Neighbour
    seconds: float
    best: Neighbour
    best_seconds: float
    serial_seconds: float
    usual_seconds: float | None
    deciding_seconds: float
    is_complete: bool

    @property
    def ratio(self) -> float:
        """Seconds of the plan over those of the best way."""
        return _over(self.seconds, self.best_seconds)


def rows(
    optimizer: Optimizer,
    constraints: Constraints,
    seconds: float,
    workloads: Sequence[Workload],
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Row | str]:
    """Yield a row for each workload, or its name where the time is over.

    A workload that begins runs at least its plan and serial. What one does not use of its share the others get.

    Args:
        optimizer: makes the plans, without its cache; what workers cost must be measured.
        constraints: those of the plans.
        seconds: nothing begins after these.
        workloads: what is run.
        clock: returns seconds.
    """
    machine = optimizer.machine()
    end = clock() + seconds
    for number, workload in enumerate(workloads):
        now = clock()
        if now >= end:
            yield workload.name
            continue
        data = workload.data()
        result = optimizer.optimize(workload.func, data, constraints, use_cache=False)
        deciding = clock() - now

        share = now + (end - now) / (len(workloads) - number)
        run = partial(_took, workload.func, data, machine.start_method)
        ways = grid(len(data), machine.usable_cpus)
        yield judged(workload.name, result.plan, ways, run, partial(_is_before, share, clock), deciding)


def _took(func: Callable[[Any], Any], data: Sequence[Any], start_method: str, way: Neighbour) -> float:
    from amorsize.execution.recording import recorded

    return recorded(func, data, way, start_method).seconds


def _is_before(end: float, clock: Callable[[], float]) -> bool:
    return clock() < end


def grid(items: int, cpus: float) -> list[Neighbour]:
    """Return serial, then a process for each CPU as ``Pool.map`` runs it, then other processes and threads."""
    whole = max(2, ceil(cpus))
    found = {Neighbour("serial", 1, items): None}
    for p in (whole, 2, ceil(whole / 2), 2 * whole):
        for share in _SHARES:
            found.setdefault(Neighbour("process", p, max(1, ceil(items / (share * p)))))
    for p in (whole, *_THREADS):
        found.setdefault(Neighbour("thread", p, max(1, ceil(items / (_SHARES[0] * p)))))
    return [way for way in found if way.n_jobs == 1 or 1 < way.n_jobs <= items]


def judged(  # noqa: PLR0913, PLR0917  the parts of a row
    name: str, plan: Plan, ways: Sequence[Neighbour], run: Runner, has_time: Callable[[], bool], deciding: float
) -> Row:
    """Run the plan and all ways round by round while there is time; the plan and serial run at least once.

    Medians count.
    """
    planned = Neighbour(plan.executor, plan.n_jobs, plan.chunksize)
    serial, *others = ways
    took: dict[Neighbour, list[float]] = {planned: [run(planned)]}
    if serial not in took:
        took[serial] = [run(serial)]
    for number in range(_MOST_ROUNDS):
        for way in others if number == 0 else [*reversed(took)] if number % 2 else [*took]:
            if number == 0 and way == planned:
                continue
            if not has_time():
                break
            took.setdefault(way, []).append(run(way))
    seconds = {way: median(each) for way, each in took.items()}
    best = min(seconds, key=lambda way: seconds[way])
    usual = others[0] if others else serial
    return Row(
        name,
        planned,
        seconds[planned],
        best,
        seconds[best],
        seconds[serial],
        seconds.get(usual),
        deciding,
        set(ways) <= set(took),
    )


def over_the_best(found: Iterable[Row], chosen: Callable[[Row], float | None]) -> float | None:
    """Return the geometric mean of some seconds of each row over those of its best way; rows without them are left out.

    It is None where no row is left.
    """
    ratios = [_over(seconds, row.best_seconds) for row in found if (seconds := chosen(row)) is not None]
    return exp(sum(log(ratio) for ratio in ratios) / len(ratios)) if ratios else None


def _over(seconds: float, best: float) -> float:
    return seconds / best if best > 0 and seconds > 0 else 1.0
