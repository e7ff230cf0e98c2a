"""Runs a stream of results in a background thread, for ``Executor.map`` and ``Pool.imap``."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from amorsize.errors import InitializerError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

R = TypeVar("R")


class BrokenWorkerError(WorkerError, BrokenProcessPool):
    """A worker of an Executor's ``map`` was killed or ended itself while it ran items."""


class BrokenInitializerError(InitializerError, BrokenProcessPool):
    """The initializer of an Executor failed in a worker of ``map``, which then ran no items."""


class BackgroundStream:
    """A stream that a thread of its own runs, so that it goes on while nobody asks for results.

    Args:
        stream: returns the stream; called in the thread.
        name: the thread's name.
        daemon: whether the thread ends with the program.
        most_waiting: most results that wait until they are asked for; None: any number.
    """

    def __init__(
        self,
        stream: Callable[[], Iterator[Any]],
        name: str,
        *,
        daemon: bool = False,
        most_waiting: int | None = None,
    ) -> None:
        self._stream = stream
        self._most_waiting = most_waiting
        self._results: deque[Any] = deque()
        self._changed = threading.Condition()
        self._has_ended = False
        self._is_cancelled = False
        self._error: BaseException | None = None
        context = copy_context()
        self.thread = threading.Thread(target=context.run, args=(self._run,), name=name, daemon=daemon)

    def cancel(self) -> None:
        """Drop what has not begun."""
        with self._changed:
            self._is_cancelled = True
            self._changed.notify_all()

    def run_to_end(self) -> None:
        """Run all that is left; any number of results wait until they are asked for."""
        with self._changed:
            self._most_waiting = None
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            for result in self._stream():
                if self._is_cancelled:
                    break
                with self._changed:
                    self._results.append(result)
                    self._changed.notify_all()
                    del result
                    self._changed.wait_for(self._has_capacity)
            if self._is_cancelled:
                self._error = CancelledError()
        except BaseException as error:  # noqa: BLE001  raised where the results are asked for
            self._error = error
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _has_capacity(self) -> bool:
        return self._most_waiting is None or len(self._results) < self._most_waiting or self._is_cancelled

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the next result or for the end, for at most so many seconds; return whether it is there."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._results) or self._has_ended, timeout)

    def take(self) -> Any:
        """Return the next result; raises what the stream has raised, once, and StopIteration after its end."""
        self.wait()
        with self._changed:
            if self._results:
                self._changed.notify_all()
                return self._results.popleft()
        error, self._error = self._error, None
        if error is None:
            raise StopIteration
        try:
            raise error
        finally:
            del error  # its traceback holds this frame

    def results(self) -> Iterator[Any]:
        """Yield results as they come; raises what the stream raises."""
        try:
            while self.wait() and self._results:
                yield self.take()
        finally:
            self.cancel()
        if self._error is not None:
            self.take()


def with_timeout(stream: Iterator[R], timeout: float | None) -> Iterator[R]:
    """Yield results; TimeoutError once one comes later than so many seconds from now."""
    end = None if timeout is None else time.monotonic() + timeout

    def results() -> Iterator[R]:
        for result in stream:
            if end is not None and time.monotonic() > end:
                raise TimeoutError
            yield result

    return results()


def with_broken_errors(stream: Iterator[R]) -> Iterator[R]:
    """Yield results; a WorkerError is raised as one that ``except BrokenExecutor`` catches too."""
    try:
        yield from stream
    except WorkerError as error:
        kind = BrokenInitializerError if isinstance(error, InitializerError) else BrokenWorkerError
        raise kind(*error.args) from error.__cause__
