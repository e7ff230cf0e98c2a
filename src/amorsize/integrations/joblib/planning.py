"""Asks the cost model who should run the tasks of one call: the caller alone, threads or processes."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from amorsize.client.client import default_calls
from amorsize.domain.buckets import SIZE_EDGES
from amorsize.domain.cpus import MOSTLY_WAITS
from amorsize.domain.iterables import StarFunction
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import OWN_THREADS, Constraints
from amorsize.execution.policy import WORKER_FORKS
from amorsize.integrations.joblib import loky
from amorsize.processes import process_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.question import Known
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Machine, Sample
    from amorsize.integrations.joblib.restrictions import Restrictions

_TASK_SECONDS: Final = 0.001
"""Seconds of one more task through loky: our choice, for joblib's dispatch and two pickles."""

_BYTE_SECONDS: Final = 3e-9
"""Seconds of each byte of a batch through loky, as measured with a function that reads 16 MB."""

_START_SECONDS: Final = 0.12
"""Seconds in which the first worker of loky starts: our choice; each module that the caller has imported adds to it."""

_MODULE_SECONDS: Final = 0.0005
"""Seconds in which a module is imported, on average: scikit-learn brings some 1,300 and takes 0.7 s."""

_FORKED_BATCH_SECONDS: Final = 0.002
"""Seconds of a forked batch beside the fork, at least: our choice, to get ready, to give results back, and to end."""

_COPY_FORKS: Final = 2
"""Times a fork's seconds that copied pages add to a forked batch, as measured with scikit-learn's trees."""

_MOST_KEY_ITEMS: Final = SIZE_EDGES[-1]
"""Items from which on the number makes no difference to an entry's key: the last edge of ``SIZE_EDGES``."""

_LEAST_FORKED_SECONDS: Final = 0.01
"""Seconds of work in the last forked batches, at least: our choice; they are small so that all workers end together."""

_TOO_SHORT: Final = "the tasks that are left take less than a worker process costs"
"""Why processes are not compared."""

_MOSTLY: Final = 0.75
"""Share of the CPUs that tasks keep busy by themselves from which no other fits: our choice, a quarter is too few."""

_IDLE: Final = 0.1
"""Share of its time that a computing thread is idle from which it waits for the GIL: our choice; noise is less."""

_MOSTLY_GIL: Final = 0.85
"""Share of the time that the GIL is held above which threads gain nothing: our choice; a trial's figure is noisy."""

_LEAST_LEFT_SECONDS: Final = 0.002
"""Seconds of work left below which no worker pays: our choice; comparing and a thread's start take 0.5 ms."""

_WORTH_TRYING_SECONDS: Final = 0.05
"""Seconds of work left from which a trial of threads side by side pays: our choice, twice what the trial takes."""


class Choice(NamedTuple):
    """Who runs the tasks.

    Attributes:
        kind: ``serial``, ``thread``, ``process`` (forked), ``loky`` (processes that start empty), or ``trial``: the
            caller, and a thread while a task takes long.
        workers: how many at the same time; of threads the caller is one.
        chunksize: tasks in a batch that is worth what a worker process costs.
    """

    kind: str
    workers: int
    chunksize: int = 1


SERIAL: Final = Choice("serial", 1)


