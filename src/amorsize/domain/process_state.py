"""What a function sets that all threads of a process share: found in its code, without running it."""

from __future__ import annotations

from contextlib import suppress
from opcode import opname
from types import BuiltinFunctionType, FunctionType, ModuleType, NoneType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.effects import effects_of, names_changers
from amorsize.domain.fingerprint.objects import EMPTY, held_at, unwrapped
from amorsize.domain.followed_code import FollowedCode, what_runs
from amorsize.domain.iterables import plain
from amorsize.domain.kept_objects import changes, held_on
from amorsize.domain.own_code import Own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from amorsize.domain.fingerprint.loaded import Loaded
    from amorsize.domain.followed_code import Called

_SETTERS: Final = frozenset(
    {
        *("chdir", "fchdir", "umask", "putenv", "unsetenv", "setlocale"),
        *("seed", "setstate", "set_state", "manual_seed", "set_seed"),
        *("catch_warnings", "simplefilter", "filterwarnings", "redirect_stdout", "redirect_stderr"),
        *("setitimer", "alarm", "set_wakeup_fd", "raise_signal"),
        *("fork", "forkpty"),
    }
)
"""Names of functions that set what belongs to the process: its folder, environment, generators, output, signals.

A fork beside threads copies the locks that they hold. The handler of a signal runs in the main thread.
"""

_SIGNALS_ITSELF: Final = frozenset({"getpid", "kill"})
"""Names of functions that together send a signal to the own process; ``kill`` alone may end a child process."""

_GLOBALS: Final = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_ATTRIBUTES: Final = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_SUBSCRIPTS: Final = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR"})
_ITEMS: Final = _SUBSCRIPTS | {"STORE_SLICE"}
_VARIABLES: Final = frozenset({"STORE_DEREF", "DELETE_DEREF"})

_NO_COLLECTIONS: Final = (ModuleType, type, FunctionType, BuiltinFunctionType, NoneType)
"""What has no items: ``numpy.sort(x)`` changes nothing of the module."""


def sets_process_state(func: Callable[..., Any], loaded: Loaded, *, attributes: bool = True) -> str:
    """Return what a function sets that threads of a process share, in a few words, empty where nothing is found.

    Looked at are the function, what is inside it, and the functions and methods that it names, of its own module and
    of other modules that are the user's own and not installed.
    Such a function gives right results in processes, and in one thread. A collection that it only adds to, and never
    reads an item of, does not count: no result depends on it. Memory, streams in memory and estimators that outlive a
    call count where it changes them in place, as ``numpy.copyto(out, x)`` and ``model.fit(x)`` do.

    Args:
        func: the function.
        loaded: the modules that are loaded.
        attributes: whether attributes count, and the collections in them; then they do whatever they belong to.
    """
    assignments = _GLOBALS | _ATTRIBUTES if attributes else _GLOBALS
    for called, code in _codes(func, loaded):
        names = _SETTERS.intersection(code.co_names)
        if names:
            return min(names)
        if _SIGNALS_ITSELF.issubset(code.co_names):
            return "kill"
        operations = {opname[number] for number in code.co_code[::2]}
        if "environ" in code.co_names and operations & _SUBSCRIPTS:
            return "environ"
        if operations & assignments:
            return "globals or attributes"
        name = _variable_set(called, code, operations)
        if not name and (operations & _ITEMS or names_changers(code)):
            name = _object_changed(called, code, attributes=attributes)
        if name:
            return f"what {name!r} holds"
    return ""


def _variable_set(called: Called, code: CodeType, operations: set[str]) -> str:
    """Return the name of a variable of an enclosing function that code assigns; empty where there is none."""
    if not operations & _VARIABLES or not code.co_freevars:
        return ""
    from dis import get_instructions

    shared = called.func.__code__.co_freevars
    return next((str(x.argval) for x in get_instructions(code) if x.opname in _VARIABLES and x.argval in shared), "")


def _object_changed(called: Called, code: CodeType, *, attributes: bool) -> str:
    """Return the name of an object that outlives a call and that code changes in place, empty where there is none."""
    effects = effects_of(code)
    is_nested = code is not called.func.__code__
    for kind, name in sorted(effects.replaced | (effects.filled & effects.asked)):
        if kind == "attr":
            is_shared = attributes
        elif kind in {"first", "within"}:  # of a function that is not bound, the first argument is an item
            is_shared = attributes and called.owner is not None and not is_nested
        elif kind == "argument" and is_nested:
            is_shared = False
        else:
            held = held_at((kind, name), called.func)
            is_shared = held is not EMPTY and not issubclass(type(held), _NO_COLLECTIONS)
        if is_shared:
            return name or "self"
    for path, change in sorted(effects.changed):
        if changes(held_on(path, called, attributes=attributes, is_nested=is_nested), change, code.co_names):
            return next(step for step in reversed(path) if step.isidentifier())
    return ""


def _codes(func: Any, loaded: Loaded) -> Iterator[tuple[Called, CodeType]]:
    """Yield the code that calling a function runs, as far as it is looked at, each with the function that it is of."""
    followed = FollowedCode(Own(func, loaded), only_shared=True)
    func = unwrapped(plain(func), methods=False)
    with suppress(Exception):  # what stands for another object may raise anything
        func = getattr(func, "__wrapped__", func)
    followed.follow(*what_runs(func))
    return ((called, code) for called in followed.calls() for code in called.codes)
