"""What workers cost: what is assumed of a machine, and how what is seen moves that."""

from __future__ import annotations

from math import inf

import attrs
import pytest
from fakes import MACHINE, OVERHEADS
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.overheads import Overheads, prior
from amorsize.domain.values import MAX_BYTES

METHODS = ("fork", "spawn", "forkserver")
seconds = st.floats(1e-6, 1e3)
observations = st.tuples(seconds, st.floats(0, 1e11))


def machine(method, **changes):
    return attrs.evolve(MACHINE, start_method=method, **changes)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_assumed_is_of_the_start_method_and_no_worker_is_free(method):
    assumed = prior(machine(method))
    assert (assumed.start_method, assumed.source, assumed.measured_at) == (method, "prior", 0.0)
    assert assumed.start_worker_seconds > 0
    assert 0 < assumed.thread_start_seconds <= assumed.start_worker_seconds
    assert assumed.least_seconds > 0
    assert (assumed.fork_byte_seconds > 0) == (assumed.fork_seconds > 0) == (method == "fork")


def test_fresh_workers_are_assumed_to_cost_more_than_forked_ones():
    fork, *fresh = (prior(machine(method)).least_seconds for method in METHODS)
    assert all(5 * fork < one for one in fresh)


def test_cores_of_two_threads_each_are_assumed_to_be_shared_only_where_both_are_used():
    assert prior(machine("fork")).slowdown == 1.0
    shared = machine("fork", logical_cores=8)
    assert prior(attrs.evolve(shared, usable_cpus=8.0)).slowdown > 1.2
    assert prior(attrs.evolve(shared, usable_cpus=4.0)).slowdown == 1.0


@given(method=st.sampled_from(METHODS), seen=st.lists(observations, max_size=5))
def test_whatever_is_seen_leaves_possible_overheads_and_says_that_they_are_calibrated(method, seen):
    known = assumed = prior(machine(method))
    for one in seen:
        known = known.calibrated(*one)
    assert isinstance(known, Overheads)
    assert known.start_method == method
    assert (known == assumed) or known.source == "calibrated"
    assert all(0 <= value < inf for value in attrs.astuple(known) if isinstance(value, float))


@given(took=st.floats(1e-3, 10.0), memory=st.floats(0, 1e9))
def test_seen_often_enough_a_fork_is_expected_to_take_what_it_takes(took, memory):
    known = prior(machine("fork"))
    for _ in range(40):
        known = known.calibrated(took, memory)
    assert known.fork_cost(memory) == pytest.approx(took, rel=0.01)


@given(memory=st.floats(0, 1e12))
def test_the_memory_that_is_forked_in_some_time_is_the_one_whose_fork_takes_that_time(memory):
    known = prior(machine("fork"))
    assert known.memory_forked_in(known.fork_cost(memory)) == pytest.approx(memory, abs=1e4, rel=1e-6)
    assert known.memory_forked_in(0.0) == 0.0
    assert 2e8 < known.memory_forked_in(0.01) < 6e8
    assert prior(machine("spawn")).memory_forked_in(0.01) is None
    assert attrs.evolve(known, fork_byte_seconds=5e-324).memory_forked_in(0.01) == MAX_BYTES


@given(seen=observations)
def test_what_was_measured_stays(seen):
    assert OVERHEADS.calibrated(*seen) is OVERHEADS


def test_one_moment_in_which_the_machine_stood_still_does_not_move_much():
    assumed = prior(machine("fork"))
    assert assumed.calibrated(100.0).fork_seconds <= 3 * assumed.fork_seconds


def test_what_takes_no_time_or_says_nothing_moves_nothing():
    assumed = prior(machine("spawn"))
    assert assumed.calibrated(1.0) is assumed  # nothing of it forks
    assert prior(machine("fork")).calibrated(0.0) == prior(machine("fork"))
