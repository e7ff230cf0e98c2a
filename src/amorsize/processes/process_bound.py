"""Finds what binds a function to one process: generators, files, connections, input and locks of threads it reads."""

from __future__ import annotations

import _thread
import io
import sys
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.domain.followed_code import FollowedCode, what_runs
from amorsize.domain.iterables import plain
from amorsize.domain.own_code import Own
from amorsize.processes.distributions import loaded
from amorsize.processes.leftovers import python_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType

_LEVELS: Final = 7
"""How deep objects may lie in each other to be looked at."""

_MOST_PARTS: Final = 24
"""Objects that are looked at in a value; a large collection in general holds more of the same."""

_MOST_LOOKS: Final = 256
"""Values that a function reads, and objects in all of them, that are looked at; a microsecond each."""

_INPUT: Final = "standard input"
"""The word for what ``input()`` reads."""

_IN_ORDER: Final = frozenset(("generator", _INPUT))
"""What binds a function to one thread too: each item takes the next of it."""

_CONNECTIONS: Final = tuple(
    (module, name, "connection")
    for module, name in (
        *(("socket", "socket"), ("sqlite3", "Connection"), ("sqlite3", "Cursor"), ("_csv", "Writer")),
        *(("queue", "Queue"), ("queue", "SimpleQueue"), ("multiprocessing.connection", "Connection"), ("mmap", "mmap")),
    )
)
"""Classes of connections, by module and name, and the word for them."""

_THREADS_WAIT: Final = (
    *(("_thread", "LockType", "lock"), ("_thread", "RLock", "lock"), ("threading", "_RLock", "lock")),
    *(("threading", "Condition", "condition"), ("threading", "Event", "event"), ("threading", "Barrier", "barrier")),
    *(("threading", "Semaphore", "semaphore"), ("threading", "Thread", "thread")),
    *(("concurrent.futures._base", "Future", "future"), ("concurrent.futures._base", "Executor", "executor")),
    ("asyncio.events", "AbstractEventLoop", "event loop"),
)
"""Classes by which threads wait for one another, by module and name, and the word for each."""

_OF_THREADS: Final = frozenset(word for _, _, word in _THREADS_WAIT)
"""What binds a function to the threads of the caller, where others than its own run: a process has none of them."""

_INPUT_CALLS: Final = frozenset({"input", "breakpoint"})
_INPUTS: Final = _INPUT_CALLS | {"stdin"}
"""Names by which code reads standard input; so would a debugger."""

_LOOK_UPS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})

_NAMESPACES: Final = (SimpleNamespace, _thread._local)  # noqa: SLF001  threading imports it under this name
"""Installed classes whose objects hold what the user puts there."""

_NO_HOLDERS: Final = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType)
"""Kinds of objects whose attributes are not looked at."""


class ProcessBound(NamedTuple):
    """Something that binds items to one process: its name in the code, and its kind in a word."""

    name: str
    kind: str

    @property
    def words(self) -> str:
        """What it is, in words."""
        return f"the {self.kind} {self.name!r}"

    @property
    def reads_input(self) -> bool:
        """Whether it is standard input."""
        return self.kind == _INPUT

    @property
    def is_in_order(self) -> bool:
        """Whether it binds items to one thread too: each takes the next of it."""
        return self.kind in _IN_ORDER

    @property
    def is_of_threads(self) -> bool:
        """Whether threads wait for one another by it; it binds while other threads run."""
        return self.kind in _OF_THREADS


def find_process_bound(func: Callable[..., Any]) -> ProcessBound | None:
    """Return something that binds items to one process and to their order, None where nothing does.

    That is a random generator of the user's own, since each draw depends on those before it: workers with copies would
    draw the same numbers. The generators of the modules ``random`` and ``numpy.random`` themselves do not count, since
    each worker seeds its own. It is an open file, a socket, a connection to an SQLite database or a queue, too: a
    process that is forked shares its position or its answers, and has a copy of what is not written yet. So it is with
    standard input. While other threads run, it is a lock or whatever else threads wait for: a process does not have
    the thread that would end the wait.

    What the function reads is followed into modules of the user's own that the code names. No code of the user's runs.
    """
    try:
        return _find(func)
    except Exception:  # noqa: BLE001  objects may refuse to be looked at in any way
        return None


