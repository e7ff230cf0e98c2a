"""The public functions over several iterables, and with callables that count their own calls."""

from __future__ import annotations

import io
import itertools
import operator

import numpy as np
import pytest

import amorsize


def weigh(number, weight=1, *more):
    return sum(range(2000)) + number * weight + len(more)


class FunctionWrapper:
    """Counts its calls, as those of scipy do."""

    def __init__(self, func, args=()):
        self.func = func
        self.args = args
        self.nfev = 0

    def __call__(self, x):
        self.nfev += 1
        return self.func(x, *self.args)


COLUMNS = [
    ([1, 2, 3], [4, 5, 6]),
    (range(300), tuple(range(200))),
    (np.arange(5), [1, 2, 3, 4, 5], range(9)),
    ({1: 2, 3: 4}, [5, 6]),
    (range(50), (number for number in range(40))),
    ([], [1, 2]),
]


@pytest.mark.parametrize("executor", ["serial", "thread", "process"])
@pytest.mark.parametrize("at", range(len(COLUMNS) - 2))
def test_every_way_to_run_gives_what_map_gives(executor, at):
    columns = COLUMNS[at]
    expected = list(map(weigh, *columns))
    assert amorsize.execute(weigh, *columns, executor=executor) == expected
    assert list(amorsize.iexecute(weigh, *columns, executor=executor)) == expected


def test_iterators_end_where_the_shortest_ends():
    assert amorsize.execute(operator.add, range(50), iter(range(40))) == [2 * number for number in range(40)]
    assert amorsize.execute(operator.add, [], [1, 2]) == []
    assert amorsize.execute(pow, itertools.count(), iter([2, 2, 2])) == [0, 1, 4]


def test_a_stream_over_several_endless_iterables_stays_lazy():
    stream = amorsize.iexecute(operator.mul, itertools.count(), itertools.count(1), in_flight=4)
    assert list(itertools.islice(stream, 4)) == [0, 2, 6, 12]


def test_the_failing_item_is_named_by_its_row():
    with pytest.raises(ZeroDivisionError) as caught:
        amorsize.execute(operator.truediv, [1, 2], [1, 0])
    assert caught.value.__notes__ == ["amorsize was running the item at position 1: (2, 0)"]


def test_the_advice_is_kept_for_the_function_and_the_number_of_iterables():
    numbers = list(range(400))
    assert amorsize.lookup(weigh, numbers, numbers)[0] == "miss"
    result = amorsize.optimize(weigh, numbers, numbers)
    assert list(itertools.starmap(weigh, result.data)) == result.run() == list(map(weigh, numbers, numbers))
    assert amorsize.lookup(weigh, numbers, numbers)[0] == "hit"
    assert amorsize.lookup(weigh, numbers, numbers, numbers)[0] == "miss"
    assert amorsize.lookup(weigh, numbers)[0] == "miss"


def test_map_returns_a_list():
    assert amorsize.map(weigh, [1, 2], [3, 4]) == list(map(weigh, [1, 2], [3, 4]))
    assert amorsize.map(abs, iter([-1])) == [1]
    with pytest.raises(TypeError, match="map: it takes func and data by position"):
        amorsize.map(abs, [1], 4)


def test_everything_is_serial_while_amorsize_is_disabled(monkeypatch):
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    assert amorsize.execute(weigh, [1, 2], [3, 4]) == amorsize.optimize(weigh, [1, 2], [3, 4]).run()
    assert list(amorsize.iexecute(weigh, [1, 2], [3, 4])) == amorsize.map(weigh, [1, 2], [3, 4])


def test_a_callable_that_counts_its_calls_hits_and_says_what_is_left_out():
    counting = FunctionWrapper(weigh, (2,))
    result = amorsize.optimize(counting, list(range(300)))
    said = io.StringIO()
    result.explain(said)
    assert "nfev, which its own code changes, is left out" in said.getvalue()
    counting(1)
    amorsize.map(counting, [1, 2])
    assert counting.nfev >= 1
    assert amorsize.lookup(counting, list(range(300)))[0] == "hit"
    assert amorsize.lookup(FunctionWrapper(weigh, (3,)), list(range(300)))[0] == "miss"
