"""The thresholds by which workers pay, and the number of workers that are worth their forks."""

from __future__ import annotations

from math import sqrt
from typing import Final

LOOK_SECONDS: Final = 0.001
"""Seconds of work that the caller does alone before it decides on workers: our choice, about what a fork takes."""

FEW_ITEMS: Final = 32
"""Items that are so few that each is likely to take long: our choice; then a worker is forked before the first."""

FEW_EACH: Final = 8
"""The same for each CPU: our choice, as the first item alone then takes an eighth of the run at most."""

MANY_OBJECTS: Final = 10_000
"""Objects in a list from which reading them beside a fork copies many pages: our choice, 170 pages of 60 each."""

PAGE_ITEM_SECONDS: Final = 1e-6
"""Seconds of an item above which a copied page does not matter: our choice; 4 us are shared by some 60 items."""

WORKER_FORKS: Final = 4
"""Forks that a forked worker costs: our choice, 3 for fork and end (``tests/benchmarks/forks.py``), 1 for pages."""

WORTH_SECONDS: Final = 0.001
"""Seconds of work that must be left for workers beside what their start takes: our choice; less is hardly noticed."""

PAYS_SECONDS: Final = 0.03
"""Seconds of work between two looks whether workers pay: our choice, long enough to see some results of each."""

FIRST_THREADS: Final = 16
"""Threads for items that wait, as long as only the first call is known: our choice, a quarter of the most."""

FAULT_SECONDS: Final = 4e-6
"""Seconds that a copied page costs a process, at least: 4 to 10 us, as measured with lists of small objects."""

FAULTS_SHARE: Final = 0.33
"""Share of the caller's seconds that copied pages may take: our choice; a third eats what one worker of two gains."""

TAKING_IN_SHARE: Final = 0.7
"""Share of an item's seconds that taking in its result may cost: our choice; above, running it here is as quick."""

JUDGED_ITEMS: Final = 8
"""Results that are taken in before it is judged what that costs: our choice, a mean of fewer says little."""

THREADS_GAIN: Final = 1.15
"""CPU seconds per second of threads that compute side by side: our choice; with fewer, they wait for the GIL."""

LONG_SECONDS: Final = 1.0
"""Seconds taken to be ahead where nothing is known and workers were asked for: our choice, enough for all of them."""

SUPERVISE_SECONDS: Final = 0.02
"""Seconds between two looks at workers that may be dead, stuck or late: our choice, a delay that is hardly noticed."""

MOST_SECONDS_AHEAD: Final = 3600.0
"""Seconds ahead in a run whose number of items is not known, at most: our choice, an hour pays for any worker."""

LEAST_BOUND_BYTES: Final = 1 << 24
"""Bytes of results of one worker that may always wait to be taken in, 16 MiB: our choice, small on any machine."""

WAIT_BOTH_SECONDS: Final = 0.002
"""Seconds of a wait for processes while threads run: our choice; a thread that ends does not end such a wait."""

SHARE: Final = 3
"""Takes by which each of the caller and its threads shares what is left: our choice, smaller than in factoring."""

WORKERS_SHARE: Final = 2
"""The same of worker processes: 2, as in factoring (Hummel, Schonberg and Flynn 1992)."""

SELF_START_SECONDS: Final = 0.005
"""Seconds of the caller's silence after which threads begin by themselves: our choice, more than a block takes."""

SILENT_SECONDS: Final = 0.002
"""Seconds of the caller's silence after which a fork server forks: our choice, as the fork takes some more."""

FREE_CPUS: Final = 0.5
"""CPUs that must be free for a worker to run items: our choice, half of the one that it needs."""

LEAST_TAKE_SECONDS: Final = 0.0005
"""Seconds of a worker's take, at least: our choice; a take and a result cost 10 us in a thread, 20 to 40 in a fork."""

CRASHES: Final = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGSYS", "SIGTRAP")
"""Signals by which an item crashes its process: it is not run again, which would crash the caller too."""


def few_items(usable_cpus: float) -> int:
    """Return how many items are few, so that a worker is forked before the first."""
    return max(FEW_ITEMS, int(FEW_EACH * usable_cpus))


def takers_in_time(seconds: float, fork_seconds: float) -> int:
    """Return how many should share so much work when each fork takes the caller so long: at least two.

    Of ``seconds / takers + takers * fork_seconds`` this is the least.
    """
    return max(2, int(sqrt(min(seconds, MOST_SECONDS_AHEAD) / fork_seconds)))
