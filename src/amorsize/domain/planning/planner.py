"""The planner: finds the best number of workers and chunk size together, and says why they are best."""

from __future__ import annotations

from functools import partial
from math import ceil, hypot, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from amorsize.domain.cpus import ALWAYS_COMPUTES, MOSTLY_WAITS
from amorsize.domain.planning.cost import CostModel
from amorsize.domain.planning.situation import worker_cap
from amorsize.domain.values import REASON_TEXT, Plan
from amorsize.domain.wording import how_many
from amorsize.domain.wording import seconds as in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.cost import Parts
    from amorsize.domain.planning.external import ExternalWorkers
    from amorsize.domain.planning.sampling import Budget
    from amorsize.domain.planning.situation import Situation
    from amorsize.domain.values import Machine, Sample

    Compared = tuple[list["Candidate"], CostModel]

_Z90: Final = 1.645
"""Standard deviations from the mean that hold 90 % of a normal distribution, from its table."""
_MODEL_ERROR: Final = 0.1
"""Relative error of the model itself in nine of ten cases: our estimate."""
_RUN_ERROR: Final = 0.3
"""By how much nine of ten runs of real pools differ from the model (``tests/benchmarks/simulation.py real``)."""
_LONE_ERROR: Final = 0.5
"""Relative error of a mean that comes from a single item: our estimate."""
FRUGAL: Final = 0.02
"""Exponent of the price of workers: twice as many must save 1.4 %. Our choice, so that idle workers are avoided."""
_CLOSE: Final = 1.05
"""Factor by which smaller chunks may be slower when the number of items is a guess: our choice."""
_ALL_COUNTS: Final = 4
"""Numbers of workers that are all compared: our choice; rounding to whole rounds matters most for few workers."""
_STEP: Final = 1.5
"""Factor between the numbers of workers compared after that; the search then narrows around the best: our choice."""
GIL_HELD: Final = 0.9
"""Share of the time from which on a function always holds the GIL: our choice; threads gain 11 % at most."""


class Candidate(NamedTuple):
    """A possible plan; ``seconds`` are its predicted wall seconds, the sum of its ``parts``."""

    executor: str
    n_jobs: int
    chunksize: int
    parts: Parts
    seconds: float


@attrs.frozen
class Decision:
    """A plan, with all candidates it was compared with, best first."""

    plan: Plan
    candidates: tuple[Candidate, ...]


@attrs.frozen
class Profile:
    """What a decision was made from.

    Attributes:
        sample: what running a few items showed, None when the function could not be measured.
        machine: the facts about the machine.
        overheads: what workers cost, None when that did not matter.
        candidates: the plans that were compared, best first.
        situation: sample and machine with the number of items and the constraints; None like ``sample``.
    """

    sample: Sample | None
    machine: Machine
    overheads: Overheads | None
    candidates: tuple[Candidate, ...]
    situation: Situation | None = None


def relative_error(sample: Sample, items: int) -> float:
    """Return the relative error of the mean seconds per item.

    In nine of ten cases the mean is between mean / (1 + error) and mean * (1 + error). The error joins the standard
    error of a mean without replacement with the error of the model. It works on a logarithmic scale because seconds
    are never negative and usually skewed.
    """
    if sample.count >= items:
        return _MODEL_ERROR
    if sample.count == 1 or not sample.seconds_per_item:
        return _LONE_ERROR
    unseen = 1.0 - sample.count / items
    standard = sample.spread_seconds / sample.seconds_per_item * sqrt(unseen / sample.count)
    small_sample = 1.0 + 2.0 / sample.count
    return sqrt((_Z90 * small_sample * standard) ** 2 + _MODEL_ERROR**2)


def serial_plan(situation: Situation, reason: str) -> Plan:
    """Return the plan that runs all items in the caller's thread."""
    seconds = situation.serial_seconds
    error = hypot(relative_error(situation.sample, situation.items), situation.machine.crowding)
    return Plan(
        executor="serial",
        n_jobs=1,
        chunksize=situation.items,
        predicted_seconds=seconds,
        seconds_low=seconds / (1 + error),
        seconds_high=seconds * (1 + error),
        serial_seconds=seconds,
        speedup_low=1.0,
        speedup_high=1.0,
        reason=reason[:REASON_TEXT],
    )


