"""Checks the arguments of the public functions before anything else: names first, then types."""

from __future__ import annotations

import os
import re
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from amorsize.domain.fingerprint.objects import unwrapped
from amorsize.domain.values import MAX_CPUS
from amorsize.plugins.registry import nearest
from amorsize.processes import descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Check = Callable[[str, str, Any], None]

P = ParamSpec("P")
R = TypeVar("R")

_ELSEWHERE: Final = {
    "profile": "optimize has it",
    "progress": "execute has it",
    "errors": "execute has it",
    "timeout": "execute has it",
    "item_timeout": "execute has it",
    "use_cache": "optimize and execute have it",
    "in_flight": "iexecute has it",
    "ordered": "iexecute has it",
    "initializer": "execute and iexecute have it",
    "initargs": "execute and iexecute have it",
}
"""Arguments that only some of optimize, execute and iexecute have."""

_VARARGS: Final = 0x04
"""The flag of code that takes ``*args``: CO_VARARGS of the inspect module, which takes long to import."""
_COROUTINE: Final = 0x80 | 0x200
"""The flags of code that gives a coroutine or an async generator: CO_COROUTINE and CO_ASYNC_GENERATOR."""

_WORKERS: Final = "(n|nb|num|number_of|max)?_?(jobs?|workers?|process(es)?|procs?|threads?|cpus?|cores?)(_count)?"
"""Names that other libraries use for the number of workers."""
_MEANT: Final = (
    (f"{_WORKERS}|pool_?size|(max_)?concurrency|parallelism", "max_workers", "use max_workers"),
    (r"(chunk|batch)_?(size|s)?|pre_?dispatch", "executor", "leave it out: amorsize chooses the size of chunks"),
    (r"backend|prefer|kind|mode|method|pool(_type)?|scheduler|use_(threads|process(es)?)", "executor", "use executor"),
    (r"(use_)?cach(ed?|ing)|no_cache", "use_cache", "use use_cache=False"),
    (r"(mp_)?context|start_?method", "probe", "use probe, with 'fork', 'spawn' or 'forkserver'"),
    (
        r"max_?tasks_?per_?child",
        "executor",
        "make an executor that has it and pass that: execute(func, data, executor=...)",
    ),
    (r"verbos(e|ity)|disp|desc|(show_?)?progress(_?bar)?|p?bar|tqdm", "progress", "use progress"),
    (r"return_exceptions|(on_?|ignore_?|raise_?)?(errors?|exceptions?)", "errors", "use errors='collect'"),
    (r"return_as|lazy|stream", "errors", "use iexecute, which gives results one by one"),
    ("strict", "data", "compare the lengths of the iterables first: the shortest ends the run"),
    (r"f|fn|fun|function|callable|target|task", "func", "use func"),
    (r"iter(ables?)?|items?|inputs?|args|values|xs|seq(uence)?|it|tasks", "data", "use data"),
)
"""A pattern for the names that other libraries use, the argument that the function must have, and what to write.

The first pattern that matches counts.
"""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Return a public function that raises clear errors for unknown and wrong arguments.

    Its signature, types and docstring stay the same. The check runs no code of the arguments.
    """
    where = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
    names, code = _names(function), function.__code__
    known, by_position, takes_more = frozenset(names), code.co_argcount, bool(code.co_flags & _VARARGS)
    checks = {name: _CHECKS[name] for name in names if name in _CHECKS}
    positional = [(name, checks.get(name, _anything)) for name in names[:by_position]]

    @wraps(function)
    def checked_call(*args: P.args, **kwargs: P.kwargs) -> R:
        if len(args) > by_position:
            wrong = [value for value in args[by_position:] if not (takes_more and _is_iterable(value))]
            if wrong:
                raise TypeError(_too_many(where, wrong[0], names, by_position))
        for (name, check), value in zip(positional, args):  # noqa: B905  each hit pays for it
            check(where, name, value)
        if kwargs:
            for name, value in kwargs.items():
                if name in checks:
                    checks[name](where, name, value)
                elif name not in known:
                    raise TypeError(_unknown(where, name, names))
        try:
            return function(*args, **kwargs)
        except OSError as error:
            descriptor_limit.refuse_unloaded(where, error)
            raise

    return checked_call


def _unknown(where: str, name: str, names: Sequence[str]) -> str:
    """Say what to use in place of an argument that does not exist."""
    said = f"{where}: there is no argument {name!r}"
    for pattern, needed, instead in _MEANT:
        if needed in names and re.fullmatch(pattern, name, re.IGNORECASE):
            return f"{said}; {instead}"
    if name in _ELSEWHERE:
        return f"{said}; {_ELSEWHERE[name]}"
    if close := nearest(name, names):
        return said + close
    return f"{said}; it takes {', '.join(_given(names)) or 'none'}"


def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _given(names: Sequence[str]) -> list[str]:
    """Return the arguments without ``self``, which the caller does not give."""
    return [name for name in names if name != "self"]


def _too_many(where: str, given: Any, names: Sequence[str], by_position: int) -> str:
    """Say how to name the first argument that is given by position and must not be."""
    takes = f"{' and '.join(_given(names[:by_position])) or 'nothing'} by position"
    if not names[by_position:]:
        return f"{where}: it takes {takes}, got {given!r:.80} too"
    example = "max_workers" if type(given) is int and "max_workers" in names else names[by_position]
    return f"{where}: it takes {takes} and the rest by name, got {given!r:.80} too; write {example}=..."


def _anything(where: str, name: str, value: Any) -> None:
    """Accept any value: the function itself checks it."""


def check_func(where: str, name: str, value: Any) -> None:
    """Raise TypeError for what cannot be called item by item."""
    if not callable(value):
        swapped = "; func comes first, then data" if hasattr(type(value), "__iter__") else ""
        raise TypeError(f"{where}: {name} must be callable, got {_kind(value)}{swapped}")
    flags = getattr(_code_of(value), "co_flags", 0)
    if type(flags) is int and flags & _COROUTINE:
        raise TypeError(
            f"{where}: {name} must be an ordinary function, got the coroutine function {_name_of(value)!r:.80}: "
            "for that use asyncio.gather or a TaskGroup"
        )


def _name_of(func: Any) -> str:
    """Return the qualified name of a function, or of the class of an object that can be called."""
    func = unwrapped(func, methods=False)
    return str(getattr(func, "__qualname__", type(func).__qualname__))


def _code_of(func: Any) -> Any:
    """Return the code object that a call of func runs first; None when it is not Python code."""
    func = unwrapped(func, methods=False)
    try:
        code = getattr(func, "__code__", None)
    except Exception:  # noqa: BLE001  any attribute of a user's object may raise
        code = None
    return code if code is not None else getattr(getattr(type(func), "__call__", None), "__code__", None)  # noqa: B004  its code is asked for


def _check_data(where: str, name: str, value: Any) -> None:
    if _is_iterable(value):
        return
    kind = type(value)
    instead = ""
    if kind is int:
        instead = f": for the numbers below it write range({value})"
    elif hasattr(kind, "__aiter__"):
        instead = ": collect its items first, [item async for item in ...]"
    raise TypeError(f"{where}: {name} must be iterable, got {_kind(value)}{instead}")


def _is_iterable(value: Any) -> bool:
    kind = type(value)
    return hasattr(kind, "__iter__") or hasattr(kind, "__getitem__")


def _check_flag(where: str, name: str, value: Any) -> None:
    if type(value) is not bool:
        raise TypeError(f"{where}: {name} must be True or False, got {value!r:.80}")


def check_workers(where: str, name: str, value: Any) -> None:
    """Raise ValueError unless value is a number of workers or None."""
    if value is None or (type(value) is int and 1 <= value <= MAX_CPUS):
        return
    must = f"{where}: {name} must be a whole number from 1 to {MAX_CPUS}, got {value!r:.80}"
    raise ValueError(f"{must}; leave it out to use as many as pay")


def _check_executor(where: str, name: str, value: Any) -> None:
    if isinstance(value, str):
        return
    if where == "optimize":
        must = f"{where}: {name} must be the name of one, such as 'thread' or 'process', got {_kind(value)}"
        live = callable(getattr(value, "submit", None)) and not isinstance(value, type)
        raise TypeError(must + (": pass it to execute(func, data, executor=...)" if live else ""))
    if isinstance(value, type) or not callable(getattr(value, "submit", None)):
        must = f"{where}: {name} must be a name, such as 'thread' or 'process', or a concurrent.futures.Executor"
        raise TypeError(f"{must}, got {_kind(value)}{_instance(value)}")


def _check_cache(where: str, name: str, value: Any) -> None:
    if value is None:
        return
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, os.PathLike) or (isinstance(each, str) and _is_path(each)):
            raise TypeError(
                f"{where}: {name} must be the name of a cache backend, got a path: set the folder by "
                "AMORSIZE_CACHE_DIR, or by config={'caches': {'json': {'directory': ...}}}"
            )
        if not isinstance(each, str):
            must = f"{where}: {name} must be the name of a cache backend, a CacheStore, or a list of these"
            off = "use_cache=False" if where in {"optimize", "execute"} else "cache='memory'"
            _check_port(must, "CacheStore", each, f"; to keep nothing write {off}" if each is False else "")


def _check_probe(where: str, name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        _check_port(f"{where}: {name} must be the name of a probe backend or a Probe", "Probe", value)


def _check_inspector(where: str, name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        must = f"{where}: {name} must be the name of an inspector backend or a SystemInspector"
        _check_port(must, "SystemInspector", value)


def _check_port(must: str, port: str, value: Any, instead: str = "") -> None:
    """Raise TypeError unless value is an instance with the methods of a port."""
    from amorsize.application import ports

    if isinstance(value, type) or not isinstance(value, getattr(ports, port)):
        raise TypeError(f"{must}, got {_kind(value)}{instead or _instance(value)}")


def _is_path(name: str) -> bool:
    return any(separator in name for separator in {"/", os.sep})


def _kind(value: Any) -> str:
    """Describe a value: a class by its name, a plain value as it is, any other by its type."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)[:80]
    return type(value).__name__


def _instance(value: Any) -> str:
    return f": pass an instance of it, {value.__name__}(...)" if isinstance(value, type) else ""


_CHECKS: Final[dict[str, Check]] = {
    "func": check_func,
    "data": _check_data,
    "use_cache": _check_flag,
    "profile": _check_flag,
    "verbose": _check_flag,
    "ordered": _check_flag,
    "max_workers": check_workers,
    "executor": _check_executor,
    "cache": _check_cache,
    "probe": _check_probe,
    "inspector": _check_inspector,
}
"""The check of each argument by name. Limits and names of backends are checked where they are used."""
