"""Items that arrive over time, as the lines of a pipe do: which are there, and which must be waited for."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import Any


class Arrivals(Iterator[Any]):
    """An iterator over items that arrive over time; ``next`` waits for the item.

    A run asks whether the next item is there, so that no result waits for a later item.

    Attributes:
        there: the items that are there.
        has_ended: whether no more will come.
    """

    def __init__(self) -> None:
        self.there: deque[Any] = deque()
        self.has_ended = False

    @abstractmethod
    def take_in(self, *, waits: bool) -> bool:
        """Take in what has arrived, or the end; return whether anything had. Raises what ``next`` is to raise.

        Args:
            waits: whether to wait until something arrives.
        """

    def __next__(self) -> Any:
        self.wait()
        if not self.there:
            raise StopIteration
        return self.there.popleft()

    def wait(self) -> None:
        """Wait until the next item or the end is there."""
        while not self.there and not self.has_ended:
            self.take_in(waits=True)

    def is_there(self) -> bool:
        """Return whether the next item or the end is there."""
        while not self.there and not self.has_ended and self.take_in(waits=False):
            pass
        return bool(self.there) or self.has_ended

    def is_over(self) -> bool:
        """Return whether it is known that there is no next item."""
        return self.has_ended and not self.there

    def those_there(self, most: int) -> Iterator[Any]:
        """Yield up to so many items, none of which must be waited for."""
        for _ in range(most):
            if not self.there and (not self.is_there() or self.is_over()):
                return
            yield self.there.popleft()


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
        there = self._items.there
        if not there and waits:
            self._items.wait()
        elif not there and not self._items.is_there():
            return False
        if not there:
            self.has_ended = True
            self.end()
        elif self.passes(item := there.popleft()):
            self.there.append(item)
        return True
