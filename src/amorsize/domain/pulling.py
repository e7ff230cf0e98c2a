"""Whether an item changes when the next one is pulled, as a row does that an iterator fills again for each item."""

from __future__ import annotations

from copy import copy
from types import FunctionType
from typing import Any, Final

from amorsize.domain.sharing import CONSTANT

CHANGING: Final = "an item changes when the next one is pulled"
"""Why such items run here, one after another."""

_NEW_OBJECTS: Final = 2
"""Pulls of a new object that change nothing before it, after which no more are watched: two buffers may take turns."""

_MOST_PULLS: Final = 16
"""Pulls that are watched at most: an object that is the same each time may be the same on purpose."""


class Snapshot:
    """What an item was before the next one was pulled.

    Args:
        item: the item.
        copies: whether a copy may be asked for.
    """

    __slots__ = ("_copied", "_is_loadable", "_text", "item")

    def __init__(self, item: Any, *, copies: bool) -> None:
        self.item = item
        self._text: bytes | None = None
        self._is_loadable = False
        self._copied: Any = item
        if _is_constant(item):
            return
        self._text, self._is_loadable = _text_of(item)
        if self._text is not None and type(item).__module__ not in {"builtins", "numpy"} and self._is_unsteady():
            self._text, self._is_loadable = None, False
        if copies and not self._is_loadable:
            try:
                self._copied = copy(item)
            except Exception:  # noqa: BLE001  __copy__ of the user's may raise anything
                self._copied = item

    def _is_unsteady(self) -> bool:
        """Return whether pickling changes the item, or each pickle of it is another."""
        return _text_of(self.item)[0] != self._text

    def has_changed(self, pulled: object) -> bool:
        """Return whether the item has changed since, where ``pulled`` is the item after it."""
        if _is_constant(self.item):
            return False
        now = None if self._text is None else _text_of(self.item)[0]
        return self.item is pulled if now is None else now != self._text

    def copy(self) -> Any:
        """Return a copy of what the item was; the item itself where it cannot be copied."""
        return self._loaded()[0] if self._is_loadable else self._copied

    def has_copy(self) -> bool:
        """Return whether ``copy`` returns what the item was, however the item changes."""
        return _is_constant(self.item) or (self._is_loadable and self._loaded()[1]) or self._copied is not self.item

    def _loaded(self) -> tuple[Any, bool]:
        """Return the item that the pickle gives, and whether it gives any."""
        from amorsize.domain.item_text import loaded

        try:
            assert self._text is not None  # noqa: S101  it can be loaded
            return loaded(self._text), True
        except Exception:  # noqa: BLE001  as above
            return self._copied, False


class Watch:
    """Watches the first pulls: whether they change items that were pulled before, the last two at the least."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self._snapshots: dict[int, Snapshot] = {}
        self._pulls = 0
        self._new_objects = 0

    @property
    def is_over(self) -> bool:
        """Whether enough pulls have changed nothing."""
        return self._new_objects >= _NEW_OBJECTS or self._pulls >= _MOST_PULLS

    def keep(self, item: Any) -> None:
        """Watch an item from now on."""
        self._kept.append(item)

    def keep_only(self, item: Any) -> None:
        """Watch this item and none before it."""
        self._kept = [item]

    def look(self, *, copies: bool = True) -> None:
        """Look at the items that are watched, before the next one is pulled."""
        objects = {id(item): item for item in self._kept}
        self._snapshots = {key: Snapshot(item, copies=copies) for key, item in objects.items()}

    def is_changed_by(self, pulled: Any) -> bool:
        """Return whether the pull changed an item that is watched; None stands for the end of the data."""
        if self._snapshots:
            self._pulls += 1
            self._new_objects += id(pulled) not in self._snapshots or _is_constant(pulled)
        return any(each.has_changed(pulled) for each in self._snapshots.values())

    def before_pull(self, item: Any) -> Any:
        """Return what an item that is watched was before the last pull; itself if it has not changed."""
        snapshot = self._snapshots.get(id(item))
        return item if snapshot is None else snapshot.copy()


def can_copy(item: Any) -> bool:
    """Return whether an item can be copied, or need not be."""
    return _is_constant(item) or Snapshot(item, copies=True).has_copy()


def shows_others(item: Any) -> bool:
    """Return whether an item shows what others hold and cannot be copied: a view of a buffer, a closure."""
    return type(item) is memoryview or (type(item) is FunctionType and not can_copy(item))


def _is_constant(item: Any) -> bool:
    kind = type(item)
    return kind in CONSTANT or isinstance(item, type) or (kind is FunctionType and item.__closure__ is None)


def _text_of(item: Any) -> tuple[bytes | None, bool]:
    from amorsize.domain.item_text import text_of  # loads pickle, which few calls need

    return text_of(item)
