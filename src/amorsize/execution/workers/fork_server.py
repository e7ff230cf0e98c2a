"""A fork server: the first worker of a run, which forks the others as long as nothing has run in it."""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from functools import partial
from math import sqrt
from time import perf_counter
from typing import TYPE_CHECKING, Final

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

from amorsize.domain.cpus import ALWAYS_COMPUTES, MOSTLY_WAITS
from amorsize.execution.policy import SELF_START_SECONDS
from amorsize.execution.workers.board import ENDED, Board, Notice
from amorsize.processes.forks import Child, fork
from amorsize.processes.process_info import away_from, fork_seconds, move_back, stat_fields
from amorsize.processes.process_tree import children as children_of
from amorsize.processes.process_tree import descendants, running_threads
from amorsize.processes.process_tree import end as end_processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FREE_CPUS: Final = 0.5
"""CPUs that the caller leaves free, above which a worker runs items: our choice, half of the one that it needs."""

_LOOKS: Final = 5
"""Looks at the caller before the first decision: our choice; a millisecond lies between two of them."""

_LONGEST_PAUSE_SECONDS: Final = 0.02
"""Seconds between two looks at a caller that is silent, at most: our choice, since each look costs."""

_GONE: Final[tuple[list[bytes], ...]] = ([], [b"Z"], [b"X"])
"""The first field of the ``stat`` of a process that has ended, none where its number is free."""

_REAP_SECONDS: Final = 0.02
"""Seconds between two looks whether workers have ended where the system does not tell: our choice, hardly noticed."""

_END_SECONDS: Final = 2.0
"""Seconds in which a worker without chunks may end before it is killed: our choice, as an end takes milliseconds."""


class ForkServer:
    """The first worker of a run. Until something runs in it, it is a fresh fork, and so are the workers that it forks.

    While the caller is silent in a long item, the server forks as many workers as the silence is worth. Items that
    compute get a worker for each CPU, items that wait get more. A caller that has looked says how many it wants.

    Args:
        board: what the run's processes share.
        left: returns how many chunks are left.
        serve: what a worker of a number does in its process.
        cpus: most workers whose items compute; ``most`` is the most workers at all.
        usable_cpus: CPUs that the caller and its workers may use.
    """

    def __init__(  # noqa: PLR0913, PLR0917  one argument a concern
        self,
        board: Board,
        left: Callable[[], int],
        serve: Callable[[int, int], None],
        cpus: int,
        most: int,
        usable_cpus: float,
    ) -> None:
        self._board = board
        self._left = left
        self._serve = serve
        self._cpus = cpus
        self._most = most
        self._usable_cpus = usable_cpus
        self._poll = select.poll()
        self._forked: list[Child] = []
        self._running: dict[int, Child] = {}

    def run(self) -> bool:
        """Fork workers as they are wanted until they have ended; return whether this process should work instead.

        It should where one worker is enough.
        """
        board = self._board
        cpus = away_from(board.parent)
        self._poll.register(board.wake_ups, select.POLLIN)
        self._poll.register(board.orders, select.POLLIN)
        looks = _Looks(board.parent)
        is_called = False
        while board.parent == os.getppid():
            ready = {file for file, _ in self._poll.poll(self._milliseconds(None if is_called else looks.pause))}
            if board.orders in ready and (now := board.order()) is not None:
                end_all(self._forked, now=now)
                return False
            self._reap()
            if board.wake_ups in ready:
                is_called = True
                self._poll.unregister(board.wake_ups)
            elif not is_called and not looks.look():
                continue
            wanted = min(board.asked(), self._most) if is_called else self._wanted_beside(looks.seconds, looks.used)
            move_back(cpus)
            if wanted == 1 and not self._forked and (is_called or looks.used >= ALWAYS_COMPUTES):
                return True
            self._fork(wanted - len(self._running))
            if self._forked and not self._running:
                return False
        return False

    def _milliseconds(self, pause: float | None) -> float | None:
        """Return how long to wait for news; where the system does not tell of an end, it must be looked for."""
        if any(child.fileno() < 0 for child in self._running.values()):
            pause = min(_REAP_SECONDS, pause or _REAP_SECONDS)
        return None if pause is None else pause * 1e3

    def _wanted_beside(self, seconds: float, used: float) -> int:
        """Return how many workers are worth their forks beside a caller that is still at its first item.

        That item has taken some seconds, and so the items that are left take as long each, as far as is known. Of
        ``seconds * left / workers + workers * fork_seconds`` the least is best. Threads of a library may keep all CPUs
        busy for the item. A worker would slow them down.
        """
        if used >= self._usable_cpus - FREE_CPUS and self._board.has_more_threads():
            return 0
        most = self._most if used < MOSTLY_WAITS else self._cpus
        left = self._left() + 1  # the last chunk is counted apart
        more = min(left, int(sqrt(seconds * left / fork_seconds())))
        return max(1, min(most, len(self._running) + more))

    def _fork(self, workers: int) -> None:
        """Fork more workers, fewer where the system cannot start as many."""
        board = self._board
        for _ in range(workers):
            number = len(self._forked) + 1
            if number > self._most or board.is_stopped() or board.parent != os.getppid():
                return
            board.serve(number)
            board.begin(0)
            try:
                child = fork(partial(self._serve, number, os.getpid()), self._forked, board.lifeline)
            except OSError:
                return
            board.join(number, child.pid)
            self._running[number] = child
            if child.fileno() >= 0:
                self._poll.register(child.fileno(), select.POLLIN)

    def _reap(self) -> None:
        """Record which workers have ended, and how, before their process numbers are free for other processes."""
        for number, child in list(self._running.items()):
            code = None
            with suppress(ChildProcessError):  # the program ignores SIGCHLD, so nobody knows how its processes end
                ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None:
                    continue
                code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            self._board.leave(number, code)
            if child.fileno() >= 0:
                self._poll.unregister(child.fileno())
            child.is_running()  # takes its exit status
            del self._running[number]
            self._board.send(Notice(number, 0, 0, ENDED, 0, 0))


