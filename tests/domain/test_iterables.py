"""Several iterables as one of rows."""

from __future__ import annotations

import itertools
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.fingerprint.fingerprint import Fingerprints, changes, fingerprint
from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.domain.fingerprint.parts import Surroundings
from amorsize.domain.items import item_kind
from amorsize.domain.iterables import IndexedRows, PulledRows, Rows, StarFunction, plain, rows

COLUMNS = st.lists(st.lists(st.integers(), max_size=6), min_size=1, max_size=4)


def add(*numbers):
    return sum(numbers)


@given(COLUMNS, st.slices(8), st.integers(-8, 8))
def test_rows_are_what_zip_gives(columns, part, place):
    expected = list(zip(*columns, strict=False))
    found = rows(tuple(columns))
    assert isinstance(found, IndexedRows)
    assert (len(found), list(found), found[part]) == (len(expected), expected, expected[part])
    try:
        one = expected[place]
    except IndexError:
        with pytest.raises(IndexError):
            found[place]
    else:
        assert found[place] == one


def test_rows_have_a_length_where_every_collection_has_one():
    assert type(rows(([1, 2], {3}))) is Rows
    assert len(rows(([1, 2], {3}))) == 1
    assert len(rows((range(10**30), [1, 2]))) == 2
    assert type(rows(([1, 2], iter([3])))) is PulledRows


def test_rows_of_an_iterator_are_pulled_one_by_one():
    taken = []
    numbers = (taken.append(number) or number for number in itertools.count())
    found = rows((numbers, "abc"))
    assert taken == []
    assert next(found) == (0, "a")
    assert list(found) == [(1, "b"), (2, "c")]


def test_the_kind_of_rows_is_that_of_tuples():
    around = Surroundings(Loaded({"numpy": np}))
    assert item_kind(rows(([1, 2], ["a", "b"]))) == item_kind([(1, "a"), (2, "b")])
    assert "float64" in item_kind(rows((np.ones(3), [1, 2, 3])), around)
    assert item_kind(rows(([], [1]))) == "none"
    assert item_kind(rows(([1], iter([1])))) == "in.rows.2~"
    assert item_kind(rows(([1], {1}, [1]))) == "in.rows.3~"


def test_a_function_of_several_iterables_is_known_by_itself_and_their_number():
    loaded = Loaded(sys.modules)
    memo = Fingerprints(loaded)
    two, three = fingerprint(StarFunction(add, 2), loaded), fingerprint(StarFunction(add, 3), loaded)
    assert (two.name, memo.of(StarFunction(add, 2)).hex) == (fingerprint(add, loaded).name, two.hex)
    assert len({fingerprint(add, loaded).hex, two.hex, three.hex}) == 3
    assert changes(two.outline, three.outline) == "iterables 2 → 3"


def test_the_function_comes_through_a_pickle():
    again = pickle.loads(pickle.dumps(StarFunction(add, 2)))
    assert (again((1, 2)), plain(again), plain(add), again.count) == (3, add, add, 2)
