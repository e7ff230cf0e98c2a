"""A fork server: the first worker of a run, which forks the others as long as nothing has run in it."""

from __future__ import annotations

import errno
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

from amorsize.domain.cpus import MOSTLY_WAITS
from amorsize.execution.policy import FREE_CPUS, SILENT_SECONDS
from amorsize.execution.workers.board import ENDED, Board, Notice
from amorsize.processes.forks import Child, fork
from amorsize.processes.process_info import away_from, fork_seconds, has_ended, move_back
from amorsize.processes.process_tree import children as children_of
from amorsize.processes.process_tree import descendants, running_threads
from amorsize.processes.process_tree import end as end_processes

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOKS: Final = 5
"""Looks at the caller before the first decision: our choice; half a millisecond or more lies between two of them."""

_ANY_SECONDS: Final = 0.1
"""Seconds between two looks whether the caller lives, and workers where there are no pidfds: our choice, rare."""

_END_SECONDS: Final = 2.0
"""Seconds in which a worker without chunks may end before it is killed: our choice, as an end takes milliseconds."""


class ForkServer:
    """The first worker of a run. Until something runs in it, it is a fresh fork, and so are the workers that it forks.

    While the caller is silent in a long item, the server forks as many workers as the silence is worth. Items that
    compute get a worker for each CPU, items that wait get more. A caller that has looked says how many it wants.

    Args:
        board: what the run's processes share.
        left: returns how many chunks nobody has taken.
        serve: what a worker does in its process, by its number and its parent's process.
        cpus: most workers while items compute.
        most: most workers while items wait.
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

        It should where one worker is all that is wanted, or that there can be.
        """
        board = self._board
        cpus = away_from(board.parent)
        self._poll.register(board.orders, select.POLLIN)
        looks = _Looks(board.parent)
        while board.parent == os.getppid():
            ready = self._poll.poll(1e3 * (_ANY_SECONDS if board.asked() else min(_ANY_SECONDS, looks.pause)))
            if board.orders in dict(ready) and (now := board.order()) is not None:
                end_all(self._forked, now=now)
                return False
            self._reap()
            if self._forked and not self._running:
                return False
            if asked := min(board.asked(), self._most):
                more = asked - len(self._forked)
            elif looks.look():
                more = self._more_beside(looks.seconds, looks.used)
                looks.begin_anew()
            else:
                continue
            move_back(cpus)
            works = not self._forked and more == 1 and (asked == 1 or self._most == 1)
            if works or (not self._fork(more) and not self._forked):
                return True
        end_all(self._forked, now=True)
        return False

    def _more_beside(self, seconds: float, used: float) -> int:
        """Return how many more workers are worth their forks beside a caller that is still at its first item.

        That item has taken some seconds, and so the items that are left take as long each, as far as is known. Of
        ``seconds * left / workers + workers * fork_seconds`` the least is best. Forks beside an item that goes on
        waiting take nobody's time. Threads of a library may keep all CPUs busy for the item. A worker would slow them
        down.
        """
        if used >= self._usable_cpus - FREE_CPUS and self._board.has_more_threads():
            return 0
        waits = used < MOSTLY_WAITS
        most = self._most if waits else self._cpus
        left = self._left()
        worth = left if waits and seconds > 2 * SILENT_SECONDS else max(1, int(sqrt(seconds * left / fork_seconds())))
        return max(0, min(left, worth, most - len(self._running)))

    def _fork(self, workers: int) -> bool:
        """Fork more workers; return whether the system could start them."""
        board = self._board
        for _ in range(workers):
            number = len(self._forked) + 1
            if number > self._most or board.is_stopped() or board.parent != os.getppid():
                break
            board.count_served(number)
            board.begin(0)
            try:
                child = fork(partial(self._serve, number, os.getpid()), self._forked, board.lifeline)
            except OSError as error:
                board.count_served(number - 1)
                board.record_error(error.errno or errno.EAGAIN)
                return False
            self._running[number] = child
            if child.fileno() >= 0:
                self._poll.register(child.fileno(), select.POLLIN)
        return True

    def _reap(self) -> None:
        """Record which workers have ended, and how, before their process numbers are free for other processes."""
        for number, child in list(self._running.items()):
            code = None
            with suppress(ChildProcessError):  # the program ignores SIGCHLD, so nobody knows how its processes end
                ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None:
                    continue
                code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            self._board.record_end(number, code)
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
        self._next = SILENT_SECONDS
        self._running = self._looks = 0
        self.pause = SILENT_SECONDS / _LOOKS
        self._due = 0.0

    @property
    def seconds(self) -> float:
        """Seconds for which the caller has been silent."""
        return perf_counter() - self._began

    @property
    def used(self) -> float:
        """CPUs in use, the mean of the looks since the last decision."""
        return self._running / max(1, self._looks)

    def begin_anew(self) -> None:
        """Forget what was seen so far: an item may begin with what computes, and then wait."""
        self._running = self._looks = 0

    def look(self) -> bool:
        """Look, if it is time for that; return whether it is time to decide again."""
        now = perf_counter()
        if now < self._due:
            return False
        others = set(descendants(self._caller)) - {os.getpid(), *descendants(os.getpid())}
        self._running += sum(map(running_threads, [self._caller, *others]))
        self._looks += 1
        is_over = now - self._began >= self._next
        if is_over:
            self.pause = 2 * self._next / _LOOKS
            self._next *= 3
        self._due = now + self.pause
        return is_over


class ServedWorker:
    """A worker that a fork server has forked. The caller is not its parent; see Child."""

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
        return not self._board.has_ended(self._number)

    def kill(self) -> None:
        """End the worker at once, with the processes that it has started, and wait for its end."""
        board, number = self._board, self._number
        if self.is_running() and board.is_process(number):
            started, until = descendants(self.pid), perf_counter() + _END_SECONDS
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            while self.is_running() and not has_ended(self.pid) and perf_counter() < until:
                select.poll().poll(1)
            end_processes(started)
            with suppress(ChildProcessError):  # nearly always: it may be the caller's child if the server was killed
                os.waitpid(self.pid, os.WNOHANG)


def end_all(workers: list[Child], *, now: bool) -> None:
    """End workers, at once or, where they are ending the processes that items have left behind, after a while."""
    try:
        until = perf_counter() + (0.0 if now else _END_SECONDS)
        for worker in workers:
            if not now and worker.is_running() and children_of(worker.pid):
                worker.wait(max(0.0, until - perf_counter()))
    finally:
        for worker in workers:
            worker.kill()
