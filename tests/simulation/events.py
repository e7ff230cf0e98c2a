"""Discrete events in simulated seconds: processes that compute, hold one lock or wait, on so many CPUs."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

CPU, LOCK, WAIT = range(3)
"""What seconds can be spent on: a CPU of one's own, the one lock (with a CPU), or waiting."""


class Gate:
    """A place where processes wait, first come first served, until somebody lets one through."""

    def __init__(self):
        self.waiting = deque()


class Events:
    """Runs processes, which are generators that yield ``(kind, seconds)`` to spend or a Gate to wait at.

    More runnable processes than CPUs share them evenly. Who wants the lock gets it in the order of asking and keeps it
    for all the seconds asked for. ``slowdown`` is how much longer computing takes when every CPU is busy. All processes
    of a kind advance at one rate, so that a clock of work done by each of them orders their ends, however the rate
    changes.
    """

    def __init__(self, cpus, slowdown=1.0):
        self.cpus = cpus
        self.now = 0.0
        self.cpu_seconds = 0.0
        self._contention = (slowdown - 1.0) / (cpus - 1) if cpus > 1 else 0.0
        self._slowest = slowdown if cpus > 1 else 1.0
        self._heaps = ([], [], [])
        self._done = [0.0, 0.0, 0.0]
        self._ready = deque()
        self._queue = deque()
        self._born = 0

    def start(self, process):
        """Let a process run from now on."""
        self._ready.append(process)

    def open(self, gate):
        """Let the first who waits at a gate through; nobody may be there."""
        if gate.waiting:
            self._ready.append(gate.waiting.popleft())

    def run(self):
        """Run until nobody has anything left to spend; who waits at a gate then waits for ever."""
        heaps, done = self._heaps, self._done
        while True:
            while self._ready:
                self._resume(self._ready.popleft())
            rates = self._rates()
            soonest = None
            for kind in (CPU, LOCK, WAIT):
                if heaps[kind]:
                    left = max(0.0, heaps[kind][0][0] - done[kind]) / rates[kind]
                    if soonest is None or left < soonest:
                        soonest, ended = left, kind
            if soonest is None:
                return
            self.now += soonest
            running = len(heaps[CPU]) + len(heaps[LOCK])
            self.cpu_seconds += soonest * min(self.cpus, running)
            for kind in (CPU, LOCK, WAIT):
                if heaps[kind]:
                    done[kind] += soonest * rates[kind]
            self._ready.append(heappop(heaps[ended])[2])
            if ended == LOCK and self._queue:
                self._spend(LOCK, *self._queue.popleft())

    def _rates(self):
        running = len(self._heaps[CPU]) + len(self._heaps[LOCK])
        share = self.cpus / running if running > self.cpus else 1.0
        slower = min(1.0 + self._contention * max(0, running - 1), self._slowest)
        return share / slower, share / slower, 1.0

    def _spend(self, kind, seconds, process):
        self._born += 1
        heappush(self._heaps[kind], (self._done[kind] + seconds, self._born, process))

    def _resume(self, process):
        for wanted in process:
            if isinstance(wanted, Gate):
                wanted.waiting.append(process)
                return
            kind, seconds = wanted
            if seconds > 0:
                if kind == LOCK and self._heaps[LOCK]:
                    self._queue.append((seconds, process))
                else:
                    self._spend(kind, seconds, process)
                return
