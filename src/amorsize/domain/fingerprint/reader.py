"""Reads a callable: knows what reads each kind of part."""

from __future__ import annotations

import functools
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.callables import read_builtin, read_cached, read_function, read_method, read_partial
from amorsize.domain.fingerprint.containers import read_many, read_proxy
from amorsize.domain.fingerprint.encoding import text
from amorsize.domain.fingerprint.environment import ASKING, read_environment
from amorsize.domain.fingerprint.instances import read_class, read_instance, read_members, read_state
from amorsize.domain.fingerprint.modules import read_module_alone
from amorsize.domain.fingerprint.origins import Origins, own_package
from amorsize.domain.fingerprint.reading import Reading

if TYPE_CHECKING:
    from amorsize.domain.fingerprint.loaded import Loaded
    from amorsize.domain.fingerprint.reading import Rules


def read(root: Any, loaded: Loaded, *, outlined: bool = False) -> Reading:
    """Return all that is read of a callable, given the modules that are loaded."""
    origins = Origins(own_package(root), loaded)
    reading = Reading(root, origins, _RULES, outlined=outlined)
    if origins.version:
        reading.out.append(text(origins.version))
    reading.value(root, 0)
    if reading.classes:
        start = len(reading.out)
        read_members(reading)
        if outlined and len(reading.out) > start:
            reading.outline.append(("methods", reading.digest(start)))
    if reading.reads_environment or not ASKING.isdisjoint(reading.names):
        read_environment(reading)
    return reading


def _read_collection(reading: Reading, value: Any, depth: int) -> None:
    """Append a collection, and what an object of a subclass holds beside its elements."""
    read_many(reading, value, depth)
    kind = type(value)
    if id(kind) not in objects.EXACT:
        reading.value(kind, depth + 1)
        read_state(reading, value, depth)


_RULES: Final[Rules] = (
    (FunctionType, read_function),
    (MethodType, read_method),
    (BuiltinFunctionType, read_builtin),
    (type(functools.lru_cache(len)), read_cached),
    (functools.partial, read_partial),
    (ModuleType, read_module_alone),
    (type, read_class),
    (objects.COLLECTIONS, _read_collection),
    (MappingProxyType, read_proxy),
    (object, read_instance),
)
