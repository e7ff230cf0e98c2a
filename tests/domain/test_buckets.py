"""Every value lands in exactly one bucket, and each edge is where the table says."""

from __future__ import annotations

from math import inf, nan, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain import buckets
from amorsize.domain.buckets import length_bucket, magnitude_bucket, size_bucket, time_bucket


@pytest.mark.parametrize(
    ("items", "name"),
    [
        (0, "tiny"),
        (9, "tiny"),
        (10, "small"),
        (99, "small"),
        (100, "medium"),
        (999, "medium"),
        (1_000, "large"),
        (1_500, "large"),
        (9_999, "large"),
        (10_000, "xlarge"),
        (10**12, "xlarge"),
    ],
)
def test_a_number_of_items_has_its_bucket_at_each_edge(items, name):
    assert size_bucket(items) == name


@pytest.mark.parametrize(
    ("edge", "below", "above"),
    [(1e-4, "instant", "fast"), (1e-3, "fast", "moderate"), (1e-2, "moderate", "slow"), (1e-1, "slow", "very_slow")],
)
def test_seconds_per_item_have_their_bucket_at_each_edge(edge, below, above):
    assert time_bucket(nextafter(edge, 0)) == below
    assert time_bucket(edge) == above


@pytest.mark.parametrize("names", [buckets.SIZE_NAMES, buckets.TIME_NAMES])
def test_names_are_distinct_and_one_more_than_edges(names):
    assert len(set(names)) == len(names) == len(buckets.SIZE_EDGES) + 1 == len(buckets.TIME_EDGES_SECONDS) + 1


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_size_buckets_are_in_order(first, second):
    low, high = sorted((first, second))
    assert buckets.SIZE_NAMES.index(size_bucket(low)) <= buckets.SIZE_NAMES.index(size_bucket(high))


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_time_buckets_are_in_order(first, second):
    low, high = sorted((first, second))
    assert buckets.TIME_NAMES.index(time_bucket(low)) <= buckets.TIME_NAMES.index(time_bucket(high))


@given(st.integers(1, 2**70))
def test_a_length_lies_between_its_bucket_and_the_next(length):
    bucket = length_bucket(length)
    assert bucket <= length < 4 * bucket
    assert bucket.bit_count() == 1
    assert bucket.bit_length() % 2 == 1


def test_lengths_of_nothing_share_the_bucket_nought():
    assert length_bucket(0) == length_bucket(-1) == 0


@given(st.one_of(st.integers(-(2**300), 2**300), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_magnitude_lies_below_its_power_of_sixteen_and_not_below_the_one_before(value):
    power = int(magnitude_bucket(value).removeprefix("16^"))
    assert abs(value) < 16**power or value == 0 == power
    assert power == 0 or abs(value) >= 16 ** (power - 1)


@given(st.integers(-(2**53), 2**53))
def test_a_number_has_one_magnitude_as_int_and_as_float(value):
    assert magnitude_bucket(value) == magnitude_bucket(float(value)) == magnitude_bucket(-value)


def test_numbers_that_are_not_finite_have_names_of_their_own():
    assert magnitude_bucket(nan) == "nan"
    assert magnitude_bucket(inf) == magnitude_bucket(-inf) == "inf"
    assert magnitude_bucket(0.0) == magnitude_bucket(0) == magnitude_bucket(5e-324) == "16^0"
