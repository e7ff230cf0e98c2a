"""What the processes of a run share: pipes, and numbers that each worker writes and the caller reads."""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress
from struct import Struct
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

from amorsize.processes.forks import Lifeline
from amorsize.processes.process_info import begun, tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amorsize.execution.output import Piece
    from amorsize.processes.failures import Packed

MOST_WORKERS: Final = 1024
"""Forked workers of one run, over all its time: our choice, more than CPUs and restarts need; 128 bytes each."""

_SLOTS: Final = 16
"""Numbers of each worker on the board: 128 bytes, two lines of a CPU's cache, so that no two workers write to one."""

_BEGUN, _FIRST, _COUNT, _TAKEN_IN, _ITEM, _SINCE, _PID, _PID_SINCE, _END_CODE = range(9)
"""What a worker's numbers are: whether it has begun, the chunks it is at, messages that the caller has taken in, the
item it is at and since when (nanoseconds), its process and when that began (clock ticks). A fork server adds how each
worker that it has forked has ended."""

_STOPPED, _WORKERS, _LIMIT, _THREADS, _ASKED, _SERVED, _ERROR = range(MOST_WORKERS * _SLOTS, MOST_WORKERS * _SLOTS + 7)
"""Numbers of the run, after those of its workers: whether it is stopped, how many workers there are, one more than the
first chunk that need not run (0: all must), the threads of the caller's process after the last fork, how many workers
the caller wants of a fork server, how many that has forked, and the error number that keeps it from forking more."""

_RUNS, _UNKNOWN, _CODES = 0, 1, 1000
"""How a worker has ended, as a number: not yet, nobody knows, or its exit code plus 1,000."""

_NOTICE: Final = Struct("<iiiiqq")
"""The fields of a Notice."""

_READ_BYTES: Final = (1 << 16) // _NOTICE.size * _NOTICE.size
"""Bytes that one read of the notices takes at most: as many whole notices as a pipe of Linux holds."""

_NOTICES_PIPE_BYTES: Final = 1 << 20
"""Bytes of notices that may wait while the caller runs a long item: the most that Linux allows every user."""

_SET_PIPE_SIZE: Final = 1031
"""F_SETPIPE_SZ of Linux: the module fcntl has it from Python 3.10 on, where it was built with it."""


DONE, LOST, UNREADABLE, ENDED = 0, 1, 2, 3
"""Kinds of notices: the message holds results, failures and what else was found; there was no memory for it; the items
did not unpickle, and nothing was run; or the worker has ended, which only wakes the caller."""


_FORK, _END, _END_NOW, _MOST_ORDERS = b"f", b"e", b"n", 4096
"""Orders to a fork server, a byte each, and how many one read takes."""


@attrs.frozen(eq=False)
class Task:
    """What the workers of a run do.

    ``items_of`` gives the first position and the items of consecutive chunks, ``queue`` hands the chunks out.
    With ``takes_last``, a worker begins with the last chunk. With ``caller_takes``, the caller works too.
    ``bound_bytes`` bounds the results of one worker that the caller has not taken in. ``threads`` is how many threads
    numerical libraries may use in a worker. ``cpus`` is how many CPUs the caller and its workers may use.
    """

    func: Callable[[Any], Any]
    items_of: Callable[[range], tuple[int, Any]]
    queue: Any
    caller_takes: bool
    bound_bytes: int
    cpus: float
    collect: bool = False
    times_items: bool = False
    takes_last: bool = False
    threads: int = 1


class Notice(NamedTuple):
    """What a worker sends when chunks are done: where its message lies in its shared memory.

    ``kind`` is ``DONE``, ``LOST``, ``UNREADABLE`` or ``ENDED``.
    """

    worker: int
    first: int
    chunks: int
    kind: int
    offset: int
    length: int

    @property
    def numbers(self) -> range:
        """The chunks."""
        return range(self.first, self.first + self.chunks)


