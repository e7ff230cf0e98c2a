"""Functions that workers run in tests: a module, so that every start method finds them."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import attrs


def twice(item):
    return 2 * item


def nap(item):
    time.sleep(0.002)
    return 2 * item


def here(item):
    time.sleep(0.001)
    return os.getpid()


def spin(seconds):
    """Compute for so many seconds of CPU."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(50))


@attrs.frozen
class Placed:
    """Says where it was run; takes longer in workers, threads too, or wherever it is run from some item on."""

    seconds: float
    seconds_in_workers: float
    late: int = 10**9
    seconds_late: float = 0.0
    home: tuple = attrs.field(factory=lambda: (os.getpid(), threading.get_ident()))

    def __call__(self, item):
        is_home = self.home == (os.getpid(), threading.get_ident())
        seconds = self.seconds if is_home else self.seconds_in_workers
        time.sleep(self.seconds_late if item >= self.late else seconds)
        return item, is_home


@attrs.frozen
class Marked:
    """Does as asked for some items; writes each item it is given to a file, one write a run."""

    path: str
    parent: int
    raising: frozenset = frozenset()
    killing: frozenset = frozenset()
    hanging: frozenset = frozenset()
    seconds: float = 0.0
    spins: float = 0.0

    def __call__(self, item):
        with Path(self.path).open("ab", buffering=0) as file:
            file.write(b"%d\n" % item)
        if self.seconds:
            time.sleep(self.seconds)
        if self.spins:
            spin(self.spins)
        if item in self.raising:
            raise LookupError(item)
        if os.getpid() != self.parent:
            if item in self.killing:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
            if item in self.hanging:
                time.sleep(60)
        return 2 * item


def times_run(path):
    """Return how often each item was run, by the file it was written to."""
    counts = {}
    for line in Path(path).read_text().split():
        counts[int(line)] = counts.get(int(line), 0) + 1
    return counts


def first_of(item):
    """Return the first part of an item, or the first value of a dict."""
    time.sleep(0.002)
    return int(next(iter(item.values())) if isinstance(item, dict) else item[0])
