"""What cannot be shared: iterators and open files, also one level down; and how sampling leaves it alone."""

from __future__ import annotations

import io
from collections import deque
from itertools import count, groupby

import pytest

from amorsize.domain.sharing import is_unshareable
from amorsize.domain.source import Source


@pytest.mark.parametrize(
    "item",
    [iter([1]), (x for x in "a"), count(), io.StringIO("a"), ("key", iter([1])), [io.BytesIO()], {"a": iter("b")}],
    ids=["iterator", "generator", "counter", "file", "pair", "list", "dict"],
)
def test_an_iterator_or_a_file_is_unshareable_also_inside_an_item(item):
    assert is_unshareable(item)


@pytest.mark.parametrize("item", [1, "a", b"a", None, (1, 2), [1], {"a": 1}, {1}, deque([1]), range(3), frozenset([1])])
def test_values_and_containers_of_values_are_shareable(item):
    assert not is_unshareable(item)


def test_the_second_group_is_not_pulled_before_the_first_is_used():
    source = Source(groupby("aabbb"))
    assert list(source.positions()) == [0]
    assert [(key, len(list(group))) for key, group in source.data(iter(()))] == [("a", 2), ("b", 3)]


def test_other_items_are_pulled_as_they_are_asked_for():
    source = Source(iter("abc"))
    assert [source.at(position) for position in source.positions()] == ["a", "b", "c"]
