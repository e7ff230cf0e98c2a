"""The pickle of an item, to compare it with what the item is later, and to make a copy."""

from __future__ import annotations

import pickle
from types import CellType, FunctionType
from typing import Any, Final

_MOST_BYTES: Final = 1 << 20
"""Items of more bytes have no text: they are only compared by identity. Some milliseconds at most: our choice."""


class _TooLargeError(Exception):
    """An item is too large to be pickled only for a comparison."""


class _Text:
    """A file in memory that refuses what is too large."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def write(self, part: Any) -> None:
        self._size += len(part)
        if self._size > _MOST_BYTES:
            raise _TooLargeError
        self.parts.append(bytes(part))


class _Pickler(pickle.Pickler):
    """Pickles local functions too, by what they refer to; what comes of that is good for comparisons only."""

    is_loadable = True

    def reducer_override(self, item: Any) -> Any:
        if type(item) is FunctionType and "<" in item.__qualname__:
            self.is_loadable = False
            return _opaque, (id(item.__code__), item.__closure__, item.__defaults__, item.__kwdefaults__)
        if type(item) is CellType:
            self.is_loadable = False
            return _opaque, (item.cell_contents,)
        return NotImplemented


def _opaque(*_: object) -> None:
    """Stand for a local function in a pickle."""


def text_of(item: Any) -> tuple[bytes | None, bool]:
    """Return the pickle of an item, None where there is none, and whether it can be loaded."""
    text = _Text()
    try:
        pickler = _Pickler(text, pickle.HIGHEST_PROTOCOL)
        pickler.dump(item)
    except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return None, False
    return b"".join(text.parts), pickler.is_loadable


def loaded(text: bytes) -> Any:
    """Return a copy of the item that a pickle was made of."""
    return pickle.loads(text)  # noqa: S301  pickled here
