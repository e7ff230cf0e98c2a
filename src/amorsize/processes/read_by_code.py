"""Finds what a function reads by its code, and what the functions and methods of the user's own read that it names."""

from __future__ import annotations

import sys
from functools import lru_cache, partial
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.effects import codes_in
from amorsize.domain.fingerprint.objects import EMPTY, class_attribute, contents_of, functions_of
from amorsize.domain.own_code import is_own, named_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Reads = Iterator[tuple[str, Any]]
    """What is read, each with its name."""

_MOST_CODES: Final = 16
"""Functions inside a function, or named by it, that are looked into."""

_MOST_LAYERS: Final = 8
"""Partials and caches, one inside the other, that are unwrapped."""

_PLAIN: Final = frozenset(map(id, (int, float, str, bytes, bool, list, dict, set, tuple, ModuleType, type(None))))
"""Types of values that have no methods of the user's own, by identity: hashing a type may run code of its metaclass."""

_CACHED: Final = type(lru_cache(abs))


class Reader:
    """Follows functions: those it is given, and those of the user's own that their code names.

    Args:
        is_users: whether a class is the user's own; the methods of those are followed.
    """

    def __init__(self, is_users: Callable[[type], bool]) -> None:
        self._is_users = is_users
        self._todo: list[tuple[FunctionType, type | None]] = []
        self._seen: set[int] = set()

    def follow(self, func: FunctionType, owner: type | None) -> None:
        """Have a function followed, the user's own or not, as a method of a class if it is one."""
        if id(func.__code__) not in self._seen and len(self._todo) < _MOST_CODES:
            self._seen.add(id(func.__code__))
            self._todo.append((func, owner))

    def reads(self) -> Reads:
        """Yield what the functions read: their globals, closures and defaults, and parts of modules."""
        left = _MOST_CODES
        for func, owner in self._todo:
            space = func.__globals__
            for name, value in zip(func.__code__.co_freevars, contents_of(func), strict=False):
                if value is not EMPTY:
                    yield from self.value(name, value, space)
            for value in (*(func.__defaults__ or ()), *(func.__kwdefaults__ or {}).values()):
                yield from self.value("a default", value, space)
            for code in islice(codes_in(func.__code__), left):
                left -= 1
                names = code.co_names
                for name, value in named_in(space, code, sys.modules):
                    yield from self.value(name, value, space, names)
                if owner is not None:
                    yield from self._members("self", owner, names, space)

    def value(self, name: str, value: Any, space: Mapping[str, Any], names: Sequence[str] = ()) -> Reads:
        """Yield a value and what it is bound to, and have followed what calling it runs, if that is the user's own.

        Args:
            name: its name.
            value: what is read.
            space: the globals of the code that reads it: functions of the same module are followed in any case.
            names: the names in that code, which may be those of its methods.
        """
        yield name, value
        for _ in range(_MOST_LAYERS):
            kind = type(value)
            if kind is FunctionType:
                self._follow_own(value, None, space)
                return
            if issubclass(kind, (MethodType, BuiltinFunctionType)):
                bound = value.__self__
                yield name, bound
                if kind is MethodType and type(value.__func__) is FunctionType:
                    self._follow_own(value.__func__, bound if issubclass(type(bound), type) else type(bound), space)
                return
            if issubclass(kind, partial):
                yield from ((name, argument) for argument in (*value.args, *value.keywords.values()))
                value = value.func
            elif kind is _CACHED:
                value = value.__wrapped__
            else:
                break
        if id(kind) in _PLAIN:
            return
        is_class = issubclass(kind, type)
        owner = value if is_class else kind
        if self._is_users(owner):
            yield from self._members(name, owner, (*names, "__init__" if is_class else "__call__"), space)

    def _members(self, path: str, owner: type, names: Sequence[str], space: Mapping[str, Any]) -> Reads:
        """Yield what a class holds under names, and have its methods followed."""
        for name in names:
            member = class_attribute(owner, name)
            if member is None:
                continue
            for part in functions_of(member):
                if type(part) is FunctionType:
                    self._follow_own(part, owner, space)
                elif not name.startswith("__"):
                    yield f"{path}.{name}", part

    def _follow_own(self, func: FunctionType, owner: type | None, space: Mapping[str, Any]) -> None:
        if func.__globals__ is space or is_own(func.__globals__):
            self.follow(func, owner)
