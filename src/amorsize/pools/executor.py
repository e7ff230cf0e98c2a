"""Executor: a concurrent.futures.Executor that chooses between threads and processes by what calls cost."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import pickle
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from amorsize import api
from amorsize.adapters.executors.process import settle
from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions
from amorsize.adapters.probes.start_conditions import blocked_reason, start_method_in_use
from amorsize.client.arguments import check_workers
from amorsize.client.client import default_calls
from amorsize.config.files import is_disabled
from amorsize.domain.iterables import StarFunction
from amorsize.domain.sharing import CONSTANT
from amorsize.domain.values import EXECUTORS
from amorsize.execution.job import checked_initargs
from amorsize.execution.pickling import key_of
from amorsize.execution.workers.chunk import DONE, Answer, Head, run_chunk, state
from amorsize.execution.workers.version import expected
from amorsize.pools.costs import CallCost, timed
from amorsize.pools.streams import BackgroundStream, with_broken_errors, with_timeout
from amorsize.processes import failures
from amorsize.processes.process_bound import find_process_bound
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

R = TypeVar("R")

_MOST_COSTS: Final = 1024
"""Functions whose costs are known at the same time."""

_MORE_THREADS, _MOST_THREADS = 4, 32
"""Threads beside the CPUs, and threads at most, unless the caller says more; as ThreadPoolExecutor has it."""


class Executor(concurrent.futures.Executor):
    """An executor of which ``submit`` chooses a thread or a process for each call, and ``map`` runs ``iexecute``.

    The first calls of a function run in threads and are measured. When they compute for as long as starting processes
    takes, later ones run in processes: where the function is found by its name, is not seen to change what it shares
    with others, and gives results that pickle. Everything else stays in threads.

    Args:
        max_workers: most threads, and most processes; None: as many as ThreadPoolExecutor has, and as there are CPUs.
        executor: ``thread`` or ``process`` rules out the other kind; ``auto`` chooses.
        initializer: is called once in each worker before its first call.
        initargs: the initializer's arguments.

    Raises:
        ValueError: max_workers is no whole number above 0, or there is no such kind of executor.
        TypeError: the initializer cannot be called, or initargs is no collection.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        executor: str = "auto",
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ) -> None:
        if type(max_workers) is int and max_workers <= 0:  # in the words of concurrent.futures
            raise ValueError(f"Executor: max_workers must be greater than 0, got {max_workers!r:.80}")
        check_workers("Executor", "max_workers", max_workers)
        if not isinstance(executor, str) or executor not in {"auto", *EXECUTORS} - {"serial"}:
            raise ValueError(f"Executor: executor must be 'auto', 'thread' or 'process', got {executor!r:.80}")
        cpus = max(1, int(PsutilInspector(PsutilOptions()).inspect(_method()).usable_cpus))
        self._max_workers = max_workers or min(_MOST_THREADS, cpus + _MORE_THREADS)
        self._given_workers = max_workers
        self._processes_at_most = min(max_workers or cpus, cpus) if executor != "process" else max_workers or cpus
        self._kind = executor
        self._initializer = initializer
        self._initargs = checked_initargs("Executor", initializer, initargs)
        self._lock = threading.RLock()
        self._is_shut = self._has_said_why = False
        self._threads: ThreadPoolExecutor | None = None
        self._processes: ProcessPoolExecutor | None = None
        self._costs: dict[tuple[str, str], CallCost] = {}
        self._runs: set[BackgroundStream] = set()

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Return a future of ``fn(*args, **kwargs)``, run in a thread or a process.

        Raises:
            RuntimeError: the executor is shut down.
            BrokenExecutor: a worker has ended, or the initializer failed in it; raised by the future.
        """
        if self._kind == "process" and self._may_start_process(fn):
            return self._submit_to_process(fn, args, kwargs)
        with self._lock:
            self._check_open()
            if self._threads is None:
                self._threads = ThreadPoolExecutor(
                    self._max_workers, "amorsize", initializer=self._initializer, initargs=self._initargs
                )
            cost = self._cost_of(fn)
            if cost is None:
                return self._threads.submit(fn, *args, **kwargs)
            return self._threads.submit(self._choose, cost, fn, args, kwargs)

    def _choose(self, cost: CallCost, fn: Callable[..., R], args: Any, kwargs: Any) -> R:
        """Run a call in this thread, or have a process run it and wait for that."""
        moves = cost.pays() and not is_disabled() and sys.stdout is sys.__stdout__  # else output would go elsewhere
        moves = moves and all(map(_is_constant, (*args, *kwargs.values()))) and blocked_reason(fn, _method()) is None
        if moves and find_process_bound(fn) is None:  # threads may run now that did not run when it was submitted
            answer = self._answer(partial(fn, **kwargs) if kwargs else fn, args)
            if answer is not None and not answer.lost:
                cost.note(fn, "processes")
            if answer is not None and answer.failed:
                raise failures.unpack(answer.failed[0][1])
            if answer is not None and not answer.lost:
                with suppress(Exception):  # what pickles need not come back
                    return pickle.loads(answer.results)[0]  # type: ignore[no-any-return]  # noqa: S301  from a worker of ours
            cost.rule_out_processes()
        cost.note(fn, "threads")
        return timed(cost, fn, args, kwargs)

    def _answer(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Answer | None:
        """Have a process run a call; None where it was not run there.

        The worker imports the function anew. It runs the call only if it finds there what this process has: the same
        code and the same values of the globals that it reads.
        """
        func = StarFunction(fn, len(args))
        try:
            text = pickle.dumps(func, pickle.HIGHEST_PROTOCOL)
            version = expected(default_calls.optimizer().fingerprint(func), func)
            head = Head(key_of(text), text, version, state(), collect=False, threads=0)
            call = pickle.dumps([args], pickle.HIGHEST_PROTOCOL)
            future = self._submit_to_process(run_chunk, (head, call), {}, always=True)
        except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
            return None
        answer = future.result()
        return answer if answer.kind == DONE else None

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[R]:
        """Return an iterator over ``map(fn, *iterables)``, run by ``iexecute`` in the background, in order.

        Args:
            fn: takes as many arguments as there are iterables.
            iterables: are collected at once; with ``buffersize`` they are pulled as results are asked for.
            timeout: most seconds from this call to a result. With it, each call is submitted by itself.
            chunksize: is not used: iexecute decides it.
            buffersize: most calls whose results were not asked for; nothing runs before the first is.

        Raises:
            RuntimeError: the executor is shut down.
            ValueError: chunksize or buffersize is below 1.
            TimeoutError: a result was not there in time; raised by the iterator.
            BrokenExecutor: a worker has ended, or the initializer failed in it; raised by the iterator. It is a
                WorkerError too, whose ``finished`` holds the results there are.
        """
        if chunksize < 1:
            raise ValueError("Executor: chunksize must be >= 1.")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("Executor: buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("Executor: buffersize must be None or > 0")
        self._check_open()
        if not iterables:
            return iter(())
        if buffersize is not None:
            return with_timeout(self._stream(fn, iterables, buffersize), timeout)
        if timeout is not None:
            return super().map(fn, *iterables, timeout=timeout)
        return self._map_in_background(fn, list(zip(*iterables, strict=False)))

    def _map_in_background(self, fn: Callable[..., R], rows: list[tuple[Any, ...]]) -> Iterator[R]:
        """Begin to run all rows of arguments, and return an iterator over their results."""
        if not rows:
            return iter(())
        columns = list(zip(*rows, strict=True))
        run = BackgroundStream(lambda: self._stream(fn, columns, len(rows)), "amorsize-map")
        with self._lock:
            self._check_open()
            self._runs = {each for each in self._runs if each.thread.is_alive()} | {run}
            run.thread.start()
        return run.results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those that are there, or give up those that have not begun."""
        with self._lock:
            self._is_shut = True
            runs, self._runs = self._runs, set()
            threads = self._threads
        for run in runs:
            if cancel_futures:
                run.cancel()
            if wait:
                run.thread.join()
        if threads is not None:
            threads.shutdown(wait, cancel_futures=cancel_futures)
        with self._lock:  # after the threads, which may have started it
            processes = self._processes
        if processes is not None:
            processes.shutdown(wait, cancel_futures=cancel_futures)

    def _stream(self, fn: Callable[..., R], iterables: Any, in_flight: int) -> Iterator[R]:
        results: Iterator[R] = api.iexecute(
            fn,
            *iterables,
            in_flight=in_flight,
            max_workers=self._given_workers,
            executor=self._kind,
            initializer=self._initializer,
            initargs=self._initargs,
        )
        return with_broken_errors(results)

    def _check_open(self) -> None:
        if self._is_shut:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def _may_start_process(self, fn: Callable[..., Any]) -> bool:
        """Return whether a process can run a call; where none can be started, say so once: threads run it."""
        if is_disabled():
            return False
        why = blocked_reason(fn, start_method_in_use()[0])
        if why is not None and not self._has_said_why:
            self._has_said_why = True
            warn(f"Executor: calls run in threads: {why}")
        return why is None

    def _submit_to_process(self, fn: Callable[..., R], args: Any, kwargs: Any, *, always: bool = False) -> Future[R]:
        with self._lock:
            if not always:  # what was submitted before a shutdown is run
                self._check_open()
            if self._processes is not None:
                try:
                    return self._processes.submit(fn, *args, **kwargs)
                except BrokenProcessPool:  # a call has ended its worker; what comes later needs new ones
                    self._processes.shutdown(wait=False)
            method = start_method_in_use()[0] if self._kind == "process" else _method()
            self._processes = ProcessPoolExecutor(
                self._processes_at_most,
                multiprocessing.get_context(method),
                initializer=_begin,
                initargs=(self._initializer, self._initargs),
            )
            return self._processes.submit(fn, *args, **kwargs)

    def _cost_of(self, fn: Any) -> CallCost | None:
        """Return what is known of a function that a process could run, None for any other callable."""
        if type(fn) is not FunctionType or self._kind != "auto" or self._processes_at_most <= 1:
            return None
        key = (fn.__module__, fn.__qualname__)
        cost = self._costs.get(key)
        if cost is None or cost.code is not fn.__code__:
            if len(self._costs) >= _MOST_COSTS:
                self._costs.clear()
            cost = self._costs[key] = CallCost(fn)
        return cost if cost.may_move else None


def _is_constant(value: Any) -> bool:
    """Return whether nothing can change a value, so that no change of it is lost in another process."""
    return all(map(_is_constant, value)) if type(value) is tuple else type(value) in CONSTANT


def _begin(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    """Make a worker process end with its parent, and ready for its calls."""
    settle(None)
    if initializer is not None:
        initializer(*initargs)


def _method() -> str:
    """Return the start method for processes of a program that has threads: no fork."""
    return "forkserver" if sys.platform == "linux" else "spawn"
