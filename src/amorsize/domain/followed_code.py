"""Follows what runs when a function is called, as far as it is the user's own, and finds what that code reads."""

from __future__ import annotations

import gc
from functools import lru_cache, partial
from itertools import chain, islice
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.domain.effects import codes_in
from amorsize.domain.fingerprint.encoding import names_of
from amorsize.domain.fingerprint.objects import (
    class_attribute,
    class_module,
    defaults_of,
    functions_of,
    module_name,
    module_space,
    variables_of,
)
from amorsize.domain.own_code import is_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from amorsize.domain.own_code import Own

    Reads = Iterator[tuple[str, Any]]
    """What is read, each with its name."""

_MOST_CODES: Final = 32
"""Functions that are followed, and pieces of code in all of them."""

_MOST_LAYERS: Final = 8
"""Partials and caches, one inside the other, that are unwrapped."""

_MOST_KEPT: Final = 64
"""Results of a cache that are looked at; many in general are of the same kind."""

_PLAIN: Final = frozenset(map(id, (int, float, str, bytes, bool, list, dict, set, tuple, ModuleType, type(None))))
"""Types of values that have no methods of the user's own, by identity: hashing a type may run code of its metaclass."""

CACHED: Final = type(lru_cache(abs))
"""The class of functions with a cache."""


class Called(NamedTuple):
    """A function that runs.

    Attributes:
        func: the function.
        owner: the class of the object that it is bound to, None if it is not bound.
        codes: its code, and the code inside it.
        reads: what it reads: its closure and defaults, globals, and parts of modules and classes, each with its name.
    """

    func: Any  # a FunctionType, which type checkers would take for a method here
    owner: type | None
    codes: list[CodeType]
    reads: list[tuple[str, Any]]


class FollowedCode:
    """Follows functions: those it is given, and those that their code names, of their own modules or the user's own.

    Args:
        own: tells the user's own classes; the methods of those are followed.
        only_shared: whether only what happens to objects that outlive the call is followed: all of their methods that
            are named, inherited ones too, and nothing inside the objects that the code itself makes.
    """

    def __init__(self, own: Own, *, only_shared: bool = False) -> None:
        self._own = own
        self._only_shared = only_shared
        self._todo: list[tuple[FunctionType, type | None]] = []
        self._seen: set[int] = set()

    def follow(self, func: Any, owner: type | None) -> None:
        """Have a function followed, the user's own or not, as a method of a class if it is one."""
        if type(func) is FunctionType and id(func.__code__) not in self._seen and len(self._todo) < _MOST_CODES:
            self._seen.add(id(func.__code__))
            self._todo.append((func, owner))

    def calls(self) -> Iterator[Called]:
        """Yield the functions that run, each with its code and with what it reads."""
        left = _MOST_CODES
        for func, owner in self._todo:
            codes = list(islice(codes_in(func.__code__), left))
            left -= len(codes)
            yield Called(func, owner, codes, list(self._reads(func, owner, codes)))

    def _reads(self, func: FunctionType, owner: type | None, codes: list[CodeType]) -> Reads:
        space = func.__globals__
        read = [*variables_of(func).items(), *defaults_of(func).items()]
        for code in codes:
            read += _named_in(space, code, self._own.loaded.modules)
        names = list(dict.fromkeys(name for code in codes for name in code.co_names))
        for name, value in read:
            yield from self.value(name, value, space, names)
        if owner is not None:
            yield from self._members("self", owner, names, space, owner)

    def value(
        self, name: str, value: Any, space: Mapping[str, Any], names: Sequence[str] = (), *, is_kept: bool = False
    ) -> Reads:
        """Yield a value and what it is bound to, and have followed what calling it runs, if that is the user's own.

        Args:
            name: its name.
            value: what is read.
            space: the globals of the code that reads it: what is of the same module is followed in any case.
            names: the names in that code, which may be those of its methods.
            is_kept: whether a cache keeps the value; caches inside it are not looked into.
        """
        yield name, value
        for _ in range(_MOST_LAYERS):
            kind = type(value)
            if kind is FunctionType:
                self._follow_own(value, None, space)
                return
            if issubclass(kind, (MethodType, BuiltinFunctionType)):
                yield name, value.__self__
                self._follow_own(*what_runs(value), space)
                return
            if issubclass(kind, partial):
                yield from ((name, argument) for argument in (*value.args, *value.keywords.values()))
                value = value.func
            elif kind is CACHED:
                if not is_kept:
                    yield from self._kept(name, value, space, names)
                value = value.__wrapped__
            else:
                break
        if id(kind) in _PLAIN:
            return
        is_class = issubclass(kind, type)
        cls, called = (value, "__init__") if is_class else (kind, "__call__")
        if class_module(cls) != module_name(space) and not self._own.has(cls):
            return
        if is_class and self._only_shared:
            yield from self._members(name, cls, names, space, None)
        else:
            yield from self._members(name, cls, (*names, called), space, cls)

    def _kept(self, name: str, cached: Any, space: Mapping[str, Any], names: Sequence[str]) -> Reads:
        """Yield what a cache keeps, and the attributes of its function, and have it followed."""
        for kept in islice(chain(kept_by(cached), cached.__dict__.values()), _MOST_KEPT):
            if id(type(kept)) in _PLAIN:  # nearly always
                yield name, kept
            else:
                yield from self.value(name, kept, space, names, is_kept=True)

    def _members(
        self, path: str, cls: type, names: Sequence[str], space: Mapping[str, Any], owner: type | None
    ) -> Reads:
        """Yield what a class holds under names, and have its methods followed, as bound to an object of ``owner``."""
        for name in names:
            member = class_attribute(cls, name)
            parts = () if member is None else functions_of(member)
            for part in parts[:1] if self._only_shared else parts:  # code that assigns a property says so itself
                func = part.__wrapped__ if type(part) is CACHED else part
                if type(func) is FunctionType and self._only_shared:
                    self.follow(func, owner)
                elif type(func) is FunctionType:
                    self._follow_own(func, owner, space)
                elif not name.startswith("__"):
                    yield f"{path}.{name}", part

    def _follow_own(self, func: Any, owner: type | None, space: Mapping[str, Any]) -> None:
        if type(func) is FunctionType and (func.__globals__ is space or is_own(func.__globals__)):
            self.follow(func, owner)


