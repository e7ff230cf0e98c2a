"""The use case: one call of optimize(), written against the ports only."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain import keys
from amorsize.domain.buckets import size_bucket, time_bucket
from amorsize.domain.fingerprint import Fingerprints, changes
from amorsize.domain.items import describe_change, item_kind
from amorsize.domain.planner import Situation, decide, plainly_serial, serial_plan, worker_cap
from amorsize.domain.rules import judge
from amorsize.domain.sampling import Budget
from amorsize.domain.source import Source
from amorsize.domain.values import Entry, Limits, Plan
from amorsize.errors import MeasurementError
from amorsize.result import OptimizationResult, Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amorsize.domain.fingerprint import Fingerprint
    from amorsize.domain.planner import Candidate
    from amorsize.domain.values import Constraints, Machine, Overheads, Sample
    from amorsize.entries import Entries
    from amorsize.ports import Probe, SystemInspector

_NEAR_SECONDS: Final = 1.0
_NEAR_ENTRIES: Final = 4096
_SEEN_KINDS: Final = 4
_EMPTY_PLAN: Final = Plan(
    executor="serial",
    n_jobs=1,
    chunksize=1,
    predicted_seconds=0.0,
    seconds_low=0.0,
    seconds_high=0.0,
    serial_seconds=0.0,
    speedup_low=1.0,
    speedup_high=1.0,
    reason="there is nothing to run",
)


_DAY_SECONDS: Final = 86400.0
_WORTH_MEASURING_SECONDS: Final = 0.05
"""A job predicted shorter than this does not make anybody wait for this machine's overheads to be measured."""

_COROUTINE_FLAGS: Final = 0x80 | 0x200  # CO_COROUTINE and CO_ASYNC_GENERATOR of the inspect module
_OWN_THREADS: Final = 1.25


@attrs.frozen
class _Question:
    """What is asked in one call: the workload, the limits, and where its entry would lie."""

    func: Callable[[Any], Any]
    source: Source
    constraints: Constraints
    fingerprint: Fingerprint
    kind: str
    locator: str
    machine: Machine
    machine_id: str
    obstacle: str | None

    @property
    def kind_and_size(self) -> str:
        return self.locator.partition("_item:")[2]


@attrs.frozen
class _Answer:
    """A plan with what it came from and what the cache did."""

    plan: Plan
    cache: str
    cache_reason: str
    sample: Sample | None = None
    candidates: tuple[Candidate, ...] = ()
    overheads: Overheads | None = None
    warnings: tuple[str, ...] = ()


