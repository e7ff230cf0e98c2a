"""Items that two processes cannot share: iterators and open files, which a run advances."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

CONSTANT: Final = frozenset({int, float, complex, bool, str, bytes, type(None), range, frozenset})
"""Types that nothing can change."""

UNSHAREABLE: Final = "the items are iterators or open files, which cannot be shared"
"""Why such items run here, one after another."""

_MOST_PARTS: Final = 16
"""Parts of an item that are looked at: our choice, a microsecond at most."""


def is_unshareable(item: object) -> bool:
    """Return whether an item, or a part of it one level down, is an iterator or an open file.

    Running such an item advances it, and a copy in another process would not advance.
    """
    if type(item) in CONSTANT:
        return False
    if isinstance(item, (Iterator, io.IOBase)):
        return True
    parts: Iterable[Any] = ()
    if type(item) in {list, tuple, set, deque}:
        parts = item  # type: ignore[assignment]  # one of these
    elif type(item) is dict:
        parts = item.values()
    return any(isinstance(part, (Iterator, io.IOBase)) for part, _ in zip(parts, range(_MOST_PARTS), strict=False))