class _Looks:
    """Looks at a caller that is silent, and at what it has started: how many of their threads run, or are ready to.

    The seconds that the system counts would be more exact, but it counts those of a thread that runs at its next tick.
    """

    def __init__(self, caller: int) -> None:
        self._caller = caller
        self._began = perf_counter()
        self._next = SELF_START_SECONDS
        self._running = self._looks = 0
        self.pause = SELF_START_SECONDS / _LOOKS

    @property
    def seconds(self) -> float:
        """Seconds for which the caller has been silent."""
        return perf_counter() - self._began

    @property
    def used(self) -> float:
        """CPUs in use, the mean of all looks."""
        return self._running / self._looks

    def look(self) -> bool:
        """Look once; return whether it is time to decide again."""
        ours = {os.getpid(), *descendants(os.getpid())}
        others = [self._caller, *(pid for pid in descendants(self._caller) if pid not in ours)]
        self._running += sum(map(running_threads, others))
        self._looks += 1
        if self.seconds < self._next:
            return False
        self._next += 2 * self._next
        self.pause = min(2 * self.pause, _LONGEST_PAUSE_SECONDS)
        return True


class Served:
    """A worker that a fork server has forked, as the caller sees it, whose child it is not; see Child."""

    def __init__(self, board: Board, number: int) -> None:
        self._board = board
        self._number = number
        self.pid = board.pid(number)

    @property
    def exitcode(self) -> int | None:
        """The exit code; None while the worker runs, and where it is not known."""
        return self._board.exitcode(self._number)

    def fileno(self) -> int:
        """Return -1: the server sends a notice of the end."""
        return -1

    def is_running(self) -> bool:
        """Return whether the server has not seen the end of the worker."""
        return not self._board.has_left(self._number)

    def kill(self) -> None:
        """End the worker at once, with the processes that it has started, and wait for its end."""
        if self.is_running():
            started, until = descendants(self.pid), perf_counter() + _END_SECONDS
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            while self.is_running() and perf_counter() < until and stat_fields(self.pid)[:1] not in _GONE:
                select.poll().poll(1)
            end_processes(started)


def end_all(workers: Iterable[Child | Served], *, now: bool) -> None:
    """End workers, at once or, where they are ending the processes that items have left behind, after a while."""
    until = perf_counter() + (0.0 if now else _END_SECONDS)
    for worker in workers:
        while not now and worker.is_running() and children_of(worker.pid) and perf_counter() < until:
            select.poll().poll(1)
    for worker in workers:
        worker.kill()
