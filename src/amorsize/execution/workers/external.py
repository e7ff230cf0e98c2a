"""Executors that the caller brings, and their overheads, measured by small tasks."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from amorsize.application.ports import Executors

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.external import Capacity

_TASKS: Final = 24
"""Tasks that are submitted at once to measure an executor: our choice, so that each of many workers gets one."""

_ROUNDS: Final = 3
"""Rounds of which the least of each figure counts: our choice, it leaves out what other programs delay."""

_LARGE: Final = 1 << 20
"""Bytes of the large task, 1 MiB: our choice, so that its bytes count more than the task."""

_MOST_SECONDS: Final = 60.0
"""Seconds for which a task is waited for: our choice; a cluster may have to start a worker first."""


def initializer_of(executor: Any) -> tuple[Callable[..., object] | None, tuple[Any, ...]]:
    """Return the initializer that an executor has for its workers, None where it shows none, and its arguments.

    From Python 3.14 on the standard's pool of threads keeps it in what it makes for each worker.
    """
    holder = executor
    if not hasattr(executor, "_initializer") and callable(make := getattr(executor, "_create_worker_context", None)):
        holder = make()
    for names in (("_initializer", "_initargs"), ("initializer", "initargs")):
        initializer, initargs = (getattr(holder, name, None) for name in names)
        if callable(initializer):
            return initializer, initargs if isinstance(initargs, tuple) else ()
    return None, ()


class LiveExecutors(Executors):
    """The one executor that a caller brings; it is used as it is and left running."""

    def __init__(self, executor: Executor) -> None:
        if not callable(getattr(executor, "submit", None)):
            raise TypeError(f"execute: executor must be a name or a live Executor, got {type(executor).__name__}")
        self._executor = executor

    @property
    def kind(self) -> str:
        """``thread`` for the standard's pool of threads, else ``process``; see the port."""
        from concurrent.futures import ThreadPoolExecutor

        return "thread" if isinstance(self._executor, ThreadPoolExecutor) else "process"

    def start(self, workers: int, start_method: str) -> Executor:  # noqa: ARG002  the port's
        """Return the caller's executor; see the port."""
        return self._executor

    def capacity(self) -> Capacity | None:
        """Return how many workers it says it has; see the port."""
        from amorsize.domain.planning.external import Capacity

        for name in ("_max_workers", "num_workers"):
            workers = getattr(self._executor, name, None)
            if type(workers) is int and workers > 0:
                return Capacity(workers)
        return None

    @property
    def has_initializer(self) -> bool:
        """Whether workers begin with an initializer of the caller's, so that only they can run the function."""
        return initializer_of(self._executor)[0] is not None

    def kill(self, executor: Executor) -> None:
        """Do nothing: it is the caller's; see the port."""


def measure_overheads(executor: Executor, start_method: str) -> Overheads:
    """Measure what chunks and bytes cost through an executor that runs; raises what its tasks raise.

    The least of a few rounds counts, as other programs can only make a round take longer.
    """
    from amorsize.domain.overheads import Overheads

    executor.submit(len, b"").result(_MOST_SECONDS)  # what the first task starts has started then
    lone, many, large = [], [], []
    for _ in range(_ROUNDS):
        began = perf_counter()
        executor.submit(len, b"").result(_MOST_SECONDS)
        alone = perf_counter()
        futures = [executor.submit(len, b"") for _ in range(_TASKS)]
        for future in futures:
            future.result(_MOST_SECONDS)
        burst = perf_counter()
        executor.submit(len, bytes(_LARGE)).result(_MOST_SECONDS)
        large.append(perf_counter() - burst)
        many.append((burst - alone) / _TASKS)
        lone.append(alone - began)
    parent = min(many)
    return Overheads(
        start_method=start_method,
        start_seconds=0.0,
        start_worker_seconds=0.0,
        end_seconds=0.0,
        chunk_parent_seconds=parent,
        chunk_worker_seconds=max(0.0, min(lone) - parent),
        item_seconds=0.0,
        byte_seconds=min(1.0, max(0.0, min(large) - min(lone)) / _LARGE),
        thread_start_seconds=0.0,
        thread_chunk_seconds=parent,
        worker_bytes=0.0,
    )
