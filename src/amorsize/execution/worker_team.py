"""The workers of one run, of all kinds: starts, supervises and ends them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from amorsize.domain.cpus import ALWAYS_COMPUTES, workers_by_cpu
from amorsize.domain.sharing import UNSHAREABLE, is_unshareable
from amorsize.errors import ExecutionError
from amorsize.execution import supervision
from amorsize.execution.output import Output
from amorsize.execution.policy import (
    LEAST_BOUND_BYTES,
    LONG_SECONDS,
    SUPERVISE_SECONDS,
    WAIT_BOTH_SECONDS,
)
from amorsize.processes.descriptor_limit import NO_DESCRIPTOR
from amorsize.processes.interrupts import uninterrupted
from amorsize.processes.leftovers import Leftovers
from amorsize.processes.process_info import can_fork, fork_danger
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amorsize.execution.budget import Budget
    from amorsize.execution.job import Job
    from amorsize.execution.output import Piece
    from amorsize.execution.resources import RunConfig
    from amorsize.execution.run import Run
    from amorsize.execution.run_pool import RunPool
    from amorsize.execution.team import ChunkResult
    from amorsize.execution.workers.threads import ThreadWorkers

    if sys.platform == "linux":
        from amorsize.execution.workers.forked import ForkedWorkers
    else:
        ForkedWorkers = Any


class WorkerTeam:
    """The workers of one run.

    Args:
        run: whose they are.
        job: what it runs.
        config: what it may use.
        budget: the CPUs that all runs of this process share.
    """

    def __init__(self, run: Run, job: Job, config: RunConfig, budget: Budget) -> None:
        self._run = run
        self._job = job
        self._config = config
        self._budget = budget
        self._granted = 0
        self._counted = 0
        self.forked: ForkedWorkers | None = None
        self.threads: ThreadWorkers | None = None
        self._run_pool: RunPool | None = None
        self._has_used_pool = False
        self.may_pool = self._config.pools is not None and self._config.kind in {"auto", "process"}
        self._output: Output | None = None
        self.caller_works = True
        self.doubts_failures = self._config.kind == "auto" and not self._config.isolated
        self.is_awake = False
        self.may_fork = self._config.kind in {"auto", "process"}
        self._may_thread = self._config.kind in {"auto", "thread"} and self._config.may_thread
        self._has_read_code = False
        self.blocked_reasons: list[str] = []
        self._supervised = 0.0
        self._leftovers = Leftovers()
        self.started: dict[str, int] = {}  # numbers of workers, by what they are

    # Which workers there are

    @property
    def may_thread(self) -> bool:
        """Whether threads may run items; unless they were asked for, the function must set no state that they share."""
        if self._may_thread and not self._has_read_code and self._config.kind == "auto":
            from amorsize.domain.process_state import sets_process_state
            from amorsize.processes.distributions import loaded

            self._has_read_code = True
            self._may_thread = not sets_process_state(self._job.own, loaded())
        return self._may_thread

    @property
    def _parts(self) -> list[Any]:
        """The workers of each kind that there are."""
        return [part for part in (self.forked, self.threads, self._run_pool) if part is not None]

    @property
    def takers(self) -> int:
        """Number of workers that take chunks, the caller included."""
        return 1 + sum(map(len, self._parts))

    @property
    def most_workers(self) -> int:
        """Number of workers, with those that a fork server may still fork."""
        served = 0 if self.forked is None else self.forked.most_served
        return max(served, self.takers - 1)

    @property
    def is_alone(self) -> bool:
        """Whether the caller has no workers."""
        return not self._parts

    @property
    def has_workers(self) -> bool:
        """Whether any worker may still have chunks that are not done."""
        forked = self.forked is not None and bool(self.forked.working())
        pooled = self._run_pool is not None and self._run_pool.is_running()
        return forked or pooled or (self.threads is not None and self.threads.is_running())

    @property
    def is_together(self) -> bool:
        """Whether workers run beside the caller, or are awake."""
        return self.is_awake or self.threads is not None or self._run_pool is not None

    # Beginning

    def begin(self) -> None:
        """Start workers, if that is right before anything has run."""
        with uninterrupted():
            self._budget.begin()
            self._counted = 1
        if self.may_fork and (why := self._fork_blocked()):
            self.may_fork = False
            self.blocked_reasons.append(why)
        if self._config.isolated:
            self._isolate()

    def _fork_blocked(self) -> str:
        """Return why processes are out for this run, empty where they are not."""
        if self._config.fork_blocked_reason or not can_fork():
            return self._config.fork_blocked_reason or "this system does not fork"
        if any(map(is_unshareable, self._run.some_items())):
            return UNSHAREABLE
        return ""

    def _isolate(self) -> None:
        """Start all workers at once; the caller only looks after them."""
        config = self._config
        count = (
            config.workers or config.most_workers or self._by_cpu(config.sample.cpu_fraction if config.sample else 1.0)
        )
        count = max(1, min(count, self._run.items_at_most))
        self.caller_works = False
        if config.kind == "thread":
            self.start_threads(count)
        elif self.may_fork:
            self.fork(count)
        if self.forked is not None:
            self.wake()
        elif self.may_pool:
            self.start_pool(count, LONG_SECONDS)
        if not self.is_alone:
            return
        why = "; ".join(dict.fromkeys(reversed(self.blocked_reasons))) or "no process can be started"
        if self._job.options.initializer is not None:
            self._initialize_threads(count, why)
            return
        if self.blocked_reasons:
            self._run.keep_out(self.blocked_reasons[-1])
        self.caller_works = True
        late = "; time limits are noticed between items" if self._job.options.has_time_limits else ""
        warn(f"execute: items run in the caller's process: {why}{late}")

    def _by_cpu(self, share: float) -> int:
        """Return how many workers keep the CPUs busy with items that compute for a share of their seconds.

        Other programs take some of that share during a run. Sampling leaves that out, and a run does not.
        """
        config = self._config
        count = workers_by_cpu(config.usable_cpus, 1.0 if ALWAYS_COMPUTES < share <= 1 else share)
        return max(1, min(count, config.most_workers or count, self._run.items_at_most))

    def _initialize_threads(self, count: int, why: str) -> None:
        """Start threads in place of processes: they have initializers too, and the caller runs no item."""
        if not self.may_thread:
            raise ExecutionError(f"execute: no worker can be started for the initializer: {why}")
        warn(f"execute: items run in threads, and so does the initializer: {why}")
        self.start_threads(count)

    def fork(self, workers: int, *, most_that_wait: int = 0) -> None:
        """Fork more workers; with ``most_that_wait``, one that forks so many if items wait, ``workers`` if not."""
        self.left_behind()
        workers = self._grant(workers)
        if workers <= 0 or self._budget.is_worker:
            return
        try:
            with uninterrupted():
                if self.forked is None:
                    self.forked = self._forked_workers(workers, max(workers, most_that_wait))
                if most_that_wait:
                    self.forked.start_server(workers, most_that_wait)
                else:
                    self.forked.start(workers)
                self.started["forked worker"] = len(self.forked)
            danger = fork_danger(has_run=bool(self._run.measure.items))
        except (OSError, RuntimeError) as error:  # RuntimeError: at the interpreter's end
            warn(f"execute: no more processes can be started here ({error})")
            self.may_fork = False
            if isinstance(error, OSError) and error.errno in NO_DESCRIPTOR:
                self.may_pool = False  # the servers that start empty workers would keep running out of files
            danger = ""
        if danger:
            self.may_fork = False
            self.blocked_reasons.append(danger)
        if self.forked is not None and (danger or not len(self.forked)):
            self.may_pool = self.may_pool and bool(danger)  # what no process is forked for, no server is started for
            self._end_forked(now=bool(danger))
        self._leftovers.mark()

    def _grant(self, workers: int) -> int:
        """Return how many of so many workers may start, as the budget says; it does not bind a run that is isolated."""
        if self._config.isolated:
            return workers
        with uninterrupted():
            granted = self._budget.take(workers, self._config.usable_cpus)
            self._granted += granted
        return granted

    def _forked_workers(self, workers: int, most: int) -> ForkedWorkers:
        """Return what forks workers and looks after them; OSError when the system lacks memory or descriptors."""
        options = self._job.options
        if sys.platform == "linux":
            from amorsize.execution.workers.board import Task
            from amorsize.execution.workers.forked import ForkedWorkers

            queue, items_of = self._run.share_out()
            task = Task(
                self._job.func,
                items_of,
                queue,
                caller_takes=self.caller_works,
                bound_bytes=max(LEAST_BOUND_BYTES, self._config.available_bytes // (4 * most)),
                cpus=self._config.usable_cpus,
                collect=options.collect,
                times_items=options.item_timeout is not None,
                takes_last=self._run.takes_last,
                threads=max(1, int(self._config.usable_cpus / (workers + self.caller_works))),
            )
            forked = ForkedWorkers(task, self._budget)
            self._output = self._output or Output(self._run.next_position)
            return forked
        raise OSError("this system does not fork")

    def start_threads(self, threads: int, *, silent: bool = False) -> None:
        """Start threads, which begin now or, with ``silent``, once the caller has been at an item for a while."""
        from amorsize.execution.workers.threads import ThreadWorkers

        if threads <= 0 or (self._budget.is_worker and self._job.options.initializer is None):
            return
        if self.threads is None:
            run, collect = self._run, self._job.options.collect
            self.threads = ThreadWorkers(self._job.func, run.items_of, run.share_here(waits=True), collect=collect)
        is_short = self.threads.start(threads, silent=silent) < threads
        self.started["thread"] = len(self.threads)
        if is_short:
            self._may_thread = False
            if not len(self.threads):
                self.threads = None
                warn("execute: no thread can be started here")

    def wake(self) -> None:
        """Tell the fork server, if there is one, that the caller has looked: workers are wanted."""
        if self.forked is not None and not self.is_awake:
            self.is_awake = True
            self.forked.call()

    def start_pool(self, workers: int, ahead_seconds: float) -> None:
        """Start a pool of workers that start empty."""
        from amorsize.execution.run_pool import RunPool

        assert self._config.pools is not None  # noqa: S101  what may_pool says
        if why := self._config.pools.blocked_reason():
            self._leave_pool(why)
            return
        self.left_behind()
        self._has_used_pool = True
        workers = self._grant(workers)
        pooling = RunPool(self._run, self._job, self._config, self._config.pools)
        if workers > 0 and pooling.start(workers, ahead_seconds):
            self._run_pool = pooling
            self.started["process"] = workers
        else:
            self._leave_pool(pooling.blocked_reason)

    def _leave_pool(self, why: str) -> None:
        """Do without workers that start empty."""
        self.may_pool = False
        has_worked = self._run_pool is not None  # else an isolated run says it itself
        if self._run_pool is not None:
            self._run_pool.end()
            self._run_pool = None
            self.caller_works = True
        if why:
            self.blocked_reasons.append(why)
            if has_worked or (self._has_used_pool and not self._config.isolated):
                warn(f"execute: items run in the caller's process: {why}")

    def left_behind(self) -> str:
        """Return what items have left behind here, empty where that is nothing, or where none ran.

        A pool opens files and starts threads of its own. So what was seen before it was started stands.
        """
        if not self._run.measure.items or self._has_used_pool:
            return self._leftovers.known
        return self._leftovers.found(alone=self._budget.runs == self._counted)

    def more_foreign_threads(self) -> int:
        """Return how many threads of C libraries there are more than before the run."""
        return self._leftovers.more_foreign_threads()

    # Ending

    def rule_out_processes(self, why: str) -> None:
        """Run no further items in processes."""
        if self.may_fork or self.may_pool or self.forked is not None:
            self.may_fork = self.may_pool = False
            self.blocked_reasons.append(why)
            self.withdraw_forked()
            if self._run_pool is not None:
                self._run.withdraw(len(self._run_pool))
                self._run_pool.stop()
            self.caller_works = True

    def rule_out_kind(self, why: str) -> None:
        """Run no further items in workers of the present kind."""
        self.rule_out_processes(why)
        self._may_thread = False
        self.withdraw_threads()
        self.caller_works = True

    def limit(self, number: int) -> None:
        """Make forked workers run no chunk from a number on: an item before it has failed."""
        if self.forked is not None:
            self.forked.limit(number)

    def withdraw_forked(self) -> None:
        """Make forked workers take no more chunks; what they are at is still taken in."""
        self.is_awake = False
        if self.forked is not None:
            self.forked.stop()  # first: a fork server forks no more then
            self._run.withdraw(len(self.forked))
            if not self.forked.working():
                self._end_forked()

    def withdraw_threads(self) -> None:
        """Make threads take no more chunks."""
        if self.threads is not None:
            self._run.withdraw(len(self.threads))
            self.threads.stop()

    def _end_forked(self, *, now: bool = False) -> None:
        with uninterrupted():
            forked, self.forked = self.forked, None
            if forked is not None:
                if len(forked) > self.started.get("forked worker", 0):
                    self.started["forked worker"] = len(forked)
                forked.stop()
                forked.end(now=now)
            self._budget.give_back(self._granted)
            self._granted = 0
            self.caller_works = True

    def finish(self) -> None:
        """Make workers take no more chunks, and wait for the threads: nothing else can end those."""
        self._run.withdraw(self.takers)
        if self.threads is not None:
            self.threads.end()

    def end(self, *, now: bool = False) -> None:
        """End all workers, at once or when they are done; repeated calls do nothing."""
        try:
            self._end_forked(now=now)
        finally:
            for part in self._parts:
                part.end(now=now)
            if self._output is not None:
                self._output.end()
            if self._counted:
                self._budget.end()
            self._counted = 0

    # Taking in

    def trust_failures(self) -> None:
        """Doubt no more failures: an item that failed in a worker has failed here too."""
        self.doubts_failures = False

    @property
    def keeps_output(self) -> bool:
        """Whether what items print is kept until what earlier items print is written."""
        return self._output is not None

    def add_output(self, first: int, stop: int, pieces: Sequence[Piece]) -> None:
        """Take what the items from first to stop have printed, and write what is next, where output is kept."""
        if self._output is not None:
            self._output.add(first, stop, pieces)

    # Looking after workers

    def chunk_results(self) -> Iterator[ChunkResult]:
        """Yield the results that workers have sent, without waiting."""
        for part in self._parts:
            yield from part.chunk_results()
        if self._run_pool is not None and self._run_pool.blocked_reason:
            self._leave_pool(self._run_pool.blocked_reason)

    def wait(self, seconds: float) -> None:
        """Wait until a worker sends a result or ends, for at most ``seconds`` or until a time is up."""
        options = self._job.options
        if options.deadline is not None:
            seconds = min(seconds, max(0.0, options.deadline - self._job.monotonic()))
        if options.item_timeout is not None:
            seconds = min(seconds, options.item_timeout / 4)
        if self.forked is not None and self.forked.working():
            self.forked.wait(seconds if self.threads is None else WAIT_BOTH_SECONDS)
        elif self.threads is not None:
            self.threads.wait(seconds)
        elif self._run_pool is not None:
            self._run_pool.wait(seconds)

    def supervise(self) -> None:
        """Check whether workers live, are stuck, or are at one item for too long."""
        now = self._job.monotonic()
        if now - self._supervised < SUPERVISE_SECONDS:
            return
        self._supervised = now
        limit = self._job.options.item_timeout
        if self.forked is not None and self.may_fork:
            self.may_fork = supervision.can_start(self.forked)
        if self.forked is not None and supervision.look(
            self._run, self._job, self.forked, isolated=self._config.isolated
        ):
            self.may_fork = False
            self.withdraw_forked()
        if self.forked is not None and limit is not None:
            for _ in range(supervision.end_late(self._run, self.forked, limit)):
                self.fork(1)
        if limit is not None and self._run_pool is not None:
            self._run_pool.end_late(limit)
        if limit is not None and self.threads is not None:
            for position in self.threads.overdue(limit):
                raise self._job.late_item(position, "; its thread goes on until the item ends")
