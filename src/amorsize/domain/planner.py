"""The planner: searches workers and chunk size together and says why the best plan is best."""

from __future__ import annotations

from math import ceil, hypot, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from amorsize.domain.cost import CostModel
from amorsize.domain.situation import worker_cap
from amorsize.domain.values import Plan
from amorsize.domain.wording import crew
from amorsize.domain.wording import seconds as in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.domain.cost import Parts
    from amorsize.domain.engine import Engine
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.sampling import Budget
    from amorsize.domain.situation import Situation
    from amorsize.domain.values import Machine, Sample

    Weighed = tuple[list["Candidate"], CostModel]

_Z90: Final = 1.645
_MODEL_ERROR: Final = 0.1
_RUN_ERROR: Final = 0.3
"""What real pools differ from the model by in nine of ten runs (``tests/benchmarks/simulation.py real``)."""
_LONE_ERROR: Final = 0.5
FRUGAL: Final = 0.02
"""What workers must save to be worth having, as a power of their number: twice as many 1.4 %."""
_CLOSE: Final = 1.05
"""Times the best that smaller chunks may take where how many items fill them is not known."""
_ALL_COUNTS: Final = 4
_STEP: Final = 1.5
_BUSY: Final = 0.9
_MOSTLY_WAITING: Final = 0.5
_REASON_LENGTH: Final = 300


class Candidate(NamedTuple):
    """One way of running that was weighed; ``seconds`` is the predicted wall seconds of its parts."""

    executor: str
    n_jobs: int
    chunksize: int
    parts: Parts
    seconds: float


@attrs.frozen
class Decision:
    """A plan with every candidate that was weighed for it, best first."""

    plan: Plan
    candidates: tuple[Candidate, ...]


@attrs.frozen
class Profile:
    """What a decision was made from: the sample, the machine, its overheads (None: not needed) and all candidates.

    ``situation`` holds the first two with the number of items, the limits and what stood in the way; None when the
    function could not be measured.
    """

    sample: Sample | None
    machine: Machine
    overheads: Overheads | None
    candidates: tuple[Candidate, ...]
    situation: Situation | None = None


def relative_error(sample: Sample, items: int) -> float:
    """Return the 90 % error of the mean seconds per item: it lies between mean / (1 + error) and mean * (1 + error).

    The standard error of a mean without replacement, joined with the model's own error. Seconds are never negative and
    mostly skewed, so that their logarithm is nearer to normal than they are.
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
    """Return the plan that runs everything in the caller's own thread."""
    seconds = situation.serial_seconds
    error = relative_error(situation.sample, situation.items)
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
        reason=reason[:_REASON_LENGTH],
    )


def worker_counts(cap: int) -> list[int]:
    """Return the numbers of workers to weigh first, up to cap: each small one, then steps of about a half."""
    counts = list(range(1, min(cap, _ALL_COUNTS) + 1))
    while counts[-1] < cap:
        counts.append(min(cap, ceil(counts[-1] * _STEP)))
    return counts


def too_small(situation: Situation, budget: Budget) -> str | None:
    """Say why serial is best wherever workers are and whatever they charge, None when that is not plain yet."""
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
    """Say why serial is best whatever this machine charges for workers, None when that is not plain yet."""
    if (reason := too_small(situation, budget)) is not None:
        return reason
    sample, machine, constraints = situation.sample, situation.machine, situation.constraints
    threads_help = situation.lock_share < _BUSY and (sample.cpu_fraction < _BUSY or machine.usable_cpus > 1)
    if threads_help and constraints.executor != "process":
        return None
    return _no_process_pays(situation)


def _no_process_pays(situation: Situation) -> str | None:
    sample, machine = situation.sample, situation.machine
    if situation.constraints.executor == "thread":
        return "the function holds the interpreter lock, so threads cannot run it side by side"
    if situation.blocked:
        return f"processes are ruled out: {situation.blocked}"
    if sample.pickle_item_seconds + sample.unpickle_result_seconds >= sample.seconds_per_item:
        return "pickling an item and its result for another process takes as long as running it here"
    if machine.usable_cpus <= 1 and sample.cpu_fraction > _BUSY:
        return "the function computes all the time and there is one usable CPU"
    return None


