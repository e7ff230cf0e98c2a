"""What a function sets that all threads of a process share: found in its code, without running it."""

from __future__ import annotations

import functools
from contextlib import suppress
from opcode import opname
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.effects import codes_in
from amorsize.domain.iterables import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

_MOST_CODES: Final = 32
"""Pieces of code that are looked at."""

_SETTERS: Final = frozenset(
    {
        *("chdir", "fchdir", "umask", "putenv", "unsetenv", "setlocale"),
        *("seed", "setstate", "set_state", "manual_seed", "set_seed"),
        *("catch_warnings", "simplefilter", "filterwarnings", "redirect_stdout", "redirect_stderr"),
        *("setitimer", "alarm", "set_wakeup_fd"),
        *("fork", "forkpty"),
    }
)
"""Names of functions that set what belongs to the process: its folder, environment, generators, output, signals.

A fork beside threads copies the locks that they hold.
"""

_INPUT_CALLS: Final = frozenset({"input", "breakpoint"})
_INPUTS: Final = _INPUT_CALLS | {"stdin"}
"""Names by which code reads standard input."""

_LOOK_UPS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_GLOBALS: Final = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_ATTRIBUTES: Final = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_SUBSCRIPTS: Final = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR"})


def sets_process_state(func: Callable[..., Any], *, attributes: bool = True) -> str:
    """Return what a function sets that threads of a process share, in a word or two, empty where nothing is found.

    Looked at are the function, what is inside it, and the functions and methods of its own module that it names.
    Such a function gives right results in processes, and in one thread.

    Args:
        func: the function.
        attributes: whether attributes count; then they do whatever they belong to.
    """
    assignments = _GLOBALS | _ATTRIBUTES if attributes else _GLOBALS
    for code in _codes(func):
        names = _SETTERS.intersection(code.co_names)
        if names:
            return min(names)
        operations = {opname[number] for number in code.co_code[::2]}
        if "environ" in code.co_names and operations & _SUBSCRIPTS:
            return "environ"
        if operations & assignments:
            return "globals or attributes"
    return ""


def reads_input(func: Callable[[Any], Any]) -> str:
    """Return by what name a function reads standard input, empty where nothing is found; looked at is the same.

    Each process would take some of it, in no order. So would a debugger.
    """
    for code in _codes(func):
        if not _INPUTS.isdisjoint(code.co_names) and (found := _input_named(code)):
            return found
    return ""


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


def _codes(func: Any) -> Iterator[CodeType]:
    """Yield the code that calling a function runs, as far as it is looked at."""
    todo = [func]
    seen: set[CodeType] = set()
    for each in todo:
        called, owner = _called(each)
        if called is not None and called.__code__ not in seen and len(seen) < _MOST_CODES:
            for code in codes_in(called.__code__):
                seen.add(code)
                yield code
                todo += _named(called, code, owner)


def _called(func: Any) -> tuple[FunctionType | None, type | None]:
    """Return the function that runs when something is called, None if there is none, and the class that it is of."""
    func = plain(func)
    while isinstance(func, functools.partial):
        func = func.func
    func = getattr(func, "__wrapped__", func)
    owner: type | None = None
    if isinstance(func, MethodType):
        owner = func.__self__ if isinstance(func.__self__, type) else type(func.__self__)
        func = func.__func__
    elif not isinstance(func, FunctionType):
        owner = type(func)
        func = getattr(owner, "__call__", None)  # noqa: B004  what calling it runs
    return (func if isinstance(func, FunctionType) else None), owner


def _named(func: FunctionType, code: CodeType, owner: type | None) -> Iterator[Any]:
    """Yield what code of a function may call: its module's functions, its closure's, and methods of their objects."""
    known = func.__globals__
    kinds = [] if owner is None else [owner]
    values = [known.get(name) for name in code.co_names]
    for cell in func.__closure__ or ():
        with suppress(ValueError):  # it is empty still
            values.append(cell.cell_contents)
            yield cell.cell_contents
    for value in values:
        kind = value if isinstance(value, type) else type(value)
        called = getattr(value, "__func__", value)
        if isinstance(called, FunctionType):
            if called.__globals__ is known:
                yield value
        elif kind.__module__ == known.get("__name__"):
            kinds.append(kind)
    for kind in kinds:
        methods = {name: value for each in reversed(kind.__mro__) for name, value in vars(each).items()}
        for name in code.co_names:
            yield methods.get(name)
