"""Describes values by type and size, and by what they are made of, without running any code of the user."""

from __future__ import annotations

from array import array
from collections import deque
from itertools import islice
from math import prod
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.domain.buckets import length_bucket, magnitude_bucket
from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.loaded import Loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MOST_PARTS: Final = 16
"""How many parts of an item are described: enough for a record, few enough to cost microseconds."""
MOST_LOOKS: Final = 3
"""How many files are asked for their size in one description."""
_DEEPEST: Final = 4
"""How many levels of parts are opened, while parts last."""
_LONG_PATH: Final = 1024
"""Characters from which on a text is not taken for the name of a file."""
_FEW: Final = 4
"""Items up to which each position in a list counts: a longer one holds the same kind of thing throughout."""
_NUMERIC: Final = "iufc"
"""Kinds of numpy's scalars that have a magnitude: integers, unsigned ones, floats and complex numbers."""


def _no_file(_: str) -> int | None:
    return 0


class Surroundings(NamedTuple):
    """What describing items needs besides the items.

    Attributes:
        loaded: the modules that are loaded.
        file_bytes: returns the size of a file, 0 when there is no file, None when the size is not known quickly.
    """

    loaded: Loaded = Loaded({})
    file_bytes: Callable[[str], int | None] = _no_file


def type_name(kind: type) -> str:
    """Name a type by module and qualified name, one that is built in or says no module by its name alone."""
    return objects.class_name(kind).removeprefix("?.")


def of_plain(items: tuple[Any, Any, Any]) -> str | None:
    """Describe items that are all numbers, or all bytes, in a fraction of the time; None if they are not."""
    kind = type(items[0])
    measure = _MEASURES.get(id(kind))
    if measure is None or type(items[1]) is not kind or type(items[2]) is not kind:
        return None
    return f"{kind.__name__}~{measure(items, 0)}"


