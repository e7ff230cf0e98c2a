"""Several iterables as one: rows of items, one from each, and a function that is called with the items of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

from amorsize.domain.source import is_indexed, length_of


class StarFunction:
    """A function that takes its arguments in one row: it is called as ``func(*row)``, as in ``itertools.starmap``.

    Args:
        func: takes as many arguments as there are iterables.
        count: the number of iterables.
    """

    __slots__ = ("count", "func")

    def __init__(self, func: Callable[..., Any], count: int) -> None:
        self.func = func
        self.count = count

    def __call__(self, row: Iterable[Any]) -> Any:
        """Return what the function returns for the items of a row."""
        return self.func(*row)


class Rows:
    """The rows of several collections, as ``zip`` gives them: as many as the shortest collection has items.

    Args:
        columns: the collections; each has a length.
    """

    __slots__ = ("columns",)

    def __init__(self, columns: tuple[Any, ...]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        lengths = [length for length in map(length_of, self.columns) if length is not None]
        return min(lengths) if lengths else len(self.columns[0])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self.columns, strict=False)


class IndexedRows(Rows, Sequence[tuple[Any, ...]]):
    """The rows of collections that can be read at any position."""

    __slots__ = ()

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return list(zip(*(column[start:stop] for column in self.columns), strict=False))
            return [self[at] for at in range(start, stop, step)]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        return tuple(column[index] for column in self.columns)


class PulledRows:
    """The rows of iterables of which at least one has no length; they can be run through once.

    Args:
        columns: the iterables. None of their items is taken before a row is asked for.
    """

    __slots__ = ("_rows", "count")

    def __init__(self, columns: tuple[Iterable[Any], ...]) -> None:
        self.count = len(columns)
        self._rows = zip(*columns, strict=False)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def __next__(self) -> tuple[Any, ...]:
        return next(self._rows)


def rows(columns: tuple[Iterable[Any], ...]) -> Rows | PulledRows:
    """Return several iterables as one of rows, which has a length where all of them have one."""
    if not all(isinstance(column, Sized) for column in columns):
        return PulledRows(columns)
    return IndexedRows(columns) if all(map(is_indexed, columns)) else Rows(columns)


def together(
    func: Callable[..., Any], data: Iterable[Any], more: tuple[Iterable[Any], ...]
) -> tuple[Callable[[Any], Any], Iterable[Any]]:
    """Return a function of one item and its items in place of a function and several iterables."""
    if not more:
        return func, data
    return StarFunction(func, 1 + len(more)), rows((data, *more))


def plain(func: Any) -> Any:
    """Return the caller's own function, which StarFunction may call."""
    return func.func if type(func) is StarFunction else func
