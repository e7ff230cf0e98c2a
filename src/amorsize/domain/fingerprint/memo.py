"""Finds out quickly whether anything that a fingerprint was read from has changed since."""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from amorsize.domain.fingerprint.encoding import is_atom
from amorsize.domain.fingerprint.objects import contents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amorsize.domain.fingerprint.reading import Reading

_parts_of: Final = attrgetter("__code__", "__defaults__", "__kwdefaults__", "__dict__")
_PARTS: Final = 3
"""How many of these a function always has: all but its attributes."""
_globals_of: Final = attrgetter("__globals__")


class Watch:
    """The marks of everything one reading went by.

    Objects are compared by ``id``, which is sound while they live. So plain values are held, and everything else is
    watched by weak references that call ``forget`` when it dies: a function that refers to itself must not be kept
    alive from here. What allows no weak reference is held; ``holds_owner`` tells that the owner is such a one. ``mark``
    tells this watch from a later one of the same key.
    """

    __slots__ = ("_fields", "_held", "_looks", "_measures", "_owner", "_spaces", "holds_owner", "mark")

    def __init__(self, reading: Reading, owner: object, mark: object, forget: Callable[[Any], None]) -> None:
        self.mark = mark
        self._held: list[Any] = []
        self._owner = self._reference(owner, forget)
        self.holds_owner = self._held[0] is owner
        self._fields: list[tuple[Callable[[], Any], tuple[int, ...]]] = []
        self._looks: list[tuple[Callable[[], Any], Callable[[Any], Iterable[Any]], tuple[int, ...]]] = []
        self._measures: list[tuple[Callable[[], Any], Callable[[Any], Any], Any]] = []
        self._spaces: list[
            tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any] | None, tuple[int, ...], frozenset[str]]
        ] = []
        for func, names, absent, cells_count in reading.functions:
            here = ref(func, forget)
            fields = _fields_of(func)
            self._fields.append((here, tuple(map(id, fields))))
            self._held += fields[:_PARTS]
            self._ids(fields[_PARTS:], forget)
            if func.__closure__ and cells_count:
                self._looks.append((here, contents_of, self._ids(contents_of(func), forget)))
            if names or absent:
                self._watch_space(here, _globals_of, names, absent, forget)
        for thing, space_of, names, absent in reading.spaces:
            self._watch_space(self._reference(thing, forget), space_of, names, absent, forget)
        for thing, look in reading.looks:
            self._looks.append((self._reference(thing, forget), look, self._ids(look(thing), forget)))
        for thing, measure in reading.measures:
            self._measures.append((self._reference(thing, forget), measure, measure(thing)))

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
            for here, look, ids in self._looks:
                if tuple(map(id, look(here()))) != ids:
                    return False
            for here, measure, value in self._measures:
                if measure(here()) != value:
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


def _fields_of(func: Any) -> tuple[Any, ...]:
    """Return what makes a function what it is, and the attributes that it was given, if any."""
    code, defaults, keywords, attributes = _parts_of(func)
    if attributes:
        return (code, defaults, keywords, *attributes, *attributes.values())
    return code, defaults, keywords