def kept_by(cached: Any) -> Iterator[Any]:
    """Yield the results that an ``lru_cache`` keeps, with their keys."""
    for part in gc.get_referents(cached):
        if type(part) is not dict:
            if part is not cached.__wrapped__ and not issubclass(type(part), type):
                yield part
        elif part is not cached.__dict__:
            yield from part.values()


def what_runs(func: Any) -> tuple[Any, type | None]:
    """Return what runs when something is called, and the class of the object that it is bound to, None if of none."""
    if type(func) is FunctionType:
        return func, None
    if type(func) is MethodType:
        bound: Any = func.__self__
        return func.__func__, bound if issubclass(type(bound), type) else type(bound)
    return class_attribute(type(func), "__call__"), type(func)


def _named_in(space: Mapping[str, Any], code: CodeType, modules: Mapping[str, Any]) -> Reads:
    """Yield the globals that code reads, and what it names in modules of the user's own, each with its name.

    Args:
        space: the globals of the code.
        code: the code, without the code inside it.
        modules: modules that it may import itself, by name.
    """
    if space.keys().isdisjoint(code.co_names) and modules.keys().isdisjoint(code.co_names):
        return
    read, imports = _names_of(code)
    seen: set[int] = set()
    for names, known in ((read, space), (imports, modules)):
        for name in names:
            if name in known:
                value = known[name]
                yield name, value
                if issubclass(type(value), ModuleType):
                    yield from _named_of(value, name, code.co_names, seen)


@lru_cache(maxsize=64)
def _names_of(code: CodeType) -> tuple[list[str], list[str]]:
    """Return the names that code reads as globals, and its imports; the same code is asked for twice in a row."""
    read, _, imports = names_of(code, code.co_code)
    return list(dict.fromkeys(read)), imports


def _named_of(module: ModuleType, path: str, names: Sequence[str], seen: set[int]) -> Reads:
    space = module_space(module)
    if id(module) in seen or not is_own(space):
        return
    seen.add(id(module))
    for name in names:
        if name in space:
            value = space[name]
            yield f"{path}.{name}", value
            if issubclass(type(value), ModuleType):
                yield from _named_of(value, f"{path}.{name}", names, seen)
