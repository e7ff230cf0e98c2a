"""Runs the tasks of one call as they are submitted: here, in threads, in forked workers, or in a pool given by others.

The runner is the thread of the caller where it waits for all results, else a thread in the background. It runs the
first tasks itself, and goes on alone until others pay.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from amorsize.integrations.choosing import FIRST_LOOK_SECONDS, TRIAL_SECONDS, Chooser
from amorsize.integrations.judging import LEAST_FORKED_SECONDS, clocks
from amorsize.integrations.tasks import Inner, Job, busy, crews, here, is_inside
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.integrations.judging import Choice, Clocks
    from amorsize.integrations.tasks import Forks, Landed, Team

_SILENCE_SECONDS: Final = 0.005
"""Silence of the runner, at a long task, after which a thread takes the next one."""

_MOSTLY: Final = 0.75
"""CPU seconds a second from which on tasks compute."""

_PAUSE_SECONDS: Final = 0.1
"""How long the runner waits for news before it looks around."""


class Crew:
    """Those who run the tasks of one call.

    Args:
        team: what it may use.
        helpers: most who work beside the runner.
        in_caller: whether the caller calls ``run``; else a thread in the background does.
        choice: who runs everything, where that is settled.
    """

    def __init__(self, team: Team, helpers: int, *, in_caller: bool, choice: Choice | None = None) -> None:
        self._team = team
        self._judge = team.judge
        self._most = helpers
        self.in_caller = in_caller
        self.chooser = Chooser(team, helpers, choice)
        self._measure = self.chooser.measure
        self._inner = Inner()
        self._is_recalled = False
        self._is_inside = is_inside()
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._flying = 0
        self._stopped = False
        self._error: BaseException | None = None
        self._busy_since = 0.0
        self._threads: list[threading.Thread] = []
        self._dismissed = False
        self._runner: threading.Thread | None = None
        self._beside = [0.0, 0.0, 0.0]
        self._forks: Forks | None = None
        self._has_external = False
        self._context = contextvars.copy_context()

    def submit(self, task: Any, callback: Callable[[Any], Any]) -> Job:
        """Take a task; ``callback`` is called with its job, or with what an external pool returns, once it is done."""
        job = Job(task, callback)
        self.chooser.meet(task)
        with self._changed:
            is_late = self._stopped
            if not is_late:
                self._queue.append(job)
                self._changed.notify()
        if is_late:  # a call that has failed, or its runner has
            if self._error is not None:
                job.fail(self._error)
            return job
        if not self._is_recalled:
            self._is_recalled = True
            self.chooser.recall(task, len(self._queue))
        with self._changed:
            if not self.in_caller and self._runner is None and not self._stopped:
                self._runner = self._thread(self._stay)
        return job

    def run(self) -> None:
        """Run all that is submitted until nothing is left, in the calling thread."""
        crews.add(self)
        try:
            while self._has_work():
                self._step()
        finally:
            self._dismiss()

    def _stay(self) -> None:
        """Run what is submitted until the crew is stopped, in a thread in the background."""
        crews.add(self)
        try:
            while not self._stopped:
                if self._has_work():
                    self._step()
                    continue
                with self._changed:
                    if not self._stopped and (not self._queue or self._team.is_over()):
                        self._changed.wait(_PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001  who waits for results must learn of it
            with self._changed:
                self._stopped, self._error = True, error
                jobs = list(self._queue)
                self._queue.clear()
            for job in (*jobs, *self._end_forks()):
                job.fail(error)
        finally:
            self._dismiss()

    def stop(self, *, now: bool = False) -> None:
        """Give up what waits and end forked workers; threads end after the task that they are at.

        With ``now`` workers of others are ended too, whatever they are at. Repeated calls do nothing.
        """
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._changed.notify_all()
        if self._has_external:
            self._has_external = False
            self._team.external.end(now=now)
        if self.in_caller or self._runner is None:
            self._end_forks()  # a runner in the background ends its own, within a pause

    def busy(self) -> int:
        """Return how many run tasks, but for the thread that runs the task that this call is inside of."""
        return max(0, self._flying - self._is_inside)

    @property
    def _choice(self) -> Choice:
        return self.chooser.choice

    @property
    def is_fresh(self) -> bool:
        """Whether no task was submitted yet, and the crew not stopped."""
        return not (self._stopped or self._is_recalled)

    # The runner

    def _has_work(self) -> bool:
        if self._stopped or self._team.is_over():
            return False
        return bool(self._queue or self._flying)

    def _step(self) -> None:
        self.chooser.consider(len(self._queue))
        kind = self._choice.kind
        if kind not in {"trial", "thread"} and self._threads:
            self._dismiss_threads()
        if kind in {"process", "pool"} and self._judge.no_process:  # a function has come that must stay here
            self._give_up_forks(self._judge.no_process)
        elif kind == "process":
            self._step_forks()
        elif kind == "pool":
            self._step_external()
        else:
            if kind in {"trial", "thread"}:
                self._hire()
            self._run_next()

    def _run_next(self) -> None:
        job = self._take()
        if job is None:
            with self._changed:
                if not self._queue and self._flying and not self._stopped:
                    self._changed.wait(_PAUSE_SECONDS)
            return
        self._busy_since = perf_counter()
        self._run_here(job)
        self._busy_since = 0.0

    def _take(self) -> Job | None:
        with self._changed:
            if not self._queue or self._stopped:
                return None
            self._flying += 1
            return self._queue.popleft()

    def _landed(self) -> None:
        with self._changed:
            self._flying -= 1
            self._changed.notify_all()

    def _run_here(self, job: Job, *, is_helper: bool = False) -> None:
        """Run a job in this thread, and measure it."""
        together, beside = self._flying > 1, bool(self._busy_since)
        before, began = clocks(), perf_counter()
        around, here.inner = here.inner, self._inner
        here.depth += 1
        try:
            try:
                value = job.task()
            finally:
                here.depth -= 1
                here.inner = around
                self._note(len(job.task), perf_counter() - began, before, together=together or self._flying > 1)
                if is_helper and beside and self._busy_since:
                    self._compare(perf_counter() - began, before)
            if self.chooser.shown is None:
                self.chooser.shown = (job.task, value)
        except BaseException as error:  # noqa: BLE001  it is raised again where results are taken
            self._tell(job.fail, error)
        else:
            self._tell(job.succeed, value)
        finally:
            self._landed()

    def _tell(self, tell: Callable[[Any], None], outcome: Any) -> None:
        """Hand on what became of a job, unless its call is over: joblib would take it for the next one's."""
        if not self._stopped:
            tell(outcome)

    def _note(self, tasks: int, wall: float, before: Clocks, *, together: bool) -> None:
        """Take note of what a job took; side by side with others, what it would have taken alone."""
        now = clocks()
        asked, own = max(0.0, now.asked - before.asked), max(0.0, now.own - before.own)
        with self._changed:
            if together and asked > _MOSTLY * wall:
                wall = max(own, 1e-9)
            self._measure.add(wall, own if together else asked, tasks)

    def _compare(self, wall: float, before: Clocks) -> None:
        """Take note of what a helper did beside the runner."""
        now = clocks()
        with self._changed:
            self._beside[0] += now.computed - before.computed
            self._beside[1] += max(0.0, wall - (now.own - before.own))
            self._beside[2] += now.switches - before.switches
            computed, idle, switches = self._beside
            if computed + idle > TRIAL_SECONDS and self._measure.cpu_fraction > _MOSTLY:
                self._judge.saw_together(computed, idle, int(switches), max(2, min(self._flying, self._choice.workers)))

    # Helpers: threads that run tasks beside the runner

    def _hire(self) -> None:
        """Have threads there: one that waits for silence during the trial, all that pay later."""
        if self._judge.no_thread:
            return
        if (
            self._choice.kind == "trial"
            and self._measure.items
            and self._measure.seconds_per_item < FIRST_LOOK_SECONDS / 2
        ):
            return  # nobody is silent for long
        wanted = min(self._choice.workers - 1, self._most)
        while len(self._threads) < wanted and len(self._queue) > len(self._threads):
            self._dismissed = False
            try:
                self._threads.append(self._thread(self._help))
            except RuntimeError:  # there is no room for a thread: the runner goes on alone
                self._most = len(self._threads)
                return

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        context = self._context.copy()
        thread = threading.Thread(target=context.run, args=(target,), daemon=True, name="amorsize-joblib")
        thread.start()
        return thread

    def _help(self) -> None:
        while True:
            with self._changed:
                while not (self._queue and self._may_help()):
                    if self._stopped or self._dismissed:
                        return
                    self._changed.wait(_SILENCE_SECONDS if self._choice.kind == "trial" else _PAUSE_SECONDS)
                if self._stopped or self._dismissed:
                    return
                self._flying += 1
                job = self._queue.popleft()
            self._run_here(job, is_helper=True)

    def _may_help(self) -> bool:
        if self._judge.no_thread:
            return False
        if self._choice.kind != "trial":
            return self._choice.kind == "thread"
        since = self._busy_since
        return bool(since) and perf_counter() - since > _SILENCE_SECONDS and busy() < self._judge.cpus

    def _dismiss(self) -> None:
        """End forked workers, and have threads end after the task that they are at, without waiting for them."""
        self._dismiss_threads()
        self.chooser.shown = None
        crews.discard(self)
        self._end_forks()

    def _dismiss_threads(self) -> None:
        with self._changed:
            self._dismissed = True
            self._threads = []
            self._changed.notify_all()

    # Forked workers

    def _step_forks(self) -> None:
        if self._forks is None:
            if self._flying:  # a thread at a task may hold a lock that a child would wait for
                self._run_next()
                return
            danger = self._judge.fork_danger()
            if danger:
                self._judge.rule_out_fork(danger)
                self.chooser.choose(len(self._queue))
                return
            self._forks = self._team.forks(self._choice.workers, self._judge.threads_each(self._choice.workers))
        forks = self._forks
        while forks.has_room() and (job := self._take()) is not None:
            is_short = len(job.task) * self._measure.seconds_per_item < LEAST_FORKED_SECONDS / 2
            if is_short and not self._judge.no_thread:  # what it keeps here, the next fork would share
                self._run_here(job)  # a fork costs as much
                continue
            try:
                forks.start(job, job.task)
            except OSError as error:
                self._give_up_forks(f"no worker can be started here ({error})")
                self._run_here(job)
                return
        for landed in forks.wait(_PAUSE_SECONDS if len(forks) else 0.0):
            self._take_in(landed)

    def _take_in(self, landed: Landed) -> None:
        job: Job = landed.job
        if landed.outcome == "again":
            self._give_up_forks(landed.value)
            self._run_here(job)
            warn(f"joblib: tasks run again in the caller's process: {landed.value}")
            return
        if landed.seconds:
            self._measure.add(landed.seconds, landed.seconds * self._measure.cpu_fraction, len(job.task))
        try:
            self._tell(job.succeed if landed.outcome == "done" else job.fail, landed.value)
        finally:
            self._landed()

    def _give_up_forks(self, why: str) -> None:
        """Start no more forked workers; those at work are waited for as they are."""
        forks = self._forks
        while forks is not None and len(forks) and not self._stopped:
            for landed in forks.wait(_PAUSE_SECONDS):
                self._take_in(landed)
        self.chooser.give_up_processes(why)

    def _end_forks(self) -> list[Job]:
        """End the forked workers; return the jobs that they were at."""
        forks, self._forks = self._forks, None
        return [] if forks is None else forks.end()

    # A pool that somebody else keeps

    def _step_external(self) -> None:
        if not self._has_external:
            self._team.external.start(self._choice.workers)
            self._has_external = True
        while (job := self._take()) is not None:
            self._team.external.submit(job.task, lambda outcome, job=job: self._handed_on(job, outcome))  # type: ignore[misc]
        with self._changed:
            if not self._queue and self._flying and not self._stopped:
                self._changed.wait(_PAUSE_SECONDS)

    def _handed_on(self, job: Job, outcome: Any) -> None:
        try:
            self._tell(job.tell, outcome)
        finally:
            self._landed()
