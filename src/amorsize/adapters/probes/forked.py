"""Samples in a forked child: it sees all that the caller sees, and what items do there is gone with it."""

from __future__ import annotations

import atexit
import fcntl
import os
import resource
import signal
import sys
import threading
import weakref
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from time import thread_time
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from amorsize.adapters.probes import gil, irreversible, sampling
from amorsize.adapters.probes.child import (
    ChildResult,
    ChildSession,
    NoChildError,
    UnusableChildError,
    sample_as_child,
    take_first,
)
from amorsize.processes import connections, descriptors, forks, process_info, process_tree
from amorsize.processes.polling import PollWatch

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amorsize.domain.planning.sampling import Budget
    from amorsize.domain.source import Source
    from amorsize.domain.values import Sample

LOADED: Final = (irreversible, fcntl, sampling, gil)
"""Modules that a child needs, loaded before it is forked: else each child would load them, for 1 ms or more."""

_LEAVING_SECONDS: Final = 0.02
"""Seconds in which a child that has said its last word may end: our choice; ``benchmarks/forks.py`` shows 2 ms."""

_GRACE_SECONDS: Final = 0.5
"""Seconds in which it may end if it has child processes or files to tidy up: our choice, as that takes longer."""

_TIDYING_SECONDS: Final = 0.2
"""Seconds in which a child that was asked to end may tidy up: our choice, hardly noticed."""

_POLLS_SECONDS: Final = 0.5
"""Seconds in which a child beside threads may only look at its own memory: our choice, time for ten looks."""

_BOOT_SECONDS: Final = 20.0
"""Seconds in which a forked child must run its first item: our choice; it imports nothing, but may wait for a CPU."""


def sample_in_fork(func: Callable[[Any], Any], source: Source, budget: Budget, *, careful: bool) -> Sample:
    """Run func on a few items of source in a forked child and return what that showed.

    The child has all of a source whose items can be had again. Of an iterator, whose items are the caller's, it is
    handed some, and asks for more.

    Args:
        func: takes one item.
        source: the items.
        budget: how much to run; ``item_seconds`` bounds one item.
        careful: ends the child before an item does what cannot be done twice, such as removing a file.

    Raises:
        ValueError: source has no item.
        NoChildError: the items are to be sampled here; nothing of what ran there is left.
        SamplingError: the child ended without an answer, or was ended when an item took too long.
        Exception: what func raised, with notes that name the item and show the child's traceback.
    """
    if source.is_empty():
        raise ValueError("sample: source must have an item, got none")
    own_bytes = process_info.own_memory_bytes()
    given: Any = source if source.comes_again else take_first(source, budget)
    with _Fork() as fork:
        try:
            fork.start(partial(sample_as_child, func=func, given=given, budget=budget, careful=careful))
            talk = ChildSession(fork.connection, source, budget, fork.exit_code, fork.is_stuck)
            found = fork.found(talk)
        except UnusableChildError as error:
            raise NoChildError(str(error), given) from None
    if found.error is not None and found.cut:
        why = "the function uses a connection of this process, which a child must not share"
        raise NoChildError(why, given, in_order=True)
    if source.is_indexed:
        for _ in islice(source.positions(), talk.count):
            pass
    sample = found.taken()
    return attrs.evolve(sample, sampled_in="worker", fork_seconds=fork.seconds, parent_bytes=own_bytes)


