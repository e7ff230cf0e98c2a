"""Pool: the methods of multiprocessing.Pool that people use; amorsize chooses workers and chunks."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar
from weakref import WeakSet, finalize

from amorsize import api
from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions
from amorsize.client.arguments import check_workers, checked
from amorsize.client.calls import CallLimits, CallOptions
from amorsize.client.client import default_calls
from amorsize.domain.iterables import StarFunction
from amorsize.execution.job import Failed, checked_initargs
from amorsize.pools.executor import Executor
from amorsize.pools.streams import BackgroundStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

R = TypeVar("R")

_MOST_AHEAD: Final = 1000
"""Most items of a stream that are pulled and whose results nobody has asked for; as iexecute has it."""


class AsyncResult(Generic[R]):
    """What becomes of a call that runs in the background; as of ``multiprocessing.pool.AsyncResult``.

    Args:
        future: gives the result.
    """

    def __init__(self, future: Future[R]) -> None:
        self._future = future

    def get(self, timeout: float | None = None) -> R:
        """Return the result or raise what the call raised; ``multiprocessing.TimeoutError`` where it takes longer."""
        self.wait(timeout)
        if not self._future.done():
            raise multiprocessing.TimeoutError
        return self._future.result()

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the result for at most so many seconds."""
        concurrent.futures.wait([self._future], timeout)

    def ready(self) -> bool:
        """Return whether the result is there."""
        return self._future.done()

    def successful(self) -> bool:
        """Return whether the call raised nothing; ValueError while it is not known."""
        if not self._future.done():
            raise ValueError(f"{self!r} not ready")
        return not self._future.cancelled() and self._future.exception() is None


class Results(Generic[R]):
    """An iterator over results, with the method ``next`` that those of ``multiprocessing.Pool`` have.

    Args:
        outcomes: gives the results, and a Failed for each item that failed.
        check_not_terminated: raises when the pool was terminated.
        unasked: holds the iterators that nobody has asked yet; this one leaves it.
    """

    def __init__(
        self,
        outcomes: Iterator[Any],
        check_not_terminated: Callable[[int, int | None], None],
        unasked: set[Results[Any]],
    ) -> None:
        self._outcomes = outcomes
        self._check_not_terminated = check_not_terminated
        self._unasked = unasked
        self._background: BackgroundStream | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> R:
        return self.next()

    def next(self, timeout: float | None = None) -> R:
        """Return the next result or raise what its item raised; ``multiprocessing.TimeoutError`` where it takes longer.

        From the first timeout on, the items run in the background.
        """
        self._unasked.discard(self)
        self._check_not_terminated(0, None)
        background = self._background
        if timeout is not None and background is None:
            background = self._begin()
        if background is None:
            outcome = next(self._outcomes)
        elif background.wait(timeout):
            outcome = background.take()
        else:
            raise multiprocessing.TimeoutError
        if type(outcome) is Failed:
            raise outcome.error
        return outcome  # type: ignore[no-any-return]  # of func

    def run_to_end(self) -> threading.Thread:
        """Have all that is left run in the background; return the thread that runs it."""
        background = self._background or self._begin()
        background.run_to_end()
        return background.thread

    def cancel(self) -> None:
        """Give up what has not begun."""
        if self._background is not None:
            self._background.cancel()

    def _begin(self) -> BackgroundStream:
        outcomes = self._outcomes
        background = BackgroundStream(lambda: outcomes, "amorsize-pool", daemon=True, most_waiting=_MOST_AHEAD)
        finalize(self, background.cancel).atexit = False
        background.thread.start()
        self._background = background
        return background