class Description:
    """One description of values, with what it may still spend on parts and on looks at files.

    ``is_sized`` turns False when something is met whose size does not show.
    """

    __slots__ = ("_around", "_looks", "_parts", "is_sized")

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._looks = MOST_LOOKS
        self._parts = MOST_PARTS
        self.is_sized = True

    def leave_size_open(self) -> None:
        """Take note that something is described whose size does not show."""
        self.is_sized = False

    def describe(self, values: Sequence[Any], level: int = 0) -> str:
        """Describe each type among the values by its largest, sorted and joined."""
        first = type(values[0])
        for value in values:
            if type(value) is not first:
                break
        else:
            return self._alike(first, values, level)
        groups: dict[int, list[Any]] = {}
        for value in values:
            groups.setdefault(id(type(value)), []).append(value)
        return "|".join(sorted(self._alike(type(group[0]), group, level) for group in groups.values()))

    def _alike(self, kind: type, values: Sequence[Any], level: int) -> str:
        """Describe values of one type by the largest of them."""
        measure = _MEASURES.get(id(kind))
        if measure is not None:
            return f"{kind.__name__}~{measure(values, level)}"
        if kind is str:
            return self._texts(values, level)
        if id(kind) in _SIZELESS:
            return kind.__name__
        if issubclass(kind, _COLLECTIONS):
            return self._collections(kind, values, level)
        described = self._arrays(kind, values, level)
        if described is not None:
            return described
        return self._others(kind, values, level)

    def _texts(self, values: Sequence[str], level: int) -> str:
        """Describe texts by their length, those that name a file by its size."""
        largest = self._largest_file([text for text in values if _may_name_file(text)], level)
        if largest:
            return f"file~{_length(largest, level)}"
        return f"str~{_length(max(map(len, values)), level)}"

    def _largest_file(self, paths: Sequence[str], level: int) -> int:
        """Return the size of the largest of some files, 0 when there is none; not sized when no size is known."""
        if not paths:
            return 0
        looks = min(self._looks, MOST_LOOKS if level == 0 else 1, len(paths))
        self._looks -= looks
        sizes = [self._around.file_bytes(path) for path in paths[:looks]]
        known = [size for size in sizes if size is not None]
        if sizes and not known:
            self.is_sized = False
        return max(known, default=0)

    def _collections(self, kind: type, values: Sequence[Any], level: int) -> str:
        """Describe lists, dicts and the like, of subclasses too, by the longest, and by what they hold."""
        base = next(base for base in _COLLECTIONS if issubclass(kind, base))
        longest = max(map(base.__len__, values))
        name = type_name(kind) if kind is base else f"{type_name(kind)}.{base.__name__}"
        described = f"{name}~{_length(longest, level)}"
        if not longest or base is set or base is frozenset:
            return described
        if level < _DEEPEST and self._parts:
            return self._with_parts(described, _parts_of(base, values, longest), level)
        lengthy = _TEXTS if base in (dict, tuple) and longest <= MOST_PARTS else _ATOMS
        if not all(id(type(one)) in lengthy for value in values for one in ends_of(base, value)):
            self.is_sized = False
        return described

    def _with_parts(self, described: str, parts: Iterable[tuple[str, Sequence[Any]]], level: int) -> str:
        """Add what something is made of, as far as parts are left; the same twice running stands once."""
        taken = list(islice(parts, self._parts))
        self._parts -= len(taken)
        inside: list[str] = []
        for label, values in taken:
            part = self.describe(values, level + 1)
            part = f"{label}.{part}" if label else part
            if not inside or part != inside[-1]:
                inside.append(part)
        return f"{described}[{'|'.join(inside)}]" if inside else described

    def _arrays(self, kind: type, values: Sequence[Any], level: int) -> str | None:
        """Describe arrays and frames by their bytes or cells; None for anything else."""
        loaded = self._around.loaded
        numpy: Any = loaded.get("numpy")
        if numpy is not None and issubclass(kind, numpy.ndarray):
            nbytes_of = numpy.ndarray.__dict__["nbytes"].__get__
            largest = max(values, key=nbytes_of)
            dtype = numpy.ndarray.__dict__["dtype"].__get__(largest)
            name = "ndarray" if kind is numpy.ndarray else type_name(kind)
            return f"{name}.{dtype.type.__name__}~{_length(nbytes_of(largest), level)}"
        if numpy is not None and objects.class_module(kind) == "numpy" and issubclass(kind, numpy.generic):
            if values[0].dtype.kind in _NUMERIC:
                return f"{kind.__name__}~{_magnitude([value.item() for value in values], level)}"
            return f"{kind.__name__}~{_length(max(value.nbytes for value in values), level)}"
        cells = [cells_of(value, loaded) for value in values]
        known = [count for count in cells if count is not None]
        return f"{type_name(kind)}~{_length(max(known), level)}" if known else None

    def _others(self, kind: type, values: Sequence[Any], level: int) -> str:
        """Describe objects: subclasses of numbers and texts as these, paths by their file, the rest by attributes."""
        name = type_name(kind)
        for base, plain_of in objects.PLAIN_BASES:
            if issubclass(kind, base):
                return f"{name}.{self.describe([plain_of(value) for value in values], level)}"
        path_of = objects.path_reader(kind)
        if path_of is not None:
            paths = [path_of(value) for value in values]
            return f"{name}~{_length(self._largest_file(paths, level), level)}"
        is_neutral = id(kind) in _NEUTRAL or objects.is_enum(kind)
        if name in _WITHOUT_SIZE or (level and is_neutral):
            return name
        if level < _DEEPEST and not is_neutral:
            described = self._with_parts(name, _of_objects(kind, values), level)
            if described is not name:
                return described
        self.is_sized = False
        return name


def cells_of(value: Any, loaded: Loaded) -> int | None:
    """Return how many cells an array or frame of a known library has, or what compiled code says has a shape."""
    shape = value.shape if loaded.is_frame(type(value)) else objects.compiled_attribute(value, "shape")
    if isinstance(shape, tuple) and shape and all(type(side) is int for side in shape):
        return prod(shape)
    return None


def _may_name_file(text: str) -> bool:
    """Tell whether a text looks like the name of a file: short, on one line, with a separator or a dot in it."""
    if not text or len(text) > _LONG_PATH or not ("/" in text or "." in text or "\\" in text):
        return False
    return "\n" not in text and "\0" not in text and "://" not in text


