"""The use case: one call of optimize(), written against the ports only."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain import keys
from amorsize.domain.buckets import time_bucket
from amorsize.domain.fingerprint import Fingerprints
from amorsize.domain.items import item_kind
from amorsize.domain.rules import judge
from amorsize.domain.source import Source
from amorsize.domain.values import FORMAT, Entry
from amorsize.errors import SamplingError
from amorsize.outlines import keep_outline, why_missing
from amorsize.question import (
    EMPTY_PLAN,
    Answer,
    Question,
    age,
    check_arguments,
    sized,
    unmeasured,
    warnings_about,
)
from amorsize.result import OptimizationResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amorsize.domain.advice import Advice
    from amorsize.domain.fingerprint import Fingerprint
    from amorsize.domain.values import Constraints, Verdict
    from amorsize.question import Chosen, Near
    from amorsize.solving import Solver

_NEAR_SECONDS: Final = 1.0
_NEAR_ENTRIES: Final = 4096
_DAY_SECONDS: Final = 86400.0


class Optimizer:
    """Answers how to run a function over data, from the cache or by measuring.

    Args:
        solver: measures and decides, and says where entries are kept and when they hold.
        fingerprints: the memo of functions seen; None: a new one that knows no versions but those stated.
    """

    def __init__(self, solver: Solver, fingerprints: Fingerprints | None = None) -> None:
        self.solver = solver
        self.probe = solver.probe
        self.entries = solver.entries
        self.limits = solver.limits
        self.hits = 0
        self.misses = 0
        self.seconds_saved = 0.0
        self._now = solver.now
        self._monotonic = solver.monotonic
        self._fingerprints = fingerprints or Fingerprints()
        self._near: dict[Near, tuple[float, float, Answer]] = {}
        self.runner: Callable[..., Any] | None = None

    def optimize(  # noqa: PLR0913  what optimize of the api takes, put together
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        constraints: Constraints,
        *,
        use_cache: bool = True,
        profile: bool = False,
        chosen: Chosen | None = None,
    ) -> OptimizationResult:
        """Return how to run func over data within the constraints, on executors that were chosen if they are best.

        Raises:
            TypeError: func is no callable of one item, or data no iterable.
            Exception: whatever func raises while sampled, unchanged, with a note that names the item.
        """
        answer, question = self.answer(func, data, constraints, use_cache=use_cache, profile=profile, chosen=chosen)
        weighed = None
        if question is not None:
            data = question.source.data(data)
            if profile:
                from amorsize.domain.planner import Profile  # noqa: PLC0415  only who asks for one pays

                situation = None if answer.sample is None else self.solver.situation(question, answer.sample)
                weighed = Profile(answer.sample, question.machine, answer.overheads, answer.candidates, situation)
        return OptimizationResult(
            answer.plan,
            data,
            answer.cache,
            answer.cache_reason,
            answer.warnings,
            weighed,
            func,
            self.runner,
            answer.advice,
        )

    def answer(  # noqa: PLR0913  what optimize takes, and the source
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        constraints: Constraints,
        *,
        use_cache: bool = True,
        profile: bool = False,
        source: Source | None = None,
        chosen: Chosen | None = None,
    ) -> tuple[Answer, Question | None]:
        """Return the answer, and the question that was asked for it; None when it was answered a moment ago.

        ``source`` is where items are taken from, for a caller who goes on with what sampling leaves; see optimize.
        """
        if not callable(func):
            raise TypeError(f"optimize: func must be callable, got {type(func).__name__}")
        fingerprint = self._fingerprints.of(func)
        items = sized(data)
        if not items or not use_cache or profile:
            why = "use_cache=False" if not use_cache else "profile=True" if profile else "the data has no len()"
            question = self._question(func, data, fingerprint, ("", "", items, constraints), source, chosen)
            return self._afresh(question, why, keep=use_cache), question
        near = (fingerprint.hex, item_kind(data), items, constraints)
        known = self._near.get(near) if chosen is None else None
        if known is not None and self._monotonic() < known[0] and self.probe.obstacle(func) is None:
            self.hits += 1
            self.seconds_saved += known[1]
            return known[2], None
        question = self._question(func, data, fingerprint, near, source, chosen)
        try:
            return self._from_cache(question), question
        except SamplingError as error:
            return unmeasured(question, error, "miss", "nothing could be measured, so nothing is kept"), question

    def fingerprint(self, func: Callable[[Any], Any]) -> Fingerprint:
        """Return the fingerprint of a function, from memory when nothing has changed."""
        return self._fingerprints.of(func)

    def near(self, func: Callable[[Any], Any], data: Iterable[Any], constraints: Constraints) -> Near:
        """Return what an answer is remembered under."""
        return (self._fingerprints.of(func).hex, item_kind(data), sized(data), constraints)

    def forget(self, near: Near) -> None:
        """Look the answer up anew when it is asked for next."""
        self._near.pop(near, None)

    def lookup(self, func: Callable[[Any], Any], data: Iterable[Any], constraints: Constraints) -> tuple[str, str]:
        """Say what optimize would find, without running func or storing: (hit, replanned or miss; the reason)."""
        items = sized(data)
        if not items:
            return "bypassed", "the data has no len()"
        fingerprint = self._fingerprints.of(func)
        near = (fingerprint.hex, item_kind(data), items, constraints)
        question = self._question(func, data, fingerprint, near)
        live, stale = self._live(question)
        if not live:
            return "miss", stale or why_missing(self.entries.outline(fingerprint.name), self._outlined(question))
        if len(live) > 1:
            return "hit", f"{len(live)} variants; one item would be timed to choose"
        entry, verdict = live[0]
        return ("replanned", verdict.reason) if verdict.kind == "replan" else ("hit", age(entry, self._now()))

    def _question(  # noqa: PLR0913, PLR0917  what a question is made of
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        fingerprint: Fingerprint,
        near: Near,
        source: Source | None = None,
        chosen: Chosen | None = None,
    ) -> Question:
        check_arguments(func, data)
        machine, machine_id = self.solver.machine()
        return Question(
            func,
            source or Source(data),
            fingerprint,
            near,
            keys.locator(near[0], near[1], near[2]),
            machine,
            machine_id,
            self.probe.obstacle(func),
            chosen,
        )

    def _afresh(self, question: Question, why: str, *, keep: bool) -> Answer:
        """Answer without looking for an entry and without keeping one."""
        if question.source.is_empty():
            return Answer(EMPTY_PLAN, "bypassed", "there is nothing to run")
        try:
            sample = self.solver.sample(question, keep=keep)
            return self.solver.solve(question, sample, keep=keep)._replace(cache="bypassed", cache_reason=why)
        except SamplingError as error:
            return unmeasured(question, error, "bypassed", why)

    def _live(self, question: Question) -> tuple[list[tuple[Entry, Verdict]], str]:
        """Return the entries that still hold with their verdicts, the latest first, and why one does not."""
        suffix = keys.variant_suffix(question.machine_id)
        now = self._now()
        live: list[tuple[Entry, Verdict]] = []
        stale = ""
        for find in (self.entries.find, self.entries.find_further):
            for entry in find(question.locator, suffix).values():
                verdict = judge(entry, question.machine, now, self.limits)
                if verdict.kind == "stale":
                    stale = f"the entry is stale: {verdict.reason}"
                else:
                    live.append((entry, verdict))
            if live:
                break
        if len(live) > 1:
            live.sort(key=lambda one: -one[0].measured_at)
        return live, stale

    def _outlined(self, question: Question) -> Question:
        """Return the question with the outline of its function, which only a miss has a use for."""
        return question._replace(fingerprint=self._fingerprints.outlined(question.func))

    def _from_cache(self, question: Question) -> Answer:
        live, reason = self._live(question)
        if not live:
            return self._from_measurement(question, reason)
        chosen: tuple[Entry, Verdict] | None = live[0]
        if len(live) > 1:
            chosen, reason = self._choose(question, live)
        if chosen is None:
            return self._from_measurement(question, reason)
        entry, verdict = chosen
        if verdict.kind == "replan":
            return self._replan(question, entry, verdict.reason)
        self.hits += 1
        self.seconds_saved += entry.deciding_seconds
        now = self._now()
        plan, sample = entry.plan, entry.sample
        if self._plan_holds(entry, question):
            advice: Callable[[], Advice | None] | None = self.solver.advice(question, question.items, sample)
            warned = warnings_about(question, sample)
        else:
            solved = self.solver.solve(question, sample, renew=False)
            plan, advice, warned = solved.plan, solved.advice, solved.warnings
        answer = Answer(plan, "hit", age(entry, now), warned, advice, sample, doubts=entry.contradictions)
        self._remember(question, answer, entry.deciding_seconds)
        if now - entry.confirmed_at > _DAY_SECONDS:
            confirmed = attrs.evolve(entry, confirmed_at=float(floor(now)), confirmations=entry.confirmations + 1)
            self.entries.keep(confirmed)
        return answer

    def _replan(self, question: Question, entry: Entry, reason: str) -> Answer:
        """Solve an entry again for a machine that has changed, from the sample it holds, and keep that."""
        self.misses += 1
        answer = self.solver.solve(question, entry.sample)._replace(cache="replanned", cache_reason=reason)
        replanned = attrs.evolve(
            entry,
            items=question.items,
            constraints=question.constraints,
            plan=answer.plan,
            machine=question.machine,
            obstacle=question.obstacle,
        )
        self.entries.keep(replanned)
        self._remember(question, answer, entry.deciding_seconds)
        return answer

    def _choose(
        self, question: Question, live: list[tuple[Entry, Verdict]]
    ) -> tuple[tuple[Entry, Verdict] | None, str]:
        """Time one item to choose among variants of different speed."""
        sample = self.solver.one_item(question)
        bucket = time_bucket(sample.seconds_per_item)
        for one in live:
            if time_bucket(one[0].sample.seconds_per_item) == bucket:
                return one, ""
        known = ", ".join(sorted(time_bucket(entry.sample.seconds_per_item) for entry, _ in live))
        return None, f"no entry: an item was {bucket}, known are {known}"

    def _from_measurement(self, question: Question, reason: str) -> Answer:
        self.misses += 1
        question = self._outlined(question)
        last = self.entries.outline(question.fingerprint.name)
        began = self._monotonic()
        sample = self.solver.sample(question)
        reason = reason or why_missing(last, question)
        answer = self.solver.solve(question, sample)._replace(cache="miss", cache_reason=reason)
        spent = max(0.0, self._monotonic() - began)
        now = float(floor(self._now()))
        entry = Entry(
            format=FORMAT,
            locator=question.locator,
            variant=keys.variant(sample.seconds_per_item, question.machine_id),
            function=question.fingerprint.name,
            measured_at=now,
            confirmed_at=now,
            confirmations=0,
            items=question.items,
            constraints=question.constraints,
            sample=sample,
            plan=answer.plan,
            machine=question.machine,
            obstacle=question.obstacle,
            deciding_seconds=spent,
        )
        self.entries.keep(entry)
        keep_outline(self.entries, last, question)
        self._remember(question, answer, spent)
        return answer

    def _plan_holds(self, entry: Entry, question: Question) -> bool:
        """Tell whether the stored plan answers this very question, and within what this machine can bear.

        Never where executors were chosen: what room they have now is part of the question.
        """
        if question.chosen is not None or entry.items != question.items or entry.obstacle != question.obstacle:
            return False
        if entry.constraints != question.constraints or entry.plan.chunksize > entry.items:
            return False
        if entry.plan.n_jobs == 1:
            return True
        from amorsize.domain.situation import Situation, worker_cap  # noqa: PLC0415  a serial hit needs neither

        situation = Situation(entry.items, entry.sample, question.machine, question.constraints, question.obstacle)
        return entry.plan.n_jobs <= worker_cap(entry.plan.executor, situation)

    def _remember(self, question: Question, answer: Answer, saves: float) -> None:
        """Keep an answer for a second, so that a repeat asks neither store nor machine.

        One given past an obstacle is not kept: the next caller may stand elsewhere.
        """
        if question.obstacle is not None or question.chosen is not None:
            return
        if len(self._near) >= _NEAR_ENTRIES:
            self._near.clear()
        repeat = answer
        if answer.cache != "hit":
            repeat = answer._replace(cache="hit", cache_reason="fresh, answered a moment ago", candidates=())
        self._near[question.near] = (self._monotonic() + _NEAR_SECONDS, saves, repeat)
