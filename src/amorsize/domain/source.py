"""One interface to any data of the caller, from which sampling loses no item."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from operator import length_hint
from types import GeneratorType
from typing import Any, Final

from amorsize.domain.pulling import Watch, shows_others
from amorsize.domain.sharing import is_unshareable

GOLDEN: Final = 0.6180339887498949
"""The golden ratio less one: its multiples are spread evenly between 0 and 1, however many there are."""
_ALONE: Final = 16
"""Positions that come one by one before they come in runs: our choice, enough for most functions."""

_RUN: Final = 16
"""Neighbours in a run: so many small objects share a page or two of memory."""

_INDEXED: Final = (list, tuple, range, str, bytes, bytearray, memoryview, array, deque)


def length_of(data: Any) -> int | None:
    """Return len(data), None for what has none, as a range of more items than an index can count."""
    try:
        return len(data)
    except (TypeError, OverflowError):
        return None


class Source:
    """The items of one call.

    Sequences and arrays are read at any position. Of other sized collections the first items are read. Of an iterator
    the first items are taken, and ``data`` returns them before the rest.

    Attributes:
        total: number of items, None when only iterating would show it.
        comes_again: whether the caller's data can be iterated again, unlike an iterator.
        is_changing: whether an item changes when the next one is pulled; then no more are taken ahead.
        hint: the length hint of an iterator, or the number of items; None when there is none.
    """

    __slots__ = (
        "_ended",
        "_head",
        "_indexed",
        "_iterator",
        "_positions",
        "_watch",
        "comes_again",
        "hint",
        "is_changing",
        "total",
    )

    def __init__(self, data: Iterable[Any]) -> None:
        self._head: list[Any] = []
        self._indexed: Any = None
        self._iterator: Iterator[Any] = iter(())
        self._ended: int | None = None
        self._watch = Watch()
        self.is_changing = False
        self.total = length_of(data)
        self.hint: int | None = self.total
        if self.total is not None and is_indexed(data):
            self._indexed = data
        else:
            self._iterator = iter(data)
            if self.total is None:
                with suppress(OverflowError):  # a range of more items than an index can count
                    hint = length_hint(self._iterator, -1)
                    self.hint = None if hint < 0 else hint
        self.comes_again = self.total is not None and self._iterator is not data
        self._positions = self._spread()

    def positions(self) -> Iterator[int]:
        """Return the iterator over positions. There is one per source, so each position comes once.

        Positions are spread evenly, however early the caller stops, or in order when the data allows nothing else. The
        spread order is the additive recurrence by the golden ratio (a low-discrepancy sequence). After the first few
        they come in short runs, because neighbours are close in memory, as in a full run.
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
                # The points are so far apart that a good part of all positions has come already.
                yield from (rest for rest in range(total) if rest not in seen)
                return
            run = 1 if len(seen) < _ALONE else _RUN
            for each in range(position, min(total, position + run)):
                if each not in seen:
                    seen.add(each)
                    yield each
            point = (point + GOLDEN) % 1.0

    def _positions_in_order(self) -> Iterator[int]:
        position = 0
        while self._pull(position):
            yield position
            position += 1
            if self.is_changing or (not self.comes_again and self._must_stay(position - 1)):
                return

    def _must_stay(self, position: int) -> bool:
        """Return whether to pull the next item could spoil this one for good."""
        item = self._head[position]
        if is_unshareable(item):  # it could end this one, as the groups of itertools.groupby do
            return True
        return not position and shows_others(item)

    def _pull(self, position: int) -> bool:
        missing = position + 1 - len(self._head)
        if missing > 0:
            if not self._watch.is_over:
                self._watch.look()
            self._head.extend(islice(self._iterator, missing))
            if position >= len(self._head):
                self._ended = len(self._head)
            if not self._watch.is_over:
                self._look_back(position)
        return position < len(self._head)

    def _look_back(self, position: int) -> None:
        """Restore the items before the one at a position, which was pulled last, if that has changed them."""
        head, watch = self._head, self._watch
        pulled = head[position] if position < len(head) else None
        if watch.is_changed_by(pulled):
            self.is_changing = True
            head[:position] = map(watch.before_pull, head[:position])
        watch.keep(pulled)

    def at(self, position: int) -> Any:
        """Return the item at a position that ``positions`` has yielded."""
        return self._head[position] if self._indexed is None else self._indexed[position]

    @property
    def is_indexed(self) -> bool:
        """Tell whether items can be read at any position, without taking them from the caller's data."""
        return self._indexed is not None

    @property
    def in_order(self) -> bool:
        """Tell whether items can only be read one after another, and their number is not known."""
        return self.total is None

    @property
    def taken(self) -> int:
        """How many items were taken from an iterator so far; ``data`` returns them."""
        return len(self._head)

    def is_empty(self) -> bool:
        """Tell whether there is no item; this takes the first item of an iterator."""
        return self.total == 0 if self.total is not None else not self._pull(0)

    def known_items(self) -> int | None:
        """Return the number of items if it is known: by len(), or because the iterator has ended."""
        return self.total if self.total is not None else self._ended

    def data(self, given: Iterable[Any]) -> Iterable[Any]:
        """Return what to run over instead of the data given: the data, or an iterator that yields all items."""
        if self.comes_again:
            return given
        return (_once_in_turn if self.is_changing else _once)(self._head, self._iterator)


def untouched(data: Iterable[Any]) -> Iterable[Any]:
    """Return what to run over instead of data that no Source has read: the data, or an iterator over an iterator."""
    return _once((), data) if hasattr(type(data), "__next__") else data


def is_begun(data: object) -> bool:
    """Tell whether data is an iterator of a Source of which items have been taken."""
    if not isinstance(data, GeneratorType) or data.gi_code not in {_once.__code__, _once_in_turn.__code__}:
        return False
    return data.gi_running or data.gi_suspended or data.gi_frame is None


def _once(head: Iterable[Any], rest: Iterable[Any]) -> Iterator[Any]:
    """Yield all items. A generator knows whether it was started, and the chain does not close a generator in rest."""
    yield from chain(head, rest)


def _once_in_turn(head: Iterable[Any], rest: Iterable[Any]) -> Iterator[Any]:
    """Yield all items, each of which changes when the next one is pulled."""
    yield from chain(head, rest)


def is_changing(data: object) -> bool:
    """Tell whether data is an iterator of a Source that has found that an item changes when the next one is pulled."""
    return isinstance(data, GeneratorType) and data.gi_code is _once_in_turn.__code__


def is_indexed(data: object) -> bool:
    """Tell whether data can be read at any position by ``data[i]`` without running through it."""
    return isinstance(data, (_INDEXED, Sequence)) or is_array(data)


def is_array(data: object) -> bool:
    """Tell whether data is a numpy array, without importing numpy."""
    kind = type(data)
    return kind.__module__ == "numpy" and kind.__name__ == "ndarray"