class Optimizer:
    """Answers how to run a function over data, from the cache or by measuring.

    Args:
        probe: measures functions and overheads.
        inspector: reads the machine.
        entries: the cache.
        limits: when an entry holds.
        budget: how much may be spent on sampling.
        now: Unix seconds.
        monotonic: seconds that never go back.
    """

    def __init__(  # noqa: PLR0913  one argument a port or rule set
        self,
        *,
        probe: Probe,
        inspector: SystemInspector,
        entries: Entries,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        limits: Limits | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.probe = probe
        self.inspector = inspector
        self.entries = entries
        self.limits = limits or Limits()
        self.budget = budget or Budget()
        self.hits = 0
        self.misses = 0
        self.seconds_saved = 0.0
        self._now = now
        self._monotonic = monotonic
        self._fingerprints = Fingerprints()
        self._near: dict[tuple[str, str, int, Constraints], tuple[float, float, _Answer]] = {}
        self._machine_read: tuple[float, Machine] | None = None
        self._overheads: dict[str, Overheads] = {}

    def optimize(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        constraints: Constraints,
        *,
        use_cache: bool = True,
        profile: bool = False,
    ) -> OptimizationResult:
        """Return how to run func over data within the constraints.

        Raises:
            TypeError: func is no callable of one item, or data no iterable.
            Exception: whatever func raises while sampled, unchanged, with a note that names the item.
        """
        if not callable(func):
            raise TypeError(f"optimize: func must be callable, got {type(func).__name__}")
        fingerprint = self._fingerprints.of(func)
        items = sized(data)
        if not items or not use_cache or profile:
            check_arguments(func, data)
            question = self._question(func, Source(data), constraints, fingerprint, "")
            why = "use_cache=False" if not use_cache else "profile=True" if profile else "the data has no len()"
            answer = self._afresh(question, why, keep=use_cache)
            shown = None
            if profile:
                shown = Profile(answer.sample, question.machine, answer.overheads, answer.candidates)
            remaining = question.source.data(data)
            return OptimizationResult(answer.plan, remaining, answer.cache, answer.cache_reason, answer.warnings, shown)
        kind = item_kind(data)
        near = (fingerprint.hex, kind, items, constraints)
        known = self._near.get(near)
        if known is not None and self._monotonic() < known[0] and self.probe.obstacle(func) is None:
            self.hits += 1
            self.seconds_saved += known[1]
            answer = known[2]
        else:
            check_arguments(func, data)
            answer = self._from_cache(self._question(func, Source(data), constraints, fingerprint, kind), near)
        return OptimizationResult(answer.plan, data, answer.cache, answer.cache_reason, answer.warnings)

    def lookup(self, func: Callable[[Any], Any], data: Iterable[Any], constraints: Constraints) -> tuple[str, str]:
        """Say what optimize would find, without running func or storing: (hit, replanned or miss; the reason)."""
        check_arguments(func, data)
        if not sized(data):
            return "bypassed", "the data has no len()"
        fingerprint = self._fingerprints.of(func)
        question = self._question(func, Source(data), constraints, fingerprint, item_kind(data))
        live, reason = self._live(question)
        if not live:
            return "miss", reason
        if len(live) > 1:
            return "hit", f"{len(live)} variants; one item would be timed to choose"
        verdict = judge(live[0], question.machine, self._now(), self.limits)
        return {"fresh": "hit", "replan": "replanned"}[verdict.kind], verdict.reason or _age(live[0], self._now())

    def _question(
        self,
        func: Callable[[Any], Any],
        source: Source,
        constraints: Constraints,
        fingerprint: Fingerprint,
        kind: str,
    ) -> _Question:
        machine = self._machine()
        return _Question(
            func=func,
            source=source,
            constraints=constraints,
            fingerprint=fingerprint,
            kind=kind,
            locator=keys.locator(fingerprint.hex, kind, source.total or 0),
            machine=machine,
            machine_id=keys.machine_id(machine),
            obstacle=self.probe.obstacle(func),
        )

    def _machine(self) -> Machine:
        """Return the machine, read again at most once in a second."""
        read = self._machine_read
        at = self._monotonic()
        if read is None or not read[0] <= at < read[0] + _NEAR_SECONDS:
            read = self._machine_read = (at, self.inspector.inspect(self.probe.start_method))
        return read[1]

    def _afresh(self, question: _Question, why: str, *, keep: bool) -> _Answer:
        """Answer without looking for an entry and without keeping one."""
        if question.source.is_empty():
            return _Answer(_EMPTY_PLAN, "bypassed", "there is nothing to run")
        answer = self._solve(question, self._sample(question, keep=keep), keep=keep)
        return attrs.evolve(answer, cache="bypassed", cache_reason=why)

    def _live(self, question: _Question) -> tuple[list[Entry], str]:
        """Return the entries that still hold, most lately measured first, and why there is none."""
        found = self.entries.find(question.locator, keys.variant_suffix(question.machine_id))
        now = self._now()
        live: list[Entry] = []
        stale = ""
        for entry in found.values():
            verdict = judge(entry, question.machine, now, self.limits)
            if verdict.kind == "stale":
                stale = f"the entry is stale: {verdict.reason}"
            else:
                live.append(entry)
        live.sort(key=lambda entry: -entry.measured_at)
        return live, "" if live else stale or self._why_missing(question)

    def _from_cache(self, question: _Question, near: tuple[str, str, int, Constraints]) -> _Answer:
        live, reason = self._live(question)
        entry = live[0] if len(live) == 1 else None
        if len(live) > 1:
            entry, reason = self._choose(question, live)
        if entry is None:
            return self._from_measurement(question, reason, near)
        now = self._now()
        verdict = judge(entry, question.machine, now, self.limits)
        if verdict.kind == "replan":
            answer = self._solve(question, entry.sample)
            self.misses += 1
            self.entries.keep(self._replanned(entry, question, answer))
            answer = attrs.evolve(answer, cache="replanned", cache_reason=verdict.reason)
            self._remember(near, question, answer, entry.deciding_seconds)
            return answer
        self.hits += 1
        self.seconds_saved += entry.deciding_seconds
        if self._plan_holds(entry, question):
            answer = _Answer(entry.plan, "hit", "", entry.sample)
            answer = attrs.evolve(answer, warnings=_warnings(question, answer))
        else:
            answer = self._solve(question, entry.sample)
        answer = attrs.evolve(answer, cache="hit", cache_reason=_age(entry, now))
        self._remember(near, question, answer, entry.deciding_seconds)
        if now - entry.confirmed_at > _DAY_SECONDS:
            confirmed = attrs.evolve(entry, confirmed_at=float(floor(now)), confirmations=entry.confirmations + 1)
            self.entries.keep(confirmed)
        return answer

    def _choose(self, question: _Question, live: list[Entry]) -> tuple[Entry | None, str]:
        """Time one item to choose among variants of different speed."""
        budget = attrs.evolve(self.budget, most_items=1)
        bucket = time_bucket(self.probe.sample(question.func, question.source, budget).seconds_per_item)
        for entry in live:
            if time_bucket(entry.sample.seconds_per_item) == bucket:
                return entry, ""
        known = ", ".join(sorted(time_bucket(entry.sample.seconds_per_item) for entry in live))
        return None, f"no entry: an item was {bucket}, known are {known}"

    def _from_measurement(self, question: _Question, reason: str, near: tuple[str, str, int, Constraints]) -> _Answer:
        self.misses += 1
        began = self._monotonic()
        sample = self._sample(question)
        answer = attrs.evolve(self._solve(question, sample), cache="miss", cache_reason=reason)
        spent = max(0.0, self._monotonic() - began)
        now = float(floor(self._now()))
        entry = Entry(
            locator=question.locator,
            variant=keys.variant(sample.seconds_per_item, question.machine_id),
            function=question.fingerprint.name,
            measured_at=now,
            confirmed_at=now,
            confirmations=0,
            items=near[2],
            constraints=question.constraints,
            sample=sample,
            plan=answer.plan,
            machine=question.machine,
            obstacle=question.obstacle,
            deciding_seconds=spent,
        )
        self.entries.keep(entry)
        self._keep_outline(question)
        self._remember(near, question, answer, spent)
        return answer

    def _replanned(self, entry: Entry, question: _Question, answer: _Answer) -> Entry:
        return attrs.evolve(
            entry,
            items=question.source.total or 0,
            constraints=question.constraints,
            plan=answer.plan,
            machine=question.machine,
            obstacle=question.obstacle,
        )

    def _plan_holds(self, entry: Entry, question: _Question) -> bool:
        """Tell whether the stored plan answers this very question, and within what this machine can bear."""
        if (entry.items, entry.constraints, entry.obstacle) != (
            question.source.total,
            question.constraints,
            question.obstacle,
        ):
            return False
        situation = Situation(entry.items, entry.sample, question.machine, question.constraints, question.obstacle)
        most = worker_cap(entry.plan.executor, situation)
        return entry.plan.n_jobs <= most and entry.plan.chunksize <= entry.items

    def _sample(self, question: _Question, *, keep: bool = True) -> Sample:
        known = self._known_overheads(question, keep=keep)
        budget = self.budget
        if known is not None:
            budget = attrs.evolve(budget, worker_start_seconds=known.start_seconds + known.end_seconds)
        return self.probe.sample(question.func, question.source, budget)

    def _solve(self, question: _Question, sample: Sample, *, keep: bool = True) -> _Answer:
        """Return the best plan for the question, measuring this machine's overheads when they decide it."""
        items = question.source.known_items() or question.source.hint or self.budget.assumed_items
        situation = Situation(items, sample, question.machine, question.constraints, question.obstacle)
        plain = plainly_serial(situation, self.budget)
        overheads = self._known_overheads(question, keep=keep)
        failure = ""
        if plain is None and overheads is None:
            if situation.serial_seconds < _WORTH_MEASURING_SECONDS:
                plain = "the whole job is too short to measure what this machine charges for workers"
            else:
                try:
                    overheads = self._measure_overheads(question, keep=keep)
                except MeasurementError as error:
                    plain = failure = f"what workers cost here could not be measured: {error}"
        if plain is not None or overheads is None:
            answer = _Answer(serial_plan(situation, plain or failure), "", "", sample)
        else:
            decision = decide(situation, overheads)
            answer = _Answer(decision.plan, "", "", sample, decision.candidates, overheads)
        return attrs.evolve(answer, warnings=_warnings(question, answer, failure))

    def _known_overheads(self, question: _Question, *, keep: bool = True) -> Overheads | None:
        method = question.machine.start_method
        if method not in self._overheads and keep:
            stored = self.entries.overheads(question.machine_id, method)
            if stored is not None and stored.start_method == method:
                self._overheads[method] = stored
        return self._overheads.get(method)

    def _measure_overheads(self, question: _Question, *, keep: bool) -> Overheads:
        overheads = self._overheads[question.machine.start_method] = self.probe.overheads()
        if keep:
            self.entries.keep_overheads(question.machine_id, overheads)
        return overheads

    def _why_missing(self, question: _Question) -> str:
        """Say what differs from the nearest entry there was, as far as it can be known."""
        last = self.entries.outline(question.fingerprint.name)
        if last is None:
            return "no entry for this function"
        known_hex, outline, seen = last
        if known_hex != question.fingerprint.hex:
            return f"func changed: {changes(outline, question.fingerprint.outline)}"
        kind = question.kind
        for other in seen:
            other_kind, _, other_size = other.partition("_size:")
            if other_kind == kind and other_size != size_bucket(question.source.total or 0):
                return f"no entry: number of items went from {other_size} to {size_bucket(question.source.total or 0)}"
        others = [other.partition("_size:")[0] for other in seen if not other.startswith(f"{kind}_size:")]
        return f"no entry: {describe_change(others[0], kind)}" if others else "no entry measured on this machine"

    def _keep_outline(self, question: _Question) -> None:
        last = self.entries.outline(question.fingerprint.name)
        before = last[2] if last is not None and last[0] == question.fingerprint.hex else []
        seen = [question.kind_and_size, *(one for one in before if one != question.kind_and_size)][:_SEEN_KINDS]
        self.entries.keep_outline(question.fingerprint.name, question.fingerprint, seen)

    def _remember(
        self, near: tuple[str, str, int, Constraints], question: _Question, answer: _Answer, saves: float
    ) -> None:
        """Keep an answer for a second, so that a repeat asks neither store nor machine.

        One given past an obstacle is not kept: the next caller may stand elsewhere.
        """
        if question.obstacle is not None:
            return
        if len(self._near) >= _NEAR_ENTRIES:
            self._near.clear()
        reason = answer.cache_reason if answer.cache == "hit" else "fresh, answered a moment ago"
        repeat = attrs.evolve(answer, cache="hit", cache_reason=reason)
        self._near[near] = (self._monotonic() + _NEAR_SECONDS, saves, repeat)


def sized(data: object) -> int:
    """Return len(data), and 0 for what has none."""
    try:
        return len(data)  # type: ignore[arg-type]  # what has no len() is the other case
    except TypeError:
        return 0


def check_arguments(func: object, data: object) -> None:
    """Refuse a function that gives back a coroutine and data that cannot be run over; TypeError."""
    flags = getattr(getattr(func, "__code__", None), "co_flags", 0)
    if flags & _COROUTINE_FLAGS:
        raise TypeError("optimize: func must be an ordinary function, got a coroutine function")
    if not hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
        raise TypeError(f"optimize: data must be iterable, got {type(data).__name__}")


def _age(entry: Entry, now: float) -> str:
    return f"fresh entry, measured {max(0.0, now - entry.measured_at) / 3600:.1f} hours ago"


def _warnings(question: _Question, answer: _Answer, failure: str = "") -> tuple[str, ...]:
    """Return what the caller should know beside the plan."""
    said = [f"the function could not be looked into entirely: {part}" for part in question.fingerprint.shallow]
    sample = answer.sample
    blocked = question.obstacle or (sample.obstacle if sample is not None else None)
    if blocked and question.constraints.executor in {"auto", "process"}:
        said.append(f"no processes: {blocked}")
    if failure:
        said.append(failure)
    if question.source.known_items() is None:
        assumed = "guessed by its length hint" if question.source.hint else "assumed for planning"
        said.append(f"the number of items is unknown and was {assumed}")
    if sample is not None and sample.cpu_fraction > _OWN_THREADS and not question.machine.blas_threads:
        said.append(
            f"the function keeps {sample.cpu_fraction:.1f} CPUs busy by itself; set OMP_NUM_THREADS=1 "
            "(or its library's variable) to let workers share them"
        )
    return tuple(said)
