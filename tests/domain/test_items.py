"""Item kinds: coarse, cheap, printable, and described without running any code of the user's."""

from __future__ import annotations

import array
import sys
from collections import OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain import items
from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.domain.fingerprint.parts import Surroundings
from amorsize.domain.items import describe_change

np = pytest.importorskip("numpy")


def item_kind(data, files=None, *, modules=sys.modules):
    return items.item_kind(data, Surroundings(Loaded(modules), (files or {}).get if files is not None else lambda _: 0))


class Touchy:
    """Fails whenever it is looked at in any way but by its type."""

    def _fail(self, *_):
        raise AssertionError("user code ran")

    __len__ = __iter__ = __getitem__ = __eq__ = __repr__ = __abs__ = __bool__ = __getattr__ = __index__ = _fail
    __hash__ = None


class TouchyMeta(type):
    """Fails whenever a class of it is asked for anything."""

    def __getattribute__(cls, name):
        raise AssertionError("user code ran")


TouchyClass = TouchyMeta("TouchyClass", (), {})


def touchy_subclass(base):
    methods = [name for name in vars(Touchy) if callable(vars(Touchy)[name])]
    return type(f"My{base.__name__}", (base,), {**dict.fromkeys(methods, Touchy._fail), "__module__": "m"})


def released():
    view = memoryview(b"abc")
    view.release()
    return view


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ([1, 2, 3], "int~16^1"),
        ([0], "int~16^0"),
        ([-5000], "int~16^4"),
        ([1, 2, 10**30], "int~16^25"),
        (range(1000), "int~16^3"),
        (range(10**30), "in.range"),
        ((0.5, 17.0), "float~16^2"),
        ([1.0, nan, inf], "float~nan"),
        ([1.0, -inf], "float~inf"),
        ([3 + 4j], "complex~16^1"),
        ([complex(1e308, 1e308) * 1.5], "complex~inf"),
        ([True, False], "bool"),
        ([None], "NoneType"),
        ([len], "builtin_function_or_method~"),
        ([Fraction(1, 3)], "fractions.Fraction[_den#a80aad2c"),
        ([Decimal(10**9)], "decimal.Decimal~"),
        ([UUID(int=1)], "uuid.UUID"),
        ([""], "str~0"),
        (["a" * 63], "str~16"),
        (["a" * 64], "str~64"),
        ([b"a" * 64], "bytes~64"),
        ([bytearray(5)], "bytearray~4"),
        ([[1, 2, 3, 4]], "list~4[int~16^1]"),
        ([(1, 2)], "tuple~1[int~16^1]"),
        ([{1: 2}], "dict~1[int~16^1]"),
        ([{1, 2}], "set~1"),
        ([frozenset()], "frozenset~0"),
        ([deque([1] * 16)], "collections.deque~16[int~16^1]"),
        ([array.array("d", [0.0] * 8)], "array~64"),
        ([memoryview(bytes(256))], "memoryview~256"),
        ([released()], "memoryview~0"),
        ([1, "abcd", 2.0], "float~16^1|int~16^1|str~4"),
        (["a", 5, 300], "int~16^3|str~1"),
        ("hello", "str~1"),
        (b"\xff", "int~16^2"),
        (bytearray(b"\x01"), "int~16^1"),
        (array.array("d", [1.5]), "float~16^1"),
        (deque([1, "far away", 2]), "int~16^1"),
        ({"abcd": 1}, "str~4"),
        ({"abcd": 1}.values(), "int~16^1"),
        ({"abcd": 1}.items(), "tuple~1[str~1|int~16^1]"),
        ({"abcd": 1}.keys(), "str~4"),
        ({7}, "int~16^1"),
        (frozenset([7]), "int~16^1"),
        (OrderedDict(a=1), "in.collections.OrderedD#5c264d57"),
        (iter([1]), "in.list_iterator~"),
        (memoryview(b"abc"), "in.memoryview~"),
    ],
)
def test_built_in_data_has_the_written_kind(data, kind):
    assert item_kind(data) == kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (np.arange(1000), "int64~16^3"),
        (np.arange(3, dtype=np.uint8), "uint8~16^1"),
        (np.array([0.5, nan]), "float64~nan"),
        (np.array([1e300, 1], dtype=np.longdouble), "longdouble~16^250"),
        (np.array([1 + 1j]), "complex128~16^1"),
        (np.array([True, False]), "bool~1"),
        (np.array(["abc", "abcdefgh"]), "str_~16"),
        (np.array([b"abcd"]), "bytes_~4"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "datetime64~4"),
        (np.zeros(4, dtype=[("a", "f8"), ("b", "f8")]), "void~16"),
        (np.array([1, "abcd", None], dtype=object), "NoneType|int~16^1|str~4"),
        (np.zeros((10, 128)), "ndarray.float64~1024"),
        (np.zeros((10, 4, 4), dtype=np.float32), "ndarray.float32~64"),
        (np.zeros((5, 0)), "ndarray.float64~0"),
        (np.zeros(0), "none"),
        (np.zeros((0, 3)), "none"),
        (np.array(5), "in.numpy.ndarray"),
        ([np.zeros(8), np.zeros(100)], "ndarray.float64~256"),
        ([np.float64(20.0)], "float64~16^2"),
        ([np.int8(-128)], "int8~16^2"),
        ([np.str_("abcd")], "str_~16"),
        ([np.True_], "bool~1"),
        ([np.datetime64("2020-01-01")], "datetime64~4"),
    ],
)
def test_numpy_data_has_the_written_kind(data, kind):
    if np.dtype(bool).type.__name__ == "bool_":  # as it was called before numpy 2
        kind = kind.replace("bool~", "bool_~")
    assert item_kind(data) == kind