class Planner:
    """Chooses for one call.

    Args:
        n_jobs: most workers.
        restrictions: which kinds of workers must not run the tasks.
        is_cap: whether the user has set that number; else tasks that wait may have more threads.
        executor: ``auto``, or ``thread`` or ``process`` where the user wants no others.
    """

    def __init__(self, n_jobs: int, restrictions: Restrictions, *, is_cap: bool, executor: str) -> None:
        self._optimizer = default_calls.optimizer()
        self._constraints = Constraints(max_workers=n_jobs if is_cap else None, executor=executor)
        self._n_jobs = n_jobs
        self._known: Known | None = None
        self._gil_fraction: float | None = None
        self._batch_bytes = 0
        self._restrictions = restrictions

    @property
    def _machine(self) -> Machine:
        return self._optimizer.machine()

    @property
    def cpus(self) -> float:
        """The CPUs that this process may use."""
        return self._machine.usable_cpus

    def recall(self, func: Callable[..., Any], args: tuple[Any, ...], count: int) -> Sample | None:
        """Return what is known of a function of such arguments, None for nothing; no code of the user's runs.

        It is known by the name under which ``optimize`` and ``execute`` know a call of it over the arguments.
        """
        func = getattr(func, "__wrapped__", func)
        with suppress(Exception):  # what cannot be named is measured each time
            asked, item = (func, args[0]) if len(args) == 1 else (StarFunction(func, len(args)), args)
            data = [item] * min(count, _MOST_KEY_ITEMS)
            self._known = self._optimizer.recall(asked, data, self._constraints)
            sample = self._known.sample
            if sample is not None:
                self._gil_fraction = sample.gil_fraction
            return sample
        return None

    def learn(self, sample: Sample) -> None:
        """Keep what the call has shown, for the next one in this process."""
        self._restrictions.note_leftovers()
        if self._known is not None:
            self._optimizer.learn(self._known, attrs.evolve(sample, gil_fraction=self._gil_fraction))

    def note_threads(self, computed: float, idle: float, switches: int, threads: int) -> None:
        """Take note of what a thread did beside others that computed: it computed, was idle, and gave its CPU up.

        A thread that computes is idle only while another one has the GIL. On a busy machine it gets its CPU back too
        late to see all of that, but it gives its CPU up each time that it asks for the GIL.
        """
        share = idle / (computed + idle)
        waits = share * threads / max(1, threads - 1)
        if share > _IDLE:
            waits = max(waits, switches / computed * sys.getswitchinterval())
        self._gil_fraction = min(1.0, waits)

    @property
    def waits_for_gil(self) -> bool:
        """Whether threads are known to wait for one another nearly all the time."""
        return self._gil_fraction is not None and self._gil_fraction > _MOSTLY_GIL

    @property
    def _allowed(self) -> Constraints:
        """The constraints, without threads that must not run the tasks."""
        return (
            attrs.evolve(self._constraints, executor="process") if self._restrictions.no_thread else self._constraints
        )

    def choose(self, sample: Sample, tasks: int, *, assumed: bool) -> Choice:
        """Return who should run so many tasks that are left; ``assumed`` says that the number is a guess."""
        restrictions = self._restrictions
        left_seconds = tasks * sample.seconds_per_item
        if tasks < 2 or self._n_jobs < 2 or left_seconds < _LEAST_LEFT_SECONDS:  # noqa: PLR2004  one task, or one worker
            return SERIAL
        if self._fills_machine(sample) or (restrictions.no_thread and restrictions.no_process):
            return SERIAL
        sample = attrs.evolve(sample, gil_fraction=self._gil_fraction)
        blocked = restrictions.no_process or (_TOO_SHORT if left_seconds < _LEAST_FORKED_SECONDS else None)
        situation = Situation(tasks, sample, self._machine, self._allowed, blocked, assumed=assumed)
        plan, kind = decide(situation, self._overheads if blocked else self._loky_overheads).plan, "loky"
        if not blocked and not restrictions.no_fork:
            forked = decide(situation, self._fork_overheads).plan
            if forked.predicted_seconds <= plan.predicted_seconds:
                plan, kind = forked, "process"
        if plan.executor == "serial":
            return SERIAL
        computes = plan.executor == "process" or sample.cpu_fraction >= MOSTLY_WAITS
        workers = min(plan.n_jobs, self._n_jobs) if computes else plan.n_jobs
        return Choice(kind, workers, plan.chunksize) if plan.executor == "process" else Choice("thread", workers)

    def _fills_machine(self, sample: Sample) -> bool:
        """Return whether tasks run threads of their own that leave no CPU for another task."""
        fills = sample.cpu_fraction >= _MOSTLY * self._machine.usable_cpus
        return fills and sample.cpu_fraction > OWN_THREADS

    def may_try_threads(self, sample: Sample, tasks: int) -> bool:
        """Return whether it is worth finding out by running side by side what threads gain."""
        if self._gil_fraction is not None or self._allowed.executor == "process" or self._n_jobs < 2:  # noqa: PLR2004
            return False
        return not self._fills_machine(sample) and tasks * sample.seconds_per_item > _WORTH_TRYING_SECONDS

    @property
    def _overheads(self) -> Overheads:
        """What workers cost on this machine."""
        return self._optimizer.overheads().running()

    @cached_property
    def _fork_seconds(self) -> float:
        """What forking this process takes."""
        return process_info.fork_seconds()

    @property
    def least_forked_seconds(self) -> float:
        """Least work in a batch that is worth a fork."""
        return max(_LEAST_FORKED_SECONDS, WORKER_FORKS * self._fork_seconds)

    @property
    def copy_seconds(self) -> float:
        """What a forked batch takes longer than here, since each page that it writes to is copied."""
        return _COPY_FORKS * self._fork_seconds

    @cached_property
    def _fork_overheads(self) -> Overheads:
        """What it costs to fork a worker for each batch."""
        return attrs.evolve(
            self._overheads,
            chunk_parent_seconds=self._fork_seconds,
            chunk_worker_seconds=max(_FORKED_BATCH_SECONDS, (WORKER_FORKS - 1) * self._fork_seconds),
            fork_byte_seconds=0.0,
            first_pool_seconds=0.0,
        )

    def note_batch_bytes(self, size: int) -> bool:
        """Take note of what a batch takes when it is pickled for loky; return whether that changes a choice."""
        before, self._batch_bytes = self._batch_bytes, size
        return abs(size - before) * _BYTE_SECONDS > _TASK_SECONDS

    @property
    def _loky_overheads(self) -> Overheads:
        """What it costs to have loky run tasks."""
        return attrs.evolve(
            self._overheads,
            chunk_parent_seconds=_TASK_SECONDS + self._batch_bytes * _BYTE_SECONDS,
            boot_seconds=0.0 if loky.is_warm() else _START_SECONDS + _MODULE_SECONDS * len(sys.modules),
            first_pool_seconds=0.0,
        )

    def threads_each(self, workers: int) -> int:
        """Return how many threads numerical libraries may use in one of so many workers."""
        return max(1, int(self._machine.usable_cpus / workers))
