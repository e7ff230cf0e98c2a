"""Items that arrive over time, as the lines of a pipe do: which have arrived, and which to wait for."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import Any


class Arrivals(Iterator[Any]):
    """An iterator over items that arrive over time; ``next`` waits for the item.

    A run asks whether the next item is there, so that no result waits for a later item.

    Attributes:
        arrived: the items that have arrived and were not given out.
        has_ended: whether no more will come.
    """

    def __init__(self) -> None:
        self.arrived: deque[Any] = deque()
        self.has_ended = False

    @abstractmethod
    def take_in(self, *, waits: bool) -> bool:
        """Take in what has arrived, or the end; return whether anything had. Raises what ``next`` is to raise.

        Args:
            waits: whether to wait until something arrives.
        """

    def __next__(self) -> Any:
        self.wait()
        if not self.arrived:
            raise StopIteration
        return self.arrived.popleft()

    def wait(self) -> None:
        """Wait until the next item, or the end, has arrived."""
        while not self.arrived and not self.has_ended:
            self.take_in(waits=True)

    def has_next(self) -> bool:
        """Return whether the next item, or the end, has arrived."""
        while not self.arrived and not self.has_ended and self.take_in(waits=False):
            pass
        return bool(self.arrived) or self.has_ended

    def is_over(self) -> bool:
        """Return whether it is known that there is no next item."""
        return self.has_ended and not self.arrived

    def take_arrived(self, most: int) -> Iterator[Any]:
        """Yield up to so many items, none of which must be waited for."""
        for _ in range(most):
            if not self.arrived and (not self.has_next() or self.is_over()):
                return
            yield self.arrived.popleft()


class Passing(Arrivals):
    """The items of other arrivals, each of which is looked at as it comes by.

    Args:
        items: the other arrivals.
    """

    def __init__(self, items: Arrivals) -> None:
        super().__init__()
        self._items = items

    @abstractmethod
    def passes(self, item: Any) -> bool:
        """Look at an item, and return whether it is given out."""

    def end(self) -> None:
        """Look at the end: no more items will come by."""

    def take_in(self, *, waits: bool) -> bool:
        """Look at the next item, or at the end; see Arrivals."""
        arrived = self._items.arrived
        if not arrived and waits:
            self._items.wait()
        elif not arrived and not self._items.has_next():
            return False
        if not arrived:
            self.has_ended = True
            self.end()
        elif self.passes(item := arrived.popleft()):
            self.arrived.append(item)
        return True
