"""Chooses who runs the tasks of one call, and again as more is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from amorsize.execution.measure import Measure
from amorsize.integrations.judging import LEAST_FORKED_SECONDS, SERIAL, Choice, batch_seconds

if TYPE_CHECKING:
    from amorsize.domain.values import Sample
    from amorsize.integrations.tasks import Team

FIRST_LOOK_SECONDS: Final = 0.002
"""Seconds of tasks after which it is decided for the first time who runs the rest."""

_TRUSTED_SECONDS: Final = 0.05
"""Seconds of tasks after which a choice that rests on an earlier call is decided again, if they take so long."""

TRIAL_SECONDS: Final = 0.02
"""How long threads run side by side until it is known whether they get more done together."""


class Chooser:
    """Chooses for one call.

    Args:
        team: what the call may use.
        helpers: most who work beside the runner.
        choice: who runs everything, where that is settled.
    """

    def __init__(self, team: Team, helpers: int, choice: Choice | None) -> None:
        self._team = team
        self._judge = team.judge
        self._most = helpers
        self.measure = Measure()
        self.choice = choice or Choice("trial", 2)
        self.func: Any = None
        self.is_recalled = False
        self.shown: tuple[Any, Any] | None = None
        """A task with its result, to see whether they can go to other processes."""
        self._is_given = self._is_settled = choice is not None
        self._next_look = FIRST_LOOK_SECONDS
        self._batch_seconds = batch_seconds(self.choice.kind)

    def meet(self, task: Any) -> None:
        """Look at functions that no earlier task has, before anybody runs them."""
        if self._is_given:
            return
        news = [self._judge.meet(func) for func, _, _ in task.items]
        if any(news) and self.choice.kind == "thread":
            self._settle(SERIAL, for_good=False)
            self._next_look = self.measure.seconds

    def recall(self, task: Any, waiting: int) -> None:
        """Choose at once where the function is known; else the first tasks are measured."""
        func, args, kwargs = task.items[0]
        self.func = func
        if self._is_settled:
            return
        left, assumed = self._team.left(waiting)
        sample = self._judge.recall(func, (*args, *kwargs.values()), left)
        if sample is not None:
            self.is_recalled = True
            self.shown = (task, None)
            self.measure.add(sample.seconds_per_item, sample.cpu_fraction * sample.seconds_per_item, 1)
            self._choose(sample, left, assumed=assumed)
            if self.choice.kind == "serial":
                expected = min(_TRUSTED_SECONDS, left * sample.seconds_per_item)
                self._next_look = max(self._next_look, self.measure.seconds + expected)

    def consider(self, waiting: int) -> None:
        """Weigh who should run the rest, when there is news: the more is done, the rarer."""
        if self._is_settled and not self._is_in_vain():
            return
        if self.measure.seconds >= self._next_look:
            self._next_look = 2 * self.measure.seconds
            self.choose(waiting)

    def choose(self, waiting: int) -> None:
        """Choose by what is known now; so many tasks wait."""
        left, assumed = self._team.left(waiting)
        self._choose(self.measure.sample(), left, assumed=assumed)

    def _choose(self, sample: Sample, left: int, *, assumed: bool) -> None:
        if assumed:
            left = max(left, self.measure.items)
        choice = self._judge.choose(sample, left, assumed=assumed)
        if choice.kind in {"process", "pool"} and self.shown is not None:
            why = self._team.check(*self.shown)
            if why:
                self._judge.rule_out(why)
                choice = self._judge.choose(sample, left, assumed=assumed)
        if choice.kind in {"serial", "pool"} and self._judge.may_try_threads(sample, left):
            choice = Choice("thread", min(2, self._most + 1))  # only running side by side tells what threads are worth
            self._next_look = self.measure.seconds + TRIAL_SECONDS
            self._settle(choice, for_good=False)
            return
        self._settle(choice, for_good=choice.kind != "serial")

    def give_up_processes(self, why: str) -> None:
        """Have no process run any more tasks."""
        self._judge.rule_out(why)
        self._settle(SERIAL, for_good=True)

    def _settle(self, choice: Choice, *, for_good: bool) -> None:
        workers = min(choice.workers, self._most + 1)
        choice = choice if workers > 1 else SERIAL
        self.choice = Choice(choice.kind, workers)
        self._batch_seconds = batch_seconds(choice.kind)
        self._is_settled = for_good

    def _is_in_vain(self) -> bool:
        """Return whether threads turn out to wait for the interpreter lock."""
        return self.choice.kind == "thread" and self._judge.threads_are_in_vain

    def batch_size(self) -> int:
        """Return how many tasks a batch should have, by what they take and who runs them."""
        mean = self.measure.seconds_per_item
        if not self.measure.items:
            return 1
        wanted = self._batch_seconds
        size = max(1, min(int(wanted / max(mean, 1e-7)), 64 * max(1, self.measure.items)))
        left, assumed = self._team.left(0)
        if assumed or not left:
            return size
        if self.choice.kind in {"serial", "trial"}:  # joblib cuts a rest that is too short for its workers into 10 each
            return max(1, min(size, left // self._team.slices))
        share = left // (2 * self.choice.workers)
        if self.choice.kind == "process":
            share = max(share, int(LEAST_FORKED_SECONDS / max(mean, 1e-7)))
        return max(1, min(size, share))

    def learn(self) -> None:
        """Keep what the call has shown of the function."""
        if self.measure.items > 1:
            self._judge.learn(self.measure.sample())
