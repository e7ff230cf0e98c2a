"""Forked workers, one for each batch: they see the tasks as they are, and give results back through shared memory."""

from __future__ import annotations

import os
import pickle
import select
import sys
from contextlib import suppress
from struct import Struct
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

import cloudpickle

from amorsize.client.client import default_calls
from amorsize.domain.wording import brief
from amorsize.errors import WorkerError
from amorsize.execution.out_of_band import pack, read
from amorsize.integrations.joblib import loky
from amorsize.integrations.joblib.batch import Outcome
from amorsize.integrations.joblib.clocks import clocks, work
from amorsize.processes.blas import setters
from amorsize.processes.failures import pack as pack_error
from amorsize.processes.failures import unpack as unpack_error
from amorsize.processes.forks import Child, Lifeline, become_independent, fork
from amorsize.processes.memory import shared_file, write_all
from amorsize.processes.process_info import is_stuck

if TYPE_CHECKING:
    from amorsize.integrations.joblib.batch import Batch

_LOOK_SECONDS: Final = 0.5
"""A child is looked at this often, and taken for stuck when two looks in a row say so."""

_PID: Final = Struct("<i")
"""What a child writes to the pipe when its outcome is in the shared file: its process id."""

_PIPE_BYTES: Final = 1 << 12
"""What is read of that at a time."""

_NAP_SECONDS: Final = 0.001
"""Pause between two looks where the system has no descriptor that becomes readable when a child ends."""

DONE, FAILED, RERUN = "done", "failed", "rerun"
"""The kinds of an Outcome."""

_BY_VALUE: Final = "by value"
"""The kind of what cloudpickle has pickled, since plain pickle refuses it."""


class _Running:
    """A batch that a child is running, and the shared file for its outcome."""

    def __init__(self, batch: Batch, child: Child, file: int) -> None:
        self.batch = batch
        self.child = child
        self.file = file
        self._looked_at = monotonic()
        self._seemed_stuck = False

    def has_got_stuck(self) -> bool:
        """Return whether the child has seemed stuck in two looks in a row, with a pause between them."""
        now = monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        before, self._seemed_stuck = self._seemed_stuck, is_stuck(self.child.pid)
        return before and self._seemed_stuck


class ForkedWorkers:
    """The forked workers of one call.

    Args:
        workers: how many at the same time.
        threads: how many threads numerical libraries may use in each.
    """

    def __init__(self, workers: int, threads: int) -> None:
        self._workers = workers
        self._threads = threads
        self._become_worker = default_calls.resources().budget.become_worker
        self._limits = setters(openmp=True) if "numpy" in sys.modules else []
        self._lifeline = Lifeline()
        self._done_read, self._done_write = os.pipe()
        os.set_blocking(self._done_read, False)
        self._running: list[_Running] = []
        self._ending: list[Child] = []

    def __len__(self) -> int:
        return len(self._running)

    def has_capacity(self) -> bool:
        """Return whether another batch may start."""
        return len(self._running) < self._workers

    def start(self, batch: Batch) -> None:
        """Fork a child that runs a batch; OSError where the system cannot start another process."""
        file = shared_file()
        children: list[Child] = []
        try:
            fork(lambda: self._live(file, batch), children, self._lifeline)
        except BaseException:
            os.close(file)
            for child in children:
                child.kill()
            raise
        self._running.append(_Running(batch, children[0], file))

    def _live(self, file: int, batch: Batch) -> None:
        """Run the batch in the child, and write its outcome to the shared file."""
        self._become_worker()
        loky.forget_inherited()
        own = {file, self._done_read, self._done_write, *(each.file for each in self._running)}
        is_cut = become_independent(self._threads, frozenset(own), self._limits)
        before, began = clocks(), monotonic()
        try:
            results = batch.calls()
            seconds, _ = work(monotonic() - began, before, clocks(), shared=False)
            outcome: tuple[str, Any, float] = (DONE, results, seconds)
        except BaseException as error:  # noqa: BLE001  it is raised again where the caller is
            outcome = (RERUN, "a connection was cut in a worker", 0.0) if is_cut else (FAILED, pack_error(error), 0.0)
        write_all(file, _packed(outcome), 0)
        os.write(self._done_write, _PID.pack(os.getpid()))  # nobody waits until the child's memory is free
        loky.end_own()

    def wait(self, seconds: float) -> list[Outcome]:
        """Wait for a batch to end, for at most so many seconds; return the outcomes of those that have."""
        poll = select.poll()
        poll.register(self._done_read, select.POLLIN)
        for running in self._running:
            if running.child.fileno() >= 0:
                poll.register(running.child.fileno(), select.POLLIN)
            else:
                seconds = min(seconds, _NAP_SECONDS)
        poll.poll(seconds * 1e3)
        done: set[int] = set()
        with suppress(BlockingIOError):
            done = {pid for (pid,) in _PID.iter_unpack(os.read(self._done_read, _PIPE_BYTES))}
        self._ending = [child for child in self._ending if child.is_running()]
        outcomes: list[Outcome] = []
        for running in list(self._running):
            outcome = self._look(running, is_done=running.child.pid in done)
            if outcome is not None:
                self._running.remove(running)
                self._ending.append(running.child)
                os.close(running.file)
                outcomes.append(outcome)
        return outcomes

    def _look(self, running: _Running, *, is_done: bool) -> Outcome | None:
        """Return the outcome of a batch, None while its child runs and is not stuck."""
        if is_done or not running.child.is_running():
            return _outcome(running)
        if not running.has_got_stuck():
            return None
        running.child.kill()
        return Outcome(running.batch, RERUN, "a worker waited for a lock that nobody could release")

    def end(self) -> list[Batch]:
        """End all children at once and return the batches that they were running; repeated calls do nothing."""
        unfinished, self._running = self._running, []
        for running in unfinished:
            running.child.kill()
            os.close(running.file)
        for child in self._ending:
            child.wait()
        self._ending = []
        self._lifeline.close()
        for descriptor in (self._done_read, self._done_write):
            if descriptor >= 0:
                os.close(descriptor)
        self._done_read = self._done_write = -1
        return [running.batch for running in unfinished]


def _packed(outcome: tuple[str, Any, float]) -> list[Any]:
    """Return an outcome as parts of bytes; what plain pickle refuses by value, or else why it does not pickle."""
    try:
        return pack(outcome)
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        try:
            return pack((_BY_VALUE, cloudpickle.dumps(outcome), 0.0))
        except Exception:  # noqa: BLE001  as above
            return pack((RERUN, f"a result does not pickle ({brief(error)})", 0.0))


def _outcome(running: _Running) -> Outcome:
    """Read the outcome that an ended child has written; a WorkerError where it ended before that."""
    try:
        kind, value, seconds = read(running.file, 0, os.fstat(running.file).st_size)
        if kind == _BY_VALUE:
            kind, value, seconds = pickle.loads(value)  # noqa: S301  from a process that was forked for this call
    except Exception:  # noqa: BLE001  the file is empty or cut off, or the results do not unpickle
        running.child.wait()
        if running.child.exitcode == 0:
            return Outcome(running.batch, RERUN, "a result does not unpickle")
        ended = f"exit code {running.child.exitcode}"
        error = WorkerError(f"joblib: a worker ended while it ran a task ({ended}); run the task alone to see why")
        return Outcome(running.batch, FAILED, error)
    return Outcome(running.batch, kind, unpack_error(value) if kind == FAILED else value, seconds)