def test_a_masked_array_is_a_container_of_its_own():
    masked = np.ma.masked_array([1, 2], mask=[True, False])
    assert item_kind(masked).startswith("in.numpy.ma")


@pytest.mark.parametrize("empty", [[], (), range(0), "", b"", bytearray(), {}, set(), deque(), array.array("d")])
def test_no_items_are_none(empty):
    assert item_kind(empty) == "none"


@pytest.mark.parametrize("data", [range, lambda count: list(range(count)), np.arange])
def test_a_thousand_and_fifteen_hundred_items_are_of_one_kind(data):
    assert item_kind(data(1000)) == item_kind(data(1500))


@pytest.mark.parametrize("place", [0, 5, 9])
def test_the_largest_of_first_middle_and_last_counts(place):
    texts = ["a"] * 10
    texts[place] = "a" * 1024
    assert item_kind(texts) == "str~1024"


def test_the_order_of_mixed_types_does_not_matter():
    assert item_kind([1, "a", 2.0]) == item_kind(["b", 3.0, 2]) == item_kind([2.0, 2, "c"])


def test_no_code_of_an_item_a_container_or_a_class_runs():
    touchy = Touchy()
    assert item_kind([touchy] * 3) == item_kind((touchy,))
    assert item_kind(touchy).startswith("in.")
    assert item_kind([TouchyClass()]).endswith("TouchyClass") or "#" in item_kind([TouchyClass()])


@pytest.mark.parametrize(
    ("base", "size"),
    [
        (list, ".list~0"),
        (dict, ".dict~0"),
        (str, ".str~0"),
        (int, ".int~16^0"),
        (float, ".float~16^0"),
        (set, ".set~0"),
        (deque, ".deque~0"),
        (tuple, ".tuple~0"),
        (bytes, ".bytes~0"),
        (np.float64, ".float~16^0"),
        (np.ndarray, ".float64~16"),
    ],
)
def test_no_code_of_a_subclass_runs(base, size):
    kind = touchy_subclass(base)
    one = kind.__new__(kind, 2) if base is np.ndarray else base.__new__(kind)
    assert item_kind([one]) == f"m.My{base.__name__}{size}"
    assert item_kind(one) == f"in.m.My{base.__name__}~"


def test_a_class_whose_module_is_no_text_is_named_all_the_same():
    assert item_kind([type("Odd", (), {"__module__": property(lambda _: 1 / 0)})()]) == "Odd~"


