"""Item kinds: a coarse, cheap description of the items, made without running any code of the user."""

from __future__ import annotations

from array import array
from collections import deque
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.parts import Description, Surroundings, of_plain, type_name
from amorsize.domain.iterables import IndexedRows, PulledRows, Rows
from amorsize.domain.source import length_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTH: Final = 32
"""Characters of an item kind: what fits into a locator beside fingerprint and size."""
_HASH_DIGITS: Final = 8
"""Hex digits that stand for the rest of a longer kind."""
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.<>|~^[]-")
"""Characters that a kind may have: a locator holds it."""

_INDEXED: Final[tuple[Any, ...]] = (list, tuple, range, str, bytes, bytearray, array)
_ITERATED: Final[tuple[Any, ...]] = (dict, set, frozenset, type({}.keys()), type({}.values()), type({}.items()))
# Looked up by the identity of the type: hashing a type may run code of its metaclass.
_INDEXED_IDS: Final = frozenset(map(id, _INDEXED))
_ITERATED_IDS: Final = frozenset(map(id, _ITERATED))
_EMPTY: Final = "none"
_NOWHERE: Final = Surroundings()


def item_kind(data: object, around: Surroundings = _NOWHERE) -> str:
    """Describe the items of data by the first, the middle and the last: type, and a bucket of size or magnitude.

    Of tuples, dicts and objects their parts are described too, two levels down and 16 in all; of paths, and of texts
    that name a file, the size of the file. Built-in containers, subclasses of theirs, numpy arrays and the columns of
    pandas and polars are looked into, dicts and sets only at their first item, deques at their ends. Of any other
    container only the type is named, because to read an item there could run anything.

    Args:
        data: the items.
        around: the modules that are loaded, and a function for the size of a file.

    Returns:
        1 to 32 printable ASCII characters without blank, colon or slash, such as ``int~16^3``, ``str~64`` (a length, a
        power of four), ``ndarray.float64~4096`` (bytes), ``file~65536``, ``int~16^1|str~4``, ``m.Task[n.int~16^2]``, or
        ``none`` for no items. What would not fit ends in a hash of the whole. ``~`` stands last where something is
        described whose size does not show; see ``is_sized``.
    """
    container = type(data)
    if id(container) in _INDEXED_IDS:
        count = length_of(data)
        if not count:
            return _EMPTY if count == 0 else "in.range"
        items = (data[0], data[count >> 1], data[-1])  # type: ignore[index]  # all of _INDEXED have __getitem__
        plain = of_plain(items)
        if plain is not None:
            return plain
        description = Description(around)
        kind = description.describe(items)
    else:
        description = Description(around)
        kind = _elsewhere(data, container, description, around)
    return _fit(kind) if description.is_sized else _fit(kind, "~")


def is_sized(kind: str) -> bool:
    """Tell whether an item kind says how large the items are."""
    return not kind.endswith("~")


def names_files(data: object, around: Surroundings) -> bool:
    """Tell whether any of the items looked at names a file that holds something."""
    sizes: list[int | None] = []

    def file_bytes(path: str) -> int | None:
        sizes.append(around.file_bytes(path))
        return sizes[-1]

    item_kind(data, around._replace(file_bytes=file_bytes))
    return any(sizes)


def _elsewhere(data: Any, container: type, description: Description, around: Surroundings) -> str:
    """Describe the items of what is no plain sequence."""
    if container is deque:
        return description.describe((data[0], data[-1])) if data else _EMPTY  # its middle takes a walk to reach
    if id(container) in _ITERATED_IDS:
        return description.describe((next(iter(data)),)) if data else _EMPTY
    if isinstance(data, (Rows, PulledRows)):
        return _of_rows(data, description, around)
    if container is around.loaded.held("numpy", "ndarray"):
        return _at_three_positions(data, description, "") if data.ndim else "in.numpy.ndarray"
    name = f"in.{type_name(container)}"
    items = _of_column(data, container, around) or _of_subclass(data, container)
    if items:
        return f"{name}[{description.describe(items)}]"
    description.leave_size_open()
    return name


