"""What a callable changes when it runs: counts, memos and logs of its own, which say nothing of what it does."""

from __future__ import annotations

import functools
from collections import defaultdict
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.effects import codes_in, effects_of
from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.encoding import is_atom

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

    from amorsize.domain.effects import Origin
    from amorsize.domain.fingerprint.origins import Origins

_MOST_SEEN: Final = 400
"""How many functions and objects, and how many methods, are gone through: as many as a fingerprint looks at."""
_INSTALLED_LEVELS: Final = 3
"""How many objects of installed classes, one inside the other, are gone through."""
_BUILDING: Final = frozenset(
    {
        *("__init__", "__new__", "__post_init__", "__attrs_post_init__", "__attrs_pre_init__", "__attrs_init__"),
        *("__setstate__", "__init_subclass__", "__set_name__", "__class_getitem__"),
    }
)
"""Methods that make an object: what they assign is what it is, and no change."""
_CODE: Final = (FunctionType, MethodType, functools.partial, type)
_COLLECTIONS: Final = (list, tuple, dict)


class Changes:
    """What code that runs when a callable is called changes of what was there before.

    That are attributes it assigns, collections in attributes that it changes in place, and by ``id`` the ``objects``:
    collections in other variables (globals, variables of enclosing functions) that it so changes. Code that makes an
    object does not count. Of one's own classes the methods count that any of one's own code names, of installed classes
    those and what they call on the same object.
    """

    def __init__(self, root: Any, origins: Origins) -> None:
        self.objects: set[int] = set()
        self._origins = origins
        self._everywhere = _Marks({"__call__"}, own=True)
        self._by_class: dict[int, _Marks] = {}
        self._seen: set[int] = set()
        self._todo: list[tuple[Any, int]] = [(root, _INSTALLED_LEVELS)]
        self._follow()

    def leaves_out(self, kind: type, name: str, value: Any) -> bool:
        """Tell whether an attribute is left out of what an object of a class is known by; code never is."""
        held = type(value)
        if issubclass(held, _CODE):
            return False
        marks = [self._everywhere, *filter(None, (self._by_class.get(id(cls)) for cls in objects.mro_of(kind)))]
        if any(name in each.assigned for each in marks):
            return True
        if not (issubclass(held, objects.COLLECTIONS) or objects.is_collection(held)):
            return False
        return any(name in each.filled or (name in each.asked and _fills(value)) for each in marks)

    def _follow(self) -> None:
        done: set[tuple[int, str]] = set()
        while True:
            while self._todo and len(self._seen) < _MOST_SEEN:
                self._look(*self._todo.pop())
            news = [(marks, name) for marks, name in self._members() if (id(marks.cls), name) not in done]
            if not news or len(done) >= _MOST_SEEN:
                return
            for marks, name in news:
                done.add((id(marks.cls), name))
                self._member(marks, name)

    def _push(self, values: Iterable[Any], levels: int = _INSTALLED_LEVELS) -> None:
        self._todo += [(value, levels) for value in values if not is_atom(value)]

    def _look(self, value: Any, levels: int) -> None:
        kind = type(value)
        if id(value) in self._seen or issubclass(kind, (type, ModuleType)):
            return
        self._seen.add(id(value))
        if kind is FunctionType:
            self._function(value)
        elif kind is MethodType:
            self._method(value)
        else:
            if issubclass(kind, _COLLECTIONS):
                self._push(_inside(kind, value), levels)
            if id(kind) not in objects.EXACT:
                self._object(kind, value, levels)

    def _method(self, method: MethodType) -> None:
        """Have the function of a bound method gone through as a method of what it is bound to."""
        owner, name = method.__self__, objects.name_of(method).rpartition(".")[2]
        self._push((owner,))
        if issubclass(type(owner), type) or objects.class_attribute(type(owner), name) is not method.__func__:
            self._push((method.__func__,))
        self._everywhere.names.add(name)

    def _object(self, kind: type, value: Any, levels: int) -> None:
        module = objects.class_module(kind)
        if objects.top_of(module) in objects.QUIET:
            return
        for cls in objects.mro_of(kind)[:-1]:
            marks = self._by_class.get(id(cls))
            if marks is None:
                own = not self._origins.is_installed(objects.class_module(cls))
                marks = self._by_class[id(cls)] = _Marks(self._everywhere.names if own else set(), cls, own=own)
            marks.objects.append(value)
        if kind is not functools.partial and self._origins.is_installed(module):
            levels -= 1
        state = objects.Layout(kind).state(value) if levels else {}
        if len(state) <= objects.MANY:
            self._push(state.values(), levels)

    def _function(self, func: FunctionType) -> None:
        self._push((getattr(func, "__wrapped__", None), *(func.__defaults__ or ())))
        if self._origins.is_installed(objects.module_name(func.__globals__)):
            self._push(held for held in objects.contents_of(func) if held is not objects.EMPTY)
        else:
            self._code(func, self._everywhere)

    def _code(self, func: FunctionType, marks: _Marks) -> None:
        """Note what the code of a function changes, and follow what it refers to."""
        self._push(held for held in objects.contents_of(func) if held is not objects.EMPTY)
        space = func.__globals__
        installed = self._origins.is_installed(objects.module_name(space))
        for code in codes_in(func.__code__):
            marks.names.update(code.co_names)
            if not installed:
                self._push(space[name] for name in code.co_names if name in space)
            self._effects(code, func, marks)

    def _effects(self, code: CodeType, func: FunctionType, marks: _Marks) -> None:
        """Note what a piece of the code of a function changes, and whose it is as far as that is known."""
        effects = effects_of(code)
        owners = marks.objects if code is func.__code__ else ()
        # Own code that changes an attribute of another object may change any object.
        others = self._everywhere if marks.own else marks
        sources = {"global", "free", "attr", *(("within",) if owners else ())}
        marks.assigned.update(name for origin, name in effects.assigned if origin[0] == "first" and owners)
        others.assigned.update(name for origin, name in effects.assigned if origin[0] in sources)
        others.filled.update(name for where, name in effects.filled if where in sources)
        others.asked.update(name for where, name in effects.asked if where in sources)
        for origin in effects.filled:
            self.objects.update(map(id, _stands_for(origin, func, owners)))
        for origin in effects.asked:
            self.objects.update(id(held) for held in _stands_for(origin, func, owners) if _fills(held))

    def _members(self) -> Iterator[tuple[_Marks, str]]:
        """Yield the classes met, each with those of its members that code may run of."""
        for marks in list(self._by_class.values()):
            names = {name for name in objects.members_of(marks.cls) if type(name) is str}.difference(_BUILDING)
            called = names & (marks.names | self._everywhere.names)
            called.update(name for name in names if marks.own and name.startswith("__"))
            for name in called:
                yield marks, name

    def _member(self, marks: _Marks, name: str) -> None:
        member = objects.members_of(marks.cls)[name]
        for func in objects.functions_of(member):
            if type(func) is FunctionType:
                self._code(func, self._everywhere if type(member) is staticmethod else marks)


class _Marks:
    """What is known of one class, or of code outside any: names that it uses, attributes that it changes."""

    __slots__ = ("asked", "assigned", "cls", "filled", "names", "objects", "own")

    def __init__(self, names: set[str], cls: type = object, *, own: bool = False) -> None:
        self.names = names
        self.cls = cls
        self.own = own
        self.objects: list[Any] = []
        """Those of the class that were met."""
        self.assigned: set[str] = set()
        self.filled: set[str] = set()
        self.asked: set[str] = set()


def _fills(held: Any) -> bool:
    """Tell whether a dict fills itself when it is asked for what it does not hold."""
    return issubclass(type(held), defaultdict)


def _stands_for(origin: Origin, func: FunctionType, owners: Iterable[Any]) -> Iterable[Any]:
    """Return the objects that a name in a function stands for: of an argument its default."""
    if origin[0] == "first":
        return owners
    held = objects.held_at(origin, func)
    return () if held is objects.EMPTY else (held,)


def _inside(kind: type, value: Any) -> Iterable[Any]:
    base: Any = next(base for base in _COLLECTIONS if issubclass(kind, base))
    if base.__len__(value) > objects.FEW:
        return ()
    return tuple(dict.values(value)) if base is dict else tuple(base.__iter__(value))
