"""The plans around a plan, each with what it should take, to be held against it."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

import attrs

from amorsize.domain.cost import CostModel
from amorsize.domain.situation import worker_cap
from amorsize.domain.values import EXECUTORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.situation import Situation
    from amorsize.domain.values import Plan

_USUAL_CHUNKS: Final = 4


@attrs.frozen
class Neighbour:
    """One way of running; ``predicted_seconds`` is None where this machine's overheads are not known."""

    executor: str
    n_jobs: int
    chunksize: int
    predicted_seconds: float | None = attrs.field(default=None, eq=False)


def neighbours(plan: Plan, situation: Situation, overheads: Overheads | None) -> list[Neighbour]:
    """Return a plan itself, then each that is a step away, once.

    A step is: to serial, to half or twice the workers, to half or twice the chunk, to the other kind of worker. Twice
    the workers stays within what a caller allows and the memory bears, the other kind within what can be started here.
    From serial, and from executors of a plugin, a step is to as many workers of each kind here as there are CPUs, at
    least 2, in four chunks each.
    """
    found = {Neighbour(plan.executor, plan.n_jobs, plan.chunksize, plan.predicted_seconds): None}
    found.setdefault(Neighbour("serial", 1, situation.items, situation.serial_seconds))
    model = None if overheads is None else CostModel(situation.items, situation.sample, overheads, situation.machine)
    for executor, p, k in _steps(plan, situation, overheads):
        if p < 2 or (executor == "process" and situation.blocked):  # noqa: PLR2004  one worker is no step
            continue
        predict = None if model is None else model.process if executor == "process" else model.thread
        found.setdefault(Neighbour(executor, p, k, predict(p, k).seconds if predict else None))
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
