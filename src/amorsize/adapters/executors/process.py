"""The executor for processes of any start method."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.application.ports import Executors

if TYPE_CHECKING:
    from concurrent.futures import Executor


_END_SECONDS: Final = 1.0
"""How long the end of a killed process is waited for: the kernel takes milliseconds."""
_LOOK_SECONDS: Final = 1.0
"""How often a worker looks whether its parent is there: it may outlive it by so long."""


@attrs.frozen
class ProcessOptions:
    """No options: start method and number come with the plan."""


class ProcessExecutors(Executors):
    """Executors of processes that end with their parent and leave Ctrl-C to it."""

    kind = "process"

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options

    def start(self, workers: int, start_method: str) -> Executor:
        """Return a pool of processes; see the port."""
        context = multiprocessing.get_context(start_method)
        environment = dict(os.environ) if start_method == "forkserver" else None  # its server has that of its own start
        return ProcessPoolExecutor(workers, mp_context=context, initializer=settle, initargs=(environment,))

    def kill(self, executor: Executor) -> None:
        """Kill the processes and wait until they have ended; see the port."""
        processes: list[Any] = list((getattr(executor, "_processes", None) or {}).values())
        for process in processes:
            with suppress(Exception):  # it may be gone already
                process.kill()
        executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            with suppress(Exception):  # the pool's own thread may have waited for it first
                process.join(_END_SECONDS)
                if process.exitcode is None:  # the program ignores SIGCHLD: how it ended is never known, and the
                    process._popen.returncode = -getattr(signal, "SIGKILL", 9)  # pool's own thread would ask for ever  # noqa: SLF001


def settle(environment: dict[str, str] | None) -> None:
    """Make a worker leave Ctrl-C to its parent, end when that is gone, and have its environment if one is given."""
    if environment is not None and environment != dict(os.environ):
        os.environ.clear()
        os.environ.update(environment)
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, _pass_over)  # not SIG_IGN: a program that an item starts would inherit that
    watcher = threading.Thread(target=_end_with_parent, daemon=True, name="amorsize-parent")
    watcher.start()


def _pass_over(*_: object) -> None:
    """Do nothing: the parent ends its workers."""


def _end_with_parent() -> None:
    """End this process when its parent has ended without ending it.

    The parent's sentinel is a pipe that other children hold open too, so on POSIX the parent's number is watched too.
    """
    process = multiprocessing.parent_process()
    if process is None:
        return
    parent = 0 if sys.platform == "win32" else os.getppid()
    while process.is_alive():
        process.join(_LOOK_SECONDS)
        if sys.platform != "win32" and os.getppid() != parent:
            break
    os._exit(1)
