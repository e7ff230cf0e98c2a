"""Finds an answer: measures a function, learns what workers cost here, and lets the planner decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from amorsize.application.overheads import KnownOverheads, LocalMachine
from amorsize.application.question import Answer, warnings_about
from amorsize.domain import keys
from amorsize.domain.fork_costs import MOST_FORK_SECONDS
from amorsize.errors import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.dependencies import Dependencies
    from amorsize.application.question import Question
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.external import ExternalWorkers
    from amorsize.domain.planning.planner import Decision
    from amorsize.domain.planning.sampling import Budget
    from amorsize.domain.planning.situation import Situation
    from amorsize.domain.values import Sample

_WORTH_ASKING_SECONDS: Final = 0.05
"""A chosen backend is not asked about a job predicted shorter than this: a task of a cluster takes milliseconds."""
_READ_SECONDS: Final = 1.0
"""How long the facts about the machine are used without reading them again: reading takes up to a millisecond."""


class Solver:
    """Answers a question by measuring, without looking for an entry in the cache.

    Args:
        dependencies: the probe, the inspector, the cache for overheads, and the settings.
    """

    def __init__(self, dependencies: Dependencies) -> None:
        self._given = dependencies
        self._machine_read: tuple[float, LocalMachine] | None = None
        self._overheads = KnownOverheads(dependencies)

    def machine(self) -> LocalMachine:
        """Return the facts about this machine, read at most once a second, and the name of its kind of machine."""
        at = self._given.monotonic()
        read = self._machine_read
        if read is None or not read[0] <= at < read[0] + _READ_SECONDS:
            machine = self._given.inspector.inspect(self._given.start_method)
            here = LocalMachine(machine, keys.machine_id(machine, getattr(self._given.probe, "stated", "")))
            read = self._machine_read = (at, here)
        return read[1]

    def sample(self, question: Question, *, keep: bool = True) -> Sample:
        """Return what running a few items showed; sampling a job cheaper than starting a worker ends early."""
        return self._measured(question, self._budgeted(question, keep=keep), keep=keep)

    def one_item(self, question: Question) -> Sample:
        """Return what running one item showed."""
        return self._measured(question, attrs.evolve(self._budgeted(question, keep=True), most_items=1), keep=True)

    def solve(self, question: Question, sample: Sample, *, keep: bool = True, renew: bool = True) -> Answer:
        """Return the best plan for the question.

        Args:
            question: the workload, the machine and the constraints.
            sample: what running a few items showed.
            keep: False neither reads nor writes overheads in the cache.
            renew: True measures overheads first when that takes very little compared with the job.
        """
        from amorsize.domain.planning.planner import plainly_serial, serial_plan

        situation = self.situation(question, sample)
        external = self._external(question, situation, keep=keep, renew=renew)
        serial = plainly_serial(situation, self._given.budget)
        basis = self.basis(question, situation.items, sample, keep=keep)
        if serial is not None and external is None:
            warned = warnings_about(question, sample)
            return Answer(serial_plan(situation, serial), "", "", warned, basis, sample)
        only = serial is not None or (external is not None and external.is_here)
        decision, overheads, failure = self._decided(question, situation, external, only=only, keep=keep, renew=renew)
        warned = warnings_about(question, sample, failure)
        return Answer(decision.plan, "", "", warned, basis, sample, decision.candidates, overheads)

    def _external(self, question: Question, situation: Situation, *, keep: bool, renew: bool) -> ExternalWorkers | None:
        """Return the workers of the chosen backend, None when there is none or the job is not worth asking it."""
        from amorsize.domain.planning.planner import too_small

        if question.chosen is None or situation.serial_seconds < _WORTH_ASKING_SECONDS:
            return None
        if too_small(situation, self._given.budget) is not None:
            return None
        asked = (question.chosen, question.func, situation.sample.blocked_reason, question.here)
        return self._overheads.external(*asked, keep=keep, renew=renew)

    def _decided(  # noqa: PLR0913  the parts of a decision
        self,
        question: Question,
        situation: Situation,
        external: ExternalWorkers | None,
        *,
        only: bool,
        keep: bool,
        renew: bool,
    ) -> tuple[Decision, Overheads, str]:
        """Decide among a chosen backend and, unless ``only`` it counts, this machine's own workers.

        This machine is measured first where that pays. Returns the decision, the overheads of this machine, and why
        they could not be measured.
        """
        from amorsize.domain.planning.planner import decide

        overheads = self._overheads.known(question.here, keep=keep)
        decision = decide(situation, None if only else overheads, external)
        pays = renew and self._overheads.is_worth_measuring(overheads, decision.plan.predicted_seconds)
        if only or not pays:
            return decision, overheads, ""
        try:
            overheads = self._overheads.measure(question.here, keep=keep)
        except MeasurementError as error:
            return decision, overheads, f"what workers cost here could not be measured: {error}"
        return decide(situation, overheads, external), overheads, ""

    def overheads(self) -> Overheads:
        """Return the best overheads that are known of this machine, without measuring."""
        return self._overheads.known(self.machine())

    def measure(self) -> Overheads:
        """Measure the overheads of this machine, which takes 0.3 to 2 s, unless a valid measurement is known.

        Raises:
            MeasurementError: measuring failed.
        """
        here = self.machine()
        known = self._overheads.known(here)
        return known if self._overheads.is_measured(known) else self._overheads.measure(here)

    def measured_at(self, *, ask: bool) -> float:
        """Return when this machine was measured, 0.0 for never; the cache is read only with ``ask``."""
        return self._overheads.measured_at(self.machine(), ask=ask)

    def situation(self, question: Question, sample: Sample) -> Situation:
        """Return what a decision on the question depends on."""
        from amorsize.domain.planning.situation import Situation

        known = question.source.known_items() or question.source.hint
        items = known or max(self._given.budget.assumed_items, 2 * question.source.taken)
        return Situation(
            items, sample, question.machine, question.constraints, question.blocked_reason, assumed=not known
        )

    def basis(
        self, question: Question, items: int, sample: Sample, *, keep: bool = True
    ) -> Callable[[], tuple[Situation, Overheads]]:
        """Return a function that finds what a decision depends on; it keeps neither the function nor the data alive."""
        here, constraints, blocked_reason = question.here, question.constraints, question.blocked_reason
        overheads = self._overheads

        def found() -> tuple[Situation, Overheads]:
            from amorsize.domain.planning.situation import Situation

            situation = Situation(items, sample, here.machine, constraints, blocked_reason)
            return situation, overheads.known(here, keep=keep)

        return found

    def _budgeted(self, question: Question, *, keep: bool) -> Budget:
        """Return the budget for sampling, with what workers cost here."""
        known = self._overheads.known(question.here, keep=keep)
        fork_bytes = known.memory_forked_in(MOST_FORK_SECONDS)
        budget = attrs.evolve(self._given.budget, worker_start_seconds=known.least_seconds)
        return budget if fork_bytes is None else attrs.evolve(budget, fork_bytes=fork_bytes)

    def _measured(self, question: Question, budget: Budget, *, keep: bool) -> Sample:
        """Let the probe run items, and learn from the fork that it may have made."""
        sample = self._given.probe.sample(question.func, question.source, budget)
        if sample.fork_seconds:
            self._overheads.calibrate(question.here, sample, keep=keep)
        return sample