def _parts_of(base: Any, values: Sequence[Any], longest: int) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the parts of collections, by their key, by their position, or some of each for all."""
    if base is dict:
        yield from _of_dicts(values, longest)
    elif longest <= (MOST_PARTS if base is tuple else _FEW):
        yield from _by_position(base, values, longest)
    else:
        yield "", [one for value in values for one in ends_of(base, value)]


def _of_dicts(values: Sequence[dict[Any, Any]], longest: int) -> Iterator[tuple[str, list[Any]]]:
    """Yield the parts of dicts: of records each value by its key, of tables the first few values."""
    names: dict[str, None] = {}
    if longest <= MOST_PARTS:
        for value in values:
            names.update((key, None) for key in dict.__iter__(value) if type(key) is str)
    if not names:
        yield "", [one for value in values for one in ends_of(dict, value)]
        return
    for name in sorted(names):
        yield name, [dict.__getitem__(value, name) for value in values if dict.__contains__(value, name)]


def _by_position(base: Any, values: Sequence[Any], longest: int) -> Iterator[tuple[str, list[Any]]]:
    for position in range(longest):
        yield "", [base.__getitem__(value, position) for value in values if position < base.__len__(value)]


def ends_of(base: Any, value: Any) -> list[Any]:
    """Return the first, the middle and the last of a sequence; of a deque only its ends, of a dict the first values."""
    count = base.__len__(value)
    if not count:
        return []
    if base is dict:
        return list(islice(dict.values(value), MOST_LOOKS))
    positions = (0, count - 1) if base is deque else (0, count >> 1, count - 1)
    return [base.__getitem__(value, position) for position in positions]


def _of_objects(kind: type, values: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the attributes of objects by name: those they hold themselves, in a dict or in slots."""
    states = [state for state in map(objects.Layout(kind).state, values) if state]
    names: dict[str, None] = {}
    for state in states:
        few = state if len(state) <= objects.MANY else islice(state, MOST_PARTS)  # sorting them would cost
        names.update((name, None) for name in few if not name.startswith("__"))
    for name in sorted(names):
        yield name, [state[name] for state in states if name in state]


def _length(length: int, level: int) -> int:
    return length_bucket(length, coarse=level > 0)


def _magnitude(numbers: Sequence[Any], _: int) -> str:
    """Name the bucket of the largest magnitude; NaN, which nothing compares with, counts as above all."""
    try:
        sizes = [abs(number) for number in numbers]
    except OverflowError:  # a complex number whose parts are finite and whose magnitude is not
        return "inf"
    for size in sizes:
        if size != size:  # noqa: PLR0124  NaN is what differs from itself
            return "nan"
    return magnitude_bucket(max(sizes))


def _whole_magnitude(numbers: Sequence[int], _: int) -> str:
    return magnitude_bucket(max(map(abs, numbers)))


def _lengths(values: Sequence[Any], level: int) -> int:
    return _length(max(map(len, values)), level)


def _array_lengths(values: Sequence[array[Any]], level: int) -> int:
    return _length(max(len(value) * value.itemsize for value in values), level)


def _view_lengths(values: Sequence[memoryview], level: int) -> int:
    try:
        return _length(max(value.nbytes for value in values), level)
    except ValueError:  # one was released
        return 0


# Looked up by the identity of the type: hashing a type may run code of its metaclass.
_MEASURES: Final[dict[int, Callable[[Sequence[Any], int], Any]]] = {
    id(int): _whole_magnitude,
    id(float): _magnitude,
    id(complex): _magnitude,
    id(array): _array_lengths,
    id(memoryview): _view_lengths,
    id(bytes): _lengths,
    id(bytearray): _lengths,
}
_COLLECTIONS: Final[tuple[Any, ...]] = (list, tuple, dict, set, frozenset, deque)
_TEXTS: Final = frozenset(map(id, (str, bytes, bool, type(None))))
_ATOMS: Final = _TEXTS | frozenset(map(id, (int, float, complex)))
"""What a collection is of whose length alone says how much it holds; of a record a number may say more."""
_SIZELESS: Final = frozenset(map(id, (bool, type(None), type(...))))
"""Types all of whose values are of one size."""
_WITHOUT_SIZE: Final = frozenset(
    {f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")} | {"uuid.UUID", "object"}
)
"""Types of the standard library whose objects are all of one size."""
_NEUTRAL: Final = frozenset(map(id, (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)))
"""What a part may well be without saying how much there is to do; as an item it is what is to be done."""
