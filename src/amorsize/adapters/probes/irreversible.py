"""Ends a child that samples before an item does what cannot be done twice."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

assert sys.platform == "linux"  # noqa: S101  only a forked child takes care

if TYPE_CHECKING:
    from collections.abc import Callable

_REMOVING: Final = {
    "os.remove": "removed",
    "os.rmdir": "removed",
    "os.rename": "moved",
    "os.truncate": "cut short",
}
"""Events of Python's audit hooks after which an item finds its file no more, and what they have done."""

_FILE_CLOCK: Final = 5
"""CLOCK_REALTIME_COARSE of Linux, by which files are dated: from its header time.h, as Python has no name for it."""


def exit_before_irreversible(say: Callable[[str], Any]) -> None:
    """Make this process, a forked child, end before anything in it removes, moves or rewrites what was there before it.

    A file that the process has made itself may be removed. One that it has read must not be rewritten: an item that
    changes its file would change it twice. What is done elsewhere (a request, a row in a database) is not seen, nor is
    what a library does without Python.

    Args:
        say: is called before the end with what would have happened, in words that follow "would have".
    """
    sys.addaudithook(_Watch(say))


class _Watch:
    """An audit hook; it lasts for as long as its process."""

    def __init__(self, say: Callable[[str], Any]) -> None:
        self._say = say
        # By the clock that the kernel dates files with, which goes in steps: what was made within the same step counts
        # as made here, so that a temporary file of an item never stops it.
        self._began = time.clock_gettime_ns(_FILE_CLOCK)
        self._read: set[Any] = set()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            self._opening(*args)
        elif event in _REMOVING:
            folder = args[1] if event in {"os.remove", "os.rmdir"} else args[2] if event == "os.rename" else -1
            with suppress(OSError, TypeError, ValueError, IndexError):
                self._final(_REMOVING[event], args[0], folder)

    def _opening(self, path: Any, _mode: Any, flags: Any) -> None:
        if type(path) is int or type(flags) is not int:
            return
        with suppress(OSError, TypeError, ValueError):
            if not flags & (os.O_WRONLY | os.O_RDWR):  # it is opened to read
                self._read.add(os.fspath(path))
            elif flags & os.O_TRUNC and os.fspath(path) in self._read:
                self._final("rewritten", path, -1)

    def _final(self, verb: str, path: Any, folder: int) -> None:
        """End this process if a path was there before it."""
        seen = os.stat(path) if type(path) is int else os.lstat(path) if folder < 0 else os.lstat(path, dir_fd=folder)  # noqa: PTH116  a descriptor has no path
        if seen.st_ctime_ns < self._began:
            with suppress(BaseException):
                self._say(f"{verb} {os.fsdecode(path) if type(path) is not int else 'a file'!r:.80}")
            os._exit(0)
