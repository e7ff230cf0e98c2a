"""The workers of one call: the caller, threads, forked processes or loky run its tasks as they are submitted.

The *runner* is the thread of the caller where it waits for all results, else a thread in the background. It runs the
first tasks itself, and goes on alone until workers pay.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections import deque
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.domain.cpus import WAITS_AT_ALL
from amorsize.integrations.joblib.batch import Batch
from amorsize.integrations.joblib.clocks import clocks, work
from amorsize.integrations.joblib.decision import FIRST_LOOK_SECONDS, TRIAL_SECONDS
from amorsize.integrations.joblib.nesting import InnerCalls, busy_workers, here, is_inside_task, running_pools
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.execution.measure import Measure
    from amorsize.integrations.joblib.batch import Outcome
    from amorsize.integrations.joblib.call import Call
    from amorsize.integrations.joblib.clocks import Clocks
    from amorsize.integrations.joblib.decision import Decision
    from amorsize.integrations.joblib.planning import Choice, Planner
    from amorsize.integrations.joblib.restrictions import Restrictions

    if sys.platform == "linux":
        from amorsize.integrations.joblib.forked import ForkedWorkers
    else:
        ForkedWorkers = Any

_LONG_TASK_SECONDS: Final = 0.005
"""Seconds of a task of the runner, during the trial, after which a thread takes the next one."""

_MOST_LOOKED: Final = 32
"""Batches of the queue that are looked at for one that is worth a fork."""

_PAUSE_SECONDS: Final = 0.1
"""How long the runner and threads wait for news before they look around."""


class _Beside(NamedTuple):
    """What threads have done beside the runner: seconds computed, seconds idle, and how often a CPU was given up."""

    computed: float = 0.0
    idle: float = 0.0
    switches: float = 0.0

    def plus(self, *, computed: float, idle: float, switches: float) -> _Beside:
        """Return the sum with what another batch has added."""
        return _Beside(self.computed + computed, self.idle + idle, self.switches + switches)


class WorkerPool:
    """The workers of one call.

    Args:
        call: what is known of the call.
        decision: who runs the tasks.
        planner: knows what workers cost.
        restrictions: which kinds of workers must not run the tasks.
        measure: what tasks have taken.
        helpers: most threads or processes that work beside the runner.
        in_caller: whether the caller calls ``run``; else a thread in the background does.
    """

    def __init__(  # noqa: PLR0913, PLR0917  one argument a concern
        self,
        call: Call,
        decision: Decision,
        planner: Planner,
        restrictions: Restrictions,
        measure: Measure,
        helpers: int,
        *,
        in_caller: bool,
    ) -> None:
        self._call = call
        self._planner = planner
        self._restrictions = restrictions
        self._most = helpers
        self.in_caller = in_caller
        self.decision = decision
        self._measure = measure
        self._inner_calls = InnerCalls()
        self._has_tasks = False
        self._is_inside_task = is_inside_task()
        self._queue: deque[Batch] = deque()
        self._changed = threading.Condition()
        self._running = 0
        self._stopped = False
        self._error: BaseException | None = None
        self._busy_since = 0.0
        self._threads: list[threading.Thread] = []
        self._threads_end = False
        self._runner: threading.Thread | None = None
        self._beside = _Beside()
        self._forked: ForkedWorkers | None = None
        self._context = contextvars.copy_context()

    def submit(self, calls: Any, callback: Callable[[Any], Any]) -> Batch:
        """Take a batch; ``callback`` is called with it, or with a future of loky, once its tasks have run."""
        batch = Batch(calls, callback)
        self.decision.check(calls)
        with self._changed:
            is_late = self._stopped
            if not is_late:
                self._queue.append(batch)
                self._changed.notify()
        if is_late:  # a call that has failed, or its runner has
            if self._error is not None:
                batch.fail(self._error)
            return batch
        if not self._has_tasks:
            self._has_tasks = True
            self.decision.recall(calls, len(self._queue))
        with self._changed:
            if not self.in_caller and self._runner is None and not self._stopped:
                self._runner = self._start_thread(self._run_in_background)
        return batch

    def run(self) -> None:
        """Run all that is submitted until nothing is left, in the calling thread."""
        running_pools.add(self)
        try:
            while self._has_work():
                self._step()
        finally:
            self._end_workers()

    def _run_in_background(self) -> None:
        """Run what is submitted until the pool is stopped, in a thread in the background."""
        running_pools.add(self)
        try:
            while not self._stopped:
                if self._has_work():
                    self._step()
                    continue
                with self._changed:
                    if not self._stopped and (not self._queue or self._call.is_over()):
                        self._changed.wait(_PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001  it is raised where results are waited for
            with self._changed:
                self._stopped, self._error = True, error
                queued = list(self._queue)
                self._queue.clear()
            for batch in (*queued, *self._end_forked()):
                batch.fail(error)
        finally:
            self._end_workers()

    def stop(self, *, now: bool = False) -> None:
        """Drop what is queued and end forked workers; threads end after the batch that they run.

        With ``now`` workers of loky are ended too, whatever they run. Repeated calls do nothing.
        """
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._changed.notify_all()
        self._call.loky.end(now=now)
        if self.in_caller or self._runner is None:
            self._end_forked()  # a runner in the background ends its own, within a pause

    def busy_workers(self) -> int:
        """Return how many run tasks; of a call inside a task, without the thread that runs that task."""
        return max(0, self._running - self._is_inside_task)

    @property
    def is_fresh(self) -> bool:
        """Whether no batch was submitted yet, and the pool not stopped."""
        return not (self._stopped or self._has_tasks)

    # The runner

    @property
    def _choice(self) -> Choice:
        return self.decision.choice

    def _has_work(self) -> bool:
        return not (self._stopped or self._call.is_over()) and bool(self._queue or self._running)

    def _step(self) -> None:
        self.decision.review(len(self._queue))
        kind = self._choice.kind
        if kind not in {"trial", "thread"} and self._threads:
            self._end_threads()
        if kind in {"process", "loky"} and self._restrictions.no_process:  # a function has come that must stay here
            self._give_up_processes(self._restrictions.no_process)
        elif kind == "process":
            self._step_forked()
        elif kind == "loky":
            self._step_loky()
        else:
            if kind in {"trial", "thread"}:
                self._start_threads()
            self._run_next()

    def _run_next(self) -> None:
        batch = self._take()
        if batch is None:
            self._wait_for_news()
            return
        self._busy_since = perf_counter()
        self._run_here(batch)
        self._busy_since = 0.0

    def _wait_for_news(self) -> None:
        """Wait, where nothing is queued, until a batch has run or comes, for a pause at most."""
        with self._changed:
            if not self._queue and self._running and not self._stopped:
                self._changed.wait(_PAUSE_SECONDS)

    def _take(self, *, worth_a_fork: bool = False) -> Batch | None:
        """Take the next batch of the queue, or the next that is worth a fork; None where there is none."""
        with self._changed:
            if self._stopped:
                return None
            for batch in islice(self._queue, _MOST_LOOKED):
                if not worth_a_fork or self._is_worth_a_fork(batch):
                    self._queue.remove(batch)
                    self._running += 1
                    return batch
            return None

    def _is_worth_a_fork(self, batch: Batch) -> bool:
        """Return whether a fork for a batch pays: what tasks that set state keep here, the next fork would share."""
        work = len(batch.calls) * self._measure.seconds_per_item
        return bool(self._restrictions.no_thread) or work >= self._planner.least_forked_seconds

    def _count_off(self) -> None:
        """Count a batch that was taken as one that has run."""
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def _report(self, tell_joblib: Callable[[Any], None], outcome: Any) -> None:
        """Give joblib the outcome of a batch, unless the call is over: joblib would take it for the next one's."""
        if not self._stopped:
            tell_joblib(outcome)

    def _run_here(self, batch: Batch, *, is_helper: bool = False) -> None:
        """Run a batch in this thread, and measure it."""
        shared, has_runner = self._running > 1, bool(self._busy_since)
        before, began = clocks(), perf_counter()
        outer_calls = here.enter(self._inner_calls)
        try:
            try:
                results = batch.calls()
            finally:
                here.leave(outer_calls)
                self._note(len(batch.calls), perf_counter() - began, before, shared=shared or self._running > 1)
                if is_helper and has_runner and self._busy_since:
                    self._compare(perf_counter() - began, before)
            self.decision.note_example(batch.calls, results)
        except BaseException as error:  # noqa: BLE001  it is raised again where results are taken
            self._report(batch.fail, error)
        else:
            self._report(batch.succeed, results)
        finally:
            self._count_off()

    def _note(self, tasks: int, wall: float, before: Clocks, *, shared: bool) -> None:
        """Take note of what a batch took, or would have taken alone on its CPU."""
        seconds, cpu_seconds = work(wall, before, clocks(), shared=shared)
        with self._changed:
            self._measure.add(seconds, cpu_seconds, tasks)

    def _compare(self, wall: float, before: Clocks) -> None:
        """Take note of what a thread did beside the runner."""
        now = clocks()
        with self._changed:
            self._beside = beside = self._beside.plus(
                computed=now.computed - before.computed,
                idle=max(0.0, wall - (now.own - before.own)),
                switches=now.switches - before.switches,
            )
            if beside.computed + beside.idle > TRIAL_SECONDS and self._measure.cpu_fraction > WAITS_AT_ALL:
                threads = max(2, min(self._running, self._choice.workers))
                self._planner.note_threads(beside.computed, beside.idle, int(beside.switches), threads)

    # Threads that run batches beside the runner

    def _start_threads(self) -> None:
        """Have threads there: one during the trial, which waits for a long task; later all that pay."""
        if self._restrictions.no_thread:
            return
        mean = self._measure.seconds_per_item
        if self._choice.kind == "trial" and self._measure.items and mean < FIRST_LOOK_SECONDS / 2:
            return  # no task is long
        wanted = min(self._choice.workers - 1, self._most)
        while len(self._threads) < wanted and len(self._queue) > len(self._threads):
            self._threads_end = False
            try:
                self._threads.append(self._start_thread(self._run_beside))
            except RuntimeError:  # no thread can be started: the runner goes on alone
                self._most = len(self._threads)
                return

    def _start_thread(self, target: Callable[[], None]) -> threading.Thread:
        context = self._context.copy()
        thread = threading.Thread(target=context.run, args=(target,), daemon=True, name="amorsize-joblib")
        thread.start()
        return thread

    def _run_beside(self) -> None:
        """Run batches in a thread beside the runner, until threads must end."""
        while True:
            with self._changed:
                while not (self._queue and self._may_take_beside()):
                    if self._stopped or self._threads_end:
                        return
                    self._changed.wait(_LONG_TASK_SECONDS if self._choice.kind == "trial" else _PAUSE_SECONDS)
                if self._stopped or self._threads_end:
                    return
                self._running += 1
                batch = self._queue.popleft()
            self._run_here(batch, is_helper=True)

    def _may_take_beside(self) -> bool:
        """Return whether a thread may take a batch: during the trial while the runner is at a long task."""
        if self._restrictions.no_thread:
            return False
        if self._choice.kind != "trial":
            return self._choice.kind == "thread"
        since = self._busy_since
        is_long = bool(since) and perf_counter() - since > _LONG_TASK_SECONDS
        return is_long and busy_workers() < self._planner.cpus

    def _end_workers(self) -> None:
        """End forked workers, and have threads end after the batch that they run, without waiting for them."""
        self._end_threads()
        self.decision.forget_example()
        running_pools.discard(self)
        self._end_forked()

    def _end_threads(self) -> None:
        with self._changed:
            self._threads_end = True
            self._threads = []
            self._changed.notify_all()

    # Forked workers

    def _step_forked(self) -> None:
        if self._forked is None and not self._begin_forked():
            return
        forked = self._forked
        while forked is not None and forked.has_capacity() and (batch := self._take(worth_a_fork=True)) is not None:
            try:
                forked.start(batch)
            except OSError as error:
                self._give_up_processes(f"no worker can be started here ({error})")
                self._run_here(batch)
                return
        if forked is None:
            return
        is_short = bool(self._queue) and forked.has_capacity()  # what is left there is not worth a fork
        if is_short:
            self._run_next()
        for outcome in forked.wait(0.0 if is_short or not len(forked) else _PAUSE_SECONDS):
            self._receive(outcome)

    def _begin_forked(self) -> bool:
        """Get ready to fork, where that is safe now; return whether it is."""
        if self._running:  # a thread that runs a batch may hold a lock that a child would wait for
            self._run_next()
            return False
        danger = self._restrictions.why_no_fork_now()
        if danger:
            self._restrictions.rule_out_forks(danger)
            self.decision.choose(len(self._queue))
            return False
        if sys.platform != "linux":
            raise OSError("workers are forked on Linux only")
        from amorsize.integrations.joblib import forked

        workers = self._choice.workers
        self._forked = forked.ForkedWorkers(workers, self._call.threads or self._planner.threads_each(workers))
        return True

    def _receive(self, outcome: Outcome) -> None:
        """Report the outcome of a forked batch to joblib, or run the batch here where it must."""
        batch = outcome.batch
        if outcome.kind == "rerun":
            self._give_up_processes(outcome.value)
            self._run_here(batch)
            warn(f"joblib: tasks run again in the caller's process: {outcome.value}")
            return
        if outcome.seconds:
            seconds = max(outcome.seconds - self._planner.copy_seconds, outcome.seconds / 2)
            self._measure.add(seconds, seconds * self._measure.cpu_fraction, len(batch.calls))
        try:
            self._report(batch.succeed if outcome.kind == "done" else batch.fail, outcome.value)
        finally:
            self._count_off()

    def _give_up_processes(self, why: str) -> None:
        """Start no more processes; forked workers that run a batch are waited for."""
        forked = self._forked
        while forked is not None and len(forked) and not self._stopped:
            for outcome in forked.wait(_PAUSE_SECONDS):
                self._receive(outcome)
        self.decision.rule_out_processes(why)

    def _end_forked(self) -> list[Batch]:
        """End the forked workers; return the batches that they ran."""
        forked, self._forked = self._forked, None
        return [] if forked is None else forked.end()

    # loky

    def _step_loky(self) -> None:
        loky = self._call.loky
        if not loky.has_started:
            loky.start(self._choice.workers)
        while (batch := self._take()) is not None:
            loky.submit(batch.calls, lambda future, batch=batch: self._finish(batch, future))  # type: ignore[misc]
        self._wait_for_news()

    def _finish(self, batch: Batch, future: Any) -> None:
        try:
            self._report(batch.finish, future)
        finally:
            self._count_off()
