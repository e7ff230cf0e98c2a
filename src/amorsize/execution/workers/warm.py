"""Pools of workers that start empty, kept for the next call, ended when idle, forgotten by a forked child."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakSet

from amorsize.execution.workers.external import LiveExecutors, initializer_of, measure_overheads
from amorsize.processes.process_info import is_child

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from amorsize.application.ports import Executors
    from amorsize.domain.overheads import Overheads

    Key = tuple[int, str, int]

_MOST_POOLS: Final = 4
"""Pools that are kept at the same time: our choice, as idle workers take memory."""

_CLOSE: Final = 1.34
"""Times the workers asked for that a pool may have, more or less, to be used instead: our choice, about a third."""

_PRICED_SECONDS: Final = 5.0
"""Seconds for which a pool that was only measured is kept: our choice; the run that needs it follows at once."""


class Pool:
    """An executor with what is known of it.

    ``owned`` is true if amorsize started it. ``elsewhere`` is true if its workers are not known to import the caller's
    main module, or not to be on this machine. ``is_prepared`` is true if they begin with an initializer of the
    caller's: then they are as the caller wants them, and nothing of them is compared or changed.
    """

    def __init__(self, executors: Executors, workers: int, start_method: str, *, owned: bool) -> None:
        self.executors = executors
        self.executor = executors.start(workers, start_method)
        self.workers = workers
        self.start_method = start_method
        self.owned = owned
        self.is_prepared = not owned and initializer_of(self.executor)[0] is not None
        self.elsewhere = self.executors.kind == "process" and not _is_here(self.executor)
        self.processes: dict[int, Any] = getattr(self.executor, "_processes", None) or {}

    @property
    def shares_objects(self) -> bool:
        """Whether workers see the caller's own objects, so that nothing is pickled."""
        return self.executors.kind != "process"

    def exitcodes(self) -> list[int]:
        """Return the exit codes of worker processes that amorsize has not ended itself."""
        codes = [process.exitcode for process in list(self.processes.values())]
        return [code for code in codes if code not in {None, 0, -_SIGTERM}]

    def kill(self) -> None:
        """End the workers at once, if amorsize started them."""
        if self.owned:
            self.executors.kill(self.executor)

    def end(self, *, wait: bool = False) -> None:
        """End the workers when they are done with what they do, if amorsize started them."""
        if self.owned:
            self.executor.shutdown(wait=wait, cancel_futures=True)


_SIGTERM: Final = 15
"""The signal by which amorsize ends workers, SIGTERM of POSIX, without the module signal."""


class WarmPools:
    """Pools by their executors, start method and number of workers; each is used by one call at a time.

    Safe for threads. A forked child begins with none, and a process that is itself a child keeps none.
    """

    def __init__(self) -> None:
        self._overheads: WeakKeyDictionary[Executors | Executor, Overheads] = WeakKeyDictionary()
        self._begin()
        _all_pools.add(self)

    def _begin(self) -> None:
        self._idle: dict[Key, tuple[Pool, threading.Timer]] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Leave the parent's pools alone, in a forked child: nothing of them may be finalised here."""
        _inherited.append((self._idle, self._lock))
        self._begin()

    def acquire(self, executors: Executors, workers: int, start_method: str, most: int | None = None) -> Pool:
        """Return a free pool: a warm one of about as many workers (at most ``most``), else a new one."""
        with self._lock:
            for key in sorted(self._idle, key=lambda key: abs(key[2] - workers)):
                near = workers <= key[2] * _CLOSE and key[2] <= workers * _CLOSE and key[2] <= (most or key[2])
                if key[:2] == (id(executors), start_method) and near:
                    pool, timer = self._idle.pop(key)
                    timer.cancel()
                    return pool
        return self.new(executors, workers, start_method)

    def new(self, executors: Executors, workers: int, start_method: str) -> Pool:
        """Return a new pool."""
        return Pool(executors, workers, start_method, owned=not isinstance(executors, LiveExecutors))

    def overheads(self, pool: Pool) -> Overheads:
        """Return what chunks and bytes cost through a pool, measured once for each that starts such pools."""
        by = pool.executors if pool.owned else pool.executor
        known = self._overheads.get(by)
        if known is None:
            known = self._overheads[by] = measure_overheads(pool.executor, pool.start_method)
        return known

    def measure(self, executors: Executors, workers: int, start_method: str) -> Overheads:
        """Return what chunks and bytes cost through executors; raises what their tasks raise."""
        pool = self.acquire(executors, workers, start_method)
        try:
            return self.overheads(pool)
        finally:
            self.release(pool, _PRICED_SECONDS)

    def release(self, pool: Pool, idle_seconds: float) -> None:
        """Take a pool back after a run that went well: keep it for so long, or end it.

        A pool whose workers are elsewhere is not kept: they run anyway, and the connection to them may close. Nor is
        one of a child process, which would wait for it at its end.
        """
        if pool.shares_objects or pool.elsewhere or not pool.owned or idle_seconds <= 0 or is_child():
            pool.end(wait=True)
            return
        key = (id(pool.executors), pool.start_method, pool.workers)
        timer = threading.Timer(idle_seconds, self._end_idle, (key,))
        timer.daemon, timer.name = True, "amorsize-idle"
        try:
            with self._lock:
                timer.start()
                ended = [self._idle.pop(key)] if key in self._idle else []
                while len(self._idle) >= _MOST_POOLS:
                    ended.append(self._idle.pop(next(iter(self._idle))))
                self._idle[key] = (pool, timer)
        except RuntimeError:  # no thread can be started, as at the interpreter's end
            ended = [(pool, timer)]
        for each, other in ended:
            other.cancel()
            each.end()

    def _end_idle(self, key: Key) -> None:
        """End a pool whose time is over; runs in its timer."""
        with self._lock:
            pool, timer = self._idle.get(key, (None, None))
            if pool is None or timer is not threading.current_thread():
                return  # it works again
            del self._idle[key]
        pool.end()

    def end(self) -> None:
        """End all pools that are idle and wait for their workers."""
        with self._lock:
            ended, self._idle = self._idle, {}
        for pool, timer in ended.values():
            timer.cancel()
            pool.end(wait=True)


_all_pools: Final[WeakSet[WarmPools]] = WeakSet()
_inherited: Final[list[Any]] = []


def _is_here(executor: Executor) -> bool:
    """Return whether an executor starts processes on this machine that import the caller's main module."""
    process = sys.modules.get("concurrent.futures.process")
    return process is not None and isinstance(executor, process.ProcessPoolExecutor)


def _forget_all() -> None:
    for pools in list(_all_pools):
        pools.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
