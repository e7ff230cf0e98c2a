"""Reads collections: small ones with their elements, large ones by their length."""

from __future__ import annotations

import gc
from array import array
from collections import deque
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.encoding import encode, framed, is_atom, text
from amorsize.domain.fingerprint.parts import ends_of
from amorsize.domain.fingerprint.reading import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import MappingProxyType

    from amorsize.domain.fingerprint.loaded import Loaded
    from amorsize.domain.fingerprint.reading import Reading

_FIXED: Final = (tuple, frozenset)
_WITH_ENDS: Final = (list, tuple, dict, deque)
_LEVELS: Final = 3
"""How deep collections are looked through for what is not plain: at most 32 to the power of 3 looks."""
_MOST_BYTES: Final = 1 << 16
"""Bytes up to which a bytearray or an array is read whole, as a text is."""


def elements_of(base: Any, value: Any, loaded: Loaded) -> list[Any] | None:
    """Return the elements of a collection in an order that every process agrees on, None if there is no such order.

    A dict gives its keys and values in turn. ``base`` is the built-in type, so that no method of a subclass runs.
    """
    if base is dict:
        pairs = [(sort_key(key, loaded), key, held) for key, held in dict.items(value)]
        if any(known is None for known, _, _ in pairs):
            return None
        pairs.sort(key=lambda pair: pair[0] or b"")
        return [one for _, key, held in pairs for one in (key, held)]
    if base is set or base is frozenset:
        known = [(sort_key(one, loaded), one) for one in base.__iter__(value)]
        if any(code is None for code, _ in known):
            return None
        return [one for _, one in sorted(known, key=lambda pair: pair[0] or b"")]
    return list(base.__iter__(value))


def sort_key(value: Any, loaded: Loaded) -> bytes | None:
    """Return what puts a value among others in an order that every process agrees on, None if nothing does.

    Plain values go by their encoding, classes and functions by their qualified name, members of enumerations by class
    and name, paths and dates by their text, and tuples of these by these.
    """
    plain = encode(value)
    if plain is not None:
        return plain
    kind = type(value)
    if kind is tuple:
        keys = [sort_key(one, loaded) for one in value[: objects.FEW]]
        known = [key for key in keys if key is not None]
        return b"(" + framed(known) if len(known) == len(keys) else None
    said = _name_of(kind, value, loaded)
    return None if said is None else text(said)


def _name_of(kind: type, value: Any, loaded: Loaded) -> str | None:
    """Return by what an object is known everywhere, None if by nothing."""
    if issubclass(kind, type):
        return f"class {objects.class_name(value)}"
    if objects.is_enum(kind):
        return f"member {objects.class_name(kind)}.{objects.own_space(value).get('_name_')}"
    if kind is FunctionType or kind is BuiltinFunctionType:
        return f"function {objects.name_of(value)}"
    return f"{objects.class_name(kind)} {loaded.exact_text(value)}" if loaded.has_text(kind) else None


def inside_of(base: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gives all that a collection holds."""
    if base is dict:
        return lambda many: (*dict.keys(many), *dict.values(many))
    return lambda many: tuple(base.__iter__(many))


def _ends_in(base: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gives the ends of a collection."""
    return lambda many: tuple(ends_of(base, many))


def bits_of(base: Any) -> Callable[[Any], int]:
    """Return what gives the length of a collection, to the power of two."""
    return lambda many: base.__len__(many).bit_length()


def _bytes_of(base: Any) -> Callable[[Any], bytes]:
    """Return what gives the bytes of a bytearray or an array."""
    if base is array:
        return array.tobytes
    return lambda value: bytes(bytearray.__getitem__(value, slice(None)))


def read_many(reading: Reading, value: Any, depth: int) -> None:
    """Append a collection: a small one with its elements, a large one by its length, one filled by the code by type."""
    kind = type(value)
    base = objects.base_of(kind)
    reading.out.append(b"[" + text(objects.class_name(kind)))
    if base not in _FIXED and id(value) in reading.changes.objects:
        reading.origins.note(f"a {kind.__name__}, which its own code changes, known by its type only")
    elif base is array or base is bytearray:
        _read_numbers(reading, base, value)
    else:
        _read_elements(reading, base, value, depth)
    reading.out.append(b"]")


def _read_elements(reading: Reading, base: Any, value: Any, depth: int) -> None:
    count = base.__len__(value)
    loaded = reading.origins.loaded
    elements = elements_of(base, value, loaded) if count <= objects.FEW and reading.spend(count) else None
    if elements is None:
        known_by_length(reading, base, value)
        return
    if base not in _FIXED:
        reading.look(value, inside_of(base))
    reading.out.append(b"%d" % count)
    for one in elements:
        reading.value(one, depth)


def known_by_length(reading: Reading, base: Any, value: Any) -> None:
    """Append how long a collection is, to the power of two, and of what kind the ends of it are but for numbers."""
    count = base.__len__(value)
    reading.out.append(b"~%d" % count.bit_length())
    reading.origins.note(f"a {type(value).__name__} of {count}, known by its length only", of=(value,))
    if base not in _FIXED:
        reading.measure(value, bits_of(base))
    if count and base in _WITH_ENDS:
        ends = [one for one in ends_of(base, value) if not is_atom(one) or type(one) in (str, bytes)]
        if ends:
            reading.out.append(text(reading.described(ends)))
        if base not in _FIXED:
            reading.look(value, _ends_in(base))


def _read_numbers(reading: Reading, base: Any, value: Any) -> None:
    """Append a bytearray or an array by its bytes."""
    count = base.__len__(value)
    content_of = _bytes_of(base)
    if base is array:
        reading.out.append(text(array.__dict__["typecode"].__get__(value)))
        count *= array.__dict__["itemsize"].__get__(value)
    if count <= _MOST_BYTES and reading.spend(count // SMALL):
        reading.out.append(content_of(value))
        reading.measure(value, content_of)
    else:
        known_by_length(reading, base, value)


def read_proxy(reading: Reading, proxy: MappingProxyType[Any, Any], depth: int) -> None:
    """Append the mapping that a read-only view shows; it tells by no other way that runs no code."""
    reading.out.append(b"y")
    for mapping in gc.get_referents(proxy):
        reading.value(mapping, depth)


def is_wholly_plain(value: Any, levels: int = _LEVELS) -> bool:
    """Tell whether a small collection holds something, and nothing but plain values and such collections."""
    base = objects.base_of(type(value))
    least = 1 if levels == _LEVELS else 0
    if base is None or not levels or not least <= base.__len__(value) <= objects.FEW:
        return False
    elements = (*dict.keys(value), *dict.values(value)) if base is dict else base.__iter__(value)
    return all(encode(one) is not None or is_wholly_plain(one, levels - 1) for one in elements)
