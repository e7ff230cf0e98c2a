"""Finds what binds a function to one process: generators, files, connections, input and locks of threads it reads."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from functools import partial
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.objects import class_module, top_of
from amorsize.domain.iterables import plain
from amorsize.domain.own_code import OURS
from amorsize.domain.process_state import reads_input
from amorsize.processes.distributions import loaded
from amorsize.processes.read_by_code import Reader

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

IN_ORDER: Final = frozenset(("generator", "standard input"))
"""What binds a function to one thread too: each item takes the next of it."""

_CONNECTIONS: Final = tuple(
    (module, name, "connection")
    for module, name in (
        *(("socket", "socket"), ("sqlite3", "Connection"), ("sqlite3", "Cursor"), ("_csv", "Writer")),
        *(("queue", "Queue"), ("queue", "SimpleQueue"), ("multiprocessing.connection", "Connection"), ("mmap", "mmap")),
    )
)
"""Classes of connections, by module and name, and the word for them."""

_OF_THREADS: Final = (
    *(("_thread", "LockType", "lock"), ("_thread", "RLock", "lock"), ("threading", "_RLock", "lock")),
    *(("threading", "Condition", "condition"), ("threading", "Event", "event"), ("threading", "Barrier", "barrier")),
    *(("threading", "Semaphore", "semaphore"), ("threading", "Thread", "thread")),
    *(("concurrent.futures._base", "Future", "future"), ("concurrent.futures._base", "Executor", "executor")),
    ("asyncio.events", "AbstractEventLoop", "event loop"),
)
"""Classes by which threads wait for one another, by module and name, and the word for each."""

OF_THREADS: Final = frozenset(word for _, _, word in _OF_THREADS)
"""What binds a function to the threads of the caller, where others than its own run: a process has none of them."""

_NO_HOLDERS: Final = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType)
"""Kinds of objects whose attributes are not looked at."""


def find_process_bound(func: Callable[..., Any]) -> tuple[str, str]:
    """Return the name of something that binds items to one process and to their order, and its kind; else empty texts.

    That is a random generator of the user's own, since each draw depends on those before it: workers with copies would
    draw the same numbers. The generators of the modules ``random`` and ``numpy.random`` themselves do not count, since
    each worker seeds its own. It is an open file, a socket, a connection to an SQLite database or a queue, too: a
    process that is forked shares its position or its answers, and has a copy of what is not written yet. So it is with
    standard input. While other threads run, it is a lock or whatever else threads wait for: a process does not have
    the thread that would end the wait.

    What the function reads is followed into modules of the user's own that the code names. No code of the user's runs.
    """
    try:
        if name := reads_input(func):
            return name, "standard input"
        return _find(func)
    except Exception:  # noqa: BLE001  objects may refuse to be looked at in any way
        return "", ""


def _find(func: Callable[..., Any]) -> tuple[str, str]:
    kind_of = _Kinds()
    own = _Own(_own_package(func))
    left = _MOST_LOOKS
    for name, value, is_users in islice(_reads(func, own), _MOST_LOOKS):
        for part, is_foreign in islice(_parts(value, own), max(1, left)):
            left -= 1
            kind = kind_of(part, is_foreign=is_foreign)
            if kind and (is_users or kind not in OF_THREADS):
                return name, kind
    return "", ""


def is_installed(func: Callable[..., Any]) -> bool:
    """Return whether a function comes with Python or from an installed package, and is not the user's own."""
    return _own_package(func) == _INSTALLED


def _own_package(func: Any) -> str:
    """Return the package that a function is from, ``_INSTALLED`` where that is not the user's own."""
    func = plain(func)
    while issubclass(type(func), partial):
        func = func.func
    package = top_of(str(_attribute(func, "__module__") or ""))
    return _INSTALLED if package in sys.stdlib_module_names or loaded().is_installed(package) else package


class _Own:
    """Tells the classes of the function's own package, and of other modules of the user's own, from installed ones.

    Args:
        package: that of the function; with an installed one no class counts as the user's own.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.is_installed = package == _INSTALLED
        self._known: dict[str, bool] = {}

    def has(self, kind: type) -> bool:
        """Return whether a class is the user's own."""
        module = class_module(kind)
        known = self._known.get(module)
        if known is None:
            known = self._known[module] = not self.is_installed and self._has(module)
        return known

    def _has(self, module: str) -> bool:
        top = top_of(module)
        if top == self.package:
            return True
        return top in sys.modules and top != OURS and not loaded().is_installed(module)


