"""Simulated pools against what can be worked out by hand, and what must hold of any run."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import attrs
import pytest
from fakes import FREE, MACHINE, SAMPLE
from hypothesis import given
from hypothesis import strategies as st
from simulation.pools import Job

COSTLY = attrs.evolve(
    FREE,
    start_seconds=0.02,
    start_worker_seconds=0.01,
    end_seconds=0.03,
    chunk_parent_seconds=0.004,
    chunk_worker_seconds=0.002,
    item_seconds=0.001,
    byte_seconds=1e-6,
    thread_start_seconds=0.001,
    thread_chunk_seconds=0.0005,
)
MANY_CPUS = attrs.evolve(MACHINE, usable_cpus=1000.0)


def job(costs, *, overheads=FREE, machine=MANY_CPUS, **sampled):
    return Job(costs, attrs.evolve(SAMPLE, **sampled), overheads, machine)


def test_free_workers_take_equal_items_in_whole_rounds():
    for p, k in ((1, 1), (4, 1), (4, 5), (7, 2), (60, 1)):
        assert job([1.0] * 50).processes(p, k).seconds == pytest.approx(ceil(50 / k / p) * k)
        assert job([1.0] * 50, cpu_fraction=0.0).threads(p, k).seconds == pytest.approx(ceil(50 / k / p) * k)


def test_the_free_take_the_next_chunk_so_that_one_dear_item_does_not_hold_up_the_others():
    run = job([9.0] + [1.0] * 9).processes(2, 1)
    assert run.seconds == pytest.approx(9.0)
    assert [one.worker for one in sorted(run.chunks, key=lambda one: one.first)] == [0] + [1] * 9


def test_a_parent_that_pickles_all_the_time_is_the_limit():
    bound = job([0.0] * 100, overheads=COSTLY, pickle_item_seconds=0.5, unpickle_result_seconds=0.25)
    free_otherwise = attrs.evolve(FREE, chunk_parent_seconds=0.004)
    bound.overheads = free_otherwise
    for p, k in ((1, 1), (8, 1), (8, 10)):
        assert bound.processes(p, k).seconds == pytest.approx(100 * 0.75 + 100 / k * 0.004)


def test_one_worker_and_one_chunk_is_serial_and_every_overhead_once():
    moved = {"item_bytes": 1000.0, "result_bytes": 3000.0, "pickle_item_seconds": 0.01, "unpickle_item_seconds": 0.02}
    moved |= {"pickle_result_seconds": 0.03, "unpickle_result_seconds": 0.04}
    alone = job([0.5] * 20, overheads=COSTLY, **moved).processes(1, 20)
    each = 0.5 + 0.01 + 0.02 + 0.03 + 0.04 + 0.001 + 4000 * 1e-6
    assert alone.seconds == pytest.approx(0.02 + 0.01 + 20 * each + 0.004 + 0.002 + 0.03)


def test_workers_start_one_after_another_and_a_fresh_one_imports_meanwhile():
    spawn = attrs.evolve(MANY_CPUS, start_method="spawn")
    costly = attrs.evolve(FREE, start_worker_seconds=1.0)
    fresh = job([5.0] * 4, overheads=costly, machine=spawn, worker_import_seconds=2.0, first_call_seconds=0.755)
    chunks = sorted(fresh.processes(4, 1).chunks, key=lambda one: one.first)
    assert [one.began for one in chunks] == pytest.approx([4.0, 4.0, 5.0, 6.0])  # imported at 3, 4, 5, 6
    assert chunks[-1].ended == pytest.approx(6.0 + 5.0 + 0.755 - SAMPLE.seconds_per_item)
    forked = job([5.0] * 4, overheads=costly, worker_import_seconds=2.0, first_call_seconds=9.0)
    assert forked.processes(4, 1).seconds == pytest.approx(9.0)


def test_more_workers_than_cpus_compute_no_faster():
    two = attrs.evolve(MACHINE, usable_cpus=2.0)
    assert job([1.0] * 40, machine=two).processes(2, 1).seconds == pytest.approx(20.0)
    assert job([1.0] * 40, machine=two).processes(8, 5).seconds == pytest.approx(20.0)
    assert job([1.0] * 40, machine=two, cpu_fraction=0.0).processes(8, 5).seconds == pytest.approx(5.0)


def test_busy_cpus_slow_each_other_down():
    two = attrs.evolve(MACHINE, usable_cpus=2.0)
    slow = attrs.evolve(FREE, slowdown=1.5)
    assert job([1.0] * 40, machine=two, overheads=slow).processes(2, 1).seconds == pytest.approx(30.0)
    assert job([1.0] * 40, machine=two, overheads=slow).processes(1, 1).seconds == pytest.approx(40.0)


def test_a_chunk_that_does_not_fit_into_the_pipe_waits_for_a_worker_that_reads():
    costly = attrs.evolve(FREE, byte_seconds=1e-6)
    large = job([3.0] * 3, overheads=costly, item_bytes=1e6).processes(1, 1)
    assert [one.began for one in large.chunks] == pytest.approx([1.0, 5.0, 9.0])
    small = job([3.0] * 3, overheads=costly, item_bytes=1e4).processes(1, 1)
    assert [one.began for one in small.chunks] == pytest.approx([0.01, 3.01, 6.01])


def test_a_result_beyond_the_pipe_keeps_its_worker_until_it_is_read():
    costly = attrs.evolve(FREE, byte_seconds=1e-6)
    large = job([3.0] * 3, overheads=costly, result_bytes=1e6).processes(1, 1)
    assert [one.began for one in large.chunks] == pytest.approx([0.0, 4.0, 8.0])
    small = job([3.0] * 3, overheads=costly, result_bytes=1e4).processes(1, 1)
    assert [one.began for one in small.chunks] == pytest.approx([0.0, 3.0, 6.0])


def test_threads_run_the_locked_share_one_at_a_time():
    assert job([1.0] * 40, gil_fraction=1.0).threads(8, 5).seconds == pytest.approx(40.0)
    half = job([1.0] * 40, gil_fraction=0.5).threads(8, 1).seconds
    assert half == pytest.approx(20.0, rel=0.1)
    assert half >= 20.0


def test_threads_pay_for_their_start_and_for_chunks_under_the_lock():
    run = job([0.0] * 40, overheads=COSTLY, cpu_fraction=0.0).threads(4, 1)
    assert run.seconds == pytest.approx(4 * 0.001 + 40 * 0.0005)


costs = st.lists(st.floats(0.0, 5.0), min_size=1, max_size=40)
pools = st.sampled_from(["processes", "threads"])
sampled = st.fixed_dictionaries(
    {
        "cpu_fraction": st.floats(0, 1),
        "gil_fraction": st.none() | st.floats(0, 1),
        "item_bytes": st.floats(0, 1e5),
        "result_bytes": st.floats(0, 1e5),
        "pickle_item_seconds": st.floats(0, 0.01),
        "unpickle_result_seconds": st.floats(0, 0.01),
    }
)


@given(costs=costs, pool=pools, p=st.integers(1, 12), k=st.integers(1, 15), sampled=sampled)
def test_each_item_runs_once_and_no_worker_runs_two_chunks_at_a_time(costs, pool, p, k, sampled):
    machine = attrs.evolve(MACHINE, usable_cpus=2.5)
    any_job = job(costs, overheads=COSTLY, machine=machine, **sampled)
    run = getattr(any_job, pool)(p, k)
    ran = [place for one in run.chunks for place in range(one.first, one.first + one.items)]
    assert sorted(ran) == list(range(len(costs)))
    assert all(0 <= one.worker < p and one.began <= one.ended <= run.seconds for one in run.chunks)
    for worker in range(p):
        own = [one for one in run.chunks if one.worker == worker]
        assert all(before.ended <= after.began for before, after in pairwise(own))
    assert run.seconds >= any_job.least("process" if pool == "processes" else "thread", p, k) * 0.999999


@given(costs=costs, p=st.integers(1, 12), k=st.integers(1, 15), cpus=st.floats(0.5, 8), computing=st.floats(0, 1))
def test_cpu_seconds_are_those_of_the_items_and_of_the_overheads(costs, p, k, cpus, computing):
    machine = attrs.evolve(MACHINE, usable_cpus=cpus)
    run = job(costs, overheads=COSTLY, machine=machine, cpu_fraction=computing).processes(p, k)
    chunks = ceil(len(costs) / k)
    costly = 0.02 + p * 0.01 + chunks * (0.004 + 0.002) + len(costs) * 0.001
    assert run.cpu_seconds == pytest.approx(sum(costs) * computing + costly)


@given(costs=costs, p=st.integers(1, 12), k=st.integers(1, 15))
def test_free_workers_never_lose_by_being_more_nor_gain_by_longer_items(costs, p, k):
    seconds = job(costs).processes(p, k).seconds
    assert job(costs).processes(p + 1, k).seconds <= seconds * 1.000001
    assert job([cost * 1.5 for cost in costs]).processes(p, k).seconds == pytest.approx(seconds * 1.5)
    assert max(*costs, sum(costs) / p) * 0.999999 <= seconds <= sum(costs) * 1.000001


@given(costs=costs, p=st.integers(1, 12), k=st.integers(1, 15), later=st.floats(0, 5))
def test_a_later_start_and_a_longer_end_are_paid_in_full(costs, p, k, later):
    now = job(costs, overheads=COSTLY).processes(p, k).seconds
    slower = attrs.evolve(COSTLY, start_seconds=0.02 + later, end_seconds=0.03 + later)
    found = job(costs, overheads=slower).processes(p, k).seconds
    tied = 0.006 * ceil(len(costs) / k)  # events at one moment may change places by the last digit of a float
    assert found == pytest.approx(now + 2 * later, abs=tied)


@given(costs=costs, pool=pools, p=st.integers(1, 12), k=st.integers(1, 15))
def test_the_same_job_takes_the_same_every_time(costs, pool, p, k):
    any_job = job(costs, overheads=COSTLY, cpu_fraction=0.5)
    assert getattr(any_job, pool)(p, k) == getattr(any_job, pool)(p, k)
