"""How the items of a run are read, and whether running changes them."""

from __future__ import annotations

import io
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any, Final

from amorsize.domain.iterables import IndexedRows, Rows
from amorsize.domain.sharing import CONSTANT
from amorsize.domain.source import is_array

_INDEXED: Final = frozenset({list, tuple, range, str, bytes, bytearray, array, memoryview})
"""Types that are read at any position and give there what iterating gives."""

_HELD: Final[tuple[type, ...]] = (set, frozenset, dict, deque, type({}.keys()), type({}.values()), type({}.items()))
"""Types whose items are all in memory, so that a list of them costs little."""

_WATCHED: Final = 3
"""Items that are compared before and after they run: our choice; a function that changes items changes these."""

_MOST_PARTS: Final = 10_000
"""Parts of an item, nested ones too, up to which it is copied to be compared: our choice, so that it stays quick."""

_OBJECT_PARTS: Final = 10
"""Parts that a container or an object counts for: our choice, since copying one takes longer than copying a number."""

_MOST_BYTES: Final = 1 << 20
"""Bytes of an array up to which it is copied to be compared: our choice, so that it stays quick."""


def as_indexed(data: Iterable[Any]) -> Any:
    """Return data that can be read at any position and gives there what iterating gives; None where data is pulled."""
    kind = type(data)
    if kind in _INDEXED:
        return data if kind is not memoryview or data.ndim == 1 else None  # type: ignore[attr-defined]  # it is one
    if is_array(data):
        return data if data.ndim else None  # type: ignore[attr-defined]  # it is one
    if kind in _HELD:
        return list(data)
    if isinstance(data, Rows):
        columns = tuple(map(as_indexed, data.columns))
        return None if any(column is None for column in columns) else IndexedRows(columns)
    if (isinstance(data, list) and kind.__iter__ is list.__iter__) or (
        isinstance(data, tuple) and kind.__iter__ is tuple.__iter__
    ):
        return list(data)  # as iterating gives them, whatever __getitem__ does
    return None


def holds_objects(data: object) -> bool:
    """Return whether data is a list or a tuple, or rows of such: a fork shares their objects page by page."""
    columns = data.columns if isinstance(data, Rows) else (data,)
    return any(type(column) in {list, tuple} for column in columns)


class Changes:
    """Whether running the function changes the items that it is given; the first few are compared, by value.

    Only items that can be compared by value are: built-in containers, arrays and classes with ``__eq__``.
    """

    def __init__(self) -> None:
        self.left = _WATCHED
        self.seen = False

    def copy(self, item: object) -> Any:
        """Return a copy of an item to compare it with, None when it is not compared."""
        self.left -= 1
        if self.left < 0 or not _has_value(item):
            return None
        try:
            if is_array(item):
                return _image(item) if _is_small(item) else None
            copied = deepcopy(item) if _is_small(item) else None
            is_sure = copied is not None and bool(copied == item)
        except Exception:  # noqa: BLE001  __deepcopy__ and __eq__ of the user's may raise anything
            return None
        return copied if is_sure else None

    def compare(self, copied: Any, item: object) -> None:
        """Record whether an item has changed since it was copied."""
        if copied is None:
            return
        with suppress(Exception):  # as above
            self.seen = self.seen or not bool(copied == (_image(item) if is_array(item) else item))


def _has_value(item: Any) -> bool:
    """Return whether an item can be compared by value, and can change."""
    kind: Any = type(item)
    if kind in CONSTANT or isinstance(item, (type, Iterator, io.IOBase)):
        return False
    if kind is tuple and all(type(part) in CONSTANT for part in item):
        return False
    return kind.__eq__ is not object.__eq__


def _is_small(item: Any) -> bool:
    """Return whether copying an item takes little: by its parts, and those of the containers and objects inside it."""
    left, todo = _MOST_PARTS, [item]
    while todo:
        part = todo.pop()
        kind = type(part)
        if is_array(part):
            if part.nbytes > _MOST_BYTES:
                return False
            left -= _OBJECT_PARTS
            continue
        if kind in CONSTANT:
            continue
        if hasattr(kind, "__deepcopy__") and kind is not array:
            return False  # copying it may take long
        left -= _OBJECT_PARTS + (len(part) if hasattr(kind, "__len__") else 0)
        if left < 0:
            return False
        if isinstance(part, dict):
            todo += part.values()
        elif isinstance(part, (list, tuple, set, frozenset, deque)):
            todo += part
        todo += getattr(part, "__dict__", {}).values()
    return True


def _image(values: Any) -> tuple[Any, ...]:
    """Return what two arrays share only if they are equal to the last bit."""
    return values.shape, values.dtype, values.tobytes()
