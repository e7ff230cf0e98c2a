"""Items that differ in size are of different kinds, whatever they are made of, and at a bounded price."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import os
import sys
from array import array
from collections import UserDict, defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import ModuleType, SimpleNamespace
from typing import NamedTuple
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.domain.fingerprint.parts import MOST_LOOKS, MOST_PARTS, Description, Surroundings, type_name
from amorsize.domain.items import is_sized, item_kind

np = pytest.importorskip("numpy")


class Files:
    """Tells sizes of files, and keeps count."""

    def __init__(self, sizes, *, slow=False):
        self.sizes = sizes
        self.asked = []
        self.slow = slow

    def __call__(self, path):
        self.asked.append(path)
        return None if self.slow else self.sizes.get(path, 0)


def kind_of(data, files=None):
    return item_kind(data, Surroundings(Loaded(sys.modules), files or Files({})))


class Plain:
    def __init__(self, n):
        self.n = n


class Slotted:
    __slots__ = ("n",)

    def __init__(self, n):
        self.n = n


class Derived(Slotted):
    __slots__ = ("m",)


@dataclass
class Data:
    n: object
    name: str = "x"
    tags: list = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class SlottedData:
    n: object


@attrs.frozen
class Attrs:
    n: object


class MyList(list):
    pass


class MyDict(dict):
    pass


class MyInt(int):
    pass


class MyText(str):
    __slots__ = ()


class MyPath(type(Path())):
    pass


class Point(NamedTuple):
    x: int
    n: object


def nested(n):
    outer = Plain(None)
    outer.n = Plain(n)
    return outer


def list_of(n):
    return [0] * n


HOLDERS = {
    "object": Plain,
    "slots": Slotted,
    "derived slots": Derived,
    "dataclass": Data,
    "slotted dataclass": SlottedData,
    "attrs": Attrs,
    "namespace": lambda n: SimpleNamespace(n=n),
    "dict": lambda n: {"n": n},
    "dict of many keys": lambda n: {**{f"k{number}": 0 for number in range(10)}, "n": n},
    "table": lambda n: dict.fromkeys(range(40), n),
    "nested dict": lambda n: {"params": {"n": n}},
    "tuple": lambda n: (1, n),
    "named tuple": lambda n: Point(1, n),
    "list": lambda n: [1, n],
    "long list": lambda n: [n] * 100,
    "deque": lambda n: deque([n]),
    "list subclass": lambda n: MyList([n]),
    "dict subclass": lambda n: MyDict(n=n),
    "default dict": lambda n: defaultdict(int, n=n),
    "user dict": lambda n: UserDict(n=n),
    "partial": lambda n: functools.partial(print, n),
    "object in an object": nested,
}
SIZES = {
    "numbers": (100, 100_000),
    "fractions": (0.5, 1e9),
    "subclass of int": (MyInt(100), MyInt(100_000)),
    "texts": ("x" * 100, "x" * 100_000),
    "subclass of str": (MyText("x" * 100), MyText("x" * 100_000)),
    "bytes": (bytes(100), bytes(100_000)),
    "lists": (list_of(100), list_of(100_000)),
    "list subclasses": (MyList(list_of(100)), MyList(list_of(100_000))),
    "sets": (set(range(10)), set(range(10_000))),
    "bytearrays": (bytearray(100), bytearray(100_000)),
    "number arrays": (array("d", list_of(100)), array("d", list_of(100_000))),
    "arrays": (np.zeros(100), np.zeros(100_000)),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("size", SIZES)
def test_small_and_large_items_are_of_different_kinds(holder, size):
    small, large = (kind_of([HOLDERS[holder](value)] * 300) for value in SIZES[size])
    assert small != large
    assert is_sized(small)
    assert is_sized(large)
    assert kind_of([HOLDERS[holder](SIZES[size][0]) for _ in range(300)]) == small


@pytest.mark.parametrize("container", [list, tuple, deque, MyList, lambda items: dict.fromkeys(map(tuple, items))])
def test_items_are_looked_at_in_every_container_of_known_items(container):
    small, large = (kind_of(container([(1, n)] * 300)) for n in (100, 100_000))
    assert small != large


@pytest.mark.parametrize("base", [list, deque, tuple, dict])
def test_an_empty_and_a_full_collection_side_by_side_are_described_by_the_full(base):
    full = base(zip(range(99), [0] * 99, strict=True))
    assert kind_of([(base(),), (full,), (base(),)]) == kind_of([(full,)])


def test_the_largest_of_three_objects_counts():
    items = [Plain(1) for _ in range(9)]
    items[4] = Plain(100_000)
    assert kind_of(items) == kind_of([Plain(100_000)])


def test_objects_of_two_classes_are_described_by_class():
    found = kind_of([Plain(1), Slotted(1), Plain(2)])
    assert found == kind_of([Slotted(2), Plain(1), Slotted(1)]) != kind_of([Plain(1), Plain(1)])


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@pytest.mark.parametrize(
    "item",
    [
        object.__new__(type("Bare", (), {})),
        Mode.FAST,
        len,
        lambda: 1,
        iter(()),
        Plain(iter(())),
        functools.reduce(lambda inner, _: Plain(inner), range(6), 1),
        functools.reduce(lambda inner, _: [inner], range(6), 1),
        [[Plain(1)] * 9] * 9 + [iter(())],
        Plain,
    ],
    ids=["bare", "enum", "builtin", "lambda", "iterator", "iterator inside", "too deep", "deep list", "last", "class"],
)
def test_a_kind_tells_when_it_says_nothing_of_size(item):
    assert not is_sized(kind_of([item]))
    assert len(kind_of([item])) <= 32


@pytest.mark.parametrize(("levels", "expected"), [(4, True), (5, False)])
def test_at_the_deepest_level_numbers_say_how_large_they_are_and_collections_do_not(levels, expected):
    item = [1, 2, 3]
    for _ in range(levels):
        item = [item]
    assert is_sized(kind_of([item])) == expected


@pytest.mark.parametrize(
    "item",
    [
        True,
        None,
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        dt.timedelta(1),
        UUID(int=1),
        Plain(None),
        Plain(Mode.FAST),
        Plain(len),
        (1, Plain),
        {},
        set(),
        SimpleNamespace(n=1),
    ],
    ids=[
        *("flag", "none", "moment", "duration", "uuid", "none inside", "enum inside", "builtin inside"),
        *("class inside", "empty dict", "empty set", "namespace"),
    ],
)
def test_what_has_no_size_needs_none(item):
    assert is_sized(kind_of([item]))


@pytest.mark.parametrize("container", [iter([1]), UserDict(a=1), Plain([1]), np.array(5)])
def test_containers_of_unknown_items_say_nothing_of_size_but_an_array_without_any(container):
    assert is_sized(kind_of(container)) == isinstance(container, np.ndarray)


def paths_of(*names):
    return [Path(name) for name in names]


@pytest.mark.parametrize("make", [str, Path, PurePosixPath, PureWindowsPath, MyPath, MyText])
@pytest.mark.parametrize("holder", [lambda path: path, lambda path: (1, path), lambda path: {"p": path}, Plain])
def test_items_that_name_files_are_distinguished_by_the_size_of_the_file(make, holder):
    small, large = Files({"dir/a.bin": 1000}), Files({"dir/a.bin": 10_000_000})
    items = [holder(make("dir/a.bin"))] * 300
    kinds = [kind_of(items, files) for files in (small, large)]
    assert kinds[0] != kinds[1]
    assert all(map(is_sized, kinds))
    assert small.asked
    assert len(small.asked) <= MOST_LOOKS


def test_of_three_files_the_largest_counts():
    items = [f"{number}.txt" for number in range(9)]
    for at in (0, 4, 8):
        assert kind_of(items, Files({f"{at}.txt": 1 << 20, "0.txt": 1})) in {"file~1048576", "file~1"}
    assert kind_of(items, Files({"4.txt": 1 << 20, "0.txt": 1})) == "file~1048576"


def test_at_most_three_files_are_looked_at_however_many_an_item_names():
    files = Files({})
    kind_of([tuple(f"{number}/{place}.txt" for place in range(10)) for number in range(9)], files)
    assert 1 <= len(files.asked) <= MOST_LOOKS


@pytest.mark.parametrize(
    "text", ["apple", "", "a\nb.txt", "x/\0", "http://a.example/b.txt", "x" * 2000 + ".txt", "two words"]
)
def test_a_text_that_names_no_file_is_not_looked_for(text):
    files = Files({})
    assert kind_of([text], files).startswith("str~")
    assert files.asked == []


def test_a_file_whose_size_cannot_be_reported_leaves_the_kind_without_size():
    assert kind_of(["a.txt"], Files({}, slow=True)) == "str~4~"
    assert not is_sized(kind_of([Path("a.txt")], Files({}, slow=True)))
    assert is_sized(kind_of(["apple"], Files({}, slow=True)))


class Hostile:
    """Holds a size, and bites when any of its methods is called."""

    def __init__(self, n):
        object.__setattr__(self, "n", n)

    def _bite(self, *_args):
        raise AssertionError("user code ran")

    __eq__ = __hash__ = __repr__ = __str__ = __len__ = __bool__ = __getattr__ = __getattribute__ = _bite
    __iter__ = __contains__ = __index__ = __fspath__ = __setattr__ = __getitem__ = _bite
    shape = property(_bite)


@pytest.mark.parametrize("holder", [lambda item: item, lambda item: (item, 1), lambda item: {"a": item}, Plain])
def test_no_code_runs_of_what_items_are_made_of(holder):
    small, large = (kind_of([holder(Hostile(n))] * 3) for n in (1, 10**6))
    assert small != large


def test_an_object_of_a_million_attributes_and_a_dict_of_a_million_keys_are_described_in_part():
    thing = Plain(1)
    thing.__dict__.update({f"a{number}": number for number in range(1_000_000)})
    assert kind_of([thing])
    assert kind_of([dict.fromkeys(map(str, range(1_000_000)))])


trees = st.recursive(
    st.integers() | st.text(max_size=5) | st.floats() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.lists(inner, max_size=20).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=20)
        | inner.map(Plain)
    ),
    max_leaves=200,
)


@given(st.lists(trees, min_size=1, max_size=5))
def test_any_item_has_a_short_plain_kind_that_a_list_and_a_tuple_share(data):
    found = kind_of(data)
    assert 1 <= len(found) <= 32
    assert found.isascii()
    assert found.isprintable()
    assert not set(found) & set(" :/\\")
    assert kind_of(tuple(data)) == found == kind_of(data)


@given(trees)
def test_no_item_is_opened_into_more_than_a_few_parts(tree):
    class Watching(Description):
        __slots__ = ("count",)

        def describe(self, values, level=0):
            self.count = getattr(self, "count", 0) + 1
            return super().describe(values, level)

    watching = Watching(Surroundings())
    watching.describe([tree])
    assert watching.count <= MOST_PARTS + 1


def library(name, **classes):
    """Return modules as if a library were loaded that has these classes."""
    module = ModuleType(name)
    for called, kind in classes.items():
        kind.__module__, kind.__qualname__ = f"{name}.core", called
        setattr(module, called, kind)
    return Loaded({name: module})


class Shaped:
    """A frame or a column of so many rows of one value."""

    def __init__(self, rows, value=1):
        self.rows, self.value = rows, value

    shape = property(lambda self: (self.rows, 2))
    iloc = property(lambda self: self)

    def __len__(self):
        return self.rows

    def __getitem__(self, place):
        return self.value


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_frames_and_columns_of_known_libraries_are_described_by_their_cells(name):
    frame, column = type("Frame", (Shaped,), {}), type("Column", (Shaped,), {})
    around = Surroundings(library(name, DataFrame=frame, Series=column))
    assert item_kind([frame(100)] * 3, around) == f"{name}.core.DataFrame~64"
    assert item_kind([column(100_000)] * 3, around) == f"{name}.core.Series~65536"
    assert item_kind(column(9, "x" * 100), around) != item_kind(column(9, "x" * 100_000), around)
    assert not is_sized(item_kind(column(0), around))


def test_no_code_runs_of_what_only_says_that_it_is_from_a_known_library():
    hostile = type("DataFrame", (Hostile,), {"__module__": "pandas.core"})(1)
    assert item_kind([hostile], Surroundings(library("pandas", DataFrame=Shaped))).startswith("pandas.core.DataFrame")


def test_what_compiled_code_says_has_a_shape_is_described_by_it():
    assert kind_of([memoryview(bytes(64)).cast("B", (8, 8))]) == "memoryview~64"
    small, large = (kind_of([np.broadcast(np.zeros(n), 1)]) for n in (100, 100_000))
    assert small != large


def test_entries_of_a_folder_are_distinguished_by_the_size_of_the_file(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    (entry,) = os.scandir(tmp_path)
    small, large = (kind_of([entry], Files({entry.path: size})) for size in (1, 1 << 20))
    assert small != large
    assert is_sized(small)


def test_where_files_are_not_reported_of_none_is_there():
    assert item_kind(["a.txt"]) == "str~4"


@pytest.mark.parametrize("module", ["__main__", "__mp_main__"])
def test_a_class_of_the_script_has_one_name_here_and_in_spawned_workers(module):
    assert type_name(type("Point", (), {"__module__": module})) == "__main__.Point"
