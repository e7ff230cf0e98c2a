"""One call of execute, iexecute or run: looks up what is known, runs the loop, and keeps what it showed."""

from __future__ import annotations

import sys
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.source import length_of
from amorsize.domain.wording import counted
from amorsize.errors import ExecutionError
from amorsize.execution.items import as_indexed
from amorsize.execution.job import Job, Options
from amorsize.execution.resources import PoolProvider, Resources, RunConfig
from amorsize.processes.explaining import explain, is_explaining
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from amorsize.application.optimizer import Optimizer
    from amorsize.application.overheads import Chosen
    from amorsize.application.question import Known
    from amorsize.domain.values import Constraints, Machine, Plan, Sample
    from amorsize.execution.budget import Budget
    from amorsize.execution.loop import Loop
    from amorsize.execution.run import Run
    from amorsize.execution.stream import Stream
    from amorsize.execution.team import Team
    from amorsize.execution.workers.external import LiveExecutors

MOST_IN_FLIGHT: Final = 1 << 20
"""Items of an iterator that are pulled and have no result, at most: our choice, so that memory stays bounded."""

_OFF: Final = 2.0
"""Times as long, or as short, as expected from which an entry is contradicted: our choice; less may be chance."""

_ADVICE: Final = {
    "generator": "Each process would have a copy that draws the same numbers. Make one for each item: "
    "numpy.random.default_rng([seed, item])",
    "open file": "All processes would share its position. Open it inside the function",
    "standard input": "Each process would take some of it. Read it first, and give what it says as items",
    "of threads": "Other threads run in this program. A worker process has no copy of them, and could wait for one for "
    "ever. Pass executor='thread' to use workers",
    "connection": "All processes would share it, and read one another's answers. Open it inside the function",
}
"""What to do about an object that binds a function to one process."""


def make_team(run: Run, job: Job, config: RunConfig, budget: Budget) -> Team:
    """Return the workers of a run."""
    from amorsize.execution.scaling import ScalingTeam

    return ScalingTeam(run, job, config, budget)


