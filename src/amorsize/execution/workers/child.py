"""What a forked worker does: takes chunks, runs them, and writes their results into shared memory."""

from __future__ import annotations

import os
import select
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

from amorsize.domain.wording import brief
from amorsize.execution.items import Changes
from amorsize.execution.out_of_band import pack as packed
from amorsize.execution.out_of_band import size_of
from amorsize.execution.output import recorded
from amorsize.execution.policy import FREE_CPUS, LEAST_TAKE_SECONDS, WORKERS_SHARE
from amorsize.execution.workers.board import DONE, LOST, UNREADABLE, Board, Message, Notice, Task
from amorsize.execution.workers.chunk import run_items, sort_out
from amorsize.processes.failures import pack
from amorsize.processes.forks import become_independent
from amorsize.processes.memory import Ring, write_all
from amorsize.processes.process_info import away_from, move_back
from amorsize.processes.process_tree import running_threads

if TYPE_CHECKING:
    from amorsize.execution.output import Piece

_TAKING_IN_SECONDS: Final = 80e-6
"""Seconds of a take for each worker, at least: our choice, twice what the caller needs to take in a message."""

_MOST_SECONDS: Final = 0.05
"""Seconds of work that a worker takes at a time, at most: our choice, results come often enough."""

_GROWTH: Final = 2
"""Times the chunks it has run that a worker takes at most: our choice, as the first may be much cheaper than others."""

_LOOKS: Final = 3
"""Looks at the threads of the caller, a millisecond apart, before a worker waits for them: our choice."""

_LOOK_MILLISECONDS: Final = 5
"""Milliseconds until the worker looks at them again: our choice, since looks at many threads cost CPUs, too."""

_FULL_MILLISECONDS: Final = 1
"""Milliseconds of the pause of a worker whose results fill their memory: our choice, the caller takes some in."""


