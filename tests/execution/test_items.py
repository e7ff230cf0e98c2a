"""Data is read at positions only where that gives what iterating gives; items that running changes are seen."""

from __future__ import annotations

from array import array
from collections import OrderedDict, UserList, deque, namedtuple

import attrs
import numpy as np
import pytest

from amorsize.execution.items import Changes, as_indexed


class OwnIter(list):
    def __iter__(self):
        return iter([10 * each for each in super().__iter__()])


class OwnIterTuple(tuple):
    __slots__ = ()

    def __iter__(self):
        return reversed([*super().__iter__()])


class OwnItem(list):
    def __getitem__(self, at):
        return 0


class PlainList(list):
    pass


class OwnStr(str):
    __slots__ = ()

    def __iter__(self):
        return iter(["x"])


Pair = namedtuple("Pair", "one two")  # noqa: PYI024

DATA = [
    [1, 2, 3],
    (1, 2, 3),
    range(3, 9, 2),
    "text",
    OwnStr("text"),
    b"bytes",
    bytearray(b"bytes"),
    array("d", [1, 2]),
    memoryview(b"bytes"),
    memoryview(array("i", [1, 2, 3])),
    {1, 2, 3},
    frozenset({4, 5}),
    {"a": 1, "b": 2},
    {"a": 1}.keys(),
    {"a": 1}.values(),
    {"a": 1}.items(),
    OrderedDict(a=1, b=2),
    deque([1, 2, 3]),
    UserList([1, 2]),
    OwnIter([1, 2]),
    OwnIterTuple((1, 2)),
    OwnItem([1, 2]),
    PlainList([1, 2]),
    Pair(1, 2),
    np.arange(5),
    np.arange(6).reshape(3, 2),
    [],
]


def listed(data):
    return [each.tolist() if isinstance(each, np.ndarray) else each for each in data]


@pytest.mark.parametrize("data", DATA, ids=lambda data: type(data).__name__)
def test_reading_at_positions_gives_what_iterating_gives(data):
    indexed = as_indexed(data)
    if indexed is not None:
        wanted = listed(data)
        assert listed(indexed[at] for at in range(len(indexed))) == wanted
        assert listed(indexed[1:3]) == wanted[1:3]


@pytest.mark.parametrize(
    "data",
    [
        iter([1]),
        (x for x in "a"),
        OwnIter([1]),
        OwnIterTuple([1]),
        UserList([1]),
        OwnStr("a"),
        map(abs, [1]),
        np.array(5),
    ],
)
def test_what_may_say_otherwise_is_pulled(data):
    assert as_indexed(data) is None


@attrs.define
class Box:
    value: int


class Anything:
    pass


CHANGE = {
    "list": ([1], lambda item: item.append(2)),
    "dict": ({"a": 1}, lambda item: item.update(b=2)),
    "set": ({1}, lambda item: item.add(2)),
    "bytearray": (bytearray(b"a"), lambda item: item.extend(b"b")),
    "deque": (deque([1]), lambda item: item.append(1)),
    "nested": ({"a": [1]}, lambda item: item["a"].append(2)),
    "tuple of a list": (([1], 2), lambda item: item[0].append(2)),
    "array": (array("i", [1]), lambda item: item.append(2)),
    "numpy": (np.zeros(3), lambda item: item.__setitem__(1, 5)),
    "numpy dtype": (np.zeros((2, 2)), lambda item: item.sort() or item.fill(2)),
    "attrs": (Box(1), lambda item: setattr(item, "value", 2)),
    "list of objects": ([Box(1)], lambda item: setattr(item[0], "value", 2)),
}


@pytest.mark.parametrize("name", sorted(CHANGE))
def test_a_change_of_an_item_is_seen_and_none_where_there_is_none(name):
    item, change = CHANGE[name]
    changes = Changes()
    changes.compare(changes.copy(item), item)
    assert not changes.seen
    copied = changes.copy(item)
    change(item)
    changes.compare(copied, item)
    assert changes.seen


def test_only_a_few_items_are_looked_at_and_no_odd_ones():
    changes = Changes()
    nan, odd = [float("nan")], Anything()
    assert [changes.copy(each) for each in (nan, odd, iter([1]))] == [None] * 3 or changes.left == 0
    assert changes.copy([1]) is None
    assert Changes().copy(list(range(10_001))) is None
    assert Changes().copy((1, "a")) is None
    assert Changes().copy([[0] * 5000] * 3) is None
    assert Changes().copy([np.zeros(1 << 18)]) is None
    assert Changes().copy([Slow(1)]) is None
    endless = [1]
    endless.append(endless)
    assert Changes().copy(endless) is None


class Slow(Box):
    def __deepcopy__(self, memo):
        raise AssertionError("items that copy themselves are not copied")
