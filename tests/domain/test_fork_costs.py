"""Plans, sampling and runs expect the same of a fork."""

from __future__ import annotations

import attrs
import pytest
from fakes import MACHINE
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.fork_costs import CHILD_BYTE_SECONDS, FORK_BYTE_SECONDS, MOST_FORK_SECONDS, fork_cost
from amorsize.domain.overheads import prior
from amorsize.domain.planning.sampling import Budget
from amorsize.processes import process_info

FORKING = prior(attrs.evolve(MACHINE, start_method="fork"))


@given(st.floats(0, 1e12))
def test_a_plan_expects_of_a_fork_what_a_run_expects(memory):
    assert FORKING.fork_cost(memory) == pytest.approx(fork_cost(memory))


def test_a_run_goes_by_the_memory_of_this_process(monkeypatch):
    monkeypatch.setattr(process_info, "own_memory_bytes", lambda: 10**8)
    monkeypatch.setattr(process_info, "foreign_threads", lambda: 0)
    assert process_info.fork_seconds() == fork_cost(10**8)


def test_the_end_of_a_child_takes_time_too():
    assert FORKING.fork_byte_seconds == CHILD_BYTE_SECONDS > FORK_BYTE_SECONDS


def test_the_largest_process_that_is_forked_to_sample_takes_the_longest_fork():
    assert fork_cost(Budget().fork_bytes) == pytest.approx(MOST_FORK_SECONDS)
    assert FORKING.memory_forked_in(MOST_FORK_SECONDS) == pytest.approx(Budget().fork_bytes)