class Worker:
    """A forked worker of one run.

    Args:
        number: which one it is, from 0.
        board: what the run's processes share.
        task: what it does.
        parent: the process that has forked it, the caller's or a fork server's.
    """

    def __init__(self, number: int, board: Board, task: Task, parent: int) -> None:
        self._number = number
        self._parent = parent
        self._board = board
        self._task = task
        self._ring = Ring()
        self._given_back = 0
        self._changes = Changes()
        self._seconds_per_chunk = 0.0
        self._next_look = 0.0
        self._chunks_run = 0
        self._is_cut = False

    def run(self) -> None:
        """Work until there are no chunks left or the caller is gone."""
        board, task = self._board, self._task
        self._begin()
        takes_last = task.takes_last
        while self._parent == os.getppid() and not board.is_stopped():
            if self._must_wait():
                continue
            numbers = (task.queue.take_last() if takes_last else None) or self._take()
            takes_last = False
            if numbers is None:
                break
            if not board.is_beyond_limit(numbers):
                self._run_chunks(numbers)

    def _begin(self) -> None:
        """Get ready, on another CPU than the caller's."""
        move_back(away_from(self._board.parent))
        self._board.record_process(self._number, os.getpid())
        self._board.begin(self._number)
        self._is_cut = become_independent(self._task.threads)

    def _must_wait(self) -> bool:
        """Return whether threads of a library keep all CPUs busy for the item that the caller is at, after some looks.

        A worker beside them makes that item several times as long.
        """
        board = self._board
        if not self._task.caller_takes or perf_counter() < self._next_look:
            return False
        self._next_look = perf_counter() + _LOOK_MILLISECONDS / 1e3
        if not board.has_more_threads():
            return False
        looks = [running_threads(board.parent) for _ in range(_LOOKS) if not select.poll().poll(1)]
        if sum(looks) < (self._task.cpus - FREE_CPUS) * _LOOKS:
            return False
        select.poll().poll(_LOOK_MILLISECONDS)
        return True

    def _take(self) -> range | None:
        """Take as many chunks as are worth going for, and no more than a fair share of what is left."""
        queue = self._task.queue
        each = self._seconds_per_chunk
        count = 1  # what a worker is at is lost where an item of it takes too long
        if each and not self._task.times_items:
            takers = self._board.takers
            share = queue.left() // (WORKERS_SHARE * takers)
            least = max(LEAST_TAKE_SECONDS, takers * _TAKING_IN_SECONDS)
            count = max(1, int(least / each), min(share, int(_MOST_SECONDS / each)))
            count = min(count, max(1, share * WORKERS_SHARE), _GROWTH * self._chunks_run)
        taken: range | None = queue.take(count)
        return taken

    def _run_chunks(self, numbers: range) -> None:
        self._board.announce(self._number, numbers)
        try:
            first, items = self._task.items_of(numbers)
        except Exception:  # noqa: BLE001  what pickles need not come back; the caller has the items
            self._send(numbers, UNREADABLE, [])
            return
        began = perf_counter()
        pieces: list[Piece] = []
        with recorded(pieces):
            results, failures = self._run_items(first, items)
        self._chunks_run += len(numbers)
        each = (perf_counter() - began) / len(numbers)
        self._seconds_per_chunk = each if not self._seconds_per_chunk else (self._seconds_per_chunk + each) / 2
        kind, parts = DONE, list[Any]()
        failed = [(index, pack(error)) for index, error in failures]
        try:
            parts = _in_parts(Message(results, failed, "", [], pieces, self._changes.seen, self._is_cut))
        except (OSError, MemoryError):
            kind = LOST
        self._send(numbers, kind, parts)

    def _run_items(self, first: int, items: Any) -> tuple[list[Any], list[tuple[int, BaseException]]]:
        """Run items; None stands for the result of a failed one. Without collect, the first failure ends the chunk."""
        board, task, changes = self._board, self._task, self._changes
        watches = changes.left > 0
        if not watches and not task.times_items:
            done = run_items(task.func, items, task.collect)
            return done.results, done.failed
        results: list[Any] = []
        failures: list[tuple[int, BaseException]] = []
        for item in items:
            copied = changes.copy(item) if watches else None
            if task.times_items:
                board.begin_item(self._number, first + len(results))
            done = run_items(task.func, (item,), task.collect)
            failures += [(len(results), error) for _, error in done.failed]
            if not done.results:
                break
            if task.times_items:
                board.end_item(self._number)
            changes.compare(copied, item)
            results += done.results
        return results, failures

    def _send(self, numbers: range, kind: int, parts: list[Any]) -> None:
        """Put the outcome of chunks into shared memory and send the caller a notice."""
        length = size_of(parts)
        offset = self._offset_for(length)
        try:
            write_all(self._board.files[self._number], parts, offset)
        except (OSError, MemoryError):
            kind = LOST
        self._board.send(Notice(self._number, numbers.start, len(numbers), kind, offset, length))

    def _offset_for(self, length: int) -> int:
        """Return where to write so many bytes; wait for the caller while results fill the memory they may take."""
        ring = self._ring
        self._free()
        while ring.held and ring.held + length > self._task.bound_bytes and self._parent == os.getppid():
            select.poll().poll(_FULL_MILLISECONDS)  # a sleep would look like a wait for another thread
            self._free()
        return ring.take(length)

    def _free(self) -> None:
        """Give back the memory of the messages that the caller has taken in."""
        taken_in = self._board.taken_in(self._number)
        while self._given_back < taken_in:
            self._ring.give_back()
            self._given_back += 1


def _in_parts(message: Message) -> list[Any]:
    """Return what became of a chunk in bytes; results that do not pickle are left out and named."""
    try:
        return packed(tuple(message))
    except (OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        why = brief(error)
    kept, lost = sort_out(message.results, packed)
    return packed(tuple(message._replace(results=kept, why=why, lost=lost)))
