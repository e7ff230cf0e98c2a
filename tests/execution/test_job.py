"""A job keeps results by position, its failures, and how it ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize import ExecutionTimeout, FailedItems
from amorsize.execution.job import Job, Options, options_of


def job(total=4, **options):
    return Job(abs, Options(**options), lambda: 100.0, total)


@given(st.permutations(range(6)), st.integers(1, 4))
def test_results_lie_at_their_positions_in_whatever_order_they_come(order, size):
    made = job(6 * size)
    for number in order:
        made.put(number * size, list(range(number * size, (number + 1) * size)))
    assert made.outcome() == list(range(6 * size))
    assert made.is_filled(6 * size)
    assert made.done == 6 * size


def test_a_gap_or_a_result_that_came_twice_is_seen():
    made = job()
    made.put(0, [1, 2])
    assert not made.is_filled(4)
    made.put(1, [2, 3, 4])
    assert not made.is_filled(4)


def test_the_first_failure_is_raised_with_its_item():
    with pytest.raises(ValueError, match="no") as caught:
        job().fail(2, ValueError("no"), "item")
    assert caught.value.__notes__ == ["amorsize was running the item at position 2: 'item'"]


def test_failures_that_are_collected_come_in_the_order_of_the_items():
    made = job(collect=True)
    made.put(0, [1, None, 3, None])
    made.fail(3, ValueError("late"), 4)
    made.fail(1, KeyError("early"), 2)
    values, group = made.outcome()
    assert values == [1, None, 3, None]
    assert isinstance(group, FailedItems)
    assert [type(error) for error in group.exceptions] == [KeyError, ValueError]
    assert made.finished() == {0: 1, 2: 3}


def test_what_ends_a_program_is_raised_however_failures_are_treated():
    with pytest.raises(KeyboardInterrupt):
        job(collect=True).fail(0, KeyboardInterrupt(), 1)


def test_a_deadline_raises_with_what_is_finished():
    made = job(deadline=99.0, timeout=5.0)
    made.put(0, [7])
    with pytest.raises(ExecutionTimeout, match=r"timed out after 5 s \(1 of 4 items done\)") as caught:
        made.check()
    assert caught.value.finished == {0: 7}


def test_progress_is_reported_with_the_number_of_items():
    seen = []
    made = job(on_progress=lambda done, total: seen.append((done, total)))
    made.put(0, [1, 2])
    made.check()
    assert seen == [(2, 4)]


@pytest.mark.parametrize(
    ("errors", "timeout", "item_timeout", "rerun", "said"),
    [
        ("ignore", None, None, True, "errors must be 'raise' or 'collect', got 'ignore'"),
        ("raise", 0, None, True, "timeout must be a number above 0, got 0"),
        ("raise", None, float("inf"), True, "item_timeout must be a number above 0, got inf"),
        ("raise", None, None, 1, "rerun must be true or false, got 1"),
    ],
)
def test_an_option_out_of_range_is_named(errors, timeout, item_timeout, rerun, said):
    with pytest.raises(ValueError, match=f"^execute: {said}$"):
        options_of("execute", errors, timeout, item_timeout, None, lambda: 0.0, rerun=rerun)


def test_a_timeout_becomes_a_deadline_of_the_clock():
    assert options_of("execute", "raise", 5.0, None, None, lambda: 100.0).deadline == 105.0
