"""Telling at a glance whether anything that a fingerprint was read from has been rebound since."""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from amorsize.domain.encoding import is_atom
from amorsize.domain.objects import contents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amorsize.domain.reading import Reading

_fields_of: Final = attrgetter("__code__", "__defaults__", "__kwdefaults__")
_globals_of: Final = attrgetter("__globals__")


class Watch:
    """The marks of everything one reading went by.

    Objects are compared by ``id``, which is sound while they live. So plain values are held, and everything else is
    watched by weak references that call ``forget`` when it dies: a function that refers to itself must not be kept
    alive from here. What allows no weak reference is held; ``holds_owner`` tells that the owner is such a one. ``mark``
    tells this watch from a later one of the same key.
    """

    __slots__ = ("_cells", "_contents", "_fields", "_held", "_owner", "_spaces", "holds_owner", "mark")

    def __init__(self, reading: Reading, owner: object, mark: object, forget: Callable[[Any], None]) -> None:
        self.mark = mark
        self._held: list[Any] = []
        self._owner = self._reference(owner, forget)
        self.holds_owner = self._held[0] is owner
        self._fields: list[tuple[Callable[[], Any], tuple[int, ...]]] = []
        self._cells: list[tuple[Callable[[], Any], tuple[int, ...]]] = []
        self._contents: list[tuple[Any, tuple[int, ...]]] = []
        self._spaces: list[
            tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any] | None, tuple[int, ...], frozenset[str]]
        ] = []
        for func, names, absent, cells_count in reading.functions:
            here = ref(func, forget)
            fields = _fields_of(func)
            self._fields.append((here, tuple(map(id, fields))))
            self._held += fields
            if func.__closure__ and cells_count:
                self._cells.append((here, self._ids(contents_of(func), forget)))
            if names or absent:
                self._watch_space(here, _globals_of, names, absent, forget)
        for thing, space_of, names, absent in reading.spaces:
            self._watch_space(self._reference(thing, forget), space_of, names, absent, forget)
        for many in reading.contents:
            self._contents.append((many, self._ids(_inside(many), forget)))

    def holds(self, owner: object) -> bool:  # noqa: C901, PLR0911  one flat run of cheap looks: this is the fast path
        """Tell whether this is the very same object still and everything is as it was."""
        if self._owner() is not owner:
            return False
        try:
            for here, ids in self._fields:
                if tuple(map(id, _fields_of(here()))) != ids:
                    return False
            for here, space_of, get, ids, absent in self._spaces:
                space = space_of(here())
                if get is not None and tuple(map(id, get(space))) != ids:
                    return False
                if absent and not space.keys().isdisjoint(absent):
                    return False
            for here, ids in self._cells:
                if tuple(map(id, contents_of(here()))) != ids:
                    return False
            for many, ids in self._contents:
                if tuple(map(id, _inside(many))) != ids:
                    return False
        # A name is gone, an object has just died, or another thread is changing a collection right now.
        except (AttributeError, KeyError, RuntimeError, TypeError):
            return False
        return True

    def _watch_space(
        self,
        here: Callable[[], Any],
        space_of: Callable[[Any], Any],
        names: tuple[str, ...],
        absent: frozenset[str],
        forget: Callable[[Any], None],
    ) -> None:
        if not names:
            self._spaces.append((here, space_of, None, (), absent))
            return
        # A name twice, because one alone would come without its tuple.
        get = itemgetter(*names, names[0])
        self._spaces.append((here, space_of, get, self._ids(get(space_of(here())), forget), absent))

    def _ids(self, values: Iterable[Any], forget: Callable[[Any], None]) -> tuple[int, ...]:
        values = tuple(values)
        for value in values:
            if is_atom(value):
                self._held.append(value)
            else:
                self._reference(value, forget)
        return tuple(map(id, values))

    def _reference(self, value: Any, forget: Callable[[Any], None]) -> Callable[[], Any]:
        try:
            watched: Callable[[], Any] = ref(value, forget)
        except TypeError:
            self._held.append(value)
            return lambda: value
        self._held.append(watched)
        return watched


def _inside(many: Any) -> Iterable[Any]:
    if isinstance(many, dict):
        return (*dict.keys(many), *dict.values(many))
    base = list if isinstance(many, list) else set
    return tuple(base.__iter__(many))
