"""How many workers keep the CPUs busy, and how many are worth their forks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.execution.policy import MOST_THREADS, takers_in_time, workers_by_cpu


@pytest.mark.parametrize(
    ("cpus", "share", "workers"),
    [
        (4, 1.0, 4),
        (4, 0.9, 4),
        (4, 0.5, 8),
        (2, 0.0, MOST_THREADS),
        (1.5, 1.0, 2),
        (4.05, 1.0, 4),
        (8, 4.0, 2),
        (2, 9.0, 1),
    ],
)
def test_workers_keep_the_cpus_busy(cpus, share, workers):
    assert workers_by_cpu(cpus, share) == workers


@given(st.floats(0.01, 1024), st.floats(0, 64))
def test_there_is_always_a_worker(cpus, share):
    assert workers_by_cpu(cpus, share) >= 1


@given(st.floats(0, 100), st.floats(1e-4, 1))
def test_no_other_number_of_takers_would_be_sooner_by_a_tenth(seconds, fork):
    def whole(takers):
        return seconds / takers + takers * fork

    best = takers_in_time(seconds, fork)
    assert best >= 2
    assert whole(best) <= 1.1 * min(map(whole, range(2, best + 4)))