@given(st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=60), st.text(max_size=60))
def test_any_name_gives_a_short_plain_kind(name, module):
    name = "".join(letter for letter in name if not "\ud800" <= letter <= "\udfff") or "x"
    kind = type(name, (), {"__module__": module})
    for found in (item_kind([kind()]), item_kind(kind())):
        assert 1 <= len(found) <= 32
        assert found.isascii()
        assert found.isprintable()
        assert not set(found) & set(" :/\\")


def named(name):
    return type(name, (), {"__module__": "package.module"})()


def test_names_that_do_not_fit_stay_apart():
    items = [named("A" * 40), named("A" * 41), named("é"), named("è"), named("-"), named("A" * 19 + "#12345678")]
    kinds = {item_kind([item]) for item in items}
    assert len(kinds) == len(items)
    assert all(len(kind) <= 32 for kind in kinds)


def test_a_name_made_to_look_like_a_hash_is_hashed_itself():
    crowded = item_kind([named("A" * 40)])
    module, _, name = crowded.rpartition(".")
    forger = type(name, (), {"__module__": module})()
    assert item_kind([forger]) != crowded


def test_a_module_name_with_a_lone_surrogate_has_a_kind():
    assert "#" in item_kind([type("A", (), {"__module__": "\udc80"})()])


@pytest.mark.parametrize(
    ("data", "calls"),
    [(list(range(1000)), 10), (range(1000), 10), (["a" * 50] * 1000, 30), ([(1, "a")] * 1000, 80)],
    ids=["list", "range", "texts", "pairs"],
)
def test_telling_the_kind_takes_few_calls(data, calls):
    taken = 0

    def count(_frame, event, _argument):
        nonlocal taken
        taken += event == "call"

    sys.setprofile(count)
    try:
        item_kind(data)
    finally:
        sys.setprofile(None)
    assert taken <= calls


@given(st.one_of(st.lists(st.integers()), st.lists(st.text()), st.lists(st.floats()), st.lists(st.binary())))
def test_a_list_and_a_tuple_of_the_same_are_of_one_kind(items):
    assert item_kind(items) == item_kind(tuple(items))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("str~64", "str~1048576", "items grew from str≈64 B to str≈1 MiB"),
        ("str~1048576", "str~64", "items shrank from str≈1 MiB to str≈64 B"),
        ("int~16^1", "int~16^3", "items grew from int≈16^1 to int≈16^3"),
        ("list~4", "list~16", "items grew from list≈4 items to list≈16 items"),
        ("m.L.list~4", "m.L.list~16", "items grew from m.L.list≈4 items to m.L.list≈16 items"),
        ("m.T[n.int~16^1]", "m.T[n.int~16^2]", "items grew from m.T and n.int≈16^1 to m.T and n.int≈16^2"),
        ("m.T~", "m.T[n.int~16^1]~", "items changed from m.T to m.T and n.int≈16^1"),
        (
            "tuple~1[int~16^1]",
            "tuple~1[int~1#12345678",
            "items changed from tuple≈1 items and int≈16^1 to tuple≈1 items and int≈1#12345678",
        ),
        ("int~16^1|str~64", "int~16^3|str~64", "items grew from int≈16^1 and str≈64 B to int≈16^3 and str≈64 B"),
        ("int~16^1|str~64", "int~16^3|str~16", "items changed from int≈16^1 and str≈64 B to int≈16^3 and str≈16 B"),
        ("int~16^1", "str~64", "items changed from int≈16^1 to str≈64 B"),
        ("float~nan", "float~16^1", "items changed from float≈nan to float≈16^1"),
        ("none", "bool", "items changed from no items to bool"),
        ("in.pandas.Series", "m.Thing", "items changed from those of a pandas.Series to m.Thing"),
        (
            "ndarray.float64~1024",
            "ndarray.float64~4096",
            "items grew from ndarray.float64≈1 KiB to ndarray.float64≈4 KiB",
        ),
    ],
)
def test_a_change_is_said_in_words(old, new, words):
    assert describe_change(old, new) == words


@given(st.text("abz~^|.#1690", max_size=32), st.text("abz~^|.#1690", max_size=32))
def test_any_change_can_be_said(old, new):
    assert describe_change(old, new).startswith("items ")
