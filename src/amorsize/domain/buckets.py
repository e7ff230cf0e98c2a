"""Coarse buckets for numbers of items, seconds, lengths and magnitudes, as keys and item kinds name them."""

from __future__ import annotations

from bisect import bisect_right
from math import frexp, isfinite
from typing import Final

SIZE_EDGES: Final = (10, 100, 1_000, 10_000)
"""Numbers of items at which the next bucket begins: our choice of steps of ten; within one, a sample stays valid."""
SIZE_NAMES: Final = ("tiny", "small", "medium", "large", "xlarge")
"""Steps of ten in the number of items: within a step the sample stays valid, and the plan is solved again from it."""

TIME_EDGES_SECONDS: Final = (1e-4, 1e-3, 1e-2, 1e-1)
"""Seconds per item at which the next bucket begins: our choice of steps of ten; within one, plans hardly differ."""
TIME_NAMES: Final = ("instant", "fast", "moderate", "slow", "very_slow")
"""Steps of ten: within one, plans hardly differ, and a key says at a glance what it is about."""


def size_bucket(items: int) -> str:
    """Name the bucket of a number of items: each lower edge belongs to the bucket above it."""
    return SIZE_NAMES[bisect_right(SIZE_EDGES, items)]


def time_bucket(seconds_per_item: float) -> str:
    """Name the bucket of seconds per item: each lower edge belongs to the bucket above it."""
    return TIME_NAMES[bisect_right(TIME_EDGES_SECONDS, seconds_per_item)]


def length_bucket(length: int, *, coarse: bool = False) -> int:
    """Round a length or a number of bytes down to a power of four, a coarse one to one of sixteen (0 stays 0)."""
    return 1 << ((length.bit_length() - 1) & (~3 if coarse else ~1)) if length > 0 else 0


def magnitude_bucket(value: float) -> str:
    """Name the power of sixteen just above a number's magnitude; ``nan`` and ``inf`` have names of their own."""
    if isinstance(value, int):
        bits = abs(value).bit_length()
    elif isfinite(value):
        bits = max(frexp(value)[1], 0) if value else 0
    else:
        return "nan" if value != value else "inf"  # noqa: PLR0124  NaN is what differs from itself
    return f"16^{-(-bits // 4)}"
