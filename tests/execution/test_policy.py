"""How many workers are worth their forks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amorsize.execution.policy import few_items, takers_in_time


@given(st.floats(0, 100), st.floats(1e-4, 1))
def test_no_other_number_of_takers_would_be_sooner_by_a_tenth(seconds, fork):
    def whole(takers):
        return seconds / takers + takers * fork

    best = takers_in_time(seconds, fork)
    assert best >= 2
    assert whole(best) <= 1.1 * min(map(whole, range(2, best + 4)))


def test_the_more_cpus_there_are_the_more_items_are_few():
    assert [few_items(cpus) for cpus in (0.5, 2, 4, 8.5, 64)] == [32, 32, 32, 68, 512]
