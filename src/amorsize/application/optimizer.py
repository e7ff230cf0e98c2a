"""One call of optimize(): answer from memory, from the cache, or by measuring."""

from __future__ import annotations

from functools import partial
from math import floor
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.application.look_up import choose, find, plan_holds, seen_since, why_missing
from amorsize.application.question import (
    EMPTY_PLAN,
    Answer,
    Known,
    Question,
    WorkloadKey,
    age,
    load,
    sized,
    unmeasured,
    warnings_about,
)
from amorsize.application.recent import Confirmed, Recent
from amorsize.application.result import OptimizationResult
from amorsize.domain import keys
from amorsize.domain.cpus import WAITS_AT_ALL
from amorsize.domain.fingerprint.fingerprint import Fingerprints
from amorsize.domain.fingerprint.parts import Surroundings
from amorsize.domain.items import is_sized, item_kind, names_files
from amorsize.domain.source import Source, untouched
from amorsize.domain.values import DAY_SECONDS, FORMAT, MAX_COUNT, Entry
from amorsize.errors import SamplingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amorsize.application.dependencies import Dependencies
    from amorsize.application.look_up import Found
    from amorsize.application.overheads import Chosen
    from amorsize.application.ports import CacheStore
    from amorsize.application.solver import Solver
    from amorsize.domain.fingerprint.fingerprint import Fingerprint
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.planner import Profile
    from amorsize.domain.rules import Verdict
    from amorsize.domain.values import Constraints, Machine, Sample

_MOST_CONTRADICTIONS: Final = 2
"""Runs in a row that may contradict an entry before it is removed; a single one may be chance."""