def _find(func: Callable[..., Any]) -> ProcessBound | None:
    own = Own(func, loaded())
    followed, is_users = FollowedCode(own), not own.is_installed
    given = list(islice(_given(func, followed, is_users=is_users), _MOST_LOOKS))
    calls = list(followed.calls())
    for code in (code for call in calls for code in call.codes):
        if not _INPUTS.isdisjoint(code.co_names) and (found := _input_named(code)):
            return ProcessBound(found, _INPUT)
    kind_of = _Kinds()
    left = _MOST_LOOKS
    read = ((*each, is_users) for call in calls for each in call.reads)
    for name, value, counts in islice(chain(given, read), _MOST_LOOKS):
        for part, is_foreign in islice(_parts(value, own), max(1, left)):
            left -= 1
            kind = kind_of(part, is_foreign=is_foreign)
            if kind and (counts or kind not in _OF_THREADS):
                return ProcessBound(name, kind)
    return None


def _input_named(code: CodeType) -> str:
    """Return the name in code that stands for standard input; an attribute of the same name does not."""
    from dis import get_instructions

    before: Any = None
    for step in get_instructions(code):
        if step.opname in _LOOK_UPS and step.argval in _INPUT_CALLS:
            return f"{step.argval}()"
        if step.argval == "stdin" and (before == "sys" or step.opname == "IMPORT_FROM"):
            return "sys.stdin"
        before = step.argval
    return ""


def is_installed(func: Callable[..., Any]) -> bool:
    """Return whether a function comes with Python or from an installed package, and is not the user's own."""
    return Own(func, loaded()).is_installed


def _parts(value: Any, own: Own) -> Iterator[tuple[Any, bool]]:
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
                foreign = kind not in _NAMESPACES and not own.has(kind)
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
        self._of_threads = _classes(_THREADS_WAIT) if has_other_threads() else {}

    def __call__(self, part: Any, *, is_foreign: bool) -> str:
        """Return the word for a value; what a library's object draws, or waits for, is its own affair."""
        kind = type(part)
        if issubclass(kind, self._generators):
            is_shared = id(part) in self._shared or kind.__name__ == "SystemRandom"
            return "" if is_foreign or is_shared else "generator"
        if issubclass(kind, io.IOBase):
            if part is sys.stdin:
                return _INPUT
            return "open file" if _is_open(part) else ""
        if issubclass(kind, tuple(self._connections)):
            return "" if _is_readonly(part) else "connection"
        if self._of_threads and not is_foreign:
            return next((word for each, word in self._of_threads.items() if issubclass(kind, each)), "")
        return ""


def has_other_threads() -> bool:
    """Return whether threads of Python run beside the caller's, those of amorsize left out."""
    return len(python_threads()) > 1


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


def _given(func: Any, followed: FollowedCode, *, is_users: bool) -> Iterator[tuple[str, Any, bool]]:
    """Have a function followed, and yield names and values of what it is given: bound arguments and attributes.

    With each comes whether the user gave it, or it belongs to a function of the user's own.
    """
    func, bindings = plain(func), []
    while issubclass(type(func), partial):
        bindings += [
            *((f"argument {position}", value) for position, value in enumerate(func.args)),
            *func.keywords.items(),
        ]
        func = func.func
    called, owner = what_runs(func)
    followed.follow(called, owner if is_users else None)
    for read in _held(bindings, followed):
        yield *read, True
    bound = _attribute(func, "__self__")
    yield "the object that the method is bound to", bound, True
    if type(func) is not FunctionType:
        holder = bound if type(func) is MethodType else func
        held = [(func.__name__, func)] if issubclass(type(func), type) else _attributes(holder)
        for read in _held(held, followed):
            yield *read, is_users


def _held(values: list[tuple[str, Any]], followed: FollowedCode) -> Iterator[tuple[str, Any]]:
    """Yield values that are no globals, with what they are bound to."""
    for name, value in values:
        yield from followed.value(name, value, {})


def _attribute(thing: Any, name: str) -> Any:
    with suppress(Exception):  # what stands for another object may raise anything
        return getattr(thing, name, None)
    return None


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    held = _attribute(thing, "__dict__")
    return list(held.items()) if issubclass(type(held), dict) else []