class Pool:
    """A pool with the methods of ``multiprocessing.Pool``, whose maps are ``execute`` and ``iexecute``.

    Args:
        processes: most workers; None: as many as pay.
        initializer: is called once in each worker of each call.
        initargs: the initializer's arguments.

    Raises:
        ValueError: processes is no whole number above 0.
        TypeError: the initializer cannot be called, or initargs is no collection.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ) -> None:
        check_workers("Pool", "processes", processes)
        initargs = checked_initargs("Pool", initializer, initargs)
        cpus = PsutilInspector(PsutilOptions()).inspect("spawn").usable_cpus
        self.size = self._processes = processes or max(1, int(cpus))
        self._options: dict[str, Any] = {
            "max_workers": processes,
            "initializer": initializer,
            "initargs": initargs,
        }
        self._executor = Executor(**self._options)
        self._background: set[threading.Thread] = set()
        self._streams: WeakSet[Results[Any]] = WeakSet()
        self._unasked: set[Results[Any]] = set()
        self._state = "open"

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    # Calls that wait

    def map(self, func: Callable[[Any], R], iterable: Iterable[Any], chunksize: int | None = None) -> list[R]:
        """Return the results of func for each item; ``chunksize`` is not used, as in all methods: it is decided."""
        self._check(chunksize)
        return self._execute(func, iterable)

    def starmap(self, func: Callable[..., R], iterable: Iterable[Any], chunksize: int | None = None) -> list[R]:
        """Return the results of func for each item, which holds its arguments."""
        return self.map(StarFunction(func, 0), iterable, chunksize)

    def apply(self, func: Callable[..., R], args: Iterable[Any] = (), kwds: Mapping[str, Any] | None = None) -> R:
        """Return ``func(*args, **kwds)``, run in a worker."""
        return self.apply_async(func, args, kwds).get()

    # Calls that give results one by one

    def imap(self, func: Callable[[Any], R], iterable: Iterable[Any], chunksize: int | None = 1) -> Results[R]:
        """Return an iterator over the results in order; nothing runs before the first is asked for, or ``join``.

        An item that fails raises where its result is asked for, and the results of later items follow. ``next`` takes a
        ``timeout``.
        """
        return self._stream(func, iterable, chunksize, ordered=True)

    def imap_unordered(
        self, func: Callable[[Any], R], iterable: Iterable[Any], chunksize: int | None = 1
    ) -> Results[R]:
        """Return an iterator over the results as they come; as ``imap``."""
        return self._stream(func, iterable, chunksize, ordered=False)

    # Calls in the background

    def map_async(
        self,
        func: Callable[[Any], R],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[list[R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> AsyncResult[list[R]]:
        """Begin ``map`` in the background; a callback gets the list of results, or what was raised."""
        self._check(chunksize)
        items = list(iterable)
        future: Future[list[R]] = Future()

        def run() -> None:
            try:
                results = self._execute(func, items, progress=self._check_not_terminated)
            except BaseException as error:  # noqa: BLE001  raised where the result is asked for
                _settle(future, error_callback, error=error)
            else:
                _settle(future, callback, results)

        thread = threading.Thread(target=run, name="amorsize-pool", daemon=True)
        self._background = {each for each in self._background if each.is_alive()} | {thread}
        thread.start()
        return AsyncResult(future)

    def starmap_async(
        self,
        func: Callable[..., R],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[list[R]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> AsyncResult[list[R]]:
        """Begin ``starmap`` in the background."""
        return self.map_async(StarFunction(func, 0), iterable, chunksize, callback, error_callback)

    def apply_async(
        self,
        func: Callable[..., R],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callable[[R], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> AsyncResult[R]:
        """Begin ``func(*args, **kwds)`` in a thread or a process, by what calls of the function have cost."""
        self._check_open()
        future = self._executor.submit(func, *args, **(kwds or {}))
        answer: Future[R] = Future()

        def tell(done: Future[R]) -> None:
            if done.cancelled():
                _settle(answer, error_callback, error=CancelledError())
            elif (error := done.exception()) is not None:
                _settle(answer, error_callback, error=error)
            else:
                _settle(answer, callback, done.result())

        future.add_done_callback(tell)
        return AsyncResult(answer)

    # Ends

    def close(self) -> None:
        """Take no more calls."""
        if self._state == "open":
            self._state = "closed"
            self._executor.shutdown(wait=False)

    def terminate(self) -> None:
        """Take no more calls, give up what has not begun, and end the workers of maps."""
        self._state = "terminated"
        self._unasked.clear()
        for results in list(self._streams):
            results.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for all calls, and run what streams have left; ValueError where the pool is open.

        After ``terminate`` it returns at once: what has begun goes on in the background, and ends with the program.
        """
        if self._state == "open":
            raise ValueError("Pool is still running")
        if self._state == "terminated":
            return
        threads = [*self._background, *(results.run_to_end() for results in list(self._streams))]
        for thread in threads:
            thread.join()
        self._executor.shutdown(wait=True)

    def _check_open(self) -> None:
        if self._state != "open":
            raise ValueError("Pool not running")

    def _check(self, chunksize: int | None) -> None:
        self._check_open()
        if chunksize is not None and chunksize < 1:
            raise ValueError(f"Pool: chunksize must be at least 1, got {chunksize!r:.80}")

    def _check_not_terminated(self, _done: int, _total: int | None) -> None:
        """Let a map go on until the pool is terminated."""
        if self._state == "terminated":
            raise CancelledError("the pool was terminated")

    def _execute(self, func: Callable[[Any], R], items: Iterable[Any], **more: Any) -> list[R]:
        return api.execute(func, items, **self._options, **more)  # type: ignore[no-any-return]  # as execute has it

    def _stream(
        self, func: Callable[[Any], R], items: Iterable[Any], chunksize: int | None, *, ordered: bool
    ) -> Results[R]:
        self._check(chunksize)
        outcomes = imap(func, items, ordered=ordered, **self._options)
        results: Results[R] = Results(outcomes, self._check_not_terminated, self._unasked)
        self._unasked.add(results)
        self._streams.add(results)
        return results


@checked
def imap(  # noqa: PLR0913  what iexecute takes
    func: Callable[[Any], Any],
    data: Iterable[Any],
    *,
    max_workers: int | None,
    ordered: bool,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> Iterator[Any]:
    """Return the results one by one as iexecute does, and go on after an item that fails, with a Failed for it."""
    limits, options = CallLimits(max_workers), CallOptions(initializer=initializer, initargs=initargs)
    return default_calls.iexecute(func, data, limits, options, in_flight=_MOST_AHEAD, ordered=ordered, collect=True)


def _settle(
    future: Future[Any],
    callback: Callable[[Any], object] | None,
    result: Any = None,
    *,
    error: BaseException | None = None,
) -> None:
    """Call a callback and have the result be there, whatever the callback raises."""
    try:
        if callback is not None:
            callback(result if error is None else error)
    finally:
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