class Optimizer:
    """Answers how to run a function over data, from the cache or by measuring.

    Args:
        dependencies: the cache, the probe and the rest that it works with.
        solver: measures and decides; made from the same dependencies.
        run: runs a plan over data, called with this Optimizer, the function, the data, the plan and the progress.
    """

    def __init__(self, dependencies: Dependencies, solver: Solver, run: Callable[..., Any] | None = None) -> None:
        self.hits = 0
        self.misses = 0
        self.seconds_saved = 0.0
        self._given = dependencies
        self._solver = solver
        self._run = run
        self._fingerprints = Fingerprints(dependencies.loaded)
        self._around = Surroundings(dependencies.loaded, dependencies.inspector.file_bytes)
        self._recent = Recent(dependencies.monotonic)
        self._confirmed = Confirmed()

    @property
    def store(self) -> CacheStore:
        """The store that entries are kept in."""
        return self._given.entries.store

    def machine(self) -> Machine:
        """Return the facts about this machine, read at most once a second."""
        return self._solver.machine().machine

    def overheads(self) -> Overheads:
        """Return what workers cost on this machine, as far as that is known; nothing is measured."""
        return self._solver.overheads()

    def measure_overheads(self) -> Overheads:
        """Return what workers cost on this machine, measured unless that is known; MeasurementError when that fails."""
        return self._solver.measure()

    def optimize(  # noqa: PLR0913  the parameters of the public optimize
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        constraints: Constraints,
        *,
        use_cache: bool = True,
        profile: bool = False,
        chosen: Chosen | None = None,
    ) -> OptimizationResult:
        """Return how to run func over data within the constraints, on the chosen backend if that is best.

        Raises:
            Exception: what func raises during sampling, unchanged, with a note that names the item.
        """
        answer, question = self.answer(func, data, constraints, use_cache=use_cache, profile=profile, chosen=chosen)
        return OptimizationResult(
            answer.plan,
            untouched(data) if question is None else question.source.data(data),
            answer.cache,
            answer.cache_reason,
            answer.warnings,
            self._profile(question, answer) if profile and question is not None else None,
            func,
            None if self._run is None else partial(self._run, self),  # held here, an optimizer would hold itself
            answer.basis,
            answer.sampled_in,
            answer.sampled_why,
        )

    def _profile(self, question: Question, answer: Answer) -> Profile:
        """Return what an answer was made from."""
        from amorsize.domain.planning.planner import Profile

        situation = None if answer.sample is None else self._solver.situation(question, answer.sample)
        return Profile(answer.sample, question.machine, answer.overheads, answer.candidates, situation)

    def answer(  # noqa: PLR0913  the parameters of the public optimize
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        constraints: Constraints,
        *,
        use_cache: bool = True,
        profile: bool = False,
        chosen: Chosen | None = None,
    ) -> tuple[Answer, Question | None]:
        """Return the answer, and the question behind it; None when the answer of the last second was repeated."""
        fingerprint = self._fingerprints.of(func)
        items = sized(data)
        if not items or not use_cache or profile:
            why = "use_cache=False" if not use_cache else "profile=True" if profile else "the data has no len()"
            question = self._question(func, data, fingerprint, WorkloadKey("", "", items, constraints), chosen)
            return self._without_cache(question, why, keep=use_cache), question
        key = self._key(fingerprint, data, constraints)
        recent = self._repeated(key, func, data) if chosen is None else None
        if recent is not None:
            return recent, None
        question = self._question(func, data, fingerprint, key, chosen)
        try:
            answer = self._from_cache(question, data)
        except SamplingError as error:
            return unmeasured(question, error, "miss", "nothing could be measured, so nothing is kept"), question
        if not is_sized(question.kind):
            self._confirmed.add(question.locator, data)
        return answer, question

    def _repeated(self, key: WorkloadKey, func: Callable[[Any], Any], data: object) -> Answer | None:
        """Return the answer of the last second if it holds for this caller and these items."""
        recent = self._recent.answer(key)
        if recent is None or self._given.probe.blocked_reason(func) is not None:
            return None
        if not (is_sized(key.kind) or self._confirmed.holds(key.locator, data)):
            return None
        self.hits += 1
        self.seconds_saved += recent[1]
        return recent[0]

    def recall(
        self, func: Callable[[Any], Any], data: Iterable[Any], constraints: Constraints, *, use_cache: bool = True
    ) -> Known:
        """Return what is known of running func over data, without running anything; reads the cache at most once."""
        fingerprint = self._fingerprints.of(func)
        key = self._key(fingerprint, data, constraints)
        sample = self._recent.sample(key)
        if sample is not None or not use_cache or not key.items:
            return Known(key, sample)
        recent = self._recent.answer(key)
        if recent is not None:
            return Known(key, recent[0].sample, recent[0].contradictions)
        valid = self._found(self._question(func, data, fingerprint, key)).valid
        if not valid:
            return Known(key, None)
        entry = valid[0][0]
        return Known(key, entry.sample, entry.contradictions)

    def learn(self, known: Known, sample: Sample) -> None:
        """Remember in this process what a run showed."""
        self._recent.learn(known.key, sample)

    def fingerprint(self, func: Callable[[Any], Any]) -> Fingerprint:
        """Return the fingerprint of a function, from memory when the function has not changed."""
        return self._fingerprints.of(func)

    def _key(self, fingerprint: Fingerprint, data: Iterable[Any], constraints: Constraints) -> WorkloadKey:
        return WorkloadKey(fingerprint.hex, item_kind(data, self._around), sized(data), constraints)

    def judge(self, known: Known, *, wrong: bool) -> None:
        """Note in the entry whether running contradicted it, and remove an entry that was contradicted twice in a row.

        Args:
            known: what ``recall`` returned before the run.
            wrong: True when the items took much longer or much less than the entry says.
        """
        entries = self._given.entries.find(known.key.locator, keys.variant_suffix(self._solver.machine().machine_id))
        for entry in entries.values():
            if known.sample is None or entry.sample.seconds_per_item != known.sample.seconds_per_item:
                continue
            contradictions = entry.contradictions + 1 if wrong else 0
            if contradictions >= _MOST_CONTRADICTIONS:
                self._given.entries.drop(entry)
            elif contradictions != entry.contradictions:
                self._given.entries.keep(attrs.evolve(entry, contradictions=contradictions))
        self._recent.forget(known.key)

    def lookup(self, func: Callable[[Any], Any], data: Iterable[Any], constraints: Constraints) -> tuple[str, str]:
        """Say what optimize would find (``hit``, ``replanned`` or ``miss``) and why, without running or storing."""
        if not sized(data):
            return "bypassed", "the data has no len()"
        fingerprint = self._fingerprints.of(func)
        question = self._question(func, data, fingerprint, self._key(fingerprint, data, constraints))
        found = self._found(question)
        if not found.valid:
            return "miss", found.why_stale or self._why_missing(question)
        if len(found.valid) > 1:
            return "hit", f"{len(found.valid)} variants; one item would be timed to choose"
        if self._is_open(question, data):
            return "hit", "the items do not show how large they are; one of them would be timed to confirm the entry"
        entry, verdict = found.valid[0]
        return ("replanned", verdict.reason) if verdict.kind == "replan" else ("hit", age(entry, self._given.now()))

    def _why_missing(self, question: Question) -> str:
        fingerprint = self._fingerprints.outlined(question.func)
        return why_missing(self._given.entries.outline(fingerprint.name), fingerprint, question.kind, question.items)

    def _question(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        fingerprint: Fingerprint,
        key: WorkloadKey,
        chosen: Chosen | None = None,
    ) -> Question:
        return Question(
            func,
            Source(data),
            fingerprint,
            key,
            self._solver.machine(),
            self._given.probe.blocked_reason(func),
            chosen,
            self._given.fork_blocked_reason,
        )

    def _without_cache(self, question: Question, why: str, *, keep: bool) -> Answer:
        """Answer by measuring, without looking for an entry and without keeping one."""
        if question.source.is_empty():
            return Answer(EMPTY_PLAN, "bypassed", "there is nothing to run")
        try:
            sample = self._solver.sample(question, keep=keep)
            answer = self._solver.solve(question, sample, keep=keep).after(sample)
            return answer._replace(cache="bypassed", cache_reason=why)
        except SamplingError as error:
            return unmeasured(question, error, "bypassed", why)

    def _found(self, question: Question) -> Found:
        return find(question, self._given, self._solver.measured_at)

    def _from_cache(self, question: Question, data: object) -> Answer:
        found = self._found(question)
        if not found.valid:
            return self._from_measurement(question, data, found.why_stale, found.stale)
        if len(found.valid) == 1 and not self._is_open(question, data):
            return self._from_entry(question, *found.valid[0])
        one_item = self._solver.one_item(question)
        chosen, reason = choose(one_item, found.valid)
        if chosen is None:
            return self._from_measurement(question, data, reason, found.stale)
        return self._from_entry(question, *chosen).after(one_item)

    def _from_entry(self, question: Question, entry: Entry, verdict: Verdict) -> Answer:
        if verdict.kind == "replan":
            return self._replan(question, entry, verdict.reason)
        return self._kept(question, entry)

    def _kept(self, question: Question, entry: Entry) -> Answer:
        """Return the answer of a fresh entry; its plan is solved again when it is for another number of items."""
        self.hits += 1
        self.seconds_saved += entry.deciding_seconds
        now = self._given.now()
        sample = entry.sample
        if plan_holds(entry, question):
            basis = self._solver.basis(question, question.items, sample)
            answer = Answer(entry.plan, "", "", warnings_about(question, sample), basis, sample)
        else:
            answer = self._solver.solve(question, sample, renew=False)._replace(candidates=(), overheads=None)
        answer = answer._replace(cache="hit", cache_reason=age(entry, now), contradictions=entry.contradictions)
        self._recent.keep(question, answer, entry.deciding_seconds)
        if now - entry.confirmed_at > DAY_SECONDS:  # one write a day costs nothing
            times = min(MAX_COUNT, entry.confirmations + 1)
            confirmed = attrs.evolve(entry, confirmed_at=float(floor(now)), confirmations=times)
            self._given.entries.keep(confirmed)
        return answer

    def _replan(self, question: Question, entry: Entry, reason: str) -> Answer:
        """Solve an entry again from its sample, because the machine has changed, and keep that."""
        self.misses += 1
        answer = self._solver.solve(question, entry.sample)._replace(cache="replanned", cache_reason=reason)
        replanned = attrs.evolve(
            entry,
            items=question.items,
            constraints=question.constraints,
            plan=answer.plan,
            machine=question.machine,
            blocked_reason=question.blocked_reason,
            overheads_at=_measured_at(answer),
        )
        self._given.entries.keep(replanned)
        self._recent.keep(question, answer, entry.deciding_seconds)
        return answer

    def _is_open(self, question: Question, data: object) -> bool:
        """Tell whether the items may be larger than those that were measured."""
        return not is_sized(question.kind) and not self._confirmed.holds(question.locator, data)

    def _from_measurement(self, question: Question, data: object, reason: str, stale: list[Entry]) -> Answer:
        self.misses += 1
        question = question._replace(fingerprint=self._fingerprints.outlined(question.func))  # why_missing compares it
        last = self._given.entries.outline(question.fingerprint.name)
        began = self._given.monotonic()
        sample = self._solver.sample(question)
        reason = reason or why_missing(last, question.fingerprint, question.kind, question.items)
        answer = self._solver.solve(question, sample).after(sample)._replace(cache="miss", cache_reason=reason)
        spent = max(0.0, self._given.monotonic() - began)
        now = float(floor(self._given.now()))
        entry = Entry(
            format=FORMAT,
            locator=question.locator,
            variant=keys.variant(sample.seconds_per_item, question.here.machine_id),
            function=question.fingerprint.name,
            measured_at=now,
            confirmed_at=now,
            confirmations=0,
            items=question.items,
            constraints=question.constraints,
            sample=sample,
            plan=answer.plan,
            machine=question.machine,
            blocked_reason=question.blocked_reason,
            deciding_seconds=spent,
            doubt=self._doubt(question, data, sample, stale),
            overheads_at=_measured_at(answer),
        )
        for old in stale:
            if old.doubt and old.variant != entry.variant:
                self._given.entries.drop(old)
        self._given.entries.keep(entry)
        seen = seen_since(last, question.fingerprint, question.locator)
        self._given.entries.keep_outline(question.fingerprint.name, question.fingerprint, seen)
        self._recent.keep(question, answer, spent)
        return answer

    def _doubt(self, question: Question, data: object, sample: Sample, stale: list[Entry]) -> str | None:
        """Say why a sample may not be typical, None when it seems typical.

        Waiting items may wait for files that are not in memory yet. If they still wait when they are sampled again,
        they are typical.
        """
        if question.machine.is_busy:
            return f"the machine was busy: {load(question.machine)}"
        waits = sample.cpu_fraction < WAITS_AT_ALL and not any(entry.doubt for entry in stale)
        if waits and names_files(data, self._around):
            return "its files may not have been in memory"
        return None


def _measured_at(answer: Answer) -> float | None:
    """Return when the overheads of a plan were measured: 0.0 when they were assumed, None when there were none."""
    return None if answer.overheads is None else answer.overheads.measured_at
