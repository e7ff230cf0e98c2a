"""A source loses nothing, yields each position once, and spreads what it looks at."""

from __future__ import annotations

import array
from collections import deque
from itertools import islice, pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.source import Source, is_array, is_begun, is_indexed, untouched

np = pytest.importorskip("numpy")


class Countdown:
    """Its own iterator, with a len(): what it has given once it does not give again."""

    def __init__(self, count):
        self.left = count

    def __len__(self):
        return self.left

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


class Hinted:
    """An iterator that says how many are left."""

    def __init__(self, count):
        self.left = count

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration

    def __length_hint__(self):
        return self.left


@given(st.integers(0, 700))
def test_positions_are_a_permutation(total):
    assert sorted(Source(range(total)).positions()) == list(range(total))


@given(st.integers(20, 10**7), st.integers(4, 20))
def test_the_first_positions_are_spread_over_the_whole(total, count):
    seen = sorted(islice(Source(range(total)).positions(), count))
    assert len(set(seen)) == count
    gaps = [after - before for before, after in zip([0, *seen], [*seen, total], strict=True)]
    assert max(gaps) <= 3 * total / count + 1


def test_the_first_positions_of_very_many_items_come_without_walking_over_them():
    assert len(set(islice(Source(range(10**15)).positions(), 20))) == 20


@given(st.integers(200, 10**7))
def test_after_the_first_positions_neighbours_come_together(total):
    seen = list(islice(Source(range(total)).positions(), 112))
    assert len(set(seen)) == 112
    steps = [after - before for before, after in pairwise(seen[16:])]
    assert sum(step == 1 for step in steps) >= 80
    assert max(seen) - min(seen) > total / 2


def test_it_is_known_what_running_through_takes_from_the_data_and_what_not():
    for data in ([1], (1,), range(1), "a", {1}, {1: 2}, {1: 2}.values()):
        assert (Source(data).comes_again, Source(data).in_order) == (True, False)
    for data in (iter([1]), (one for one in [1]), map(abs, [1])):
        assert (Source(data).comes_again, Source(data).in_order) == (False, True)
    assert not Source(Countdown(3)).comes_again
    source = Source(iter("abc"))
    assert source.taken == 0
    next(source.positions())
    assert source.taken == 1


def test_the_first_positions_of_very_many_items_come_at_once():
    total = 10**7

    def seconds():
        start = process_time()
        assert len(list(islice(Source(range(total)).positions(), 20))) == 20
        return process_time() - start

    assert min(seconds() for _ in range(5)) < 0.02  # walking over them would take 10 times as long


@pytest.mark.parametrize(
    "data",
    [
        [1, 2, 3],
        (1, 2, 3),
        range(1, 4),
        "abc",
        b"abc",
        bytearray(b"abc"),
        memoryview(b"abc"),
        array.array("i", [1, 2, 3]),
        deque([1, 2, 3]),
        np.arange(3),
        np.zeros((3, 2)),
    ],
    ids=lambda data: type(data).__name__,
)
def test_indexed_data_is_read_at_any_position_and_handed_back_itself(data):
    source = Source(data)
    assert is_indexed(data)
    assert source.total == source.hint == source.known_items() == 3
    assert not source.is_empty()
    for position in source.positions():
        assert np.array_equal(source.at(position), data[position])
    assert source.data(data) is data


@pytest.mark.parametrize("data", [{1, 2, 3}, {1: 2, 3: 4, 5: 6}, {1: 2, 3: 4, 5: 6}.values(), frozenset("abc")])
def test_other_sized_data_is_read_in_order_and_handed_back_itself(data):
    source = Source(data)
    assert not is_indexed(data)
    assert source.total == 3
    assert [source.at(position) for position in source.positions()] == list(data)
    assert source.data(data) is data


@given(st.lists(st.integers()), st.integers(0, 30))
def test_an_iterator_loses_nothing_however_much_was_looked_at(items, looked_at):
    given_iterator = iter(items[:])
    source = Source(item for item in given_iterator)
    seen = [source.at(position) for position in islice(source.positions(), looked_at)]
    assert seen == items[:looked_at]
    assert list(source.data(given_iterator)) == items


@given(st.integers(0, 20), st.integers(0, 25))
def test_an_iterator_that_has_a_length_loses_nothing(count, looked_at):
    data = Countdown(count)
    source = Source(data)
    assert source.total == count
    seen = [source.at(position) for position in islice(source.positions(), looked_at)]
    assert seen == list(range(count))[::-1][:looked_at]
    assert list(source.data(data)) == list(range(count))[::-1]


