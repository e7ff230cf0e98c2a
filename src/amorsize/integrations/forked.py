"""Forked workers, one for each batch of tasks: they see the tasks as they are, and give results back through memory."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from struct import Struct
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

from amorsize.errors import WorkerError
from amorsize.execution.out_of_band import pack, read
from amorsize.integrations.tasks import Landed
from amorsize.processes.blas import setters
from amorsize.processes.failures import pack as pack_error
from amorsize.processes.failures import unpack as unpack_error
from amorsize.processes.forks import Child, Lifeline, become_independent, fork
from amorsize.processes.memory import shared_file, write_all
from amorsize.processes.process_info import is_stuck

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_SECONDS: Final = 0.5
"""A child is looked at this often, and taken for stuck when two looks in a row say so."""

_PID: Final = Struct("<i")
"""What a child tells when it has written down what became of its batch: its number."""

_NEWS_BYTES: Final = 1 << 12
"""What is read of that at a time."""

_NAP_SECONDS: Final = 0.001
"""Pause between two looks where the system has no descriptor that tells of a child's end."""

DONE, FAILED, AGAIN = "done", "failed", "again"
"""What became of a batch: results, an exception, or neither, so that it must run in the caller."""


class _Flight:
    """A batch that a child is running."""

    def __init__(self, job: Any, child: Child, file: int) -> None:
        self.job = job
        self.child = child
        self.file = file
        self.looked_at = monotonic()
        self.seemed_stuck = False


class Forks:
    """The forked workers of one call.

    Args:
        workers: how many at the same time.
        threads: how many threads numerical libraries may use in each.
        by_value: pickles what plain pickle refuses.
        settle: is called first in each child.
        leave: is called last.
    """

    def __init__(
        self,
        workers: int,
        threads: int,
        by_value: Callable[[Any], bytes],
        settle: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        self._workers = workers
        self._threads = threads
        self._by_value = by_value
        self._settle = settle
        self._leave = leave
        self._limits = setters(openmp=True) if "numpy" in sys.modules else []
        self._lifeline = Lifeline()
        self._news, self._tell = os.pipe()
        os.set_blocking(self._news, False)
        self._flights: list[_Flight] = []
        self._ending: list[Child] = []

    def __len__(self) -> int:
        return len(self._flights)

    def has_room(self) -> bool:
        """Return whether another batch may start."""
        return len(self._flights) < self._workers

    def start(self, job: Any, run: Callable[[], Any]) -> None:
        """Fork a child that runs a batch; OSError where there is no room for one."""
        file = shared_file()
        children: list[Child] = []
        try:
            fork(lambda: self._live(file, run), children, self._lifeline)
        except BaseException:
            os.close(file)
            for child in children:
                child.kill()
            raise
        self._flights.append(_Flight(job, children[0], file))

    def _live(self, file: int, run: Callable[[], Any]) -> None:
        """Run the batch in the child and write down what became of it."""
        self._settle()
        own = {file, self._news, self._tell, *(flight.file for flight in self._flights)}
        is_cut = become_independent(self._threads, frozenset(own), self._limits)
        began = monotonic()
        try:
            outcome: tuple[str, Any, float] = (DONE, run(), monotonic() - began)
        except BaseException as error:  # noqa: BLE001  it is raised again where the caller is
            outcome = (AGAIN, "a connection was cut in a worker", 0.0) if is_cut else (FAILED, pack_error(error), 0.0)
        write_all(file, self._packed(outcome), 0)
        os.write(self._tell, _PID.pack(os.getpid()))  # its memory takes a while to go, which nobody waits for
        self._leave()

    def _packed(self, outcome: tuple[str, Any, float]) -> list[Any]:
        try:
            return pack(outcome)
        except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
            try:
                return pack(("by value", self._by_value(outcome), 0.0))
            except Exception:  # noqa: BLE001  as above
                return pack((AGAIN, f"a result does not pickle ({type(error).__name__}: {error})", 0.0))

    def wait(self, seconds: float) -> list[Landed]:
        """Wait for a batch to end, for at most so many seconds; return what became of those that have."""
        poll = select.poll()
        poll.register(self._news, select.POLLIN)
        for flight in self._flights:
            if flight.child.fileno() >= 0:
                poll.register(flight.child.fileno(), select.POLLIN)
            else:
                seconds = min(seconds, _NAP_SECONDS)
        poll.poll(seconds * 1e3)
        done: set[int] = set()
        with suppress(BlockingIOError):
            news = os.read(self._news, _NEWS_BYTES)
            done = {pid for (pid,) in _PID.iter_unpack(news)}
        self._ending = [child for child in self._ending if child.is_running()]
        landed: list[Landed] = []
        for flight in list(self._flights):
            found = self._look(flight, is_done=flight.child.pid in done)
            if found is not None:
                self._flights.remove(flight)
                self._ending.append(flight.child)
                os.close(flight.file)
                landed.append(found)
        return landed

    def _look(self, flight: _Flight, *, is_done: bool) -> Landed | None:
        if is_done or not flight.child.is_running():
            return self._taken_in(flight)
        now = monotonic()
        if now - flight.looked_at < _LOOK_SECONDS:
            return None
        flight.looked_at = now
        before, flight.seemed_stuck = flight.seemed_stuck, is_stuck(flight.child.pid)
        if not (before and flight.seemed_stuck):
            return None
        flight.child.kill()
        return Landed(flight.job, AGAIN, "a worker waited for a lock that nobody could release")

    def _taken_in(self, flight: _Flight) -> Landed:
        try:
            length = os.fstat(flight.file).st_size
            outcome, value, seconds = read(flight.file, 0, length)
            if outcome == "by value":
                import pickle

                outcome, value, seconds = pickle.loads(value)  # noqa: S301  from a process that was forked for this call
        except Exception:  # noqa: BLE001  nothing, half of it, or what does not unpickle
            return self._lost(flight)
        if outcome == FAILED:
            value = unpack_error(value)
        return Landed(flight.job, outcome, value, seconds)

    def _lost(self, flight: _Flight) -> Landed:
        flight.child.wait()
        if flight.child.exitcode == 0:
            return Landed(flight.job, AGAIN, "a result does not unpickle")
        ended = f"exit code {flight.child.exitcode}"
        said = f"joblib: a worker ended while it ran a task ({ended}); run the task alone to see why"
        return Landed(flight.job, FAILED, WorkerError(said))

    def end(self) -> list[Any]:
        """End all children at once and return the jobs that they were at; repeated calls do nothing."""
        flights, self._flights = self._flights, []
        for flight in flights:
            flight.child.kill()
            os.close(flight.file)
        for child in self._ending:
            child.wait()
        self._ending = []
        self._lifeline.close()
        for end in (self._news, self._tell):
            if end >= 0:
                os.close(end)
        self._news = self._tell = -1
        return [flight.job for flight in flights]
