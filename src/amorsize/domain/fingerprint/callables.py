"""Reading callables that are no plain functions: methods, compiled code, caches and partials."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.containers import inside_of
from amorsize.domain.fingerprint.encoding import text

if TYPE_CHECKING:
    from types import MethodType

    from amorsize.domain.fingerprint.reading import Reading

IN_DICT: Final = inside_of(dict)
"""Gives all that a dict holds."""


def read_method(reading: Reading, method: MethodType, depth: int) -> None:
    """Append a bound method: what it is bound to, and its function."""
    reading.out.append(b"m")
    reading.part("self", method.__self__, depth)
    reading.value(method.__func__, depth)


def read_builtin(reading: Reading, func: Any, depth: int) -> None:
    """Append compiled code by its qualified name, and what it is bound to."""
    owner = func.__self__
    if owner is None or issubclass(type(owner), ModuleType):
        module = func.__module__
        reading.from_elsewhere(module if type(module) is str else "builtins", func.__qualname__)
        return
    reading.out.append(b"n" + text(func.__name__))
    reading.part("self", owner, depth)


def read_cached(reading: Reading, func: Any, depth: int) -> None:
    """Append what ``functools.lru_cache`` made: its limits, and the function inside."""
    reading.out.append(b"l")
    reading.value(dict.get(func.__dict__, "cache_parameters"), depth + 1)
    reading.wrapped(func, depth)


def read_partial(reading: Reading, value: Any, depth: int) -> None:
    """Append a partial: its arguments, and the function inside."""
    members = functools.partial.__dict__
    func, arguments, keywords = (members[name].__get__(value) for name in ("func", "args", "keywords"))
    reading.out.append(b"p%d,%d:" % (len(arguments), len(keywords)))
    for index, argument in enumerate(arguments):
        reading.part(f"argument {index}", argument, depth)
    for name in sorted(name for name in keywords if type(name) is str):
        reading.out.append(text(name))
        reading.part(f"argument {name}", keywords[name], depth)
    reading.look(keywords, IN_DICT)
    reading.value(func, depth)
