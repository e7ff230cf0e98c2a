"""The thresholds by which workers pay, and the number of workers that are worth their forks."""

from __future__ import annotations

from math import sqrt
from typing import Final

LOOK_SECONDS: Final = 0.001
"""Work that the caller does alone before it decides whether workers pay."""

FEW_ITEMS: Final = 32
"""Items that are so few that each is likely to take long, so that workers are forked before anything is known."""

FORKS_SECONDS: Final = 0.006
"""What forking may take then."""

MANY_OBJECTS: Final = 10_000
"""Objects in a list from which on reading them beside a fork copies so many pages that it must pay first."""

PAGE_ITEM_SECONDS: Final = 1e-6
"""Seconds of an item from which on a page of objects, copied for some 60 items, does not matter."""

WORKER_FORKS: Final = 4
"""What a forked worker costs in all, in forks: the fork, the pages that it copies, and its end."""

WORTH_SECONDS: Final = 0.001
"""Work that must be left for workers to be worth waking, beside what starting them takes."""

PAYS_SECONDS: Final = 0.03
"""How often it is judged whether workers pay."""

FIRST_THREADS: Final = 16
"""Threads for items that wait, as long as only the first call is known."""

FAULT_SECONDS: Final = 4e-6
"""What a copied page costs a process, at least."""

FAULTS_SHARE: Final = 0.33
"""Share of the caller's seconds that copied pages may take before its workers are ended."""

TAKING_IN_SHARE: Final = 0.7
"""Share of an item's seconds that taking in its result may cost; more, and running it here is as quick."""

JUDGED_ITEMS: Final = 8
"""Results that are taken in before it is judged what that costs."""

THREADS_GAIN: Final = 1.15
"""CPU seconds per second of a process whose threads compute side by side; fewer, and they wait for the GIL."""

LONG_SECONDS: Final = 1.0
"""Seconds that are taken to be ahead where nothing is known and workers were asked for."""

SUPERVISE_SECONDS: Final = 0.02
"""Workers are looked at this often: whether they live, are stuck or late."""

MOST_SECONDS_AHEAD: Final = 3600.0
"""Seconds that may be ahead in a run whose number of items is not known."""

LEAST_BOUND_BYTES: Final = 1 << 24
"""Results of one worker that may always wait to be taken in."""

WAIT_BOTH_SECONDS: Final = 0.002
"""A wait for processes while threads run too: a thread that ends does not end such a wait."""

SHARE: Final = 3
"""The caller and its threads share what is left by so many takes each (factoring, Hummel, Schonberg and Flynn 1992)."""

WORKERS_SHARE: Final = 2
"""Worker processes share what is left by so many takes each."""

SELF_START_SECONDS: Final = 0.005
"""Silence of the caller after which a worker begins by itself: the caller is at a long item."""

LEAST_TAKE_SECONDS: Final = 0.0005
"""Work that a worker takes at a time, at least: a take and a result cost some 10 us in a thread, 20 to 40 in a fork."""

CRASHES: Final = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGSYS", "SIGTRAP")
"""Signals by which an item crashes its process: it is not run again, which would crash the caller too."""


def takers_in_time(seconds: float, fork_seconds: float) -> int:
    """Return how many should share so much work when each fork takes the caller so long: at least two.

    Of ``seconds / takers + takers * fork_seconds`` this is the least.
    """
    return max(2, int(sqrt(min(seconds, MOST_SECONDS_AHEAD) / fork_seconds)))
