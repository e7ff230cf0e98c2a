"""Reads callables: functions, methods, compiled code, caches and partials."""

from __future__ import annotations

import functools
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.containers import inside_of
from amorsize.domain.fingerprint.encoding import code_parts, constant, framed, names_of, text
from amorsize.domain.fingerprint.modules import FILE_NAMES, read_module

if TYPE_CHECKING:
    from types import MethodType

    from amorsize.domain.fingerprint.reading import Reading

_IN_DICT: Final = inside_of(dict)
"""Gives all that a dict holds."""
_OPAQUE: Final = frozenset({"eval", "exec"})
"""Builtins that run code which is not read."""
_NONE: Final[frozenset[str]] = frozenset()


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
    _wrapped(reading, func, depth)


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
    reading.look(keywords, _IN_DICT)
    reading.value(func, depth)


class _Names(NamedTuple):
    """The names in a function's code and in the code inside it: all, those read as globals, those assigned to."""

    used: dict[str, None]
    loaded: dict[str, None]
    stored: set[str]


def read_function(reading: Reading, func: FunctionType, depth: int) -> None:
    """Append a function: an installed one by name and version and by what its cells hold, any other in full."""
    before = reading.enter(installed=False)
    module = objects.module_name(func.__globals__)
    if depth and reading.origins.is_installed(module):
        reading.from_elsewhere(module, func.__qualname__)
        _wrapped(reading, func, depth)
        for content in objects.contents_of(func):
            if content is not objects.EMPTY:
                reading.value(content, depth + 1)
        reading.functions.append((func, (), _NONE, True))
    else:
        _read_own(reading, func, depth)
    reading.leave(before)


def _read_own(reading: Reading, func: FunctionType, depth: int) -> None:
    """Append a function by its code, and by what the names in it stand for."""
    reading.out.append(b"F")
    _wrapped(reading, func, depth)
    code, space = func.__code__, func.__globals__
    names = _Names({}, {}, set())
    _code(reading, code, names, depth)
    if func.__dict__:
        _attributes(reading, func, depth)
    _defaults(reading, func, code, depth)
    free = code.co_freevars
    if free:
        for name, content in zip(free, objects.contents_of(func), strict=True):
            _variable(reading, f"closure {name}", content, names, depth)
    present = tuple([name for name in names.loaded if name in space and name not in FILE_NAMES])
    for name in present:
        reading.out.append(text(name))
        _variable(reading, f"global {name}", space[name], names, depth)
    absent = _NONE
    if len(names.loaded) > len(present):
        absent = frozenset(names.loaded).difference(present, FILE_NAMES)
    if not absent.isdisjoint(_OPAQUE):
        reading.origins.note("what it runs through eval or exec")
    if "globals" in absent:
        reading.origins.note("what it looks up through globals()")
    watched = tuple([name for name in present if name not in names.stored]) if names.stored else present
    reading.functions.append((func, watched, absent, names.stored.isdisjoint(free)))


def _wrapped(reading: Reading, func: Any, depth: int) -> None:
    """Append what a function says that it wraps."""
    if type(func) is FunctionType:
        wrapped = getattr(func, "__wrapped__", None)
    else:
        wrapped = dict.get(func.__dict__, "__wrapped__")
    if wrapped is not None:
        reading.out.append(b"w")
        reading.value(wrapped, depth)
        if type(func) is not FunctionType:
            reading.look(func, lambda func: (dict.get(func.__dict__, "__wrapped__"),))


def _code(reading: Reading, code: CodeType, names: _Names, depth: int) -> None:
    """Append code with the code inside it, and collect its names."""
    raw = code.co_code
    head, constants = code_parts(code, raw)
    reading.out += head
    if code.co_names or code.co_freevars:
        _names(reading, code, raw, names)
    outlined = reading.is_outlined(depth)
    if outlined:
        reading.outline.append(("code", objects.digest(framed(head))))
    for index, value in enumerate(constants):
        plain = constant(value)
        if plain is not None:
            reading.out.append(plain)
            if outlined and value is not None:
                reading.outline.append((f"constant {index}", objects.shown(value, plain)))
        elif type(value) is CodeType:
            start = len(reading.out)
            _code(reading, value, names, depth + 1)
            if outlined:
                reading.outline.append((f"inner {value.co_name}", reading.digest(start)))
        else:
            reading.value(value, depth + 1)


def _names(reading: Reading, code: CodeType, raw: bytes, names: _Names) -> None:
    names.used.update(dict.fromkeys(code.co_names))
    reading.names.update(code.co_names)
    read, assigned, imports = names_of(code, raw)
    names.loaded.update(dict.fromkeys(read))
    names.stored.update(assigned)
    for name in imports:
        if objects.top_of(name) not in objects.STANDARD:
            reading.origins.note(f"{name or 'its package'}, which is imported when it runs")


def _attributes(reading: Reading, func: FunctionType, depth: int) -> None:
    """Append the attributes that a function was given, those that any code met so far names."""
    attributes = func.__dict__
    for name in sorted(reading.names.intersection(attributes)):
        if not (name.startswith("__") or reading.changes.leaves_out(FunctionType, name, attributes[name])):
            reading.out.append(text(name))
            reading.part(f"attribute {name}", attributes[name], depth)


def _defaults(reading: Reading, func: FunctionType, code: CodeType, depth: int) -> None:
    defaults = func.__defaults__
    reading.out.append(b"d%d" % len(defaults) if defaults else b"d")
    if defaults:
        for index, value in enumerate(defaults, code.co_argcount - len(defaults)):
            reading.part(f"default {code.co_varnames[index] if index >= 0 else index}", value, depth)
    keywords = func.__kwdefaults__
    if keywords:
        reading.out.append(b"k%d" % len(keywords))
        for name in sorted(name for name in keywords if type(name) is str):
            reading.out.append(text(name))
            reading.part(f"default {name}", keywords[name], depth)
        reading.look(keywords, _IN_DICT)


def _variable(reading: Reading, label: str, value: Any, names: _Names, depth: int) -> None:
    """Append what a name stands for; what the code itself assigns to is known by its type only."""
    if label.partition(" ")[2] in names.stored:
        reading.origins.note(f"{label}, which its own code changes, is left out")
        reading.out.append(b"v" + text(objects.class_name(type(value))))
    elif value is objects.EMPTY:
        reading.out.append(b"e")
    elif label == "global __name__":
        reading.part(label, objects.name_everywhere(value), depth)
    elif issubclass(type(value), ModuleType):
        start = len(reading.out)
        read_module(reading, value, names.used, depth)
        if reading.is_outlined(depth):
            reading.outline.append(reading.labelled(label, value, start))
    else:
        reading.part(label, value, depth)
