"""The budget at its edges, and the mean and spread of blocks."""

from __future__ import annotations

import random
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.sampling import Budget, mean_and_spread


def test_the_budget_is_a_share_of_the_job_and_of_short_jobs_a_larger_one():
    budget = Budget(fraction=0.01, min_seconds=0.005)
    assert budget.seconds(0.02) == pytest.approx(0.001)
    assert budget.seconds(0.1) == 0.005
    assert budget.seconds(0.5) == 0.005
    assert budget.seconds(100.0) == 1.0


def test_a_job_is_too_small_up_to_exactly_what_a_worker_costs():
    budget = Budget(worker_start_seconds=1.0)
    assert budget.is_too_small(4, 0.25)
    assert not budget.is_too_small(5, 0.25)


@pytest.mark.parametrize(
    "fault",
    [{"fraction": 1.1}, {"min_seconds": -1.0}, {"assumed_items": 0}, {"worker_start_seconds": True}, {"most_items": 0}],
)
def test_a_budget_out_of_range_is_refused(fault):
    with pytest.raises(ValueError, match=f"{next(iter(fault))} must be"):
        Budget(**fault)


@given(st.lists(st.floats(1e-9, 1e3), min_size=2, max_size=50))
def test_blocks_of_one_give_the_mean_and_the_standard_deviation(seconds):
    mean, spread = mean_and_spread(seconds, [1] * len(seconds))
    assert mean == pytest.approx(fmean(seconds))
    assert spread == pytest.approx(stdev(seconds), rel=1e-6, abs=1e-9)


def test_one_block_has_no_spread():
    assert mean_and_spread([3.0], [6]) == (0.5, 0.0)


def test_blocks_are_weighted_by_their_size():
    mean, _ = mean_and_spread([1.0, 30.0], [1, 10])
    assert mean == pytest.approx(31 / 11)


def test_the_spread_of_one_item_is_found_again_from_blocks():
    draw = random.Random(5)
    counts = [draw.randint(5, 40) for _ in range(3000)]
    seconds = [sum(draw.gauss(10.0, 2.0) for _ in range(count)) for count in counts]
    mean, spread = mean_and_spread(seconds, counts)
    assert mean == pytest.approx(10.0, rel=0.01)
    assert spread == pytest.approx(2.0, rel=0.1)


def test_alike_blocks_have_no_spread_and_unmatched_ones_are_refused():
    assert mean_and_spread([2.0, 4.0], [1, 2]) == (2.0, 0.0)
    with pytest.raises(ValueError, match="shorter"):
        mean_and_spread([2.0, 4.0], [1])
