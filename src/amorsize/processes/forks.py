"""Forks a child that is safe to run a user's function in, and that disturbs neither its parent nor other children."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, NoReturn
from weakref import WeakSet

from amorsize.domain.fork_costs import MOST_FORK_SECONDS
from amorsize.processes.blas import limit_threads
from amorsize.processes.descriptors import isolate
from amorsize.processes.explaining import become_silent
from amorsize.processes.interrupts import uninterrupted
from amorsize.processes.process_info import fork_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see can_fork

_LOOK_SECONDS: Final = 0.002
"""Pause between two looks at a child where the system has no pidfd."""

_DAY_SECONDS: Final = 86400.0
"""Stands for no time limit."""

_F_SETSIG: Final = 10
"""The command of Linux's ``fcntl`` that names the signal of an asynchronous descriptor."""


class Child:
    """A forked child: whether it runs, how it ended, and its end.

    It is not waited for by number alone: a user's ``os.wait()``, or an ignored SIGCHLD, may take its status. Then
    ``exitcode`` is None although it has ended.
    """

    __slots__ = ("_descriptor", "_ended", "exitcode", "pid")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exitcode: int | None = None
        self._ended = False
        self._descriptor = -1
        with suppress(OSError, AttributeError):  # an old kernel, or no descriptor left: the child is looked at instead
            self._descriptor = os.pidfd_open(pid)

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the child ends, -1 where there is none."""
        return self._descriptor

    def is_running(self) -> bool:
        """Return whether the child runs still; takes its exit status when it does not."""
        if self._ended:
            return False
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # the program took the status
            self._end()
            return False
        if pid == 0:
            return True
        self.exitcode = os.waitstatus_to_exitcode(status)
        self._end()
        return False

    def _end(self) -> None:
        self._ended = True
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the child has ended, for at most ``seconds``; return whether it has."""
        until = monotonic() + (_DAY_SECONDS if seconds is None else seconds)
        while self.is_running():
            left = until - monotonic()
            if left <= 0:
                return False
            if self._descriptor >= 0:
                poll = select.poll()
                poll.register(self._descriptor, select.POLLIN)
                poll.poll(left * 1e3)
            else:
                sleep(min(left, _LOOK_SECONDS))
        return True

    def kill(self) -> None:
        """End the child at once, with the processes that it has started, and wait for its end."""
        if self.is_running():
            import signal

            from amorsize.processes import process_tree

            started = process_tree.descendants(self.pid)
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()
            process_tree.end(started)


class Lifeline:
    """A pipe that is never written to: when the caller's end closes, the kernel ends each child that holds on to it.

    So no child outlives its caller. The caller's end is closed in every child that Python forks;
    one that a C library forks meanwhile delays this for as long as it lives.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        _lifelines.add(self)

    def hold_on(self, parent: int) -> None:
        """Make the kernel end this child when its caller is gone; end it at once if its parent is gone already."""
        import fcntl
        import signal

        with suppress(OSError):  # no descriptor is left: the child looks at its parent's number from time to time
            own = os.open(f"/proc/self/fd/{self._read}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(own, _F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(own, fcntl.F_SETFL, fcntl.fcntl(own, fcntl.F_GETFL) | os.O_ASYNC)
            poll = select.poll()
            poll.register(own, 0)
            if poll.poll(0):  # nobody can write any more
                os._exit(1)
        if os.getppid() != parent:
            os._exit(1)

    def let_go(self) -> None:
        """Close the caller's end in a child."""
        if self._write >= 0:
            os.close(self._write)
            self._write = -1

    def close(self) -> None:
        """Close both ends, when the children have ended; repeated calls do nothing."""
        _lifelines.discard(self)
        self.let_go()
        if self._read >= 0:
            os.close(self._read)
            self._read = -1


_lifelines: Final[WeakSet[Lifeline]] = WeakSet()
"""Those of all runs in this process: no child of it must keep their children alive."""


def _let_go() -> None:
    for lifeline in list(_lifelines):
        lifeline.let_go()


os.register_at_fork(after_in_child=_let_go)


def fork(run: Callable[[], Any], children: list[Child], lifeline: Lifeline) -> Child:
    """Fork a child that calls ``run`` and ends; append it to ``children`` and return it.

    The child has one thread, ignores SIGINT, never returns to the caller's code and runs no handler of the
    interpreter's end. It knows ``multiprocessing`` as a child process of that package would, where the caller has
    imported it, and may start processes itself. Ctrl-C never falls between the fork and its entry in ``children``.

    Args:
        run: what the child does; it should catch what it raises.
        children: where the child is kept.
        lifeline: what ends the child with its caller.

    Raises:
        OSError: the system cannot start another process.
    """
    import signal

    _flush()
    process = _process_of_multiprocessing(run)
    with uninterrupted():
        before, parent = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}), os.getpid()
        try:
            pid = _fork_without_warning()
            if pid == 0:
                _live_as_child(process or run, before, lifeline, parent)
            child = Child(pid)
            children.append(child)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child


def _fork_without_warning() -> int:
    """Fork; since 3.12 Python warns of each fork beside threads, which the callers of this module have looked at."""
    if sys.version_info < (3, 12):
        return os.fork()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _flush() -> None:
    """Write out what standard streams hold back, so that a child does not write it again."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a stream may be closed, None, or the user's own
            stream.flush()


def _process_of_multiprocessing(run: Callable[[], Any]) -> Callable[[], Any] | None:
    """Return what runs ``run`` as a child process that multiprocessing knows; None where it is not imported.

    Importing it takes 8 ms, and a child that imports it itself finds it fresh.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is None or "multiprocessing.util" not in sys.modules:
        return None
    made = process.BaseProcess(target=run, name="amorsize-worker")
    made._start_method = None  # noqa: SLF001  the caller's choice stays
    return made._bootstrap  # type: ignore[no-any-return]  # noqa: SLF001  what multiprocessing's own fork calls


def _live_as_child(run: Callable[[], Any], mask: Any, lifeline: Lifeline, parent: int) -> NoReturn:
    """Run the child, and end it without a return to the caller's code."""
    code = 1
    try:
        import gc
        import signal

        lifeline.hold_on(parent)
        with suppress(OSError):  # no descriptor is left
            sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  as multiprocessing does
        become_silent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)  # an event loop of the caller's waits at the other end
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        gc.freeze()  # what the caller made stays out of the child's collections, which would copy its pages
        run()
        code = 0
    finally:
        _flush()
        os._exit(code)


def become_independent(
    threads: int, ours: frozenset[int] = frozenset(), limits: list[Callable[[Any], object]] | None = None
) -> bool:
    """Make inherited descriptors harmless, seed numpy's global generator, and limit the threads of libraries.

    Python itself seeds the generator of the module ``random`` in each forked child.

    Args:
        threads: how many threads numerical libraries may use in the child.
        ours: descriptors to leave alone.
        limits: what ``setters`` returned in the parent, which saves looking; None: it is asked here.

    Returns:
        Whether a connection of the parent was cut in the child.
    """
    is_cut = bool(isolate(ours))
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
    limit_threads(threads, limits)
    return is_cut


def end_library_threads() -> None:
    """Fork a child that ends at once: libraries that take care of forks, as OpenBLAS does, end their threads before.

    A process whose fork takes long is not forked for that.
    """
    if fork_seconds() > MOST_FORK_SECONDS:
        return
    children: list[Child] = []
    with suppress(OSError, RuntimeError):  # no process is left, or the interpreter ends
        lifeline = Lifeline()
        try:
            fork(lambda: None, children, lifeline)
        finally:
            for child in children:
                child.kill()
            lifeline.close()
