"""A uniform, lossless view of the caller's data: which items can be looked at, and what is handed back."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import chain, islice
from operator import length_hint
from typing import Any, Final

_GOLDEN: Final = 0.6180339887498949
_INDEXED: Final = (list, tuple, range, str, bytes, bytearray, memoryview, array, deque)


class Source:
    """The items of one call.

    ``total`` is their number, None when only running through them would tell. Sequences and arrays are looked at where
    one likes; from other sized collections the first few are read; from an iterator the first few are taken, and
    ``data`` then gives them back ahead of the rest. With ``keep`` the results and failures of items that were looked at
    are kept by position in ``results`` and ``failures``, for whoever goes on from there; ``tolerant`` says that a
    failing item is to be passed over when more are there. At most ``most`` items are looked at.
    """

    __slots__ = (
        "_ended",
        "_head",
        "_indexed",
        "_iterator",
        "_positions",
        "failures",
        "hint",
        "results",
        "tolerant",
        "total",
    )

    def __init__(
        self, data: Iterable[Any], *, keep: bool = False, tolerant: bool = False, most: int | None = None
    ) -> None:
        self.results: dict[int, Any] | None = {} if keep else None
        self.failures: dict[int, Exception] = {}
        self.tolerant = tolerant
        self._head: list[Any] = []
        self._indexed: Any = None
        self._iterator: Iterator[Any] = iter(())
        self._ended: int | None = None
        self.total: int | None = len(data) if isinstance(data, Sized) else None
        self.hint: int | None = self.total
        if self.total is not None and is_indexed(data):
            self._indexed = data
        else:
            self._iterator = iter(data)
            if self.total is None:
                hint = length_hint(self._iterator, -1)
                self.hint = None if hint < 0 else hint
        self._positions = self._spread() if most is None else islice(self._spread(), most)

    def positions(self) -> Iterator[int]:
        """Return the one iterator over positions: each comes once for this source, however often this is called.

        They are spread evenly however early one stops, or in order where order is forced. The spread order is the
        additive recurrence by the golden ratio (a low-discrepancy sequence).
        """
        return self._positions

    def _spread(self) -> Iterator[int]:
        if self._indexed is None:
            yield from self._positions_in_order()
            return
        total = self.total or 0
        seen: set[int] = set()
        point = 0.5
        while len(seen) < total:
            position = int(point * total)
            if position in seen:
                # Points by the golden ratio lie so far apart that more than a third of all positions is behind us.
                yield from (rest for rest in range(total) if rest not in seen)
                return
            seen.add(position)
            yield position
            point = (point + _GOLDEN) % 1.0

    def _positions_in_order(self) -> Iterator[int]:
        position = 0
        while self._pull(position):
            yield position
            position += 1

    def _pull(self, position: int) -> bool:
        missing = position + 1 - len(self._head)
        if missing > 0:
            self._head.extend(islice(self._iterator, missing))
            if position >= len(self._head):
                self._ended = len(self._head)
        return position < len(self._head)

    def at(self, position: int) -> Any:
        """Return the item at a position that ``positions`` has yielded."""
        return self._head[position] if self._indexed is None else self._indexed[position]

    @property
    def is_indexed(self) -> bool:
        """Tell whether items are read where one likes, without taking them from the caller's data."""
        return self._indexed is not None

    def is_empty(self) -> bool:
        """Tell whether there is no item at all, taking the first one from an iterator to know."""
        return self.total == 0 if self.total is not None else not self._pull(0)

    def known_items(self) -> int | None:
        """Return the number of items if it is known by now: given by len(), or because the iterator has ended."""
        return self.total if self.total is not None else self._ended

    def keep(self, places: Iterable[int], results: Iterable[Any], error: BaseException | None = None) -> None:
        """Take note of the results of items at places, and of what the one after the last of them raised."""
        if self.results is None:
            return
        at = iter(places)
        # The results first: zip asks them first, so that no place is lost when they end.
        self.results.update((place, result) for result, place in zip(results, at, strict=False))
        if isinstance(error, Exception):
            self.failures[next(at)] = error

    @property
    def indexed(self) -> Any:
        """The data itself if it can be read at any position, else None."""
        return self._indexed

    def rest(self) -> Iterator[Any]:
        """Return one iterator over all items from the first on, those looked at included."""
        return iter(self._indexed) if self._indexed is not None else chain(self._head, self._iterator)

    def data(self, given: Iterable[Any]) -> Iterable[Any]:
        """Return what to run over instead of the data given: itself, or an iterator that has lost nothing."""
        if self._indexed is not None or (self.total is not None and self._iterator is not given):
            return given
        return chain(self._head, self._iterator) if self._head else given


def is_indexed(data: object) -> bool:
    """Tell whether data can be read at any position by ``data[i]`` without running through it."""
    return isinstance(data, (_INDEXED, Sequence)) or is_array(data)


def is_array(data: object) -> bool:
    """Tell whether data is a numpy array, without importing numpy."""
    kind = type(data)
    return kind.__module__ == "numpy" and kind.__name__ == "ndarray"
