"""The CPUs that all runs of a process share."""

from __future__ import annotations

import threading
from math import ceil


class Budget:
    """Counts the workers of all runs in this process, nested ones and other threads' included.

    A process that is itself a worker of a run has no CPUs to give.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers = 0
        self.runs = 0  # in progress
        self.is_worker = False

    def begin(self) -> None:
        """Count a run, whose caller works too."""
        with self._lock:
            self.runs += 1

    def end(self) -> None:
        """Stop counting a run that has ended."""
        with self._lock:
            self.runs -= 1

    def take(self, wanted: int, usable_cpus: float) -> int:
        """Acquire CPUs for up to ``wanted`` workers beside the caller; return how many workers may start."""
        if self.is_worker:
            return 0
        with self._lock:
            free = ceil(usable_cpus) - self.runs - self._workers
            granted = wanted if self.runs == 1 else max(0, min(wanted, free))
            self._workers += granted
        return granted

    def give_back(self, workers: int) -> None:
        """Release the CPUs of workers that have ended."""
        with self._lock:
            self._workers -= workers

    def become_worker(self) -> None:
        """Mark this process as a worker of a run: calls within it run serially."""
        self._lock = threading.Lock()  # another thread of the caller may have held it at the fork
        self.is_worker = True
