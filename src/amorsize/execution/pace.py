"""Whether workers are quicker than the caller's process alone would be, by the clock."""

from __future__ import annotations

from typing import Final

_LEAST_SECONDS: Final = 0.1
_LEAST_ITEMS: Final = 8
_BEHIND: Final = 1.1
TRUSTED_ITEMS: Final = 8
WORTH_MOVING_SECONDS: Final = 0.02


class Pace:
    """What an item takes on all workers together, held against what it takes here.

    Workers that seem behind are judged after a tenth of a second, then each time twice as much is spent. The caller's
    process then runs on alone for as long as it is the quicker one.

    Args:
        here_seconds: what an item takes in the caller's process as far as is known; None: workers are never behind.
        workers: how many there are.
    """

    def __init__(self, here_seconds: float | None, workers: int) -> None:
        self.here_seconds = here_seconds
        self._least_items = _LEAST_ITEMS * workers
        self._next = _LEAST_SECONDS
        self._began: float | None = None
        self._items = 0
        self._spent = 0.0

    @property
    def workers_seconds(self) -> float:
        """Seconds that an item has taken on all workers together."""
        return self._spent / max(1, self._items)

    def came(self, items: int, now: float) -> None:
        """Take note of items that have come back from workers; the first only tell that workers have started."""
        if self._began is None:
            self._began = now
            return
        self._items += items
        self._spent = now - self._began

    def is_behind(self, left: int | None) -> bool:
        """Tell whether the caller's process should try to run what is left, None when that is not known."""
        here = self.here_seconds
        if here is None or self._spent < self._next or self._items < self._least_items:
            return False
        return self.workers_seconds > _BEHIND * here and (left is None or left * here >= WORTH_MOVING_SECONDS)

    def is_slower_here(self, items: int, seconds: float) -> bool:
        """Tell whether so many items run here should have stayed on the workers, who are then judged anew."""
        if seconds <= self.workers_seconds * max(items, _LEAST_ITEMS):
            return False
        self.here_seconds = seconds / items
        self._next = 2 * (self._spent + seconds)
        self._began, self._items, self._spent = None, 0, 0.0
        return True
