"""Reads modules: an installed one by name and version, one that is being worked on by what the code names of it."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.encoding import encode, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from amorsize.domain.fingerprint.reading import Reading

FILE_NAMES: Final = frozenset({"__file__", "__spec__", "__loader__", "__cached__", "__path__", "__builtins__"})
"""Names in a module that say where its file is."""
_DEEPEST: Final = 8
"""How many modules, each by its name in the other, are followed."""
_DATA: Final = frozenset(map(id, (list, dict, set, tuple)))


def read_module(
    reading: Reading, module: ModuleType, names: Mapping[str, None], depth: int, above: tuple[int, ...] = ()
) -> None:
    """Append a module, with what the code that may name parts of it can see there."""
    space = objects.module_space(module)
    name = objects.module_name(space)
    if reading.origins.is_installed(name):
        reading.from_elsewhere(name, "")
        _read_data(reading, module, names, depth)
        return
    reading.out.append(b"M")
    if id(module) in above or len(above) >= _DEEPEST:
        return
    present = tuple(one for one in names if one in space and one not in FILE_NAMES)
    for one in present:
        reading.out.append(text(one))
        inside = space[one]
        if issubclass(type(inside), ModuleType):
            read_module(reading, inside, names, depth + 1, (*above, id(module)))
        else:
            reading.value(inside, depth + 1)
    absent = frozenset(names).difference(present).difference(FILE_NAMES)
    reading.spaces.append((module, objects.module_space, present, absent))


def _read_data(reading: Reading, module: ModuleType, names: Mapping[str, None], depth: int) -> None:
    """Append what code names of an installed module that is no code: settings, the arguments of the program."""
    space = objects.module_space(module)
    data = [name for name in names if name in space and name not in FILE_NAMES and _is_data(space[name])]
    for name in data:
        reading.out.append(text(name))
        reading.value(space[name], depth + 1)
    if data:
        reading.spaces.append((module, objects.module_space, tuple(data), frozenset()))


def _is_data(value: Any) -> bool:
    return encode(value) is not None or id(type(value)) in _DATA


def read_module_alone(reading: Reading, module: ModuleType, _: int) -> None:
    """Append a module that is no global and no part of another: nothing tells which names of it count."""
    name = objects.module_name(objects.module_space(module))
    if reading.origins.is_installed(name):
        reading.from_elsewhere(name, "")
    else:
        reading.out.append(b"M")
        reading.origins.note(f"the module {name}, held in another object")
