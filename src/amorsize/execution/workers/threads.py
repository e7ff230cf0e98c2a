"""Threads of the caller's process that run chunks, each in a copy of the caller's context."""

from __future__ import annotations

import threading
from collections import deque
from contextvars import copy_context
from time import monotonic, perf_counter, sleep
from typing import TYPE_CHECKING, Any, Final

from amorsize.execution.policy import LEAST_TAKE_SECONDS, SELF_START_SECONDS, SHARE
from amorsize.execution.team import ChunkResult
from amorsize.processes.interrupts import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_SECONDS: Final = 0.01
"""Seconds of work that a thread takes at a time, at most: our choice, as all wait for the last of them."""


_TAKE_SECONDS: Final = 1.0
"""Seconds in which a thread that takes a chunk is at its item: our choice, a thousand times what it needs."""

_LOOK_SECONDS: Final = 0.0005
"""Pause between two looks whether it is: our choice, hardly noticed."""


class ThreadWorkers:
    """The worker threads of one run.

    Args:
        func: takes one item.
        items_of: gives the first position and the items of consecutive chunks.
        queue: returns what hands the chunks out now.
        collect: whether a failing item is noted and the next one run.
    """

    def __init__(
        self,
        func: Callable[[Any], Any],
        items_of: Callable[[range], tuple[int, Any]],
        queue: Callable[[], Any],
        *,
        collect: bool,
    ) -> None:
        self._func = func
        self._items_of = items_of
        self._queue = queue
        self._collect = collect
        self._results: deque[ChunkResult] = deque()
        self._news = threading.Event()
        self._woken = threading.Event()
        self._stopped = self._given_up = False
        self._threads: list[threading.Thread] = []
        self._at: dict[int, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._threads)

    def start(self, threads: int, *, silent: bool = False) -> int:
        """Start more threads, fewer where the system cannot start as many; return how many.

        They begin at once; with ``silent``, once the caller has been silent for a while.
        """
        with uninterrupted():
            if not silent:
                self._woken.set()
            for count in range(threads):
                context, number = copy_context(), len(self._threads)
                thread = threading.Thread(target=context.run, args=(self._run, number), name="amorsize", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # can't start new thread
                    return count
                self._threads.append(thread)
        return threads

    def _run(self, number: int) -> None:
        each = 0.0
        self._woken.wait(SELF_START_SECONDS)
        while not self._stopped:
            queue = self._queue()
            share = queue.left() // (SHARE * (len(self._threads) + 1))
            count = max(1, min(share, int(_MOST_SECONDS / each)), int(LEAST_TAKE_SECONDS / each)) if each else 1
            numbers = queue.take(count)
            if numbers is None:
                return
            each = self._run_chunks(number, numbers)

    def _run_chunks(self, number: int, numbers: range) -> float:
        """Run chunks, keep their result for the caller and return the seconds that each took."""
        func, at = self._func, self._at
        results: list[Any] = []
        failed: list[tuple[int, BaseException]] = []
        began = perf_counter()
        first, items = self._items_of(numbers)
        for item in items:
            at[number] = (first + len(results), monotonic())
            try:
                result = func(item)
            except BaseException as error:  # noqa: BLE001  it is raised again in the caller's thread
                failed.append((len(results), error))
                if not self._collect or not isinstance(error, Exception):
                    break
                result = None
            results.append(result)
            if self._given_up:
                return 1.0
        at.pop(number, None)
        self._results.append(ChunkResult(numbers, results, failed))
        self._news.set()
        return max((perf_counter() - began) / len(numbers), 1e-9)

    def chunk_results(self) -> Iterator[ChunkResult]:
        """Yield the results of the threads; see ForkedWorkers."""
        with uninterrupted():  # an Event that is left halfway stays locked
            self._news.clear()
        while self._results:
            yield self._results.popleft()

    def wait(self, seconds: float) -> None:
        """Wait for a result of a thread; see ForkedWorkers."""
        with uninterrupted():
            self._news.wait(seconds)

    def is_running(self) -> bool:
        """Return whether any thread may still have chunks whose result is not taken in."""
        return any(thread.is_alive() for thread in self._threads) or bool(self._results)

    def stop(self) -> None:
        """Make threads take no more chunks; see ForkedWorkers."""
        with uninterrupted():
            self._stopped = True
            self._woken.set()

    def overdue(self, seconds: float) -> list[int]:
        """Return the positions of the items that threads are at for longer than ``seconds``."""
        now = monotonic()
        return [at for at, since in list(self._at.values()) if now - since > seconds]

    def end(self, *, now: bool = False) -> None:
        """Wait for the threads, or with ``now`` until each is at an item or has ended: nothing can end a thread.

        A thread that is about to take a chunk must not find the pipe of chunk numbers closed.
        """
        self._given_up = now
        self.stop()
        until = monotonic() + _TAKE_SECONDS
        for number, thread in enumerate(self._threads):
            if not now:
                thread.join()
            while now and not self._queue().waits and self._is_between(number, thread) and monotonic() < until:
                sleep(_LOOK_SECONDS)

    def _is_between(self, number: int, thread: threading.Thread) -> bool:
        """Return whether a thread has not ended, and is at no item."""
        return number not in self._at and thread.is_alive()