class Execution:
    """One call.

    Args:
        optimizer: knows the machine and keeps the cache.
        resources: what all runs share.
        func: takes one item.
        data: the items.
        constraints: what the caller allows.
        options: how to treat failures, time and progress.
        use_cache: False neither reads nor writes the cache.
        plan: how to run, if that is settled already.
        live: the executors that the caller brings, None: those of amorsize.
        chosen: executors that were chosen by name.
    """

    def __init__(  # noqa: PLR0913, PLR0917  one argument a concern
        self,
        optimizer: Optimizer,
        resources: Resources,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        constraints: Constraints,
        options: Options,
        *,
        use_cache: bool = True,
        plan: Plan | None = None,
        live: LiveExecutors | None = None,
        chosen: Chosen | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._resources = resources
        self._func = func
        self._data = data
        self._constraints = constraints
        self._options = options
        self._use_cache = use_cache
        self._plan = plan
        self._live = live
        self._chosen = chosen
        self._sample: Sample | None = None
        self._knowledge: Any = None

    def run(self) -> Any:
        """Run everything and return what execute returns."""
        began = self._resources.monotonic()
        indexed = as_indexed(self._data)
        config = self._config(indexed)
        job = Job(self._func, self._options, self._resources.monotonic, length_of(self._data))
        run = _run_of(job, self._data, indexed, config, self._resources.budget)
        try:
            run.run()
            self._learn(run, job)
        finally:
            self._explain("execute", run, began)
        return job.outcome()

    def stream(self, in_flight: int, *, ordered: bool) -> Iterator[Any]:
        """Yield what iexecute yields."""
        return self._streamed("iexecute", lambda run: run.results(), in_flight, ordered=ordered)

    def with_positions(self, in_flight: int, *, ordered: bool) -> Generator[tuple[int, Any]]:
        """Yield the position of each item with what iexecute yields for it."""
        return self._streamed("run", lambda run: run.with_positions(), in_flight, ordered=ordered)

    def _streamed(
        self, where: str, results: Callable[[Stream], Iterator[Any]], in_flight: int, *, ordered: bool
    ) -> Generator[Any]:
        """Yield the results of a stream, which begins with the first that is asked for."""
        from amorsize.execution.stream import Stream

        began = self._resources.monotonic()
        indexed = as_indexed(self._data)
        config = self._config(indexed)
        job = Job(self._func, self._options, self._resources.monotonic, length_of(self._data))
        team = partial(make_team, budget=self._resources.budget)
        run = Stream(job, self._data, indexed, config, team, in_flight=in_flight, ordered=ordered)
        try:
            yield from results(run)
            self._learn(run, job)
        finally:
            self._explain(where, run, began)

    # What the run may use

    def _config(self, indexed: Any) -> RunConfig:
        """Return what the run may use, and what is known before it begins."""
        machine, plan = self._optimizer.machine(), self._plan
        kind = self._constraints.executor if plan is None else plan.executor
        if plan is None and kind != "serial" and not self._resources.budget.is_worker:
            self._knowledge = self._optimizer.recall(
                self._func, self._data, self._constraints, use_cache=self._use_cache
            )
            self._sample = self._knowledge.sample
        if self._live is not None and self._live.has_initializer:
            self._options = attrs.evolve(self._options, is_initialized=True)
        asked = self._options.keeps_out or self._resources.isolates
        isolated = (asked and kind != "serial") or (kind == "process" and plan is None)
        config = RunConfig(
            usable_cpus=machine.usable_cpus,
            available_bytes=machine.available_memory_bytes,
            kind=kind,
            workers=None if plan is None else plan.n_jobs,
            most_workers=self._constraints.max_workers,
            isolated=isolated,
            sample=self._sample,
        )
        if self._options.initializer is not None and (self._live is not None or self._chosen is not None):
            raise ValueError("execute: initializer is for workers of amorsize: give it to the executor that you bring")
        if self._live is not None or self._is_elsewhere(indexed):
            return self._config_for_executors(config, machine)
        if self._options.initializer is not None:
            return self._config_initialized(config, machine)
        if kind == "serial" or self._resources.budget.is_worker or self._cannot_gain(machine):
            return attrs.evolve(config, kind="serial", isolated=False)
        return self._config_here(config, machine)

    def _cannot_gain(self, machine: Machine) -> bool:
        """Return whether no allowed number of workers can reach ``min_speedup``."""
        most, least = self._constraints.max_workers, self._constraints.min_speedup
        if most == 1:
            return not self._options.has_time_limits and self._constraints.executor != "process"
        waits = self._sample is None or self._sample.cpu_fraction < 1
        bound = most if waits or most is None else min(most, ceil(machine.usable_cpus))
        return bound is not None and bound < least

    def _config_initialized(self, config: RunConfig, machine: Machine) -> RunConfig:
        """Return the config for workers that begin with an initializer; a worker of another run has them as threads."""
        if config.kind == "serial":
            raise ValueError("execute: initializer needs workers, got executor='serial': leave one of them out")
        if self._resources.budget.is_worker:
            return attrs.evolve(config, kind="thread", isolated=True, workers=1)
        return self._config_here(config, machine)

    def _config_here(self, config: RunConfig, machine: Machine) -> RunConfig:
        """Return the config for workers on this machine: which kinds may run this function."""
        if bound := self._bound(config):
            if self._options.initializer is not None:
                raise ExecutionError(f"execute: {bound}")
            if config.isolated:
                warn(f"execute: items run in the caller's process: {bound}")
            return attrs.evolve(config, kind="serial", isolated=False)
        why, method = "", machine.start_method
        left = self._resources.left_behind.by(lambda: self._optimizer.fingerprint(self._func).hex)
        blocked_reason = self._resources.blocked_reason(self._func, "fork")
        if method != "fork":
            why = f"workers are started by {method}, as the settings say"
        elif blocked_reason is not None:
            why = blocked_reason
        elif left:
            why = f"items of an earlier call have left behind a {left} in this process, which a fork would share"
        sample = config.sample
        if sample is not None and sample.leaves and not left and method == "fork":
            config = attrs.evolve(config, isolated=True)
        method = "forkserver" if method == "fork" and sys.platform == "linux" else method
        pools = None
        if config.kind in {"auto", "process"} and method != "fork":
            private = self._options.initializer is not None
            pools = PoolProvider(
                self._optimizer, self._resources, self._func, method, most=config.most_workers, private=private
            )
        kind = "process" if left and config.kind == "auto" else config.kind
        return attrs.evolve(config, kind=kind, fork_blocked_reason=why, pools=pools)

    def _bound(self, config: RunConfig) -> str:
        """Return what binds the items to this process or to their order, and what to do; empty where nothing does."""
        from amorsize.processes.process_bound import find_process_bound

        bound = find_process_bound(self._func)
        has_own = config.kind == "thread" or self._options.initializer is not None  # each worker has it, or its own
        if bound is None or (has_own and not bound.is_in_order):
            return ""
        return f"the function uses {bound.words}. {_ADVICE['of threads' if bound.is_of_threads else bound.kind]}"

    def _is_elsewhere(self, indexed: Any) -> bool:
        """Return whether executors that were chosen by name should run everything."""
        chosen, plan = self._chosen, self._plan
        if chosen is None or self._options.item_timeout is not None:
            return False
        if plan is None:
            data = self._data if indexed is None else indexed
            answer, _ = self._optimizer.answer(
                self._func, data, self._constraints, use_cache=self._use_cache, chosen=chosen
            )
            self._sample, plan = answer.sample, answer.plan
        return plan.executor == chosen.name

    def _config_for_executors(self, config: RunConfig, machine: Machine) -> RunConfig:
        """Return the config for executors that the caller brings or chose."""
        executors = self._live or (self._chosen.executors if self._chosen is not None else None)
        assert executors is not None  # noqa: S101  what the caller has looked at
        capacity = executors.capacity()
        workers = ceil(machine.usable_cpus) if capacity is None else capacity.workers
        workers = max(1, min(workers, self._constraints.max_workers or workers))
        source = PoolProvider(
            self._optimizer, self._resources, self._func, machine.start_method, executors, most=config.most_workers
        )
        return attrs.evolve(
            config,
            kind="auto",
            workers=workers,
            isolated=config.isolated or self._live is None,
            pools=source,
            fork_blocked_reason="another executor runs this",
            may_thread=False,
        )

    # What the run has shown

    def _learn(self, run: Run, job: Job) -> None:
        """Keep what the run has shown of the function."""
        self._log(run)
        team, measure = run.team, run.measure
        left = "" if team is None else team.left_behind()
        if left:
            self._resources.left_behind.note(self._optimizer.fingerprint(self._func).hex, left)
        if self._knowledge is None or not measure.items or job.has_failed:
            return
        if self._sample is None:
            threads = 0 if team is None else team.more_foreign_threads()
            sample = measure.sample()
            cpus = max(sample.cpu_fraction, 1.0 + threads if threads > 0 else 0.0)
            taking_in = run.taking_in_seconds / max(1, run.taken_in_items)
            sample = attrs.evolve(sample, cpu_fraction=cpus, unpickle_result_seconds=taking_in)
            self._optimizer.learn(self._knowledge, sample)
        elif self._use_cache and (off := measure.times_as_long_as(self._sample)) is not None:
            feed_back(self._optimizer, self._knowledge, off)

    def _log(self, run: Run) -> None:
        """Log how many items ran where, if the program has imported logging."""
        logging = sys.modules.get("logging")
        if logging is not None:
            here, there = run.measure.items, run.taken_in_items
            logging.getLogger("amorsize").debug("%d items ran in the caller, %d in workers", here, there)

    def _explain(self, where: str, run: Run, began: float) -> None:
        """Say who has run the items, where that is asked for."""
        if not is_explaining():
            return
        here, there = run.measure.items, run.taken_in_items
        started = {} if run.team is None else run.team.started
        workers = " and ".join(counted(number, name) for name, number in started.items()) or "workers"
        who = f"{here} run here, {there} by {workers}" if there else "serial"
        known = self._knowledge is not None and self._knowledge.sample is not None
        cache = "as planned" if self._plan is not None else f"cache {'hit' if known else 'miss'}"
        seconds = self._resources.monotonic() - began
        explain(where, self._func, counted(here + there, "item"), f"{who}; {cache}", seconds)


def feed_back(optimizer: Optimizer, known: Known, off: float) -> None:
    """Record in the cache whether a run contradicts its entry; nothing is read or written when the entry is right.

    Args:
        optimizer: whose cache it is.
        known: what was known of the workload before it ran.
        off: how many times as long as the entry says the items took.
    """
    wrong = not 1 / _OFF <= off <= _OFF
    if wrong or known.contradictions:
        optimizer.judge(known, wrong=wrong)


def run_alone(func: Callable[[Any], Any], data: Iterable[Any], options: Options, monotonic: Callable[[], float]) -> Any:
    """Run everything in the caller's own thread and return what execute returns; nothing is looked up or kept."""
    from amorsize.execution.budget import Budget

    job = Job(func, options, monotonic, length_of(data))
    _run_of(job, data, as_indexed(data), RunConfig(1.0, 0, kind="serial"), Budget()).run()
    return job.outcome()


def _run_of(job: Job, data: Iterable[Any], indexed: Any, config: RunConfig, budget: Budget) -> Loop | Stream:
    """Return the run of a job over all items."""
    team = partial(make_team, budget=budget)
    if indexed is not None:
        from amorsize.execution.loop import Loop

        return Loop(job, indexed, config, team)
    from amorsize.execution.stream import Stream

    return Stream(job, data, None, config, team, in_flight=MOST_IN_FLIGHT, ordered=True)
