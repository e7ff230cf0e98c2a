"""What all runs of a process share, where a run gets its worker pool from, and what it may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.wording import counted
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.optimizer import Optimizer
    from amorsize.application.ports import Executors
    from amorsize.domain.values import Sample
    from amorsize.execution.budget import Budget
    from amorsize.execution.workers.warm import Pool, WarmPools

START_SECONDS: Final = {"spawn": 0.25, "forkserver": 0.15, "fork": 0.01}
"""Seconds in which a pool starts, by start method, until they are measured: our choice, above the priors of plans."""

CHUNK_SECONDS: Final = 0.0003
"""Seconds of a chunk through an executor, until it is measured: our choice; through a pool it is 0.1 to 0.3 ms."""

WORTH_MEASURING: Final = 0.2
"""Seconds of work left from which a caller's executor is measured: our choice; measuring takes a part of them."""


class LeftBehind:
    """What functions have left behind in this process, in words, for later calls of the same functions."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}

    def note(self, fingerprint: str, words: str) -> None:
        """Keep what the function with a fingerprint has left behind."""
        self._words[fingerprint] = words

    def by(self, fingerprint: Callable[[], str]) -> str:
        """Return what a function has left behind, empty for nothing.

        Its fingerprint takes long. It is asked for only where any function has left something behind.
        """
        return self._words.get(fingerprint(), "") if self._words else ""


@attrs.frozen
class Resources:
    """What all runs of a process share.

    ``executors`` gives executors by name, ``pools`` keeps idle ones for ``idle_seconds``. ``isolates`` keeps items out
    of the caller wherever that is possible. ``blocked_reason`` says why workers of a start method cannot run a
    function, None when they can. ``left_behind`` keeps what functions have left behind in this process.
    """

    executors: Callable[[str], Executors]
    pools: WarmPools
    idle_seconds: float
    monotonic: Callable[[], float]
    budget: Budget
    isolates: bool
    blocked_reason: Callable[[Callable[[Any], Any], str], str | None]
    left_behind: LeftBehind


class PoolProvider:
    """Acquires, replaces and releases the worker pool of a run.

    Args:
        optimizer: knows the fingerprint of the function.
        resources: what all runs share.
        func: takes one item.
        start_method: of the processes.
        executors: what gives the pool, None: processes of amorsize.
        most: most workers of a pool.
        private: whether the pool is for this run only, as its workers have run an initializer.
    """

    def __init__(  # noqa: PLR0913  one argument a concern
        self,
        optimizer: Optimizer,
        resources: Resources,
        func: Callable[[Any], Any],
        start_method: str,
        executors: Executors | None = None,
        *,
        most: int | None,
        private: bool = False,
    ) -> None:
        self._optimizer = optimizer
        self._resources = resources
        self._func = func
        self._start_method = start_method
        self._given = executors
        self._most = most
        self.start_seconds = START_SECONDS[start_method]
        self._private = private

    @property
    def _executors(self) -> Executors:
        """The executors; those of amorsize's own processes take 30 ms to import, and few runs come to need them."""
        return self._given or self._resources.executors("process")

    def blocked_reason(self) -> str:
        """Return why workers that start empty are out, empty where they are not."""
        if self._given is not None:
            return ""
        return self._resources.blocked_reason(self._func, self._start_method) or ""

    def acquire(self, workers: int) -> Pool:
        """Return a free pool; OSError or RuntimeError where none can be started."""
        if self._private:
            return self._resources.pools.new(self._executors, workers, self._start_method)
        return self._resources.pools.acquire(self._executors, workers, self._start_method, self._most)

    def replace(self, pool: Pool) -> Pool | None:
        """End a pool and return a new one like it; None for a pool that amorsize did not start."""
        if not pool.owned:
            return None
        pool.end()
        return self._resources.pools.new(self._executors, pool.workers, self._start_method)

    def release(self, pool: Pool) -> None:
        """Take a pool back after a run that went well."""
        again = pool.executors.reruns(pool.executor)
        self._resources.pools.release(pool, 0.0 if self._private else self._resources.idle_seconds)
        if again:
            said = f"execute: {counted(again, 'chunk')} ran again because a worker was lost; all results are there"
            warn(f"{said}, items may have run twice")

    def submit_seconds(self, pool: Pool, ahead_seconds: float) -> float:
        """Return the overhead of a chunk, measured where that is worth it."""
        if ahead_seconds < WORTH_MEASURING or (pool.owned and not pool.elsewhere):
            return CHUNK_SECONDS
        found = self._resources.pools.overheads(pool)
        return max(CHUNK_SECONDS, found.chunk_parent_seconds)

    def fingerprint(self) -> str:
        """Return the version that the function must have in the workers."""
        from amorsize.execution.workers.version import expected

        return expected(self._optimizer.fingerprint(self._func), self._func)


@attrs.frozen
class RunConfig:
    """What a run may use, and what is known before it begins.

    ``kind`` is ``auto`` or the only kind of worker wanted. ``workers`` counts all that run items, the caller too; None
    leaves it to the run. ``isolated`` keeps every item out of the caller. ``fork_blocked_reason`` says why no process
    can be forked, empty where one can. ``sample`` is what earlier runs showed. ``pools`` provides pools of workers that
    start empty, None where there are none.
    """

    usable_cpus: float
    available_bytes: int
    kind: str = "auto"
    workers: int | None = None
    most_workers: int | None = None
    isolated: bool = False
    fork_blocked_reason: str = ""
    sample: Sample | None = None
    pools: PoolProvider | None = None
    may_thread: bool = True