def _parts(value: Any, own: _Own) -> Iterator[tuple[Any, bool]]:
    """Yield a value and what lies in it, and whether that is an attribute of an object of another package.

    Looked into are the built-in collections and objects of the user's own classes. Of other objects the attributes are
    looked at, and not into: a logger leads to files that many processes may write to.
    """
    level: list[tuple[Any, bool]] = [(value, False)]
    left = _MOST_PARTS
    for _ in range(_LEVELS):
        inside: list[tuple[Any, bool]] = []
        for each, is_foreign in level:
            yield each, is_foreign
            kind = type(each)
            if not is_foreign and len(inside) < left and not issubclass(kind, _NO_HOLDERS):
                foreign = kind is not SimpleNamespace and not own.has(kind)
                inside += [(part, foreign) for _, part in _attributes(each)[:left]]
                if not own.is_installed:
                    inside += [(part, False) for part in islice(_elements(each), left)]
        level = inside[:left]
        left -= len(level)


def _elements(thing: Any) -> Iterable[Any]:
    if type(thing) is dict:
        return thing.values()
    return thing if type(thing) in {list, tuple, set, frozenset} else ()


class _Kinds:
    """Tells of what kind a value is, of those that bind a function: a word, empty for any other."""

    def __init__(self) -> None:
        self._generators, self._shared = _generators()
        self._connections = _classes(_CONNECTIONS)
        self._of_threads = _classes(_OF_THREADS) if has_other_threads() else {}

    def __call__(self, part: Any, *, is_foreign: bool) -> str:
        """Return the word for a value; what a library's object draws, or waits for, is its own affair."""
        kind = type(part)
        if issubclass(kind, self._generators):
            is_shared = id(part) in self._shared or kind.__name__ == "SystemRandom"
            return "" if is_foreign or is_shared else "generator"
        if issubclass(kind, io.IOBase):
            if part is sys.stdin:
                return "standard input"
            return "open file" if _is_open(part) else ""
        if issubclass(kind, tuple(self._connections)):
            return "" if _is_readonly(part) else "connection"
        if self._of_threads and not is_foreign:
            return next((word for each, word in self._of_threads.items() if issubclass(kind, each)), "")
        return ""


def has_other_threads() -> bool:
    """Return whether threads of Python run beside the caller's, those of amorsize left out."""
    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() <= 1:
        return False
    return sum(not thread.name.startswith(OURS) for thread in threading.enumerate()) > 1


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


def _classes(named: Iterable[tuple[str, str, str]]) -> dict[type, str]:
    """Return the classes of those that are loaded, and the word for each."""
    found = ((getattr(sys.modules.get(module), name, None), word) for module, name, word in named)
    return {kind: word for kind, word in found if isinstance(kind, type)}


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


def _reads(func: Any, own: _Own) -> Iterator[tuple[str, Any, bool]]:
    """Yield names and values of what a function reads: globals, closure, defaults, bound arguments and attributes.

    With each comes whether the user gave it or it is read by the user's own code; the rest is read by installed code.
    """
    reader, is_users = Reader(own.has), not own.is_installed
    func = plain(func)
    while issubclass(type(func), partial):
        arguments = [(f"argument {place}", value) for place, value in enumerate(func.args)]
        for read in _held([*arguments, *func.keywords.items()], reader):
            yield *read, True
        func = func.func
    bound = _attribute(func, "__self__")
    yield "the object that the method is bound to", bound, True
    called, holder = (func.__func__, bound) if type(func) is MethodType else (func, func)
    owner: type | None = None
    if issubclass(type(func), type):
        for read in _held([(func.__name__, func)], reader):
            yield *read, is_users
    elif type(func) is not FunctionType:
        owner = holder if issubclass(type(holder), type) else type(holder)
        for read in _held(_attributes(holder), reader):
            yield *read, is_users
        called = called if type(called) is FunctionType else _attribute(owner, "__call__")
    if type(called) is FunctionType:
        reader.follow(called, owner if is_users else None)
    for read in reader.reads():
        yield *read, is_users


def _held(values: list[tuple[str, Any]], reader: Reader) -> Iterator[tuple[str, Any]]:
    """Yield values that are no globals, with what they are bound to."""
    for name, value in values:
        yield from reader.value(name, value, {})


def _attribute(thing: Any, name: str) -> Any:
    with suppress(Exception):  # what stands for another object may raise anything
        return getattr(thing, name, None)
    return None


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    held = _attribute(thing, "__dict__")
    return list(held.items()) if issubclass(type(held), dict) else []
