"""The pickle of an item tells whether the item has changed, also where plain pickle refuses it."""

from __future__ import annotations

import pytest

from amorsize.domain.item_text import loaded, text_of


class Refusing:
    """Raises when it is pickled."""

    def __reduce__(self):
        raise RuntimeError("not now")


def adder(number, *, twice=False):
    """Return a local function that refers to two values."""

    def add(item, more=0):
        return item + number + more + (number if twice else 0)

    return add


@pytest.mark.parametrize("item", [None, 3, "text", [1, {"a": (2.5, b"c")}], {1, 2}, len, dict])
def test_the_text_of_an_item_makes_a_copy_of_it(item):
    text, is_loadable = text_of(item)
    assert is_loadable
    assert loaded(text) == item
    assert text_of(item) == (text, True)


def test_an_item_that_was_changed_has_another_text():
    item = [1, [2]]
    before, _ = text_of(item)
    copy = loaded(before)
    item[1].append(3)
    assert text_of(item)[0] != before
    assert copy == [1, [2]]


def test_local_functions_are_compared_by_what_they_refer_to_and_not_copied():
    text, is_loadable = text_of([adder(1)])
    assert text is not None
    assert not is_loadable
    assert text_of([adder(1)]) == (text, False)
    assert text_of([adder(2)])[0] != text
    assert text_of([adder(1, twice=True)])[0] != text
    other = adder(1)
    other.__defaults__ = (5,)
    assert text_of([other])[0] != text


@pytest.mark.parametrize(
    ("item", "has_text"),
    [
        (bytes((1 << 20) - 100), True),
        (bytes(1 << 20), False),
        ([bytes(1 << 19)] * 3, True),  # pickle writes the same object once
        ([bytes([number]) * (1 << 19) for number in range(3)], False),
    ],
    ids=["just small enough", "one too large", "the same thing three times", "three together too large"],
)
def test_an_item_of_more_than_a_mebibyte_has_no_text(item, has_text):
    text, is_loadable = text_of(item)
    assert (text is not None, is_loadable) == (has_text, has_text)


@pytest.mark.parametrize("item", [Refusing(), [1, Refusing()]], ids=["itself", "a part of it"])
def test_an_item_that_does_not_pickle_has_no_text(item):
    assert text_of(item) == (None, False)
