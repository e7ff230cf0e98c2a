"""Reading what is no function: collections, instances and classes, without running their code."""

from __future__ import annotations

import functools
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain import objects
from amorsize.domain.encoding import constant, encode, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.reading import Reading

_FEW: Final = 32
_EDGE: Final = 1 << 14
_NOT_BEHAVIOUR: Final = frozenset({"__doc__", "__module__", "__dict__", "__weakref__", "__qualname__"})
_STATELESS: Final = frozenset({"_thread.lock", "_thread.RLock", "object"})
MANY: Final = (list, dict, set, tuple, frozenset, bytearray)
_PLAIN_BASES: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (int, int.__pos__),
    (float, float.__pos__),
    (str, lambda value: str.__getitem__(value, slice(None))),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
)
BINDING: Final = (FunctionType, staticmethod, classmethod)
_ASKED: Final = ("__qualname__", "__name__", "shape", "dtype")
"""What compiled code says of its objects at no cost: numpy's functions and arrays, Cython's functions."""


def read_many(reading: Reading, value: Any, depth: int) -> None:
    """Append a collection: a small one with its elements, a large one by its length, an empty one by its type."""
    kind = type(value)
    base = next(base for base in MANY if issubclass(kind, base))
    count = base.__len__(value)
    reading.out.append(b"[" + text(objects.class_name(kind)))
    if not count and base in (list, dict, set, bytearray):
        return  # most likely a store that fills up as it is used
    elements = objects.elements(base, value) if count <= _FEW else None
    if elements is None:
        reading.out.append(b"%d" % count.bit_length())
        reading.origins.note(f"a {kind.__name__} of {count}, known by its length only")
        return
    if base in (list, dict, set):
        reading.contents.append(value)
    for one in elements:
        reading.value(one, depth + 1)
    reading.out.append(b"]")


def read_instance(reading: Reading, value: Any, depth: int) -> None:
    """Append any other object: its class and what it holds, as far as that says what it does."""
    kind = type(value)
    reading.out.append(b"O")
    if _plain_base(reading, value):
        return
    reading.value(kind, depth + 1)
    module = objects.class_module(kind)
    looked_into = not reading.origins.is_installed(module)
    space = objects.own_space(value) or {}
    slots = objects.slots_of(value)
    state = {name: held for name, held in (*slots.items(), *space.items()) if type(name) is str}
    names = [name for name in sorted(state) if name not in _NOT_BEHAVIOUR]
    if len(names) > _FEW:
        reading.origins.note(f"a {objects.class_name(kind)} of {len(names)} attributes, of which {_FEW} count")
    read = [name for name in names[:_FEW] if looked_into or _is_telling(state[name])]
    for name in read:
        reading.out.append(text(name))
        reading.part(f"state {name}", state[name], depth)
    if not read and not looked_into:
        _compiled(reading, value, depth)
    for get, held in ((objects.own_space, space), (objects.slots_of, slots)):
        watched = tuple(name for name in read if name in held)
        if watched:
            reading.spaces.append((value, get, watched, frozenset()))


def _plain_base(reading: Reading, value: Any) -> bool:
    """Append what a number or text is at heart; True when that is all there is to it."""
    kind = type(value)
    for base, plain_of in _PLAIN_BASES:
        if issubclass(kind, base):
            plain = plain_of(value)
            short = encode(plain)
            if short is None:
                reading.origins.note(f"a {base.__name__} of {len(plain)}, known by its length and its ends only")
                short = constant((len(plain), plain[:_EDGE], plain[-_EDGE:])) or b""
            reading.out.append(short)
            return kind is base
    return False


def _compiled(reading: Reading, value: Any, depth: int) -> None:
    name = objects.class_name(type(value))
    said = [objects.compiled_attribute(value, attribute) for attribute in _ASKED]
    for one in said:
        reading.value(one, depth + 1)
    is_named = said[0] is not None or said[1] is not None
    if is_named and "(vectorized)" in (said[0], said[1], *str(said[1]).split()):
        reading.origins.note("a Python function inside a numpy ufunc")
    elif not is_named and name not in _STATELESS:
        reading.origins.note(f"a {name}, known by its type{' and shape' if said[2] is not None else ''} only")


def read_class(reading: Reading, cls: type, depth: int) -> None:
    """Append a class with its bases; its members follow when it is known which of them are named."""
    module = objects.class_module(cls)
    if reading.origins.is_installed(module):
        reading.from_elsewhere(module, objects.class_name(cls))
        return
    reading.out.append(b"K")
    reading.classes.append((cls, depth))
    for base in objects.mro_of(cls)[1:-1]:
        reading.value(base, depth + 1)
    if type(cls) is not type:
        reading.value(type(cls), depth + 1)


def read_members(reading: Reading) -> None:
    """Append the members of all classes met: special methods, and whatever any code met names."""
    done: set[tuple[int, str]] = set()
    before = -1
    while before != len(done):
        before = len(done)
        for number, (cls, depth) in enumerate(reading.classes):
            members = objects.members_of(cls)
            for name in sorted(name for name in members if type(name) is str):
                if (number, name) in done or not _counts(reading, name, members[name]):
                    continue
                done.add((number, name))
                reading.out.append(b".%d" % number + text(name))
                for inside in objects.functions_of(members[name]):
                    reading.value(inside, depth + 1)
    for number, (cls, _) in enumerate(reading.classes):
        read = tuple(name for at, name in sorted(done) if at == number)
        if read:
            reading.spaces.append((cls, objects.members_of, read, frozenset()))


def _counts(reading: Reading, name: str, member: Any) -> bool:
    if name in _NOT_BEHAVIOUR:
        return False
    if name.startswith("__") and name.endswith("__"):
        return type(member) in BINDING
    return name in reading.names


def _is_telling(value: Any) -> bool:
    """Tell whether an attribute of somebody else's object says what that object does, and stays as it is."""
    return encode(value) is not None or type(value) in (FunctionType, MethodType, functools.partial)
