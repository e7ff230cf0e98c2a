"""In what chunks positions are handed to workers: decreasing ones (factoring), spread over all of the data."""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import Final

import attrs

_BATCHES: Final = 2
_CLOSE: Final = 1.5
_LEAST_SHARE: Final = 0.05
_MOST_SHARE: Final = 0.01
_GROWTH: Final = 8
_BLOCK_SECONDS: Final = 0.01


@attrs.frozen
class ChunkLimits:
    """The least and the most items in a chunk, 1 or more."""

    least: int
    most: int


def grown(size: int, seconds_per_item: float) -> int:
    """Return the size of the block after one of this size, which one process runs by itself: towards 10 ms of work."""
    return max(1, min(size * _GROWTH, int(_BLOCK_SECONDS / max(seconds_per_item, 1e-9))))


def chunk_limits(chunk_seconds: float, seconds_per_item: float) -> ChunkLimits:
    """Return limits by what a chunk costs beside its items.

    That is 1 % of the largest chunk, since larger ones would only make the end uneven and news late, and 5 % of the
    smallest. Items that cost nothing make no difference, so their number is bounded.
    """
    each = max(seconds_per_item, 1e-8)
    return ChunkLimits(
        max(1, ceil(chunk_seconds / _LEAST_SHARE / each)), max(1, ceil(chunk_seconds / _MOST_SHARE / each))
    )


def chunk_size(remaining: int, workers: int, limits: ChunkLimits) -> int:
    """Return how many of the remaining items the next chunk should have: a share of half of them, within the limits.

    Factoring (Hummel, Schonberg and Flynn 1992): each worker takes a chunk of half of what remains before chunks get
    smaller. Never more than remain; never growing while they fall.
    """
    share = ceil(remaining / (_BATCHES * workers))
    return max(1, min(remaining, max(limits.least, min(limits.most, share))))


class Spread:
    """The positions from first up to but not including stop, handed out in evenly strided rows.

    A row takes positions all over the data, so that a cost that rises or falls with the position is shared evenly, and
    the first row begins with the last position: a heavy item at the end of the data does not come last. Each position
    comes exactly once.
    """

    def __init__(self, first: int, stop: int, workers: int) -> None:
        self.left = stop - first
        rows = min(self.left, _BATCHES * workers)
        self._rows = deque(range(stop - 1 - row, first - 1, -rows) for row in range(rows))

    def take(self, size: int) -> range | None:
        """Return the next row of about size positions (at most half as many again), None when there is none left."""
        if not self._rows:
            return None
        row = self._rows.popleft()
        while len(row) > 1 and len(row) > _CLOSE * size:
            self._rows.appendleft(row[1::2])
            row = row[::2]
        self.left -= len(row)
        return row


def as_slice(row: range) -> slice:
    """Return the slice that picks a row of positions, also one that runs down to the first."""
    return slice(row.start, row.stop if row.stop >= 0 else None, row.step)
