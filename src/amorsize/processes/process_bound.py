"""Finds what binds a function to one process: generators, files, connections, input and locks of threads it reads."""

from __future__ import annotations

import _thread
import io
import sys
from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict, deque
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from itertools import chain, islice
from types import (
    BuiltinFunctionType,
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from amorsize.domain.fingerprint.objects import defaults_of, members_of, module_name, mro_of, variables_of
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

_Local: Final = _thread._local  # noqa: SLF001  threading imports it under this name

_NAMESPACES: Final[tuple[Any, ...]] = (SimpleNamespace, _Local, UserDict, UserList, ChainMap, WeakKeyDictionary)
"""Installed classes whose objects hold in attributes what the user puts there."""

_ELEMENTS: Final[tuple[tuple[Any, Callable[[Any], Iterable[Any]]], ...]] = (
    (dict, dict.values),
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (set, set.__iter__),
    (frozenset, frozenset.__iter__),
    (deque, deque.__iter__),
)
"""Built-in collections, each with what gives the elements even of a subclass, without running its code."""

_COLLECTIONS: Final = (*(kind for kind, _ in _ELEMENTS), OrderedDict, defaultdict)
"""Installed collections that hold what the user puts there."""

_BINDING: Final = (FunctionType, MethodType, BuiltinFunctionType, partial, GeneratorType, ContextVar)
"""Kinds of objects that code is run by, or that give one other object: what they are bound to is looked at."""

_ATOMS: Final = frozenset(map(id, (int, float, str, bytes, bool, type(None))))
"""Types of objects in which nothing lies, by identity: hashing a type may run code of its metaclass."""

_NO_HOLDERS: Final = (ModuleType, type)
"""Kinds of objects that are not looked into."""


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

    Looked into are collections, objects of the user's own classes and what the user's own functions are bound to. Of
    other objects the attributes are looked at, and not into: a logger leads to files that many processes may write to.
    """
    level: list[tuple[Any, bool]] = [(value, False)]
    left = _MOST_PARTS
    for _ in range(_LEVELS):
        inside: list[tuple[Any, bool]] = []
        for each, is_foreign in level:
            yield each, is_foreign
            if not is_foreign and len(inside) < left and id(type(each)) not in _ATOMS:
                inside += islice(_inside(each, own), left)
        level = inside[:left]
        left -= len(level)


def _inside(thing: Any, own: Own) -> Iterator[tuple[Any, bool]]:
    """Yield what lies in a thing itself, and whether that is an attribute of an object of another package."""
    kind = type(thing)
    if issubclass(kind, _NO_HOLDERS):
        return
    if issubclass(kind, _BINDING):
        if not own.is_installed:
            yield from ((part, False) for part in _bound_to(thing, own))
        return
    foreign = not (own.has(kind) or any(kind is each for each in _NAMESPACES))
    yield from ((part, foreign) for _, part in _attributes(thing))
    if own.is_installed:
        return
    if not foreign:
        yield from ((part, False) for _, part in _slots(thing))
    foreign = foreign and not any(kind is each for each in _COLLECTIONS)
    yield from ((part, foreign) for part in _elements(thing))
    yield from ((part, False) for part in _memory_of(thing))


def _bound_to(thing: Any, own: Own) -> Iterable[Any]:
    """Return what a function, a method, a generator or the like is bound to; of functions, of the user's own only."""
    kind = type(thing)
    if kind is FunctionType:
        if own.has_module(module_name(thing.__globals__)):
            return [*variables_of(thing).values(), *defaults_of(thing).values(), *thing.__dict__.values()]
        return ()
    if kind is GeneratorType:
        frame = None if thing.gi_running else thing.gi_frame
        return list(frame.f_locals.values()) if frame and own.has_module(module_name(frame.f_globals)) else ()
    if kind is ContextVar:
        return (thing.get(None),)
    if issubclass(kind, partial):
        func, arguments, keywords = (partial.__dict__[name].__get__(thing) for name in ("func", "args", "keywords"))
        return (func, *arguments, *keywords.values())
    return (thing.__self__,)


def _slots(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the slots of an object, each with its name."""
    for members in map(members_of, mro_of(type(thing))):
        for name, member in members.items() if "__slots__" in members else ():
            if type(member) is MemberDescriptorType:
                with suppress(AttributeError):  # it holds nothing
                    yield name, member.__get__(thing)


def _elements(thing: Any) -> Iterable[Any]:
    kind = type(thing)
    return next((elements(thing) for base, elements in _ELEMENTS if issubclass(kind, base)), ())


def _memory_of(thing: Any) -> tuple[Any, ...]:
    """Return what owns the memory that can be written to through a view, none where a thing is no such view."""
    kind, array = type(thing), getattr(sys.modules.get("numpy"), "ndarray", None)
    if kind is memoryview:
        return () if _is_readonly(thing) else (thing.obj,)
    if isinstance(array, type) and issubclass(kind, array):
        return () if _is_readonly(thing) else (vars(array)["base"].__get__(thing),)
    return ()


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
        kinds += (numpy.Generator, numpy.RandomState, numpy.BitGenerator)
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
        held = [(func.__name__, func)] if issubclass(type(func), type) else [*_attributes(holder), *_slots(holder)]
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
    held: Any = None
    base = _Local if issubclass(type(thing), _Local) else object
    with suppress(Exception):  # it has none, or stands for another object
        held = base.__getattribute__(thing, "__dict__")  # a __getattr__ of the user's does not run
    return list(held.items()) if issubclass(type(held), dict) else []