def _of_rows(data: Rows | PulledRows, description: Description, around: Surroundings) -> str:
    """Describe rows as the tuples that they are where every column is looked into, otherwise by their width."""
    array_type = around.loaded.held("numpy", "ndarray")
    if isinstance(data, IndexedRows) and all(
        id(type(column)) in _INDEXED_IDS or (type(column) is array_type and column.ndim) for column in data.columns
    ):
        return _at_three_positions(data, description, "in.rows")
    description.leave_size_open()
    return f"in.rows.{len(data.columns) if isinstance(data, Rows) else data.count}"


def _at_three_positions(data: Any, description: Description, beyond: str) -> str:
    """Describe the items of what can be read at any position; ``beyond`` names one of more items than len() can count.

    An array has scalars, described by magnitude, rows, by bytes, or objects, one by one.
    """
    count = length_of(data)
    if not count:
        return _EMPTY if count == 0 else beyond
    return description.describe((data[0], data[count >> 1], data[-1]))


def _of_column(data: Any, container: type, around: Surroundings) -> Sequence[Any]:
    """Return the items at the first, middle and last position of a column of pandas or polars."""
    for library in ("pandas", "polars"):
        if container is around.loaded.held(library, "Series") and len(data):
            values = data.iloc if library == "pandas" else data
            return [values[position] for position in (0, len(data) >> 1, len(data) - 1)]
    return ()


def _of_subclass(data: Any, container: type) -> Sequence[Any]:
    """Return items as the built-in container holds them that data is a subclass of, whatever its methods say."""
    base: Any
    for base in (*_INDEXED, deque, *_ITERATED):
        if issubclass(container, base):
            count = base.__len__(data)
            if base in _INDEXED and count:
                return [base.__getitem__(data, position) for position in (0, count >> 1, count - 1)]
            return list(islice(base.__iter__(data), 1))
    return ()


def _fit(kind: str, mark: str = "") -> str:
    """Return the text itself when it is short and plain, otherwise its beginning and a hash of the whole."""
    if len(kind) + len(mark) <= _LENGTH and _PLAIN.issuperset(kind):
        return kind + mark
    digits = sha256(kind.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    start = "".join(letter if letter in _PLAIN else "-" for letter in kind[: _LENGTH - _HASH_DIGITS - len(mark) - 1])
    return f"{start}#{digits}{mark}"


def describe_change(old: str, new: str) -> str:
    """Say in words how items of one kind became items of another, for the reason of a cache miss."""
    before, after = _sizes(old), _sizes(new)
    verb = "changed"
    if before and after and before.keys() == after.keys():
        steps = [after[name] - size for name, size in before.items()]
        if min(steps) >= 0:
            verb = "grew"
        elif max(steps) <= 0:
            verb = "shrank"
    return f"items {verb} from {_words(old)} to {_words(new)}"


def _parts(kind: str) -> list[str]:
    """Return what a kind names, one by one: types, and their parts."""
    return [part for part in kind.rstrip("~]").replace("[", "|").replace("]", "|").split("|") if part]


def _sizes(kind: str) -> dict[tuple[str, int], int] | None:
    """Return each bucket as a number that grows with it, by name and how often that came before; None if some cannot.

    What has no size of its own, but parts that have, is left out.
    """
    sizes: dict[tuple[str, int], int] = {}
    for part in _parts(kind):
        name, mark, bucket = part.partition("~")
        digits = bucket.removeprefix("16^")
        if digits.isdecimal():
            sizes[name, sum(known == name for known, _ in sizes)] = int(digits)
        elif mark or "#" in part:
            return None
    return sizes


_COUNTED: Final = frozenset({"list", "tuple", "dict", "set", "frozenset", "deque"})
"""Types whose bucket is a number of items, not of bytes."""


def _words(kind: str) -> str:
    if kind == _EMPTY:
        return "no items"
    if kind.startswith("in."):
        return f"those of a {kind[3:].rstrip('~')}"
    return " and ".join(map(_part_in_words, _parts(kind)))


def _part_in_words(part: str) -> str:
    from amorsize.domain.wording import size

    name, _, bucket = part.partition("~")
    if not bucket.isdecimal():
        return f"{name}≈{bucket}" if bucket else name
    return f"{name}≈{bucket} items" if name.rpartition(".")[2] in _COUNTED else f"{name}≈{size(int(bucket))}"