def worker_counts(cap: int) -> list[int]:
    """Return the numbers of workers to compare first, up to ``cap``: all small ones, then steps of about a half."""
    counts = list(range(1, min(cap, _ALL_COUNTS) + 1))
    while counts[-1] < cap:
        counts.append(min(cap, ceil(counts[-1] * _STEP)))
    return counts


def too_small(situation: Situation, budget: Budget) -> str | None:
    """Say why serial is best whatever any workers cost, None when that is not certain."""
    sample, constraints = situation.sample, situation.constraints
    if constraints.executor == "serial":
        return "serial was asked for"
    if situation.items == 1:
        return "there is one item only"
    if constraints.max_workers == 1:
        return "one worker is all that the limits allow"
    if budget.is_too_small(situation.items, sample.seconds_per_item):
        return f"the whole job takes {in_words(situation.serial_seconds)}, less than starting one worker"
    return None


def plainly_serial(situation: Situation, budget: Budget) -> str | None:
    """Say why serial is best whatever workers cost on this machine, None when that is not certain."""
    if (reason := too_small(situation, budget)) is not None:
        return reason
    sample, machine, constraints = situation.sample, situation.machine, situation.constraints
    is_cpu_left = sample.cpu_fraction < ALWAYS_COMPUTES or machine.usable_cpus > 1
    threads_help = situation.gil_fraction < GIL_HELD and is_cpu_left
    if threads_help and constraints.executor != "process":
        return None
    return _no_process_pays(situation)


def _no_process_pays(situation: Situation) -> str | None:
    sample, machine = situation.sample, situation.machine
    if situation.constraints.executor == "thread":
        return "the function holds the GIL, so threads cannot run it side by side"
    if situation.blocked:
        return f"processes are ruled out: {situation.blocked}"
    if sample.pickle_item_seconds + sample.unpickle_result_seconds >= sample.seconds_per_item:
        return "pickling an item and its result for another process takes as long as running it here"
    if machine.usable_cpus <= 1 and sample.cpu_fraction > ALWAYS_COMPUTES:
        return "the function computes all the time and there is one usable CPU"
    return None


def decide(situation: Situation, overheads: Overheads | None, external: ExternalWorkers | None = None) -> Decision:
    """Compare serial, processes, threads and external workers, and return the best plan within the constraints.

    Args:
        situation: the items, the sample, the machine and the constraints.
        overheads: what workers cost on this machine; None leaves out its own processes and threads.
        external: the workers of a chosen backend, None when there is none.
    """
    compared: list[Compared] = []
    if overheads is not None:
        compared.append(_own(situation, overheads))
    if external is not None and external.blocked_reason is None:
        compared.append(_on_external(external, situation))
    models = {one.executor: model for found, model in compared for one in found}
    candidates = [one for found, _ in compared for one in found]
    if not candidates:
        return Decision(serial_plan(situation, _no_candidate(situation)), ())
    candidates.sort(key=lambda one: (one.seconds, one.n_jobs))
    best_of_each: dict[str, Candidate] = {}
    for one in sorted(candidates, key=_price):
        best_of_each.setdefault(one.executor, one)
    plan, best = serial_plan(situation, _serial_reason(candidates[0], situation)), next(iter(best_of_each.values()))
    for one in best_of_each.values():
        kind = external.kind if external is not None and one.executor == external.name else one.executor
        if (faster := _surely_faster(one, kind, situation, models[one.executor])) is not None:
            plan, best = faster, one
            break
    if external is not None:
        plan = attrs.evolve(plan, reason=(plan.reason + _beside(best, external, candidates))[:REASON_TEXT])
    return Decision(plan, tuple(candidates))


def _surely_faster(best: Candidate, kind: str, situation: Situation, model: CostModel) -> Plan | None:
    """Return the plan of a candidate, None unless it is faster than serial by what the constraints ask for."""
    if best.seconds >= situation.serial_seconds:  # both may be 0, and the gain is undefined
        return None
    ends = _ends(best, kind, situation, model)
    is_sure = ends.gain_low >= situation.constraints.min_speedup
    return _plan(best, ends, situation, model.overheads.jitter) if is_sure else None


