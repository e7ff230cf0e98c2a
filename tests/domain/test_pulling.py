"""What an item was before the next one was pulled is known by its pickle, or by identity where that says nothing."""

from __future__ import annotations

import pytest

from amorsize.domain.pulling import Snapshot, can_copy


class Unsteady:
    """Has another pickle each time."""

    pickles = 0

    def __getstate__(self):
        self.pickles += 1
        return {"pickles": self.pickles}


def refuses():
    raise ValueError("not here")


class Unloadable:
    """Has a pickle that cannot be loaded."""

    def __reduce__(self):
        return refuses, ()


def test_an_item_has_changed_when_its_pickle_is_another():
    row = [1]
    snapshot = Snapshot(row, copies=True)
    assert not snapshot.has_changed([1])
    row[0] = 2
    assert snapshot.has_changed([2])
    assert snapshot.copy() == [1]


@pytest.mark.parametrize("item", [[bytes(2 << 20)], Unsteady()], ids=["large", "unsteady"])
def test_an_item_without_a_steady_pickle_has_changed_when_it_is_pulled_again(item):
    snapshot = Snapshot(item, copies=False)
    assert not snapshot.has_changed([])
    assert snapshot.has_changed(item)


def test_an_item_whose_pickle_cannot_be_loaded_has_no_copy():
    item = Unloadable()
    assert Snapshot(item, copies=True).copy() is item
    assert not can_copy(item)
    assert can_copy([1])
    assert can_copy(1)
