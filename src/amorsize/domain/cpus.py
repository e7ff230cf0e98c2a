"""What items do with the CPUs: whether they wait, and how many workers keep the CPUs busy."""

from __future__ import annotations

from math import ceil
from typing import Final

MOSTLY_WAITS: Final = 0.5
"""CPU seconds per second below which an item mostly waits: our choice, half of its time."""

WAITS_AT_ALL: Final = 0.75
"""CPU seconds per second below which an item waits for some of its time; items that only compute measure 0.9 and more.

Our choice, since some clocks are coarse. ``MOSTLY_WAITS`` asks whether more threads than CPUs pay. This asks whether
the item itself waits, or whether other programs took what is missing to 1.
"""

ALWAYS_COMPUTES: Final = 0.85
"""CPU seconds per second above which an item computes all the time: our choice; other programs may take the rest."""

MOST_WAITING: Final = 64
"""The most workers for items that wait, unless the caller allows more: our choice; a server copes with so many."""

_SMALL_QUOTA: Final = 0.25
"""Fraction of a CPU, or of a worker, for which no further worker is counted: our choice; it would mostly be idle."""


def workers_by_cpu(cpus: float, share: float) -> int:
    """Return how many workers keep so many CPUs busy: at least one for each CPU, and more for items that wait.

    Args:
        cpus: the CPUs that workers may use; a small fraction counts for nothing.
        share: CPU seconds per second of an item; above 1, items run threads of their own.
    """
    if share > 1:
        return max(1, round(cpus / share))
    waiting = min(MOST_WAITING, cpus / max(share, cpus / MOST_WAITING))
    return max(1, ceil(max(cpus, waiting) - _SMALL_QUOTA))
