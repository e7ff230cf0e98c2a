"""Works out an answer: measures a function, learns what workers charge here, and has the planner decide."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.charges import WORTH_MEASURING_SECONDS, Charges
from amorsize.domain import keys
from amorsize.domain.sampling import Budget
from amorsize.domain.values import Limits
from amorsize.engines import Engines
from amorsize.question import Answer, advice_on, warnings_about

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.advice import Advice
    from amorsize.domain.engine import Engine
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.situation import Situation
    from amorsize.domain.values import Machine, Sample
    from amorsize.entries import Entries
    from amorsize.ports import Probe, SystemInspector
    from amorsize.question import Chosen, Question

_READ_SECONDS: Final = 1.0
_MOST_FAILURES: Final = 8


class Solver:
    """Answers a question from what is measured, without asking the cache for an entry.

    Args:
        probe: measures functions and overheads.
        inspector: reads the machine.
        entries: the cache.
        limits: when an entry holds, and how long overheads are believed.
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
        self.entries = entries
        self.limits = limits or Limits()
        self.now = now
        self.monotonic = monotonic
        self._inspector = inspector
        self._budget = budget or Budget()
        self._machine_read: tuple[float, Machine, str] | None = None
        self._charges = Charges(probe, entries, now, self.limits)
        self._engines = Engines(entries, now, self.limits)

    def machine(self) -> tuple[Machine, str]:
        """Return the facts about this machine, read at most once a second, and its name among kinds of machine."""
        read = self._machine_read
        at = self.monotonic()
        if read is None or not read[0] <= at < read[0] + _READ_SECONDS:
            machine = self._inspector.inspect(self.probe.start_method)
            read = self._machine_read = (at, machine, keys.machine_id(machine))
        return read[1], read[2]

    def sample(self, question: Question, *, keep: bool = True) -> Sample:
        """Return what running a few items showed; a job cheaper than starting a worker is left soon."""
        known = self._charges.known(question.machine, question.machine_id, keep=keep)
        budget = self._budget if known is None else attrs.evolve(self._budget, worker_start_seconds=known.least_seconds)
        return self._measured(question, budget)

    def one_item(self, question: Question) -> Sample:
        """Return what running one item showed."""
        return self._measured(question, attrs.evolve(self._budget, most_items=1))

    def solve(self, question: Question, sample: Sample, *, keep: bool = True, renew: bool = True) -> Answer:
        """Return the best plan for the question, measuring this machine's overheads when they decide it.

        With ``renew`` also those that were measured too long ago; when that fails, they have to do.
        """
        from amorsize.domain.planner import decide, plainly_serial, serial_plan, too_small  # noqa: PLC0415  a hit solves nothing

        situation = self.situation(question, sample)
        engine = None
        worth = situation.serial_seconds >= WORTH_MEASURING_SECONDS and too_small(situation, self._budget) is None
        if worth and question.chosen is not None:
            asked = (question.chosen, question.func, sample.obstacle, (question.machine, question.machine_id))
            engine = self._engines.engine(*asked, keep=keep, renew=renew)
        plain = plainly_serial(situation, self._budget)
        here, overheads, failure = (question.machine, question.machine_id), None, ""
        if plain is None and (engine is None or not engine.is_here):
            overheads, failure = self._charges.to_decide(*here, situation.serial_seconds, keep=keep, renew=renew)
            if overheads is None:
                plain = failure or "the whole job is too short to measure what this machine charges for workers"
        elif engine is not None:
            overheads = self._charges.known(*here, keep=keep)
        advice = self.advice(question, situation.items, sample, keep=keep)
        warned = warnings_about(question, sample, failure)
        if engine is None and (plain is not None or overheads is None):
            return Answer(serial_plan(situation, plain or failure), "", "", warned, advice, sample)
        own = None if plain is not None or (engine is not None and engine.is_here) else overheads
        decision = decide(situation, own, engine)
        return Answer(decision.plan, "", "", warned, advice, sample, decision.candidates, overheads)

    def engine(
        self, chosen: Chosen, func: Callable[[Any], Any], obstacle: str | None = None, *, keep: bool = True
    ) -> Engine:
        """Return executors that were chosen, as they are now; see Engines."""
        return self._engines.engine(chosen, func, obstacle, self.machine(), keep=keep)

    def overheads(self, *, ahead_seconds: float = 0.0) -> Overheads | None:
        """Return what this machine charges if that is known, or worth measuring for the seconds ahead; else None."""
        return self._charges.worth_having(*self.machine(), ahead_seconds)

    def situation(self, question: Question, sample: Sample) -> Situation:
        """Return what a decision on the question rests on."""
        from amorsize.domain.situation import Situation  # noqa: PLC0415  likewise

        known = question.source.known_items() or question.source.hint
        items = known or self._budget.assumed_items
        return Situation(items, sample, question.machine, question.constraints, question.obstacle, assumed=not known)

    def advice(
        self, question: Question, items: int, sample: Sample, *, keep: bool = True
    ) -> Callable[[], Advice | None]:
        """Return what finds out what holds a plan back; it holds on to neither function nor data."""
        charges = partial(self._charges.known, question.machine, question.machine_id, keep=keep)
        return partial(advice_on, charges, items, sample, question.machine, question.constraints, question.obstacle)

    def _measured(self, question: Question, budget: Budget) -> Sample:
        """Have the probe run items; a source that bears failures is sampled on after the first few of them."""
        source = question.source
        while True:
            failures = len(source.failures)
            try:
                return self.probe.sample(question.func, source, budget)
            except Exception:
                if not source.tolerant or not failures < len(source.failures) <= _MOST_FAILURES:
                    raise
