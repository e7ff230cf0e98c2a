"""Tells the user's own code from installed code, and finds what code names: globals, and parts of own modules."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.encoding import names_of
from amorsize.domain.fingerprint.loaded import has_installed_file
from amorsize.domain.fingerprint.objects import STANDARD, class_module, members_of, module_name, module_space, top_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OURS: Final = "amorsize"
"""The package whose code is not the user's, wherever it lies."""


def is_own(space: Mapping[str, Any]) -> bool:
    """Return whether a module, given by its namespace, is neither part of Python nor of an installed package."""
    top = top_of(module_name(space))
    return top not in STANDARD and top != OURS and not has_installed_file(space)


def is_own_class(kind: type) -> bool:
    """Return whether a class is the user's own, by the module of the first function in it."""
    module = class_module(kind)
    if top_of(module) in STANDARD:
        return False
    spaces = (member.__globals__ for member in members_of(kind).values() if type(member) is FunctionType)
    return any(is_own(space) for space in islice((one for one in spaces if module_name(one) == module), 1))


_NONE: Final[Mapping[str, Any]] = {}
"""No modules: what code is given that imports none itself."""


def named_in(space: Mapping[str, Any], code: CodeType, modules: Mapping[str, Any] = _NONE) -> Iterator[tuple[str, Any]]:
    """Yield the globals that code reads, and what it names in modules of the user's own, each with its name.

    Args:
        space: the globals of the code.
        code: the code, without the code inside it.
        modules: modules that it may import itself, by name.
    """
    if space.keys().isdisjoint(code.co_names) and modules.keys().isdisjoint(code.co_names):
        return
    read, imports = _names_of(code)
    seen: set[int] = set()
    for names, known in ((read, space), (imports, modules)):
        for name in names:
            if name in known:
                value = known[name]
                yield name, value
                if issubclass(type(value), ModuleType):
                    yield from _named_of(value, name, code.co_names, seen)


@lru_cache(maxsize=64)
def _names_of(code: CodeType) -> tuple[list[str], list[str]]:
    """Return the names that code reads as globals, and its imports; the same code is asked for twice in a row."""
    read, _, imports = names_of(code, code.co_code)
    return list(dict.fromkeys(read)), imports


def _named_of(module: ModuleType, path: str, names: Sequence[str], seen: set[int]) -> Iterator[tuple[str, Any]]:
    space = module_space(module)
    if id(module) in seen or not is_own(space):
        return
    seen.add(id(module))
    for name in names:
        if name in space:
            value = space[name]
            yield f"{path}.{name}", value
            if issubclass(type(value), ModuleType):
                yield from _named_of(value, f"{path}.{name}", names, seen)
