"""What limits a plan, and what the user could change: found by deciding again without each cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import NO_ITEMS, NO_RESULTS, Situation, worker_bytes
from amorsize.domain.values import MAX_BYTES, MAX_CPUS
from amorsize.domain.wording import size

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.overheads import Overheads

    Change = Callable[[Situation, Overheads], tuple[Situation, Overheads, str]]

_WORTH_SAYING: Final = 1.1
"""The least gain that is worth an advice: our choice, the same as the default of ``min_speedup``."""
_HARDER: Final = 2
"""Factor by which a change that takes other code, data or hardware must gain more than an easy one: our choice."""
_MORE_ITEMS: Final = 10
"""Factor of more items that is tried: our choice; with so many more items start-up hardly counts."""
_MORE_CPUS: Final = 2
"""Factor of more CPUs that is tried: our choice, the next larger machine."""


@attrs.frozen
class Advice:
    """What limits the plan, what would change that, in words, and how many times faster an item would be then."""

    constraint: str
    change: str
    gain: float


def advise(situation: Situation, overheads: Overheads) -> Advice | None:
    """Return the change that gains most, None when no change gains a tenth.

    Each change removes one cost, or adds cores or items, and the planner decides again. A change that takes another
    function, other data or another machine is returned only when it gains twice as much as every easier change.
    """
    easy = _best(_EASY, situation, overheads)
    hard = _best(_HARD, situation, overheads)
    if easy is None or hard is None:
        return easy or hard
    return hard if hard.gain - 1.0 > _HARDER * (easy.gain - 1.0) else easy


def _best(changes: dict[str, Change], situation: Situation, overheads: Overheads) -> Advice | None:
    now = decide(situation, overheads).plan.predicted_seconds / situation.items
    best: Advice | None = None
    for constraint, change in changes.items():
        changed, costs, words = change(situation, overheads)
        if (changed, costs) == (situation, overheads):
            continue
        then = decide(changed, costs).plan.predicted_seconds / changed.items
        gain = now / then if then else 1.0
        if gain >= _WORTH_SAYING and (best is None or gain > best.gain):
            best = Advice(constraint, words, gain)
    return best


def _small_items(situation: Situation, overheads: Overheads) -> tuple[Situation, Overheads, str]:
    sample = situation.sample
    small = attrs.evolve(sample, **NO_ITEMS)
    words = f"items are {size(sample.item_bytes)} each: send a name or a range instead and load it in the worker"
    return attrs.evolve(situation, sample=small), overheads, words


def _small_results(situation: Situation, overheads: Overheads) -> tuple[Situation, Overheads, str]:
    sample = situation.sample
    small = attrs.evolve(sample, **NO_RESULTS)
    words = (
        f"results are {size(sample.result_bytes)} each: return a summary, or the name of a file written in the worker"
    )
    return attrs.evolve(situation, sample=small), overheads, words


def _other_processes(situation: Situation, overheads: Overheads) -> tuple[Situation, Overheads, str]:
    movable = attrs.evolve(situation, sample=attrs.evolve(situation.sample, blocked_reason=None), blocked_reason=None)
    return movable, overheads, f"processes are ruled out: {situation.blocked}"


def _unlocked(situation: Situation, overheads: Overheads) -> tuple[Situation, Overheads, str]:
    unlocked = situation
    if situation.gil_fraction:
        unlocked = attrs.evolve(situation, sample=attrs.evolve(situation.sample, gil_fraction=0.0))
    words = (
        f"the GIL is held {situation.gil_fraction:.0%} of the time: let compiled code that releases it do the work, "
        "or run a free-threaded Python"
    )
    return unlocked, overheads, words


def _started_already(situation: Situation, overheads: Overheads) -> tuple[Situation, Overheads, str]:
    sample = situation.sample
    warm = attrs.evolve(sample, worker_import_seconds=0.0, first_call_seconds=sample.seconds_per_item)
    running = attrs.evolve(overheads.running(), thread_start_seconds=0.0, thread_pool_seconds=0.0)
    words = "starting and ending workers is a large share: keep one pool open for several calls"
    return attrs.evolve(situation, sample=warm), running, words


def _free_choice(situation: Situation, overheads: Overheads) -> tuple[Situation, Overheads, str]:
    allowed = situation.constraints
    free = attrs.evolve(allowed, max_workers=None, executor="auto")
    said = [] if allowed.executor == "auto" else [f"executor={allowed.executor!r}"]
    said += [] if allowed.max_workers is None else [f"max_workers={allowed.max_workers}"]
    return attrs.evolve(situation, constraints=free), overheads, f"without {' and '.join(said)} another plan is better"


def _more_memory(situation: Situation, overheads: Overheads) -> tuple[Situation, Overheads, str]:
    roomy = attrs.evolve(situation, constraints=attrs.evolve(situation.constraints, memory_limit=MAX_BYTES))
    words = (
        f"a worker takes {size(worker_bytes('process', situation, overheads))} of the "
        f"{size(situation.memory_bytes)} there is: free some, raise memory_limit, or need less for an item"
    )
    return roomy, overheads, words


def _more_cpus(situation: Situation, overheads: Overheads) -> tuple[Situation, Overheads, str]:
    machine = situation.machine
    larger = attrs.evolve(
        machine,
        usable_cpus=min(float(MAX_CPUS), machine.usable_cpus * _MORE_CPUS),
        logical_cores=min(MAX_CPUS, machine.logical_cores * _MORE_CPUS),
    )
    words = f"all {machine.usable_cpus:g} usable CPUs are busy: use a machine with more of them, or a higher quota"
    return attrs.evolve(situation, machine=larger), overheads, words


def _more_items(situation: Situation, overheads: Overheads) -> tuple[Situation, Overheads, str]:
    words = f"{situation.items} items are few for so many workers or so short a job: pass more in one call"
    return attrs.evolve(situation, items=situation.items * _MORE_ITEMS), overheads, words


_EASY: Final[dict[str, Change]] = {
    "the limits given": _free_choice,
    "the lack of worker processes": _other_processes,
    "start-up": _started_already,
    "the cost of moving results": _small_results,
    "the cost of moving items": _small_items,
    "memory": _more_memory,
}
_HARD: Final[dict[str, Change]] = {
    "too few items": _more_items,
    "the GIL": _unlocked,
    "cores": _more_cpus,
}
