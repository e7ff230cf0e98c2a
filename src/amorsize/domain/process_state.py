"""What a function sets that all threads of a process share: found in its code, without running it."""

from __future__ import annotations

import functools
from contextlib import suppress
from opcode import opname
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, NoneType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.effects import MUTATORS, codes_in, effects_of
from amorsize.domain.iterables import plain
from amorsize.domain.own_code import is_own, is_own_class, named_in

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
_ITEMS: Final = _SUBSCRIPTS | {"STORE_SLICE"}
_VARIABLES: Final = frozenset({"STORE_DEREF", "DELETE_DEREF"})

_NO_COLLECTIONS: Final = (ModuleType, type, FunctionType, BuiltinFunctionType, NoneType)
"""What has no items: ``numpy.sort(x)`` changes nothing of the module."""


def sets_process_state(func: Callable[..., Any], *, attributes: bool = True) -> str:
    """Return what a function sets that threads of a process share, in a few words, empty where nothing is found.

    Looked at are the function, what is inside it, and the functions and methods that it names, of its own module and
    of other modules that are the user's own and not installed.
    Such a function gives right results in processes, and in one thread. A collection that it only adds to, and never
    reads an item of, does not count: no result depends on it.

    Args:
        func: the function.
        attributes: whether attributes count, and the collections in them; then they do whatever they belong to.
    """
    assignments = _GLOBALS | _ATTRIBUTES if attributes else _GLOBALS
    for called, code in _codes(func):
        names = _SETTERS.intersection(code.co_names)
        if names:
            return min(names)
        operations = {opname[number] for number in code.co_code[::2]}
        if "environ" in code.co_names and operations & _SUBSCRIPTS:
            return "environ"
        if operations & assignments:
            return "globals or attributes"
        name = _variable_set(called, code, operations)
        if not name and (operations & _ITEMS or not MUTATORS.isdisjoint(code.co_names)):
            name = _collection_changed(called, code, attributes=attributes)
        if name:
            return f"what {name!r} holds"
    return ""


def _variable_set(called: _Called, code: CodeType, operations: set[str]) -> str:
    """Return the name of a variable of an enclosing function that code assigns; empty where there is none."""
    if not operations & _VARIABLES or not code.co_freevars:
        return ""
    from dis import get_instructions

    shared = called.func.__code__.co_freevars
    return next((str(x.argval) for x in get_instructions(code) if x.opname in _VARIABLES and x.argval in shared), "")


def _collection_changed(called: _Called, code: CodeType, *, attributes: bool) -> str:
    """Return the name of a collection that outlives a call and that code changes, empty where there is none."""
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
            is_shared = not issubclass(type(called.value(kind, name)), _NO_COLLECTIONS)
        if is_shared:
            return name or "self"
    return ""


def reads_input(func: Callable[[Any], Any]) -> str:
    """Return by what name a function reads standard input, empty where nothing is found; looked at is the same.

    Each process would take some of it, in no order. So would a debugger.
    """
    for _, code in _codes(func):
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


class _Called:
    """A function that runs, and the class of the object that it is bound to, None if it is not bound."""

    def __init__(self, func: FunctionType, owner: type | None) -> None:
        self.func = func
        self.owner = owner

    def variables(self) -> dict[str, Any]:
        """Return the variables of enclosing functions that the function names."""
        found: dict[str, Any] = {}
        for name, cell in zip(self.func.__code__.co_freevars, self.func.__closure__ or (), strict=False):
            with suppress(ValueError):  # it is empty still
                found[name] = cell.cell_contents
        return found

    def value(self, kind: str, name: str) -> Any:
        """Return a ``global``, a ``free`` variable, or the default of an ``argument``; None where there is none."""
        if kind == "global":
            return self.func.__globals__.get(name)
        if kind == "free":
            return self.variables().get(name)
        code, defaults = self.func.__code__, self.func.__defaults__ or ()
        names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
        return {**dict(zip(names, defaults, strict=True)), **(self.func.__kwdefaults__ or {})}.get(name)


def _codes(func: Any) -> Iterator[tuple[_Called, CodeType]]:
    """Yield the code that calling a function runs, as far as it is looked at, each with the function that it is of."""
    todo: list[tuple[Any, type | None]] = [(func, None)]
    seen: set[CodeType] = set()
    for each, owner in todo:
        called = _called(each, owner)
        if called is not None and called.func.__code__ not in seen and len(seen) < _MOST_CODES:
            for code in codes_in(called.func.__code__):
                seen.add(code)
                yield called, code
                todo += _named(called, code)


def _called(func: Any, owner: type | None) -> _Called | None:
    """Return the function that runs when something is called, None if it is not one of Python.

    ``owner`` is the class of the object that it is bound to, where that is known.
    """
    func = plain(func)
    while issubclass(type(func), functools.partial):
        func = func.func
    with suppress(Exception):  # what stands for another object may raise anything
        func = getattr(func, "__wrapped__", func)
    if type(func) is MethodType:
        bound: Any = func.__self__
        owner = bound if issubclass(type(bound), type) else type(bound)
        func = func.__func__
    elif type(func) is not FunctionType:
        owner = type(func)
        func = getattr(owner, "__call__", None)  # noqa: B004  what calling it runs
    return _Called(func, owner) if type(func) is FunctionType else None


def _named(called: _Called, code: CodeType) -> Iterator[tuple[Any, type | None]]:
    """Yield what code of a function may call: the user's own functions, its closure's, and methods of their objects.

    With a method of an object that outlives the call comes the object's class.
    """
    known = called.func.__globals__
    kinds: list[tuple[type, type | None]] = [] if called.owner is None else [(called.owner, called.owner)]
    values = [value for _, value in named_in(known, code)]
    for value in called.variables().values():
        values.append(value)
        yield value, None
    for value in values:
        kind = value if issubclass(type(value), type) else type(value)
        function = value.__func__ if type(value) is MethodType else value
        if type(function) is FunctionType:
            if function.__globals__ is known or is_own(function.__globals__):
                yield value, None
        elif kind.__module__ == known.get("__name__") or is_own_class(kind):
            kinds.append((kind, None if kind is value else kind))
    for kind, owner in kinds:
        methods = {name: value for each in reversed(kind.__mro__) for name, value in vars(each).items()}
        for name in code.co_names:
            yield methods.get(name), owner
