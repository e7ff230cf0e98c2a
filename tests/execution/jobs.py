"""Functions that workers run in tests: a module, so that every start method finds them."""

from __future__ import annotations

import os
import signal
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


@attrs.frozen
class Marked:
    """Does as told for some items; writes each item it is given to a file, one write a run."""

    path: str
    parent: int
    raising: frozenset = frozenset()
    killing: frozenset = frozenset()
    hanging: frozenset = frozenset()
    seconds: float = 0.0

    def __call__(self, item):
        with Path(self.path).open("ab", buffering=0) as file:
            file.write(b"%d\n" % item)
        if self.seconds:
            time.sleep(self.seconds)
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
