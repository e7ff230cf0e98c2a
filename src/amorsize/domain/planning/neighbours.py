"""The plans near a plan, with their predicted seconds, to compare it with."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

import attrs

from amorsize.domain.planning.cost import CostModel
from amorsize.domain.planning.situation import worker_cap
from amorsize.domain.values import EXECUTORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.situation import Situation
    from amorsize.domain.values import Plan

_USUAL_CHUNKS: Final = 4
"""Chunks per worker of the parallel plans that a serial plan is compared with, from the source of ``Pool.map``."""


@attrs.frozen
class Neighbour:
    """A plan to compare with; ``predicted_seconds`` is None when the overheads of this machine are not known."""

    executor: str
    n_jobs: int
    chunksize: int
    predicted_seconds: float | None = attrs.field(default=None, eq=False)


def neighbours(plan: Plan, situation: Situation, overheads: Overheads | None) -> list[Neighbour]:
    """Return a plan, then each plan that is one step away.

    A step leads to serial, to half or twice the workers, to half or twice the chunk size, or to the other kind of
    worker. Twice the workers must be allowed by the constraints and the memory, and processes must not be ruled out.
    From serial, and from external workers, a step leads to one worker per CPU, at least 2, of each kind here.
    """
    found = {Neighbour(plan.executor, plan.n_jobs, plan.chunksize, plan.predicted_seconds): None}
    found.setdefault(Neighbour("serial", 1, situation.items, situation.serial_seconds))
    model = None if overheads is None else CostModel(situation.items, situation.sample, overheads, situation.machine)
    for executor, p, k in _steps(plan, situation, overheads):
        if p < 2 or (executor == "process" and situation.blocked):  # noqa: PLR2004  one worker is no step
            continue
        found.setdefault(Neighbour(executor, p, k, None if model is None else model.predict(executor, p, k).seconds))
    return list(found)


def _steps(plan: Plan, situation: Situation, overheads: Overheads | None) -> Iterator[tuple[str, int, int]]:
    items = situation.items
    if plan.n_jobs == 1 or plan.executor not in EXECUTORS:
        p = min(max(2, round(situation.machine.usable_cpus)), items, situation.constraints.max_workers or items)
        for executor in ("process", "thread"):
            yield executor, p, ceil(items / (_USUAL_CHUNKS * p))
        return
    executor, p, k = plan.executor, plan.n_jobs, plan.chunksize
    yield executor, p // 2, _share(items, k, p, p // 2)
    if 2 * p <= worker_cap(executor, situation, overheads):
        yield executor, 2 * p, _share(items, k, p, 2 * p)
    yield executor, p, max(1, k // 2)
    yield executor, p, min(2 * k, items)
    yield "thread" if executor == "process" else "process", p, k


def _share(items: int, k: int, p: int, q: int) -> int:
    """Return the chunk size with which q workers take as many chunks each as p took in chunks of k."""
    return ceil(items / max(1, round(items / (k * p))) / max(1, q))
