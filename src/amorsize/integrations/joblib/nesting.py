"""How a ``Parallel`` call inside a task shares the CPUs with the call around it."""

from __future__ import annotations

import threading
from typing import Any, Final
from weakref import WeakSet

SHORT_SECONDS: Final = 0.01
"""Seconds of all tasks of an inner call below which it is short: workers cost it up to 1 ms."""

_SERIAL_CALLS: Final = 15
"""Inner calls after a short one that run serially, before one may have workers again."""


class InnerCalls:
    """The calls inside the tasks of one call: after a short one, the next ones run serially."""

    def __init__(self) -> None:
        self._serial = 0

    def note(self, seconds: float) -> None:
        """Take note of how long all tasks of an inner call took."""
        self._serial = _SERIAL_CALLS if seconds < SHORT_SECONDS else 0

    def may_have_workers(self) -> bool:
        """Return whether the inner call that begins may have workers."""
        if not self._serial:
            return True
        self._serial -= 1
        return False


class _Here(threading.local):
    """How many tasks this thread is inside of, and the inner calls of the innermost one."""

    depth = 0
    inner_calls: InnerCalls | None = None

    def enter(self, inner_calls: InnerCalls) -> InnerCalls | None:
        """Begin a task whose inner calls are these; return what ``leave`` takes."""
        outer, self.inner_calls = self.inner_calls, inner_calls
        self.depth += 1
        return outer

    def leave(self, outer: InnerCalls | None) -> None:
        """End the task that ``enter`` has begun."""
        self.inner_calls = outer
        self.depth -= 1


here: Final = _Here()

running_pools: Final[WeakSet[Any]] = WeakSet()
"""The worker pools that run tasks in this process; each has a method ``busy_workers``."""


def is_inside_task() -> bool:
    """Return whether this thread is running a task."""
    return here.depth > 0


def busy_workers() -> int:
    """Return how many threads and processes run tasks of this process."""
    return sum(pool.busy_workers() for pool in list(running_pools))


def is_alone() -> bool:
    """Return whether at most one worker pool runs tasks in this process."""
    return len(running_pools) <= 1
