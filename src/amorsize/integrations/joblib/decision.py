"""The decision who runs the tasks of one call, made again as more is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.integrations.joblib.call import pickled_bytes
from amorsize.integrations.joblib.planning import SERIAL, Choice

if TYPE_CHECKING:
    from amorsize.domain.values import Sample
    from amorsize.execution.measure import Measure
    from amorsize.integrations.joblib.call import Call
    from amorsize.integrations.joblib.planning import Planner
    from amorsize.integrations.joblib.restrictions import Restrictions

FIRST_LOOK_SECONDS: Final = 0.002
"""Seconds of tasks after which it is first decided who runs the rest: our choice, hardly noticed."""

_TRUSTED_SECONDS: Final = 0.05
"""Seconds of tasks after which a choice from an earlier call is made again: our choice, by then tasks are known."""

TRIAL_SECONDS: Final = 0.02
"""Seconds for which threads run side by side to see what they gain: our choice, four turns of the GIL of 5 ms."""

_BATCH_SECONDS: Final = {"trial": 0.002, "serial": 0.02, "thread": 0.01, "process": 0.1, "loky": 0.05}
"""Seconds of work in a batch, by who runs it: our choice; joblib's own dispatch of one takes 40 us."""

_FORKS_WORTH: Final = 5
"""Times the least work worth a fork that a forked batch should hold: our choice, the fork is a small part of it."""

_MOST_GROWTH: Final = 64
"""Times the tasks that have run that a batch has at most: our choice, as later tasks may take longer."""


class _Example(NamedTuple):
    """A batch with its results."""

    calls: Any
    results: Any


class Decision:
    """The decision of one call.

    Args:
        call: the call.
        planner: asks the cost model.
        restrictions: which kinds of workers must not run the tasks.
        measure: what tasks have taken.
        helpers: most threads or processes that work beside the caller.
        choice: who runs everything, where that is fixed.
    """

    def __init__(  # noqa: PLR0913, PLR0917  one argument a concern
        self,
        call: Call,
        planner: Planner,
        restrictions: Restrictions,
        measure: Measure,
        helpers: int,
        choice: Choice | None,
    ) -> None:
        self._call = call
        self._planner = planner
        self._restrictions = restrictions
        self._most = helpers
        self.measure = measure
        self.choice = choice or Choice("trial", 2)
        self.func: Any = None
        self.is_recalled = False
        self._example: _Example | None = None
        self._is_fixed = self._is_final = choice is not None
        self._next_look = FIRST_LOOK_SECONDS

    def check(self, calls: Any) -> None:
        """Look at the functions of a batch that no earlier batch had, before anybody runs them."""
        if self._is_fixed:
            return
        news = [self._restrictions.check(func) for func, _, _ in calls.items]
        if any(news) and self.choice.kind == "thread":
            self._set(SERIAL, is_final=False)
            self._next_look = self.measure.seconds

    def recall(self, calls: Any, queued: int) -> None:
        """Choose at once where the function of the first batch is known; else the first tasks are measured."""
        func, args, kwargs = calls.items[0]
        self.func = func
        if self._is_final:
            return
        left, assumed = self._call.tasks_left(queued)
        sample = self._planner.recall(func, (*args, *kwargs.values()), left)
        if sample is not None:
            self.is_recalled = True
            self._example = _Example(calls, None)
            self.measure.add(sample.seconds_per_item, sample.cpu_fraction * sample.seconds_per_item, 1)
            self._choose(sample, left, assumed=assumed)
            if self.choice.kind == "serial":
                expected = min(_TRUSTED_SECONDS, left * sample.seconds_per_item)
                self._next_look = max(self._next_look, self.measure.seconds + expected)

    def note_example(self, calls: Any, results: Any) -> None:
        """Keep the first batch with its results, to see whether they pickle."""
        if self._example is None:
            self._example = _Example(calls, results)

    def forget_example(self) -> None:
        """Keep no batch any longer."""
        self._example = None

    def review(self, queued: int) -> None:
        """Choose again where there is news: each time that twice as much is done, or once threads wait for the GIL."""
        if self._is_final and not (self.choice.kind == "thread" and self._planner.waits_for_gil):
            return
        if self.measure.seconds >= self._next_look:
            self._next_look = 2 * self.measure.seconds
            self.choose(queued)

    def choose(self, queued: int) -> None:
        """Choose by what is known now; so many tasks are queued."""
        left, assumed = self._call.tasks_left(queued)
        self._choose(self.measure.sample(), left, assumed=assumed)

    def _choose(self, sample: Sample, left: int, *, assumed: bool) -> None:
        if assumed:
            left = max(left, self.measure.items)
        choice = self._planner.choose(sample, left, assumed=assumed)
        if choice.kind in {"process", "loky"} and self._example is not None:
            size, why = pickled_bytes(*self._example)
            if why:
                self._restrictions.rule_out_processes(why)
            if why or self._planner.note_batch_bytes(size):
                choice = self._planner.choose(sample, left, assumed=assumed)
        if choice.kind in {"serial", "loky"} and self._planner.may_try_threads(sample, left):
            self._next_look = self.measure.seconds + TRIAL_SECONDS
            self._set(Choice("thread", 2), is_final=False)  # only running side by side shows what threads gain
            return
        self._set(choice, is_final=choice.kind != "serial")

    def rule_out_processes(self, why: str) -> None:
        """Have no process run any more tasks."""
        self._restrictions.rule_out_processes(why)
        self._set(SERIAL, is_final=True)

    def _set(self, choice: Choice, *, is_final: bool) -> None:
        workers = min(choice.workers, self._most + 1)
        self.choice = choice._replace(workers=workers) if workers > 1 else SERIAL
        self._is_final = is_final

    def batch_size(self) -> int:
        """Return how many tasks a batch should have, by what they take and who runs them."""
        if not self.measure.items:
            return 1
        kind, workers, chunksize = self.choice
        mean = max(self.measure.seconds_per_item, 1e-7)
        least = self._planner.least_forked_seconds if kind == "process" else 0.0
        most = min(int(max(_BATCH_SECONDS[kind], _FORKS_WORTH * least) / mean), _MOST_GROWTH * self.measure.items)
        left, assumed = self._call.tasks_left(0)
        if left and not assumed:
            share = left if kind in {"serial", "trial"} else max(left // (2 * workers), chunksize)
            most = min(most, share, left // self._call.n_jobs)  # joblib cuts a shorter rest into 10 for each job
        return max(1, most)

    def learn(self) -> None:
        """Keep what the call has shown of the function."""
        if self.measure.items > 1:
            self._planner.learn(self.measure.sample())