@pytest.mark.parametrize("make", [iter, lambda items: (item for item in items), lambda items: map(int, items)])
@given(items=st.lists(st.integers()), looked_at=st.integers(0, 9), taken=st.integers(1, 9))
def test_an_iterator_that_is_handed_back_knows_whether_it_was_begun(make, items, looked_at, taken):
    source = Source(data := make(items))
    list(islice(source.positions(), looked_at))
    for once in (source.data(data), untouched(make(items))):
        assert not is_begun(once)
        assert list(islice(once, taken)) == items[:taken]
        assert is_begun(once)
        assert list(once) == items[taken:]
        assert is_begun(once)


def test_a_generator_that_is_handed_back_stays_open_for_its_owner():
    numbers = (number for number in range(5))
    once = untouched(numbers)
    assert next(iter(once)) == 0
    del once
    assert list(numbers) == [1, 2, 3, 4]


@pytest.mark.parametrize("data", [[1], range(3), {1: 2}, (x for x in "ab"), iter("ab"), None])
def test_only_what_was_handed_back_here_is_ever_called_begun(data):
    assert not is_begun(data)


def test_data_that_is_no_iterator_is_handed_back_itself():
    data = [1]
    assert untouched(data) is data


def test_positions_come_once_however_often_they_are_asked_for():
    source = Source(range(10))
    first = list(islice(source.positions(), 4))
    assert sorted(first + list(source.positions())) == list(range(10))


def test_an_iterator_knows_its_number_once_it_has_ended():
    source = Source(item for item in "abc")
    assert source.total is None
    assert source.hint is None
    assert not source.is_empty()
    assert source.known_items() is None
    assert list(source.positions()) == [0, 1, 2]
    assert source.known_items() == 3


def test_what_an_iterator_says_of_its_length_is_a_hint_only():
    source = Source(iter([1, 2, 3]))
    assert source.total is None
    assert source.hint == 3
    assert Source(Hinted(7)).hint == 7


@pytest.mark.parametrize("empty", [[], (), "", {}, range(0), iter([]), np.zeros(0)], ids=lambda data: str(type(data)))
def test_an_empty_source_has_no_positions(empty):
    source = Source(empty)
    assert source.is_empty()
    assert list(source.positions()) == []
    assert list(source.data(empty)) == []


def test_data_that_cannot_be_run_over_is_refused():
    with pytest.raises(TypeError):
        Source(5)


class WithoutLength:
    """As a loader of torch over a dataset that only iterates: it has ``__len__``, which raises."""

    def __len__(self):
        raise TypeError("object of type 'Dataset' has no len()")

    def __iter__(self):
        return iter("abc")


def test_data_that_does_not_say_its_length_is_pulled():
    source = Source(WithoutLength())
    assert source.total is None
    assert [source.at(position) for position in source.positions()] == ["a", "b", "c"]


def test_an_array_is_known_by_its_type_alone():
    assert is_array(np.zeros(1))
    assert not is_array([1])
    assert not is_array(np.float64(1))


def test_a_source_says_whether_it_reads_items_where_it_likes():
    assert Source([1, 2]).is_indexed
    assert not Source({1, 2}).is_indexed
    assert not Source(iter([1, 2])).is_indexed


def test_a_range_of_more_items_than_an_index_can_count_is_pulled():
    source = Source(range(10**20))
    assert (source.total, source.hint, next(source.positions()), source.at(0)) == (None, None, 0, 0)


def filled():
    row = [0]
    for number in range(6):
        row[0] = number
        yield row


def emptied():
    for number in range(6):
        row = [number]
        yield row
        row.clear()


def stepping():
    state = [0]
    for number in range(6):
        state[0] = number
        yield lambda: state[0]


def views():
    buffer = bytearray(1)
    for number in range(6):
        buffer[0] = number
        yield memoryview(buffer)


@pytest.mark.parametrize("make", [filled, emptied, stepping, views])
def test_an_item_that_changes_when_the_next_one_is_pulled_is_handed_back_as_it_was(make):
    given = make()
    source = Source(given)
    assert len(list(source.positions())) < 6
    data = source.data(given)
    assert not is_begun(data)
    assert [item() if callable(item) else item[0] for item in data] == list(range(6))
    assert is_begun(data)


def test_an_only_item_that_changes_at_the_end_is_handed_back_as_it_was():
    def only():
        row = [1]
        yield row
        row.clear()

    source = Source(only())
    assert list(source.positions()) == [0]
    assert source.at(0) == [1]


def test_an_item_that_is_the_same_each_time_may_be_taken_ahead():
    item = [1]
    source = Source(item for _ in range(50))
    assert len(list(source.positions())) == 50
    assert not source.is_changing