def decide(situation: Situation, overheads: Overheads | None, engine: Engine | None = None) -> Decision:
    """Weigh serial, processes, threads and an engine, and return the best plan within the constraints.

    Overheads of None leave out this machine's own processes and threads.
    """
    weighed: list[Weighed] = []
    if overheads is not None:
        weighed.append(_own(situation, overheads))
    if engine is not None and engine.obstacle is None:
        weighed.append(_on_engine(engine, situation))
    models = {one.executor: model for found, model in weighed for one in found}
    candidates = [one for found, _ in weighed for one in found]
    if not candidates:
        return Decision(serial_plan(situation, _no_candidate(situation)), ())
    candidates.sort(key=lambda one: (one.seconds, one.n_jobs))
    best = min(candidates, key=_weight)
    beside = "" if engine is None else _beside(best, engine, candidates)
    kind = engine.kind if engine is not None and best.executor == engine.name else best.executor
    ends = _ends(best, kind, situation, models[best.executor])
    if ends.gain_low < situation.constraints.min_speedup or best.seconds >= situation.serial_seconds:
        plan = serial_plan(situation, _serial_reason(candidates[0], situation) + beside)
    else:
        plan = _plan(best, ends, situation, models[best.executor].overheads.jitter, beside)
    return Decision(plan, tuple(candidates))


def _own(situation: Situation, overheads: Overheads) -> Weighed:
    """Return what this machine's own processes and threads can do."""
    sample, constraints = situation.sample, situation.constraints
    model = CostModel(situation.items, sample, overheads, situation.machine)
    candidates: list[Candidate] = []
    if constraints.executor in {"auto", "process"} and not situation.blocked:
        candidates.extend(_search("process", "process", model, situation, overheads))
    if constraints.executor == "thread" or (constraints.executor == "auto" and situation.lock_share < _BUSY):
        candidates.extend(_search("thread", "thread", model, situation, overheads))
    return candidates, model


def _on_engine(engine: Engine, situation: Situation) -> Weighed:
    """Return what an engine's workers can do."""
    there = engine.situation(situation)
    model = CostModel(there.items, there.sample, engine.overheads, there.machine)
    return list(_search(engine.name, engine.kind, model, there, engine.overheads)), model


def _beside(best: Candidate, engine: Engine, candidates: list[Candidate]) -> str:
    """Say what the best would be on the other side: here if the engine is best, on the engine otherwise."""
    if engine.obstacle is not None:
        return f"; {engine.name} is ruled out: {engine.obstacle}"
    here = best.executor == engine.name
    others = [one for one in candidates if (one.executor != engine.name) == here]
    if not others:
        return "" if engine.is_here or not here else "; this machine's own workers would not help"
    where = " here" if here else ""
    return f"; {crew(others[0])}{where} should take {in_words(others[0].seconds)}"


def _search(executor: str, kind: str, model: CostModel, situation: Situation, charge: Overheads) -> Iterator[Candidate]:
    """Yield the best chunk size for some numbers of workers, ever closer to the best of them.

    The cost falls and then rises with the number of workers but for the rounding to whole rounds of chunks, of whose
    steps ``weigh`` takes the lower end, so that halving the step around the best found needs few looks. Numbers that
    cannot be better than the best found are not weighed.
    """
    predict, least, chunk = model.process, model.least_process, model.process_chunk
    if kind == "thread":
        predict, least, chunk = model.thread, model.least_thread, model.thread_chunk
    cap = worker_cap(kind, situation, charge)
    best: dict[int, Candidate] = {}

    def weigh(p: int) -> Candidate:
        """Return the best with p workers, or with the fewest that take as many rounds."""
        if p not in best:
            options = {k: predict(p, k) for k in model.chunksizes(p, *chunk(p))}
            k = min(options, key=lambda k: (options[k].seconds, -k))
            if situation.assumed:  # large chunks of fewer items would leave workers without any
                options |= {size: predict(p, size) for size in (k >> n for n in range(1, k.bit_length()))}
                k = min(size for size, parts in options.items() if parts.seconds <= options[k].seconds * _CLOSE)
            best[p] = Candidate(executor, p, k, options[k], options[k].seconds)
        chunks = ceil(situation.items / best[p].chunksize)
        fewest = max(2, ceil(chunks / ceil(chunks / p)))
        return min(best[p], weigh(fewest), key=_weight) if fewest < p else best[p]

    bounds = sorted([(least(p) * p**FRUGAL, p) for p in worker_counts(cap) if p > 1])
    if not bounds:
        return
    top = weigh(bounds[0][1])
    for bound, p in bounds[1:]:
        if bound > _weight(top):
            break
        top = min(top, weigh(p), key=_weight)
    step = top.n_jobs // 2
    while step > 1:
        step = ceil(step / 2)
        around = (top.n_jobs - step, top.n_jobs, top.n_jobs + step)
        top = min([weigh(p) for p in around if 1 < p <= cap], key=_weight)
    yield from best.values()


