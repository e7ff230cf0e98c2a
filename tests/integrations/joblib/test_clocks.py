"""Clocks around tasks: what they compute, and what they wait for."""

from __future__ import annotations

import pytest

from amorsize.integrations.joblib.clocks import Clocks, clocks, work


def test_clocks_count_what_a_thread_has_computed():
    before = clocks()
    sum(range(1_000_000))
    now = clocks()
    assert now.computed > before.computed
    assert now.asked > before.asked


@pytest.mark.parametrize(
    ("now", "shared", "found"),
    [
        (Clocks(1.0, 1.0, 0.4, 0), False, (0.4, 0.4)),  # it waited for a CPU that others had
        (Clocks(1.9, 0.9, 0.9, 0), False, (1.0, 1.9)),  # it ran threads of its own
        (Clocks(1.9, 0.9, 0.8, 0), True, (0.8, 0.8)),  # other threads ran beside it
        (Clocks(0.3, 0.3, 0.2, 9), False, (1.0, 0.3)),  # it waited for an answer
    ],
)
def test_a_batch_that_computes_takes_what_it_would_on_a_cpu_of_its_own(now, shared, found):
    assert work(1.0, Clocks(0.0, 0.0, 0.0, 0), now, shared=shared) == pytest.approx(found)