class _Fork:
    """A forked child that samples, the connection to it, and what it leaves behind; ``with`` ends all of them."""

    connection: connections.Connection

    def __init__(self) -> None:
        self.seconds = 0.0
        self._open: list[Any] = []
        self._children: list[forks.Child] = []
        self._started: list[int] = []
        self._danger = ""
        self._beside = len(sys._current_frames()) > 1  # noqa: SLF001  the only way to count them
        self._ran = 0
        self._polls: PollWatch | None = None

    def __enter__(self) -> Self:
        return self

    def start(self, act: Callable[..., None]) -> None:
        """Fork the child; where that may be dangerous, nothing of the user's runs before ``found`` is asked for."""
        try:
            lifeline = forks.Lifeline()
            self._open.append(lifeline)
            self.connection, its = connections.pipe()
            self._open.append(self.connection)
            try:
                self._danger = process_info.fork_danger()
                run = partial(_run, its, self.connection, act, waits=bool(self._danger))
                is_alone = not process_info.foreign_threads()  # a library may end its threads at a fork
                began = thread_time()
                self.connection.watch_peer(forks.fork(run, self._children, lifeline).fileno())
                self.seconds = thread_time() - began if is_alone else 0.0
            finally:
                its.close()
        except (OSError, RuntimeError) as error:  # no descriptors, no memory, or the interpreter is about to end
            raise UnusableChildError(f"no child could be forked ({error})") from None

    def found(self, talk: ChildSession) -> ChildResult:
        """Return what the child has found, if it may begin at all.

        A danger that was seen before the fork is looked at again: the fork has ended the threads of OpenBLAS.
        """
        if self._danger:
            if danger := process_info.fork_danger():
                raise UnusableChildError(danger)
            talk.resume()
        found = talk.found(_BOOT_SECONDS)
        if found.waits:
            child = self._children[0]
            self._started = process_tree.descendants(child.pid)
            talk.resume()
            child.wait(_GRACE_SECONDS)
        return found

    def is_stuck(self) -> bool:
        """Return whether the child can never go on by itself, as far as that can be seen from outside.

        It cannot when each of its threads waits for a lock. Beside other threads of Python, which were not forked, it
        is taken for such too when it does nothing but look, again and again, whether its own memory has changed.
        """
        pid = self._children[0].pid
        before, self._ran = self._ran, process_info.switches(pid)
        if process_info.is_stuck(pid):
            return self._ran == before
        self._polls = self._polls or PollWatch(pid)
        return self._beside and self._polls.seconds() > _POLLS_SECONDS

    def exit_code(self) -> int | None:
        """Return how the child ended, once it is about to; None where it is not known."""
        child = self._children[0]
        child.wait(_GRACE_SECONDS)
        return child.exitcode

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            try:
                self._ask_to_end(child)
            finally:  # a second Ctrl-C, say
                child.kill()
                process_tree.end([*self._started, *process_tree.members(child.pid)])
        for each in self._open:
            each.close()

    def _ask_to_end(self, child: forks.Child) -> None:
        if not child.wait(_LEAVING_SECONDS):
            self._started += process_tree.descendants(child.pid)
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
            child.wait(_TIDYING_SECONDS)


def _run(
    connection: connections.Connection, callers: connections.Connection, act: Callable[..., None], *, waits: bool
) -> None:
    """Be the child."""
    os.setpgid(0, 0)  # so that what is left of it can be found, and a signal to its group reaches no other process
    callers.close()
    with _own_end(), suppress(EOFError, OSError):  # the caller has ended, or has closed the connection
        _fall_silently()
        _end_on_request()
        if waits:
            connection.recv_bytes()
        act(connection, cut=descriptors.isolate(connection.descriptors))
        _tidy_up()


def _end_on_request() -> None:
    """Have SIGTERM end this process in an orderly way, and each child that an item forks at once, as elsewhere.

    A pool ends its workers by that signal. A handler in Python may run too late for that: a worker that has just begun
    to wait for a lock waits on.
    """
    before = signal.signal(signal.SIGTERM, _leave)

    def restore() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
        allow()

    def allow() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}),
        after_in_parent=allow,
        after_in_child=restore,
    )


def _leave(*_: object) -> None:
    raise SystemExit


@contextmanager
def _own_end() -> Iterator[None]:
    """Leave out of this process's end what the caller has registered for its own, and for the end of its objects."""
    atexit._clear()  # noqa: SLF001  there is no other way
    inherited = getattr(weakref.finalize, "_registry", None)  # kept: what it holds takes long to free
    weakref.finalize._registry = {}  # type: ignore[attr-defined]  # noqa: SLF001  likewise
    with suppress(AttributeError):
        atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]  # noqa: SLF001  likewise
    yield
    del inherited


def _tidy_up() -> None:
    """Do what the end of an interpreter does for what items have made: it goes with this process."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  ends executors
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._exit_function()  # noqa: SLF001  ends workers
    atexit._run_exitfuncs()  # noqa: SLF001  removes temporary files


def _fall_silently() -> None:
    """Make a crash leave neither a core file nor a stack on the screen: the answer says what crashed."""
    if "faulthandler" in sys.modules:
        sys.modules["faulthandler"].disable()
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