def _own(situation: Situation, overheads: Overheads) -> Compared:
    """Return the candidates that use this machine's own processes and threads."""
    constraints = situation.constraints
    model = CostModel(situation.items, situation.sample, overheads, situation.machine)
    candidates: list[Candidate] = []
    if constraints.executor in {"auto", "process"} and not situation.blocked:
        candidates.extend(_search("process", "process", model, situation))
    if constraints.executor == "thread" or (constraints.executor == "auto" and situation.gil_fraction < GIL_HELD):
        candidates.extend(_search("thread", "thread", model, situation))
    return candidates, model


def _on_external(external: ExternalWorkers, situation: Situation) -> Compared:
    """Return the candidates that use external workers."""
    there = external.situation(situation)
    model = CostModel(there.items, there.sample, external.overheads, there.machine)
    return list(_search(external.name, external.kind, model, there)), model


def _beside(best: Candidate, external: ExternalWorkers, candidates: list[Candidate]) -> str:
    """Say what the other side would take: this machine if external workers are best, else the external workers."""
    if external.blocked_reason is not None:
        return f"; {external.name} is ruled out: {external.blocked_reason}"
    here = best.executor == external.name
    others = [one for one in candidates if (one.executor != external.name) == here]
    if not others:
        return "" if external.is_here or not here else "; this machine's own workers would not help"
    where = " here" if here else ""
    return f"; {how_many(others[0])}{where} should take {in_words(others[0].seconds)}"


def _search(executor: str, kind: str, model: CostModel, situation: Situation) -> Iterator[Candidate]:
    """Yield the best chunk size for several numbers of workers, ever closer to the best number.

    With more workers the cost first falls and then rises, apart from rounding to whole rounds of chunks. ``best_with``
    takes the lower end of each such step, so halving the step around the best number finds the minimum quickly. Numbers
    of workers whose lower bound is above the best cost are skipped.
    """
    cap = worker_cap(kind, situation, model.overheads)
    best: dict[int, Candidate] = {}

    def best_with(p: int) -> Candidate:
        """Return the best candidate with p workers, or with the fewest workers that need as many rounds."""
        if p not in best:
            best[p] = candidate(executor, kind, p, model, situation)
        chunks = ceil(situation.items / best[p].chunksize)
        fewest = max(2, ceil(chunks / ceil(chunks / p)))
        return min(best[p], best_with(fewest), key=_price) if fewest < p else best[p]

    bounds = sorted([(model.least(kind, p) * p**FRUGAL, p) for p in worker_counts(cap) if p > 1])
    if not bounds:
        return
    top = best_with(bounds[0][1])
    for bound, p in bounds[1:]:
        if bound > _price(top):
            break
        top = min(top, best_with(p), key=_price)
    step = top.n_jobs // 2
    while step > 1:
        step = ceil(step / 2)
        around = (top.n_jobs - step, top.n_jobs, top.n_jobs + step)
        top = min([best_with(p) for p in around if 1 < p <= cap], key=_price)
    yield from best.values()


def candidate(  # noqa: PLR0913, PLR0917  which workers, and what finds their seconds
    executor: str, kind: str, p: int, model: CostModel, situation: Situation, chunksize: int | None = None
) -> Candidate:
    """Return the candidate with p workers and a chunk size; None: the chunk size that takes least."""
    predict = partial(model.predict, kind)
    if chunksize is not None:
        parts = predict(p, chunksize)
        return Candidate(executor, p, chunksize, parts, parts.seconds)
    options = {k: predict(p, k) for k in model.chunksizes(p, *model.chunk(kind, p))}
    k = min(options, key=lambda k: (options[k].seconds, -k))
    if situation.assumed:  # large chunks of fewer items would leave workers without any
        options |= {size: predict(p, size) for size in (k >> n for n in range(1, k.bit_length()))}
        k = min(size for size, parts in options.items() if parts.seconds <= options[k].seconds * _CLOSE)
    return Candidate(executor, p, k, options[k], options[k].seconds)


def _price(one: Candidate) -> float:
    """Return the value that the best candidate minimises: its seconds, and a small price for its workers."""
    return float(one.seconds * one.n_jobs**FRUGAL)


class _Ends(NamedTuple):
    """The ends of the intervals of a plan's seconds and of its gain over serial."""

    seconds_low: float
    seconds_high: float
    gain_low: float
    gain_high: float


