"""What a fork takes, until it is measured in the process itself: for plans, for sampling and for runs alike."""

from __future__ import annotations

from typing import Final

FORK_SECONDS: Final = 5e-4
"""Seconds of a fork of a process without memory, as ``python tests/benchmarks/forks.py`` prints them."""

FORK_BYTE_SECONDS: Final = 24e-12
"""Seconds that each byte of the process's own memory adds to its fork (12 ms at 500 MB); from the same measurement."""

FORK_SHARE: Final = 0.55
"""Share of what a byte adds to a fork and the end of its child that the fork takes; from the same measurement."""

CHILD_BYTE_SECONDS: Final = FORK_BYTE_SECONDS / FORK_SHARE
"""Seconds that each byte adds to a fork and the end of its child, which frees the memory."""

MOST_FORK_SECONDS: Final = 0.01
"""Seconds that a fork may take that only samples items, or only looks at threads: our choice, hardly noticed."""


def fork_cost(memory_bytes: float) -> float:
    """Return the seconds of a fork of a process with so much memory of its own, without the end of the child."""
    return FORK_SECONDS + FORK_BYTE_SECONDS * memory_bytes