class Message(NamedTuple):
    """What became of chunks that a worker has run; see ChunkResult. It is sent as a plain tuple.

    A plain tuple pickles in a third of the time. ``failed`` holds packed failures by index.
    """

    results: list[Any]
    failed: list[tuple[int, Packed]]
    why: str
    lost: list[int]
    pieces: list[Piece]
    changes: bool
    is_cut: bool


class Board:
    """What the processes of a run share: pipes, and numbers that each worker writes and the caller reads.

    Args:
        caller_takes: whether the caller takes chunks too.
    """

    def __init__(self, *, caller_takes: bool) -> None:
        self._caller_takes = caller_takes
        self.parent = os.getpid()
        self.files: list[int] = []
        self.lifeline: Any = None
        self.orders = self._give_orders = -1  # of a fork server
        self._open: list[int] = []
        self._shared = mmap.mmap(-1, (MOST_WORKERS + 1) * _SLOTS * 8)
        self._numbers = memoryview(self._shared).cast("q")
        try:
            self.notices_read, self._notices_write = self._pipe()
            self.lifeline = Lifeline()
            os.set_blocking(self.notices_read, False)
        except BaseException:
            self.close()
            raise
        with suppress(OSError, ImportError):
            import fcntl

            fcntl.fcntl(self._notices_write, _SET_PIPE_SIZE, _NOTICES_PIPE_BYTES)

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open += ends
        return ends

    def begin(self, worker: int) -> None:
        """Record that a worker begins."""
        self._numbers[worker * _SLOTS + _BEGUN] = 1

    def has_begun(self, worker: int) -> bool:
        """Return whether a worker has begun."""
        return bool(self._numbers[worker * _SLOTS + _BEGUN])

    def announce(self, worker: int, numbers: range) -> None:
        """Record the chunks that a worker is about to run."""
        at = worker * _SLOTS
        self._numbers[at + _FIRST] = numbers.start
        self._numbers[at + _COUNT] = len(numbers)

    def announced(self, worker: int) -> range:
        """Return the chunks that a worker has announced last."""
        at = worker * _SLOTS
        first = self._numbers[at + _FIRST]
        return range(first, first + self._numbers[at + _COUNT])

    def begin_item(self, worker: int, position: int) -> None:
        """Record the item that a worker is about to run."""
        at = worker * _SLOTS
        self._numbers[at + _ITEM] = position
        self._numbers[at + _SINCE] = int(monotonic() * 1e9)

    def end_item(self, worker: int) -> None:
        """Record that an item has ended."""
        self._numbers[worker * _SLOTS + _SINCE] = 0

    def item(self, worker: int) -> tuple[int, float]:
        """Return the item that a worker is at, and for how many seconds; 0 when it is at none."""
        at = worker * _SLOTS
        since = self._numbers[at + _SINCE]
        return self._numbers[at + _ITEM], monotonic() - since / 1e9 if since else 0.0

    def take_in(self, worker: int) -> None:
        """Record that the caller has taken in a message of a worker's."""
        self._numbers[worker * _SLOTS + _TAKEN_IN] += 1

    def taken_in(self, worker: int) -> int:
        """Return how many of a worker's messages the caller has taken in."""
        return self._numbers[worker * _SLOTS + _TAKEN_IN]

    @property
    def takers(self) -> int:
        """How many take chunks, the caller too, as far as they are started."""
        return self._numbers[_WORKERS] + self._caller_takes

    def count(self, workers: int) -> None:
        """Record how many workers there are, or are about to be."""
        self._numbers[_WORKERS] = workers

    def count_threads(self) -> None:
        """Record how many threads the caller's process has, right after a fork, which ends the threads of OpenBLAS."""
        self._numbers[_THREADS] = len(tasks())

    def has_more_threads(self) -> bool:
        """Return whether the caller's process has more threads now than after the last fork."""
        return len(tasks(self.parent)) > self._numbers[_THREADS] > 0

    def limit(self, number: int) -> None:
        """Make workers run no chunk from a number on: an item of that chunk has failed."""
        self._numbers[_LIMIT] = number + 1

    def is_beyond_limit(self, numbers: range) -> bool:
        """Return whether chunks need not be run, since an earlier item has failed."""
        limit = self._numbers[_LIMIT]
        return bool(limit) and numbers.start >= limit

    # Between the caller and a fork server

    def open_orders(self) -> None:
        """Open the pipe by which the caller gives a fork server its orders."""
        self.orders, self._give_orders = self._pipe()

    def count_served(self, workers: int) -> None:
        """Record how many workers a fork server has forked, or is about to."""
        self._numbers[_SERVED] = self._numbers[_WORKERS] = workers

    def served(self) -> int:
        """Return how many workers a fork server has forked; their numbers begin at 1."""
        return self._numbers[_SERVED]

    def record_process(self, worker: int, pid: int) -> None:
        """Record the process of a worker, and when it began."""
        self._numbers[worker * _SLOTS + _PID_SINCE] = begun(pid)
        self._numbers[worker * _SLOTS + _PID] = pid

    def pid(self, worker: int) -> int:
        """Return the process of a worker, 0 before it has begun."""
        return self._numbers[worker * _SLOTS + _PID]

    def is_process(self, worker: int) -> bool:
        """Return whether the process of a worker is there; another one may have its number later."""
        at = worker * _SLOTS
        return bool(self._numbers[at + _PID]) and begun(self._numbers[at + _PID]) == self._numbers[at + _PID_SINCE]

    def record_end(self, worker: int, code: int | None) -> None:
        """Record that a worker of a fork server has ended, with its exit code, None where that is not known."""
        self._numbers[worker * _SLOTS + _END_CODE] = _UNKNOWN if code is None else _CODES + code

    def has_ended(self, worker: int) -> bool:
        """Return whether such a worker has ended."""
        return self._numbers[worker * _SLOTS + _END_CODE] != _RUNS

    def exitcode(self, worker: int) -> int | None:
        """Return the exit code of such a worker, None while it runs and where the code is not known."""
        code = self._numbers[worker * _SLOTS + _END_CODE]
        return None if code in {_RUNS, _UNKNOWN} else code - _CODES

    def record_error(self, number: int) -> None:
        """Record the error number that keeps a fork server from forking more workers."""
        self._numbers[_ERROR] = number

    def error(self) -> int:
        """Return that error number, 0 for none."""
        return self._numbers[_ERROR]

    def call(self, workers: int) -> None:
        """Tell a fork server that the caller has looked, and how many workers it wants in all."""
        self._numbers[_ASKED] = workers
        os.write(self._give_orders, _FORK)

    def asked(self) -> int:
        """Return how many workers the caller wants in all, 0 as long as it has not looked."""
        return self._numbers[_ASKED]

    def order_end(self, *, now: bool) -> None:
        """Make a fork server end its workers and then itself."""
        os.write(self._give_orders, _END_NOW if now else _END)

    def order(self) -> bool | None:
        """Return what the caller has ordered, in a fork server: whether to end at once or not; None: to fork."""
        orders = os.read(self.orders, _MOST_ORDERS)
        return None if not orders.strip(_FORK) else _END_NOW in orders

    # Ending

    def stop(self) -> None:
        """Make workers take no more chunks; only the caller can, and no process that its program forks meanwhile."""
        if os.getpid() == self.parent:
            self._numbers[_STOPPED] = 1

    def is_stopped(self) -> bool:
        """Return whether workers must take no more chunks."""
        return bool(self._numbers[_STOPPED])

    def send(self, notice: Notice) -> None:
        """Send the caller a notice; waits while the pipe is full."""
        os.write(self._notices_write, _NOTICE.pack(*notice))

    def notices(self) -> Iterator[Notice]:
        """Yield the notices that have been sent since the last call, without waiting."""
        while True:
            try:
                content = os.read(self.notices_read, _READ_BYTES)
            except BlockingIOError:
                return
            yield from map(Notice._make, _NOTICE.iter_unpack(content))

    def close(self) -> None:
        """Close everything; repeated calls do nothing."""
        if self.lifeline is not None:
            self.lifeline.close()
        while self._open:
            os.close(self._open.pop())
        while self.files:
            os.close(self.files.pop())
        self._numbers.release()
        self._shared.close()