def _ends(best: Candidate, kind: str, situation: Situation, model: CostModel) -> _Ends:
    # The first pool of a process meets cold caches; overheads say what later pools take.
    first = best.seconds + model.overheads.pool_seconds(kind)
    seconds, gains = [best.seconds], [situation.serial_seconds / best.seconds, situation.serial_seconds / first]
    for serial, parallel in _at_ends(best, kind, situation, model):
        seconds.append(parallel)
        gains.append(serial / parallel)
    low, high = 1 - _MODEL_ERROR, 1 + _MODEL_ERROR
    return _Ends(min(seconds) * low, max(seconds) * high, min(gains) * low, max(gains) * high)


def _at_ends(best: Candidate, kind: str, situation: Situation, model: CostModel) -> Iterator[tuple[float, float]]:
    """Yield the seconds of serial and of a candidate at the lower and the upper end of the mean's interval."""
    error = relative_error(situation.sample, situation.items)
    mean = situation.sample.seconds_per_item
    for end in (mean / (1 + error), mean * (1 + error)):
        other = model.at(end)
        yield other.serial(), other.predict(kind, best.n_jobs, best.chunksize).seconds


def interval(best: Candidate, kind: str, situation: Situation, model: CostModel) -> tuple[float, float]:
    """Return the 90 % interval of a candidate's seconds, as a plan shows it."""
    seconds = [best.seconds, *(parallel for _, parallel in _at_ends(best, kind, situation, model))]
    unsteady = _unsteady(model.overheads.jitter, situation)
    return min(seconds) * (1 - _MODEL_ERROR) / unsteady, max(seconds) * (1 + _MODEL_ERROR) * unsteady


def _unsteady(jitter: float, situation: Situation) -> float:
    """Return by what factor single runs differ from a correct prediction."""
    return 1 + hypot(_RUN_ERROR, _Z90 * sqrt(2) * jitter, situation.machine.crowding)


def _plan(best: Candidate, ends: _Ends, situation: Situation, jitter: float) -> Plan:
    """Return the plan of a candidate.

    Its intervals are wider than those of the decision: single runs differ from a correct prediction, and the speed of
    the machine changes between sampling and running, more so when other programs run. This affects serial and parallel
    plans alike, so the decision ignores it.
    """
    unsteady = _unsteady(jitter, situation)
    return Plan(
        executor=best.executor,
        n_jobs=best.n_jobs,
        chunksize=best.chunksize,
        predicted_seconds=best.seconds,
        seconds_low=ends.seconds_low / unsteady,
        seconds_high=ends.seconds_high * unsteady,
        serial_seconds=situation.serial_seconds,
        speedup_low=ends.gain_low / unsteady,
        speedup_high=ends.gain_high * unsteady,
        reason=_parallel_reason(best, situation)[:REASON_TEXT],
    )


_BOUND_BY: Final = {
    "workers": "the items themselves take the time",
    "cores": "the usable CPUs are the limit",
    "start": "starting and ending the workers is the largest cost",
}
"""What limits a plan, in words, by the largest of its parts."""


def _limit(best: Candidate) -> str:
    binding = best.parts.binding
    if binding == "parent":
        return "the GIL is the limit" if best.executor == "thread" else "the parent's pickling is the limit"
    return _BOUND_BY[binding]


def _parallel_reason(best: Candidate, situation: Situation) -> str:
    waiting = " that mostly waits" if situation.sample.cpu_fraction < MOSTLY_WAITS else ""
    return (
        f"{how_many(best)} should take {in_words(best.seconds)} where one worker takes "
        f"{in_words(situation.serial_seconds)} ({in_words(situation.sample.seconds_per_item)} an item{waiting}); "
        f"{_limit(best)}"
    )


def _no_candidate(situation: Situation) -> str:
    if situation.blocked and situation.constraints.executor != "thread":
        return f"processes are ruled out: {situation.blocked}"
    return "one worker is all that the limits, the memory or the items allow"


def _serial_reason(best: Candidate, situation: Situation) -> str:
    words = (
        f"the best parallel plan ({how_many(best)}) should take {in_words(best.seconds)} against "
        f"{in_words(situation.serial_seconds)} serially, not surely {situation.constraints.min_speedup:g} times "
        f"faster; {_limit(best)}"
    )
    return f"{words}; processes are ruled out: {situation.blocked}" if situation.blocked else words