def _weight(one: Candidate) -> float:
    """Return what is least for the best candidate: its seconds, and a little for each of its workers."""
    return float(one.seconds * one.n_jobs**FRUGAL)


@attrs.frozen
class _Ends:
    """Between what the seconds of a plan and its gain over serial lie, by the errors of the sample and of the model."""

    seconds_low: float
    seconds_high: float
    gain_low: float
    gain_high: float


def _ends(best: Candidate, kind: str, situation: Situation, model: CostModel) -> _Ends:
    sample = situation.sample
    error = relative_error(sample, situation.items)
    # The first pool of a process meets cold caches, where overheads tell what further ones take.
    first = best.seconds + model.overheads.pool_seconds(kind)
    seconds, gains = [best.seconds], [situation.serial_seconds / best.seconds, situation.serial_seconds / first]
    for mean in (sample.seconds_per_item / (1 + error), sample.seconds_per_item * (1 + error)):
        other = model.at(mean)
        parts = (other.thread if kind == "thread" else other.process)(best.n_jobs, best.chunksize)
        seconds.append(parts.seconds)
        gains.append(other.serial() / parts.seconds)
    low, high = 1 - _MODEL_ERROR, 1 + _MODEL_ERROR
    return _Ends(min(seconds) * low, max(seconds) * high, min(gains) * low, max(gains) * high)


def _plan(best: Candidate, ends: _Ends, situation: Situation, jitter: float, beside: str) -> Plan:
    """Return the plan of a candidate.

    What is told of it is wider by what single runs differ from a right prediction, and by what the machine's own speed
    changes between two moments: the one in which it was sampled, or runs serially, and the one in which the plan runs.
    That weighs on no side, so that the choice is made without it.
    """
    unsteady = 1 + hypot(_RUN_ERROR, _Z90 * sqrt(2) * jitter)
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
        reason=(_parallel_reason(best, situation) + beside)[:_REASON_LENGTH],
    )


_BOUND_BY: Final = {
    "workers": "the items themselves take the time",
    "cores": "the usable CPUs are the limit",
    "start": "starting and ending the workers is the largest cost",
}


def _limit(best: Candidate) -> str:
    binding = best.parts.binding
    if binding == "parent":
        return (
            "the interpreter lock is the limit" if best.executor == "thread" else "the parent's pickling is the limit"
        )
    return _BOUND_BY[binding]


def _parallel_reason(best: Candidate, situation: Situation) -> str:
    waiting = " that mostly waits" if situation.sample.cpu_fraction < _MOSTLY_WAITING else ""
    return (
        f"{crew(best)} should take {in_words(best.seconds)} where one worker takes "
        f"{in_words(situation.serial_seconds)} ({in_words(situation.sample.seconds_per_item)} an item{waiting}); "
        f"{_limit(best)}"
    )


def _no_candidate(situation: Situation) -> str:
    if situation.blocked and situation.constraints.executor != "thread":
        return f"processes are ruled out: {situation.blocked}"
    return "one worker is all that the limits, the memory or the items allow"


def _serial_reason(best: Candidate, situation: Situation) -> str:
    words = (
        f"the best parallel plan ({crew(best)}) should take {in_words(best.seconds)} against "
        f"{in_words(situation.serial_seconds)} serially, not surely {situation.constraints.min_speedup:g} times "
        f"faster; {_limit(best)}"
    )
    return f"{words}; processes are ruled out: {situation.blocked}" if situation.blocked else words
