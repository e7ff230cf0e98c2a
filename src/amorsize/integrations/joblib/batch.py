"""A batch of tasks that joblib has submitted, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Batch:
    """A batch of tasks.

    Args:
        calls: joblib's ``BatchedCalls``; to call it runs all tasks of the batch.
        callback: is called once with this batch, when its tasks have run or one of them has raised.
    """

    __slots__ = ("_callback", "_error", "_results", "calls")

    def __init__(self, calls: Any, callback: Callable[[Any], Any]) -> None:
        self.calls = calls
        self._callback = callback
        self._results: Any = None
        self._error: BaseException | None = None

    def result(self) -> Any:
        """Return what the tasks have returned, or raise what one of them has raised."""
        if self._error is not None:
            raise self._error
        return self._results

    def succeed(self, results: Any) -> None:
        """Keep the results and call the callback."""
        self._results = results
        self._callback(self)

    def fail(self, error: BaseException) -> None:
        """Keep an exception and call the callback."""
        self._error = error
        self._callback(self)

    def finish(self, future: Any) -> None:
        """Call the callback with a future of loky, which holds the results or the exception."""
        self._callback(future)


class Outcome(NamedTuple):
    """What became of a batch in a forked worker.

    Attributes:
        batch: the batch.
        kind: ``done``, ``failed``, or ``rerun`` where its tasks must run in the caller.
        value: the results, the exception, or why the tasks must run in the caller.
        seconds: what the tasks took, 0.0 where that is not known.
    """

    batch: Batch
    kind: str
    value: Any
    seconds: float = 0.0
