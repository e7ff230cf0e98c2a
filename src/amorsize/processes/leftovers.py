"""What items leave behind in the process that they ran in: open files and connections, threads, child processes."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from amorsize.domain.values import LONG_TEXT
from amorsize.domain.wording import counted
from amorsize.processes import process_info, process_tree
from amorsize.processes.descriptors import NULL_DEVICE, kind_of, left_open, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS: Final = "amorsize"
"""How the names of our own threads begin."""


class Snapshot(NamedTuple):
    """What a process has at a moment that outlives a call: descriptors with device and inode, threads, children."""

    descriptors: dict[int, tuple[int, int]]
    threads: frozenset[str]
    children: frozenset[int]

    @classmethod
    def now(cls) -> Snapshot:
        """Return what this process has now; it is empty where the system does not list it (not Linux)."""
        return cls(opened(), frozenset(process_info.tasks()), frozenset(process_tree.children()))

    def left_since(self) -> str:
        """Return in words what this process has now and had not at the snapshot, empty for nothing."""
        return ", ".join(self._words())[:LONG_TEXT]

    def _words(self) -> Iterator[str]:
        for kind, count in sorted(_kinds(self.descriptors).items()):
            yield counted(count, kind)
        if threads := len(_lasting(frozenset(process_info.tasks()) - self.threads)):
            yield counted(threads, "OpenMP thread" if _has_openmp_threads() else "thread")
        if children := frozenset(process_tree.children()) - self.children:
            yield counted(len(children), "child process")


class Leftovers:
    """Compares what is open and running now with what was before the items of a run.

    Beside items, the run itself and other runs open files and start threads: those do not count.
    """

    def __init__(self) -> None:
        self._found = ""
        self.mark()

    def mark(self) -> None:
        """Take what is open and running now as what was there before the items."""
        self._threads = set(python_threads())
        self._descriptors = opened()
        self._foreign = process_info.foreign_threads()

    @property
    def known(self) -> str:
        """What the looks so far have found, in a word, empty where that is nothing."""
        return self._found

    def found(self, *, alone: bool = True) -> str:
        """Return what items have left behind, in a word, empty where that is nothing.

        Args:
            alone: no other run goes on in this process. Others open files and pipes and start threads, too.
        """
        if not self._found:
            self._found = self._look(alone=alone)
        return self._found

    def more_foreign_threads(self) -> int:
        """Return how many threads of C libraries there are more than before."""
        return process_info.foreign_threads() - self._foreign

    def _look(self, *, alone: bool) -> str:
        if alone and set(python_threads()) - self._threads:
            return "thread"
        kinds = _kinds(self._descriptors)
        for kind in ("socket", "pipe", "file", "device") if alone else ("socket",):
            if kind in kinds:
                return kind
        if alone and self.more_foreign_threads() > 0 and process_info.has_openmp():
            return "OpenMP threads"
        return ""


def _kinds(before: dict[int, tuple[int, int]]) -> Counter[str]:
    """Return how many descriptors of each kind are open that were not open before, null devices left out."""
    kinds = Counter(map(kind_of, left_open(before, opened())))
    del kinds[NULL_DEVICE]  # all processes may share it
    return kinds


def _lasting(threads: frozenset[str]) -> frozenset[str]:
    """Return those threads that a fork does not end; OpenBLAS ends its own, and starts them again when it is used."""
    if sys.platform == "linux" and threads and process_info.foreign_threads():
        from amorsize.processes.forks import end_library_threads

        end_library_threads()
        return threads.intersection(process_info.tasks())
    return threads


def _has_openmp_threads() -> bool:
    return process_info.foreign_threads() > 0 and process_info.has_openmp()


def python_threads() -> list[int]:
    """Return the threads of Python that are not ours."""
    return [thread.ident or 0 for thread in threading.enumerate() if not thread.name.startswith(OURS)]
