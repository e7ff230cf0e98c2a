"""Forked workers of one run: they inherit the function and the data, and give results back through shared memory."""

from __future__ import annotations

import select
import sys
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

from amorsize.domain.wording import brief
from amorsize.execution.out_of_band import read
from amorsize.execution.team import ChunkResult
from amorsize.execution.workers.board import DONE, LOST, MOST_WORKERS, Board, Message, Notice, Task
from amorsize.execution.workers.child import Worker
from amorsize.processes import failures
from amorsize.processes.forks import Child, fork
from amorsize.processes.memory import shared_file
from amorsize.processes.polling import PollWatch
from amorsize.processes.process_info import is_stopped, is_stuck
from amorsize.processes.process_tree import children as children_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.execution.budget import Budget

_STUCK_SECONDS: Final = 0.5
"""Seconds between two checks of a worker, stuck when two in a row say so: our choice, longer than a usual lock."""

_PATIENCE_SECONDS: Final = 30.0
"""The least that a worker may wait for a thread of the caller: our choice, above most waits for a file or a time."""

_PATIENCE: Final = 20
"""Times as long as its chunks take at most in the caller that it may wait so: our choice, since items differ."""

_LOCKED: Final = "a worker was stopped, or waited for a lock that another thread of this process held at the fork"
_POLLING: Final = "a worker waited for what only another thread of this process does: pass executor='thread'"

_END_SECONDS: Final = 2.0
"""Seconds in which a worker without chunks may end before it is killed: our choice, as an end takes milliseconds."""


class ForkedWorkers(Board):
    """The forked workers of a run, as its caller sees them.

    Args:
        task: what they do.
        budget: the CPUs of this process; a worker has none of its own.
    """

    def __init__(self, task: Task, budget: Budget) -> None:
        super().__init__(caller_takes=task.caller_takes)
        self._task = task
        self._budget = budget
        self._children: list[Child] = []
        self._ended: set[int] = set()
        self._stuck: dict[int, float] = {}
        self._polls: dict[int, tuple[range, PollWatch]] = {}
        self._looked = monotonic()

    def __len__(self) -> int:
        return len(self._children)

    def start(self, workers: int) -> None:
        """Fork more workers; OSError when the system cannot start them."""
        self.count(len(self._children) + workers)
        for _ in range(workers):
            if len(self._children) == MOST_WORKERS:
                return
            self.files.append(shared_file())
            fork(partial(self._serve, Worker(len(self._children), self, self._task)), self._children, self.lifeline)
        self.count_threads()

    def _serve(self, worker: Worker) -> None:
        self._budget.become_worker()
        worker.run()

    def chunk_results(self) -> Iterator[ChunkResult]:
        """Yield the results that workers have sent since the last call, without waiting."""
        yield from map(self._message, self.notices())

    def _message(self, notice: Notice) -> ChunkResult:
        why = "there is no memory left for them" if notice.kind == LOST else "the items cannot be unpickled"
        try:
            if notice.kind == DONE:
                said = Message(*read(self.files[notice.worker], notice.offset, notice.length))
                failed = [(index, failures.unpack(each)) for index, each in said.failed]
                return ChunkResult(
                    notice.numbers, said.results, failed, said.why, said.lost, said.pieces, said.changes, said.is_cut
                )
        except Exception as error:  # noqa: BLE001  what pickles need not come back
            why = f"they cannot be unpickled: {brief(error)}"
        finally:
            self.take_in(notice.worker)
        return ChunkResult(notice.numbers, None, [], why)

    def wait(self, seconds: float) -> None:
        """Wait until a worker sends a result or ends, for at most ``seconds``."""
        poll = select.poll()
        poll.register(self.notices_read, select.POLLIN)
        for number, child in enumerate(self._children):
            if number not in self._ended and child.fileno() >= 0:
                poll.register(child.fileno(), select.POLLIN)
        poll.poll(seconds * 1e3)

    def working(self) -> list[int]:
        """Return the workers that run still, as far as the last look showed."""
        return [number for number in range(len(self._children)) if number not in self._ended]

    def ended(self) -> list[tuple[Child, range]]:
        """Return the workers that have ended since the last call, each with the chunks it announced last."""
        found = []
        for number in self.working():
            if not self._children[number].is_running():
                self._ended.add(number)
                found.append((self._children[number], self.announced(number)))
        return found

    def stuck(self, chunk_seconds: float | None) -> list[tuple[int, str]]:
        """Return workers that never go on by themselves, each with the reason.

        A worker waits for a lock that no thread can release, or is stopped, in two looks with a pause. Or it has only
        looked whether its own memory has changed, for much longer than its items take in the caller.

        Args:
            chunk_seconds: what a chunk takes at most, by the items of the caller; None: no worker is ended for looking.
        """
        now = monotonic()
        if now - self._looked < _STUCK_SECONDS:
            return []
        self._looked = now
        seen = {number: self._stuck.get(number, now) for number in self.working() if self._is_stuck(number)}
        found = [(number, _LOCKED) for number, since in seen.items() if since < now]
        self._stuck = seen
        if chunk_seconds is not None:
            found += [(number, _POLLING) for number in self.working() if self._only_polls(number, chunk_seconds)]
        return found

    def _is_stuck(self, number: int) -> bool:
        pid = self._children[number].pid
        return is_stuck(pid) or is_stopped(pid)

    def _only_polls(self, number: int, chunk_seconds: float) -> bool:
        """Return whether a worker has waited for a thread of the caller for longer than its chunks can take."""
        numbers = self.announced(number)
        known, watch = self._polls.get(number, (None, None))
        if watch is None or known != numbers:
            watch = PollWatch(self._children[number].pid)
            self._polls[number] = (numbers, watch)
        return watch.seconds() > max(_PATIENCE_SECONDS, _PATIENCE * chunk_seconds * len(numbers))

    def overdue(self, seconds: float) -> list[tuple[int, int]]:
        """Return the workers that are at one item for longer than ``seconds``, each with its position."""
        found = []
        for number in self.working():
            position, spent = self.item(number)
            if spent > seconds:
                found.append((number, position))
        return found

    def kill(self, number: int) -> None:
        """End a worker at once; its notices so far can still be read."""
        self._children[number].kill()
        self._ended.add(number)

    def stop(self) -> None:
        """Make workers take no more chunks; those that have not begun are ended."""
        super().stop()
        for number in self.working():
            if not self.has_begun(number):
                self.kill(number)

    def end(self, *, now: bool = False) -> None:
        """End all workers, at once or when they have ended what they do; close everything."""
        try:
            until = monotonic() + (0.0 if now else _END_SECONDS)
            for child in self._children:
                if not now and child.is_running() and children_of(child.pid):
                    child.wait(max(0.0, until - monotonic()))  # it ends the processes that items have left behind
        finally:
            for child in self._children:
                child.kill()
            self.close()
