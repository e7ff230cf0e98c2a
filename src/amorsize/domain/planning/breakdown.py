"""Predicted seconds by number of workers, divided into start-up, moving data, computing and the tail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from amorsize.domain.planning.cost import CostModel
from amorsize.domain.planning.planner import GIL_HELD, candidate, interval, serial_plan, worker_counts
from amorsize.domain.planning.situation import NO_ITEMS, NO_RESULTS, worker_cap
from amorsize.domain.values import EXECUTORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.planner import Candidate
    from amorsize.domain.planning.situation import Situation
    from amorsize.domain.values import Plan
    from amorsize.domain.wording import Way

_BEYOND: Final = 2
"""Times the allowed number of workers that is shown: our choice; a picture shows what a limit costs or saves."""


@attrs.frozen
class Breakdown:
    """A number of workers with its predicted seconds. The four parts add up to ``seconds``.

    The seconds of an executor backend are not divided: its parts are 0.

    Attributes:
        executor: the kind of worker, or the name of an executor backend.
        n_jobs: how many workers.
        chunksize: items per chunk.
        seconds: predicted wall seconds.
        seconds_low: lower end of their 90 % interval.
        seconds_high: upper end of their 90 % interval.
        start: starting and ending the workers, and the first call where that takes long.
        moving: how many seconds it would save if moving items, results and chunks cost nothing.
        computing: the busiest worker's items, or all CPU seconds over the CPUs, or the time under the GIL.
        tail: how much later than the others the last worker ends.
        is_allowed: whether the limits, the memory and the CPUs allow so many workers of this kind.
    """

    executor: str
    n_jobs: int
    chunksize: int
    seconds: float
    seconds_low: float
    seconds_high: float
    start: float = 0.0
    moving: float = 0.0
    computing: float = 0.0
    tail: float = 0.0
    is_allowed: bool = True

    @property
    def parts(self) -> dict[str, float]:
        """The parts by their names in words, in the order in which they are stacked."""
        if self.executor not in EXECUTORS:
            return {"not divided": self.seconds}
        return {
            "start-up": self.start,
            "moving data": self.moving,
            "computing": self.computing,
            "tail": self.tail,
        }


def breakdowns(plan: Plan, situation: Situation, overheads: Overheads, ways: Iterable[Way] = ()) -> list[Breakdown]:
    """Return serial, then processes and threads of this machine by number of workers.

    Up to twice the allowed number of workers is shown. Threads are left out where the GIL keeps them from working
    side by side, and processes where they are ruled out.

    Args:
        plan: the plan; it is shown with its own chunk size.
        situation: the items, the sample, the machine and the constraints.
        overheads: what workers cost on this machine.
        ways: further plans whose kinds and numbers of workers are shown.
    """
    shown = [serial(situation)]
    model = CostModel(situation.items, situation.sample, overheads, situation.machine)
    still = _with_nothing_moved(situation, overheads)
    for kind in _kinds(plan, situation, ways):
        cap = worker_cap(kind, situation, overheads) if situation.constraints.executor in {"auto", kind} else 1
        counts = {cap, *worker_counts(min(situation.items, _BEYOND * cap))}
        counts |= {way.n_jobs for way in (plan, *ways) if way.executor == kind}
        for p in sorted(counts - {1}):
            chunksize = plan.chunksize if (plan.executor, plan.n_jobs) == (kind, p) else None
            best = candidate(kind, kind, p, model, situation, chunksize)
            shown.append(_divided(best, model, still, situation, is_allowed=p <= cap))
    if plan.executor not in EXECUTORS:
        seconds = (plan.predicted_seconds, plan.seconds_low, plan.seconds_high)
        shown.append(Breakdown(plan.executor, plan.n_jobs, plan.chunksize, *seconds))
    return shown


def serial(situation: Situation) -> Breakdown:
    """Return what running all items one after another takes."""
    plan = serial_plan(situation, "")
    warm_up = situation.sample.warm_up_seconds
    return Breakdown(
        plan.executor,
        plan.n_jobs,
        plan.chunksize,
        plan.predicted_seconds,
        plan.seconds_low,
        plan.seconds_high,
        start=warm_up,
        computing=plan.predicted_seconds - warm_up,
    )


def _kinds(plan: Plan, situation: Situation, ways: Iterable[Way]) -> Iterator[str]:
    """Yield the kinds of worker that are shown."""
    asked = {way.executor for way in (plan, *ways)}
    processes = situation.constraints.executor != "thread" and not situation.blocked
    threads = situation.constraints.executor != "process" and situation.gil_fraction < GIL_HELD
    for kind, is_likely in (("process", processes), ("thread", threads or not processes)):
        if is_likely or kind in asked:
            yield kind


def _with_nothing_moved(situation: Situation, overheads: Overheads) -> CostModel:
    """Return the cost model for items, results and chunks that cost nothing to move."""
    sample = attrs.evolve(situation.sample, **NO_ITEMS, **NO_RESULTS)
    costs = attrs.evolve(
        overheads,
        chunk_parent_seconds=0.0,
        chunk_worker_seconds=0.0,
        chunk_crowded_seconds=0.0,
        item_seconds=0.0,
        byte_seconds=0.0,
        thread_chunk_seconds=0.0,
    )
    return CostModel(situation.items, sample, costs, situation.machine)


def _divided(
    best: Candidate, model: CostModel, still: CostModel, situation: Situation, *, is_allowed: bool
) -> Breakdown:
    """Return a candidate divided into parts; ``still`` is the model in which nothing is moved."""
    parts = best.parts
    alone = still.predict(best.executor, best.n_jobs, best.chunksize)
    ends = parts.start + parts.end
    between = best.seconds - ends
    computing = min(between, max(alone.parent, alone.workers + alone.queue, alone.cores))
    tail = min(between - computing, max(0.0, alone.seconds - alone.start - alone.end - computing))
    low, high = interval(best, best.executor, situation, model)
    return Breakdown(
        best.executor,
        best.n_jobs,
        best.chunksize,
        best.seconds,
        low,
        high,
        start=ends,
        moving=max(0.0, between - computing - tail),
        computing=computing,
        tail=tail,
        is_allowed=is_allowed,
    )
