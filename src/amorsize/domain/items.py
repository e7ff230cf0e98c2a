"""Item kinds: a coarse, cheap description of the items, for which no code of the user's runs."""

from __future__ import annotations

import sys
from array import array
from collections import deque
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.buckets import length_bucket, magnitude_bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LENGTH: Final = 32
_HASH_DIGITS: Final = 8
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.<>|~^[]-")

# Read off the type itself: a metaclass may have made properties of these two, which would be the user's code.
_qualname_of: Final = type.__dict__["__qualname__"].__get__
_module_of: Final = type.__dict__["__module__"].__get__

_INDEXED: Final = frozenset({list, tuple, range, str, bytes, bytearray, array})
_ITERATED: Final = frozenset({dict, set, frozenset, type({}.keys()), type({}.values()), type({}.items())})
_NUMERIC: Final = "iufc"


def item_kind(data: object) -> str:
    """Describe the items of data by the first, the middle and the last: type, and a bucket of size or magnitude.

    Built-in containers and numpy arrays are looked into, dicts and sets only at their first item, deques at their ends.
    Of any other container (also a subclass) only the type is named, because to read an item there could cost
    anything. Of items, only exact built-in and numpy types are measured; others are named.

    Returns:
        1 to 32 printable ASCII characters without blank, colon or slash, such as ``int~16^3``, ``str~64`` (a length, a
        power of four), ``ndarray.float64~4096`` (bytes), ``int~16^1|str~4``, ``in.package.Class``, or ``none`` for no
        items. What would not fit ends in a hash of the whole.
    """
    container = type(data)
    items: Sequence[Any]
    if container in _INDEXED:
        count = _length(data)
        if not count:
            return "none" if count == 0 else "in.range"
        items = (data[0], data[count >> 1], data[-1])  # type: ignore[index]  # all of _INDEXED have __getitem__
    elif container is deque:
        if not data:
            return "none"
        items = (data[0], data[-1])  # type: ignore[index]  # a deque's middle takes a walk to reach
    elif container in _ITERATED:
        if not data:
            return "none"
        items = (next(iter(data)),)  # type: ignore[call-overload]  # all of _ITERATED have __iter__
    elif container is _numpy("ndarray"):
        return _fit(_rows(data))
    else:
        return _fit(f"in.{_name(container)}")
    return _fit(_describe(items))


def _length(data: Any) -> int | None:
    """Return the length, None when it is too large for len(), which only a range's can be."""
    try:
        return len(data)
    except OverflowError:
        return None


def _numpy(name: str) -> Any:
    """Return what numpy calls by this name; something no type is identical to while numpy is not imported."""
    return getattr(sys.modules.get("numpy"), name, None)


def _rows(data: Any) -> str:
    """Describe an array's items: scalars by magnitude, rows by bytes, objects one by one."""
    if data.ndim == 0:
        return "in.numpy.ndarray"
    count = data.shape[0]
    if count == 0:
        return "none"
    dtype = data.dtype
    if data.ndim > 1:
        return f"ndarray.{dtype.type.__name__}~{length_bucket(data.nbytes // count)}"
    if dtype.kind == "O" or dtype.kind in _NUMERIC:
        return _describe((data[0], data[count >> 1], data[-1]))
    return f"{dtype.type.__name__}~{length_bucket(dtype.itemsize)}"


def _describe(items: Sequence[Any]) -> str:
    """Describe each type among the items by its largest, sorted and joined."""
    first = type(items[0])
    for item in items:
        if type(item) is not first:
            break
    else:
        return _describe_alike(first, items)
    groups: dict[type, list[Any]] = {}
    for item in items:
        groups.setdefault(type(item), []).append(item)
    return "|".join(sorted(_describe_alike(kind, group) for kind, group in groups.items()))


def _describe_alike(kind: type, items: Sequence[Any]) -> str:
    """Describe items of one type by the largest of them."""
    measure = _MEASURES.get(kind)
    if measure is not None:
        return f"{kind.__name__}~{measure(items)}"
    if kind is _numpy("ndarray"):
        largest = max(items, key=_array_bytes)
        return f"ndarray.{largest.dtype.type.__name__}~{length_bucket(largest.nbytes)}"
    if _module_of(kind) == "numpy" and issubclass(kind, _numpy("generic") or ()):
        return _describe_scalars(kind, items)
    return _name(kind)


