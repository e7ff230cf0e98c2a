"""Finds the object at a path that code takes, without running any, and tells which calls change it in place."""

from __future__ import annotations

import io
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, NoneType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.effects import CALL, ITEM, OUT, TAKERS
from amorsize.domain.fingerprint.objects import (
    EMPTY,
    class_attribute,
    class_module,
    class_name,
    held_at,
    is_thread_local,
    module_space,
    mro_of,
    own_space,
)
from amorsize.domain.followed_code import CACHED, kept_by

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from amorsize.domain.effects import Path
    from amorsize.domain.followed_code import Called

UNKNOWN: Final = object()
"""Stands for an object that outlives a call, and of which nothing else is known."""

_CODE: Final = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType)
_UNCHANGING: Final = (*_CODE, NoneType, str, bytes, int, float, complex)
"""Kinds of objects that no call changes."""

_READS: Final = frozenset({"read", "read1", "readline", "readlines"})
_WRITES: Final = frozenset({"write", "writelines"})
_WRITTEN: Final = frozenset({"getvalue", "getbuffer"})
"""Methods that return what was written to a stream in memory: without them, it only grows."""
_OF_ARRAYS: Final = frozenset({"put", "partition", "resize", "itemset", "setfield"})
_OF_KNOWN: Final = _READS | _WRITES | (_OF_ARRAYS - TAKERS)
"""Names that many kinds of objects give to methods that change nothing."""


def held_on(path: Path, called: Called, *, attributes: bool, is_nested: bool) -> Any:
    """Return the object at a path; UNKNOWN for one that outlives a call, EMPTY where there is none that does.

    Args:
        path: the way to it.
        called: the function whose code takes it.
        attributes: whether what lies in attributes counts.
        is_nested: whether the code is inside that of the function: its arguments are those of an inner function.
    """
    where, name, *steps = path
    if where == "first":
        return _held_by_first(steps, called.owner) if attributes and not is_nested else EMPTY
    if where == "argument" and is_nested:
        return EMPTY
    held = held_at((where, name), called.func)
    for step in steps:
        if held is EMPTY:
            break
        if step == CALL:
            held = _returned_by(held)
        elif held is UNKNOWN:
            continue
        elif step == ITEM:
            held = UNKNOWN
        elif issubclass(type(held), ModuleType):
            held = module_space(held).get(step, EMPTY)
        else:
            held = _attribute(held, step) if attributes else EMPTY
    return held


def _held_by_first(steps: list[str], owner: type | None) -> Any:
    """Return what is known of an attribute of the first argument: of a method, that is an object of a class."""
    if owner is None or not steps:
        return EMPTY
    if CALL not in steps:
        return UNKNOWN
    return UNKNOWN if steps[1:2] == [CALL] and type(class_attribute(owner, steps[0])) is CACHED else EMPTY


def _returned_by(func: Any) -> Any:
    """Return what a cached function keeps, and returns again; EMPTY for a function without a cache.

    Left out are its keys, which are plain or tuples, and what the cache itself is made of.
    """
    if type(func) is not CACHED:
        return EMPTY
    kinds = ((kept, type(kept)) for kept in kept_by(func))
    results = ((kept, kind) for kept, kind in kinds if kind is not object and class_module(kind) != "functools")
    return next((kept for kept, kind in results if not issubclass(kind, (*_UNCHANGING, tuple))), UNKNOWN)


def _attribute(held: Any, name: str) -> Any:
    """Return an attribute of an object or a class, where it takes no code; threads share none of a ``local``."""
    if is_thread_local(type(held)):
        return EMPTY
    if issubclass(type(held), type):
        found = class_attribute(held, name)
        return EMPTY if found is None else found
    found = own_space(held).get(name, EMPTY)
    if found is not EMPTY:
        return found
    member = class_attribute(type(held), name)
    return member if type(member) is CACHED or issubclass(type(member), _CODE) else UNKNOWN


def changes(held: Any, change: str, names: Collection[str]) -> bool:
    """Return whether a call changes an object in place.

    Args:
        held: the object, UNKNOWN, or EMPTY for none.
        change: a method of it, a function that it is given to, the keyword ``out``, or ITEM where an item is set.
        names: what else the code names.
    """
    kind = type(held)
    if held is EMPTY or issubclass(kind, _UNCHANGING):
        return False
    if change in _WRITES and _WRITTEN.isdisjoint(names):
        return False
    if held is UNKNOWN:
        return change not in _OF_KNOWN
    is_of_kind = next((rule for methods, rule in _RULES if change in methods), None)
    return is_of_kind is None or is_of_kind(kind)


def _is_array(kind: type) -> bool:
    return any(class_name(cls) == "numpy.ndarray" for cls in mro_of(kind))


def _is_in_memory(kind: type) -> bool:
    return issubclass(kind, (io.StringIO, io.BytesIO))


def _is_stream(kind: type) -> bool:
    return issubclass(kind, io.IOBase)


def _is_memory(kind: type) -> bool:
    return issubclass(kind, (bytearray, memoryview)) or _is_in_memory(kind) or _is_array(kind)


def _is_no_file(kind: type) -> bool:
    return _is_in_memory(kind) or not _is_stream(kind)


def _is_estimator(kind: type) -> bool:
    """Return whether a class has more of an estimator than ``fit``: that of scipy's distributions changes nothing."""
    names = ("predict", "transform", "partial_fit", "fit_predict", "get_params")
    return any(class_attribute(kind, name) is not None for name in names)


def _has_items(kind: type) -> bool:
    return _is_array(kind) or class_attribute(kind, "dtype") is not None


_RULES: Final[tuple[tuple[frozenset[str], Callable[[type], bool]], ...]] = (
    (frozenset({"fit", "partial_fit", "fit_transform", "fit_predict"}), _is_estimator),
    (frozenset({"seek", "truncate"}), _is_stream),
    (_READS | _WRITES, _is_in_memory),
    (frozenset({"fill"}), _has_items),
    (_OF_ARRAYS - TAKERS, _is_array),
    (TAKERS, _is_memory),
    (frozenset({OUT}), _is_no_file),
)
"""Of which kinds of objects a change counts that code makes by a method or a function of some name; else of any."""
