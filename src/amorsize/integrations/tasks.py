"""What a crew runs and may use: jobs, what it must know of its call, pools of others, and the CPUs that crews share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.integrations.judging import Judge


SHORT_SECONDS: Final = 0.01
"""Seconds of all tasks of a call inside a task under which it is short: to give it a crew takes up to 1 ms."""

_SHORT_CALLS: Final = 15
"""Calls after a short one that run serially, before one may have workers again."""


class Inner:
    """What the calls inside the tasks of a call are like: after a short one, the next ones run serially."""

    def __init__(self) -> None:
        self._serial = 0

    def note(self, seconds: float) -> None:
        """Take note of how long the tasks of such a call took."""
        self._serial = _SHORT_CALLS if seconds < SHORT_SECONDS else 0

    def may_have_workers(self) -> bool:
        """Return whether the call that begins may have workers."""
        if not self._serial:
            return True
        self._serial -= 1
        return False


class Here(threading.local):
    """How many tasks of crews this thread is inside of, and what calls inside the innermost one are like."""

    depth = 0
    inner: Inner | None = None


here: Final = Here()


class Running(Protocol):
    """A crew that runs; see Crew."""

    def busy(self) -> int:
        """Return how many threads and workers run its tasks."""


crews: Final[WeakSet[Running]] = WeakSet()
"""The crews that run, to share the CPUs with one another."""


def is_inside() -> bool:
    """Return whether this thread is running a task."""
    return here.depth > 0


def busy() -> int:
    """Return how many threads and workers run tasks in this process."""
    return sum(crew.busy() for crew in list(crews))


def is_alone() -> bool:
    """Return whether no more than one crew runs in this process."""
    return len(crews) <= 1


class External(Protocol):
    """A pool of processes that somebody else keeps."""

    def start(self, workers: int) -> None:
        """Have so many workers ready."""

    def submit(self, task: Any, landed: Callable[[Any], None]) -> None:
        """Run a task there and call ``landed`` with what holds its outcome, from any thread."""

    def end(self, *, now: bool) -> None:
        """End the call's part of it; with ``now`` whatever its workers are at."""


class Job:
    """A task that was submitted, with what became of it."""

    __slots__ = ("_callback", "_error", "_value", "task")

    def __init__(self, task: Any, callback: Callable[[Any], Any]) -> None:
        self.task = task
        self._callback = callback
        self._value: Any = None
        self._error: BaseException | None = None

    def result(self) -> Any:
        """Return what the task has returned, or raise what it has raised."""
        if self._error is not None:
            raise self._error
        return self._value

    def succeed(self, value: Any) -> None:
        """Take note of the results and tell."""
        self._value = value
        self._callback(self)

    def fail(self, error: BaseException) -> None:
        """Take note of an exception and tell."""
        self._error = error
        self._callback(self)

    def tell(self, outcome: Any) -> None:
        """Hand on an outcome that somebody else holds."""
        self._callback(outcome)


class Landed(NamedTuple):
    """What became of a batch, and what it took.

    ``value`` is its results, its exception, or why it must run in the caller.
    """

    job: Any
    outcome: str
    value: Any
    seconds: float = 0.0


class Forks(Protocol):
    """Forked workers, one for each batch."""

    def __len__(self) -> int:
        """Return how many are at work."""

    def has_room(self) -> bool:
        """Return whether another batch may start."""

    def start(self, job: Any, run: Callable[[], Any]) -> None:
        """Fork a child that runs a batch; OSError where there is no room for one."""

    def wait(self, seconds: float) -> list[Landed]:
        """Wait for a batch to end, for at most so many seconds; return what became of those that have."""

    def end(self) -> list[Any]:
        """End all children at once and return the jobs that they were at; repeated calls do nothing."""


class Team(Protocol):
    """What a crew may use, and what it must know of the call."""

    judge: Judge

    @property
    def external(self) -> External:
        """A pool of processes that start empty."""

    @property
    def slices(self) -> int:
        """How many batches are cut from the iterator at a time."""

    def left(self, waiting: int) -> tuple[int, bool]:
        """Return how many tasks are left, and whether that is a guess."""

    def is_over(self) -> bool:
        """Return whether nobody wants results any more."""

    def check(self, task: Any, result: Any) -> str:
        """Say why tasks cannot go to other processes, empty where they can."""

    def forks(self, workers: int, threads: int) -> Forks:
        """Return what forks workers."""
