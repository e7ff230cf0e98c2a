"""Finds what binds a function to one process: random generators, open files, connections and input that it reads."""

from __future__ import annotations

import io
import sys
from functools import partial
from itertools import islice
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.objects import contents_of
from amorsize.domain.iterables import plain
from amorsize.domain.process_state import reads_input
from amorsize.processes.distributions import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_LEVELS: Final = 7
"""How deep objects may lie in each other to be looked at."""

_MOST_PARTS: Final = 24
"""Objects that are looked at in a value; a large collection in general holds more of the same."""

_INSTALLED: Final = "?"
"""Stands for the package of a function that is installed."""

_MOST_LOOKS: Final = 256
"""Values that a function reads, and objects in all of them, that are looked at; a microsecond each."""

_MOST_CODES: Final = 16
"""Functions inside a function, or named by it, that are looked into."""

IN_ORDER: Final = frozenset(("generator", "standard input"))
"""What binds a function to one thread too: each item takes the next of it."""

_NO_HOLDERS: Final = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType)
"""Kinds of objects whose attributes are not looked at."""


def find_process_bound(func: Callable[..., Any]) -> tuple[str, str]:
    """Return the name of something that binds items to one process and to their order, and its kind; else empty texts.

    That is a random generator of the user's own, since each draw depends on those before it: workers with copies would
    draw the same numbers. The generators of the modules ``random`` and ``numpy.random`` themselves do not count, since
    each worker seeds its own. It is an open file, a socket, a connection to an SQLite database or a queue, too: a
    process that is forked shares its position or its answers, and has a copy of what is not written yet. So it is with
    standard input.
    """
    if name := reads_input(func):
        return name, "standard input"
    generators, shared = _generators()
    connections = _connections()
    own = _own_package(func)
    left = _MOST_LOOKS
    for name, value in islice(_reads(func), _MOST_LOOKS):
        for part, is_foreign in islice(_parts(value, own), max(1, left)):
            left -= 1
            if isinstance(part, generators) and id(part) not in shared and type(part).__name__ != "SystemRandom":
                if not is_foreign:  # what a library's object draws is its own affair
                    return name, "generator"
            elif isinstance(part, io.IOBase):
                if part is sys.stdin:
                    return name, "standard input"
                if _is_open(part):
                    return name, "open file"
            elif isinstance(part, connections) and not _is_readonly(part):
                return name, "connection"
    return "", ""


def is_installed(func: Callable[..., Any]) -> bool:
    """Return whether a function comes with Python or from an installed package, and is not the user's own."""
    return _own_package(func) == _INSTALLED


def _own_package(func: Any) -> str:
    """Return the package that a function is from, ``_INSTALLED`` where that is not the user's own."""
    func = plain(func)
    while isinstance(func, partial):
        func = func.func
    package = _package_of(func)
    return _INSTALLED if package in sys.stdlib_module_names or loaded().is_installed(package) else package


def _package_of(thing: Any) -> str:
    return str(getattr(thing, "__module__", "")).partition(".")[0]


def _parts(value: Any, own: str) -> Iterator[tuple[Any, bool]]:
    """Yield a value and what lies in it, and whether that is an attribute of an object of another package.

    Looked into are the built-in collections and objects of the function's own package. Of other objects the attributes
    are looked at, and not into: a logger leads to files that many processes may write to.
    """
    level: list[tuple[Any, bool]] = [(value, False)]
    left = _MOST_PARTS
    for _ in range(_LEVELS):
        inside: list[tuple[Any, bool]] = []
        for each, is_foreign in level:
            yield each, is_foreign
            if not is_foreign and len(inside) < left and not isinstance(each, _NO_HOLDERS):
                foreign = type(each) is not SimpleNamespace and _package_of(type(each)) != own
                inside += [(part, foreign) for _, part in _attributes(each)[:left]]
                if own != _INSTALLED:
                    inside += [(part, False) for part in islice(_elements(each), left)]
        level = inside[:left]
        left -= len(level)


def _elements(thing: Any) -> Iterable[Any]:
    if type(thing) is dict:
        return thing.values()
    return thing if type(thing) in {list, tuple, set, frozenset} else ()


def _generators() -> tuple[tuple[type, ...], set[int]]:
    """Return the classes of generators, and the generators that belong to modules."""
    numpy, standard = sys.modules.get("numpy.random"), sys.modules.get("random")
    kinds: tuple[type, ...] = ()
    if standard is not None:
        kinds += (standard.Random,)
    if numpy is not None:
        kinds += (numpy.Generator, numpy.RandomState)
    shared = {id(getattr(standard, "_inst", None)), id(getattr(getattr(numpy, "mtrand", None), "_rand", None))}
    return kinds, shared


def _connections() -> tuple[type, ...]:
    named = (
        *(("socket", "socket"), ("sqlite3", "Connection"), ("sqlite3", "Cursor"), ("_csv", "Writer")),
        *(("queue", "Queue"), ("queue", "SimpleQueue"), ("multiprocessing.connection", "Connection"), ("mmap", "mmap")),
    )
    found = (getattr(sys.modules.get(module), name, None) for module, name in named)
    return tuple(kind for kind in found if isinstance(kind, type))


def _is_readonly(thing: Any) -> bool:
    """Return whether a thing is memory that cannot be written to, such as a file mapped for reading."""
    try:
        with memoryview(thing) as view:
            return view.readonly
    except (TypeError, ValueError):  # it is no memory, or is closed
        return False


def _is_open(file: io.IOBase) -> bool:
    """Return whether a file is open in the system, and is not standard input, output or error."""
    try:
        return not file.closed and file.fileno() > 2  # noqa: PLR2004  standard input, output and errors
    except (OSError, ValueError, AttributeError):  # it is in memory only
        return False


def _reads(func: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values of what a function reads: globals, closure, defaults, bound arguments and attributes."""
    func = plain(func)
    while isinstance(func, partial):
        yield from ((f"argument {place}", value) for place, value in enumerate(func.args))
        yield from func.keywords.items()
        func = func.func
    yield "the object that the method is bound to", getattr(func, "__self__", None)
    if isinstance(func, MethodType):
        yield from _attributes(func.__self__)
        func = func.__func__
    elif not isinstance(func, FunctionType):
        yield from _attributes(func)
        func = getattr(type(func), "__call__", None)  # noqa: B004  what calling it runs
    if not isinstance(func, FunctionType):
        return
    yield from zip(func.__code__.co_freevars, contents_of(func), strict=False)
    yield from (("a default", value) for value in (func.__defaults__ or ()))
    yield from _globals_read(func)


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    held = getattr(thing, "__dict__", None)
    return list(held.items()) if isinstance(held, dict) else []


def _globals_read(func: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the globals that a function looks up, and those that functions of its module look up when it names them."""
    known = func.__globals__
    codes = [func.__code__]
    for each in codes:
        found = [part for part in each.co_consts if isinstance(part, CodeType)]
        for name in each.co_names:
            if name in known:
                value = known[name]
                yield name, value
                if isinstance(value, FunctionType) and value.__globals__ is known and value.__code__ not in codes:
                    found.append(value.__code__)
        codes += found[: max(0, _MOST_CODES - len(codes))]