def _describe_scalars(kind: type, items: Sequence[Any]) -> str:
    """Describe numpy scalars: numbers by magnitude, the rest (text, bytes, dates, records) by bytes."""
    if items[0].dtype.kind in _NUMERIC:
        return f"{kind.__name__}~{_magnitude([item.item() for item in items])}"
    return f"{kind.__name__}~{length_bucket(max(map(_array_bytes, items)))}"


def _array_bytes(item: Any) -> int:
    return int(item.nbytes)


def _magnitude(numbers: Sequence[Any]) -> str:
    """Name the bucket of the largest magnitude; NaN, which nothing compares with, counts as above all."""
    try:
        sizes = [abs(number) for number in numbers]
    except OverflowError:  # a complex number whose parts are finite and whose magnitude is not
        return "inf"
    for size in sizes:
        if size != size:  # noqa: PLR0124  NaN is what differs from itself
            return "nan"
    return magnitude_bucket(max(sizes))


def _whole_magnitude(numbers: Sequence[int]) -> str:
    return magnitude_bucket(max(map(abs, numbers)))


def _lengths(items: Sequence[Any]) -> str:
    return str(length_bucket(max(map(len, items))))


def _array_lengths(items: Sequence[array[Any]]) -> str:
    return str(length_bucket(max(len(item) * item.itemsize for item in items)))


def _view_lengths(items: Sequence[memoryview]) -> str:
    try:
        return str(length_bucket(max(item.nbytes for item in items)))
    except ValueError:  # one was released
        return "0"


_MEASURES: Final[dict[type, Callable[[Sequence[Any]], str]]] = {
    int: _whole_magnitude,
    float: _magnitude,
    complex: _magnitude,
    array: _array_lengths,
    memoryview: _view_lengths,
    **dict.fromkeys((str, bytes, bytearray, list, tuple, dict, set, frozenset, deque), _lengths),
}


def _name(kind: type) -> str:
    """Name a type by module and qualified name, a built-in one by its name alone."""
    module = _module_of(kind)
    name = _qualname_of(kind)
    return name if module == "builtins" or type(module) is not str else f"{module}.{name}"


def _fit(kind: str) -> str:
    """Return the text itself when it is short and plain, otherwise its beginning and a hash of the whole."""
    if len(kind) <= _LENGTH and _PLAIN.issuperset(kind):
        return kind
    digits = sha256(kind.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    start = "".join(letter if letter in _PLAIN else "-" for letter in kind[: _LENGTH - _HASH_DIGITS - 1])
    return f"{start}#{digits}"


def describe_change(old: str, new: str) -> str:
    """Say in words how items of one kind became items of another, for the reason of a cache miss."""
    before, after = _sizes(old), _sizes(new)
    verb = "changed"
    if before is not None and after is not None and before.keys() == after.keys():
        steps = [after[name] - size for name, size in before.items()]
        if min(steps) >= 0:
            verb = "grew"
        elif max(steps) <= 0:
            verb = "shrank"
    return f"items {verb} from {_words(old)} to {_words(new)}"


def _sizes(kind: str) -> dict[str, int] | None:
    """Return each type's bucket as a number that grows with it, None when some type has none."""
    sizes = {}
    for part in kind.split("|"):
        name, _, bucket = part.partition("~")
        digits = bucket.removeprefix("16^")
        if not digits.isdecimal():
            return None
        sizes[name] = int(digits)
    return sizes


_COUNTED: Final = frozenset({"list", "tuple", "dict", "set", "frozenset", "deque"})


def _words(kind: str) -> str:
    if kind == "none":
        return "no items"
    if kind.startswith("in."):
        return f"those of a {kind[3:]}"
    return " and ".join(map(_part_in_words, kind.split("|")))


def _part_in_words(part: str) -> str:
    from amorsize.domain.wording import size  # noqa: PLC0415  only a miss asks for words

    name, _, bucket = part.partition("~")
    if not bucket.isdecimal():
        return f"{name}≈{bucket}" if bucket else name
    return f"{name}≈{bucket} items" if name in _COUNTED else f"{name}≈{size(int(bucket))}"
