"""The budget at its edges, and the mean and spread of blocks."""

from __future__ import annotations

import random
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.planning.sampling import Budget, mean_ahead, mean_and_spread


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


def test_the_place_that_was_called_otherwise_is_named():
    with pytest.raises(ValueError, match="where must be 'caller', which 'here' was renamed to, got 'here'"):
        Budget(where="here")
    with pytest.raises(ValueError, match="where must be one of 'auto', 'caller', 'worker', got 'nowhere'"):
        Budget(where="nowhere")
    assert [Budget(where=where).where for where in ("auto", "caller", "worker")] == ["auto", "caller", "worker"]


blocks = st.lists(st.tuples(st.floats(1e-9, 1e3), st.integers(1, 4096)), min_size=1, max_size=50)


@given(blocks, st.integers(1, 10**7))
def test_what_a_stream_is_expected_to_take_is_at_least_what_it_took_and_never_many_times_its_later_items(blocks, total):
    seconds, counts = zip(*blocks, strict=True)
    mean = sum(seconds) / sum(counts)
    ahead = mean_ahead(seconds, counts, total)
    assert mean * (1 - 1e-9) <= ahead <= 8.001 * max(each / count for each, count in blocks)


@given(st.floats(1e-9, 1e3), st.lists(st.integers(1, 4096), min_size=1, max_size=50), st.integers(1, 10**7))
def test_a_stream_of_even_items_is_expected_to_go_on_so(each, counts, total):
    assert mean_ahead([each * count for count in counts], counts, total) == pytest.approx(each)


@given(st.floats(1e-9, 1e-3), st.integers(40, 4000), st.floats(1.0, 5.0))
def test_a_stream_whose_items_take_ever_longer_is_expected_to_go_on_so(each, sampled, times):
    """Item n takes n * each; the mean of twice to ten times as many as were seen is predicted by a line."""
    total = int(2 * times * sampled)
    ahead = mean_ahead([each * (n + 0.5) for n in range(sampled)], [1] * sampled, total)
    assert ahead == pytest.approx(each * total / 2, rel=0.1)


def test_a_stream_whose_items_take_ever_shorter_is_expected_to_take_their_mean():
    assert mean_ahead([3.0, 2.0, 1.0], [1, 1, 1], 1000) == 2.0


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
