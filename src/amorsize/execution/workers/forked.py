"""Forked workers of one run: they inherit the function and the data, and give results back through shared memory."""

from __future__ import annotations

import os
import select
import signal
import sys
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

from amorsize.domain.wording import brief
from amorsize.execution.out_of_band import read
from amorsize.execution.team import ChunkResult
from amorsize.execution.workers.board import DONE, ENDED, LOST, MOST_WORKERS, Board, Message, Notice, Task
from amorsize.execution.workers.child import Worker
from amorsize.execution.workers.fork_server import ForkServer, ServedWorker, end_all
from amorsize.processes import failures
from amorsize.processes.descriptor_limit import free_descriptors
from amorsize.processes.forks import Child, fork
from amorsize.processes.memory import shared_file
from amorsize.processes.polling import PollWatch
from amorsize.processes.process_info import is_stopped, is_stuck

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

_SPARE_DESCRIPTORS: Final = 32
"""Descriptors that workers leave free: our choice, as items need some, and so does each worker."""

_LOOK_SECONDS: Final = 0.1
"""Seconds between two looks whether a fork server that should end is stuck: our choice, an end takes milliseconds."""

_SERVER_SECONDS: Final = 5.0
"""Seconds in which a fork server may end its workers before it is killed: our choice, twice what it gives them."""


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
        self._workers: dict[int, Child | ServedWorker] = {}
        self._ended: set[int] = set()
        self._stuck: dict[int, float] = {}
        self._polls: dict[int, tuple[range, PollWatch]] = {}
        self._looked = monotonic()
        self.most_served = 0  # workers that a fork server may fork

    def __len__(self) -> int:
        """Number of workers that run items, or are asked to."""
        workers = len(self._children)
        if self.most_served and (self.served() or not self.has_begun(0)):
            workers += max(self.asked(), self.served(), 1) - 1  # the server runs none
        return workers

    def start(self, workers: int) -> None:
        """Fork more workers; OSError when the system cannot start them."""
        self.count(len(self) + workers)
        for _ in range(workers):
            if len(self.files) >= MOST_WORKERS:
                return
            number = len(self.files)
            self.files.append(shared_file())
            self._workers[number] = fork(partial(self._serve, number, os.getpid()), self._children, self.lifeline)
        self.count_threads()

    def start_server(self, cpus: int, most: int) -> None:
        """Fork a first worker that forks others; OSError when the system cannot start it.

        Args:
            cpus: most workers while items compute.
            most: most workers while items wait.
        """
        most = min(most, MOST_WORKERS - 1, free_descriptors() - _SPARE_DESCRIPTORS)
        if most <= 0:
            self.start(1)
            return
        self.count(1)
        self.open_orders()
        for _ in range(1 + most):
            self.files.append(shared_file())
        serve = partial(self._serve_first, cpus, most, os.getpid())
        self._workers[0] = fork(serve, self._children, self.lifeline)
        self.most_served = most
        self.count_threads()

    def _serve_first(self, cpus: int, most: int, parent: int) -> None:
        self._budget.become_worker()
        handler = signal.getsignal(signal.SIGCHLD)

        def serve(number: int, parent: int) -> None:
            if handler is not None:  # else it is none of Python's
                signal.signal(signal.SIGCHLD, handler)
            self._serve(number, parent)

        if handler is not None:  # the program's may take the exit codes of the server's workers
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if ForkServer(self, self._task.queue.unclaimed, serve, cpus, most, self._task.cpus).run():
            serve(0, parent)

    def _serve(self, number: int, parent: int) -> None:
        self._budget.become_worker()
        Worker(number, self, self._task, parent).run()

    @property
    def can_fork(self) -> bool:
        """Whether there is a fork server: then workers are as fresh as the first one."""
        serves = self.most_served and (self.served() or not self.has_begun(0))
        return bool(serves) and 0 not in self._ended and not self.error()

    def call(self, workers: int = 0) -> None:
        """Tell the fork server, if there is one, that the caller has looked, and how many workers it wants in all.

        Args:
            workers: how many; 0: no more than there are, at least one.
        """
        if self.most_served:
            super().call(max(1, min(workers or len(self), self.most_served)))

    def _add_served(self) -> None:
        """Add the workers that the fork server has forked since the last look."""
        for number in range(1, self.served() + 1):
            if number not in self._workers and self.pid(number):
                self._workers[number] = ServedWorker(self, number)

    def chunk_results(self) -> Iterator[ChunkResult]:
        """Yield the results that workers have sent since the last call, without waiting."""
        yield from (self._message(notice) for notice in self.notices() if notice.kind != ENDED)

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
        for number, worker in self._workers.items():
            if number not in self._ended and worker.fileno() >= 0:
                poll.register(worker.fileno(), select.POLLIN)
        poll.poll(seconds * 1e3)

    def working(self) -> list[int]:
        """Return the workers that run still, as far as the last look showed."""
        self._add_served()
        return [number for number in self._workers if number not in self._ended]

    def ended(self) -> list[tuple[int | None, range]]:
        """Return how the workers have ended that did since the last call, each with the chunks it announced last."""
        found = []
        for number in self.working():
            if not self._workers[number].is_running():
                self._ended.add(number)
                found.append((self._workers[number].exitcode, self.announced(number)))
        return found + self._orphans()

    def _orphans(self) -> list[tuple[int | None, range]]:
        """End the workers of a fork server that was killed before them: nobody would see their ends."""
        found = []
        if self.most_served and not self._workers[0].is_running():
            for number, worker in self._workers.items():
                if number not in self._ended and isinstance(worker, ServedWorker):
                    self.kill(number)
                    found.append(
                        (worker.exitcode if self.has_ended(number) else -signal.SIGKILL, self.announced(number))
                    )
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
        pid = self._workers[number].pid
        return is_stuck(pid) or is_stopped(pid)

    def _only_polls(self, number: int, chunk_seconds: float) -> bool:
        """Return whether a worker has waited for a thread of the caller for longer than its chunks can take."""
        numbers = self.announced(number)
        known, watch = self._polls.get(number, (None, None))
        if watch is None or known != numbers:
            watch = PollWatch(self._workers[number].pid)
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
        self._workers[number].kill()
        self._ended.add(number)

    def stop(self) -> None:
        """Make workers take no more chunks; those that have not begun are ended."""
        super().stop()
        for number in self.working() if os.getpid() == self.parent else ():
            if not self.has_begun(number):
                self.kill(number)

    def _wait_for_server(self) -> None:
        """Wait until the fork server has ended its workers; end it where it cannot, as it is stopped or stuck."""
        server, until = self._children[0], monotonic() + _SERVER_SECONDS
        while not server.wait(_LOOK_SECONDS):
            if monotonic() > until or self._is_stuck(0):
                server.kill()

    def end(self, *, now: bool = False) -> None:
        """End all workers, at once or when they have ended what they do; close everything.

        A process that the program has forked meanwhile has copies of all this. There, it only closes them.
        """
        if os.getpid() != self.parent:
            self.close()
            return
        try:
            self._add_served()
            if self.served() and self._workers[0].is_running():
                self.order_end(now=now)
                self._wait_for_server()
            self._orphans()
        finally:
            end_all(self._children, now=now)
            self.close()
