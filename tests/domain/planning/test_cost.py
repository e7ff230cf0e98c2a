"""The cost model: each term of the design, and what must be monotonic."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, sqrt

import attrs
import pytest
from fakes import FREE, MACHINE, even_sample
from hypothesis import example, given
from hypothesis import strategies as st

from amorsize.domain.planning.cost import CostModel, expected_maximum, queued
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import Constraints

SAMPLE = even_sample(0.01)


def model(items=100, sample=SAMPLE, overheads=FREE, machine=MACHINE):
    return CostModel(items, sample, overheads, machine)


def test_serial_is_items_times_seconds_an_item():
    assert model().serial() == pytest.approx(1.0)


def test_free_workers_share_the_work_evenly():
    assert model().process(4, 25).seconds == pytest.approx(0.25)


def test_few_chunks_come_in_whole_rounds():
    assert model().process(4, 30).workers == pytest.approx(0.30)
    assert model().process(3, 20).workers == pytest.approx(0.40)
    assert model().process(3, 20).tail == 0


@given(spread=st.floats(0, 0.1), k=st.integers(1, 25))
def test_what_sets_workers_apart_leaves_up_to_half_a_chunk_over_of_few(spread, k):
    uneven = model(sample=attrs.evolve(SAMPLE, spread_seconds=spread)).process(4, k)
    alone = model(sample=attrs.evolve(SAMPLE, spread_seconds=spread)).process(4, 25).tail * sqrt(k / 25)
    assert alone * 0.999 <= uneven.tail <= (alone + 0.5 * k * 0.01 * 3 / 4) * 1.001


def test_a_chunk_holds_its_worker_up_where_computing_workers_leave_the_parent_no_cpu():
    charged = attrs.evolve(FREE, chunk_worker_seconds=0.001, chunk_crowded_seconds=0.011)
    roomy, full = (
        model(1000, overheads=charged, machine=attrs.evolve(MACHINE, usable_cpus=cpus)).process(4, 5)
        for cpus in (5.0, 4.0)
    )
    assert roomy.workers == pytest.approx(250 * 0.01 + 50 * 0.001)
    assert full.workers == pytest.approx(250 * 0.01 + 50 * 0.011)
    assert full.cores > roomy.cores * 1.2
    waiting = attrs.evolve(SAMPLE, cpu_fraction=0.25)
    assert model(1000, waiting, charged).process(4, 5).workers == pytest.approx(250 * 0.01 + 50 * 0.001)


def test_the_more_a_chunk_holds_workers_up_the_larger_are_those_compared():
    charged = attrs.evolve(FREE, chunk_worker_seconds=1e-5, chunk_crowded_seconds=1e-3)
    uneven = attrs.evolve(SAMPLE, seconds_per_item=1e-4, spread_seconds=2e-4)
    few, many = (
        decide(Situation(20_000, uneven, MACHINE, Constraints()), one).plan
        for one in (attrs.evolve(charged, chunk_crowded_seconds=0.0), charged)
    )
    assert few.executor == many.executor == "process"
    assert few.chunksize < many.chunksize


def test_many_chunks_leave_half_a_chunk_over():
    assert model(1000).process(4, 5).tail == pytest.approx(0.5 * 5 * 0.01 * 3 / 4)


def test_starting_costs_a_fixed_part_and_a_part_for_each_worker():
    charged = attrs.evolve(FREE, start_seconds=0.1, start_worker_seconds=0.02, end_seconds=0.03)
    parts = model(overheads=charged).process(4, 25)
    assert parts.start == pytest.approx(0.18)
    assert parts.end == pytest.approx(0.03)


def test_forking_costs_more_the_more_memory_the_parent_has():
    charged = attrs.evolve(FREE, start_worker_seconds=0.02, fork_byte_seconds=1e-10)
    large = attrs.evolve(SAMPLE, parent_bytes=1e9)
    assert model(sample=large, overheads=charged).process(4, 25).start == pytest.approx(4 * 0.12)
    assert model(sample=large, overheads=charged.running()).process(4, 25).start == 0


def test_cpus_that_differ_in_speed_make_a_large_chunk_the_last_to_end():
    uneven = attrs.evolve(FREE, jitter=0.2)
    assert model(overheads=uneven).process(4, 25).tail == pytest.approx(1.0294 * 0.2 * 25 * 0.01)
    assert model(overheads=uneven).process(4, 5).tail < model(overheads=uneven).process(4, 25).tail


def test_the_parent_pays_for_pickling_bytes_and_chunks():
    sample = attrs.evolve(SAMPLE, pickle_item_seconds=0.001, unpickle_result_seconds=0.002, item_bytes=100.0)
    charged = attrs.evolve(FREE, byte_seconds=1e-5, chunk_parent_seconds=0.01)
    assert model(sample=sample, overheads=charged).process(4, 25).parent == pytest.approx(100 * 0.004 + 4 * 0.01)


def test_workers_pay_for_unpickling_items_and_pickling_results():
    sample = attrs.evolve(SAMPLE, unpickle_item_seconds=0.001, pickle_result_seconds=0.002)
    charged = attrs.evolve(FREE, item_seconds=0.003, chunk_worker_seconds=0.01)
    assert model(sample=sample, overheads=charged).process(4, 25).workers == pytest.approx(25 * 0.016 + 0.01)


def test_no_more_computing_fits_than_there_are_cpus():
    crowded = model(machine=attrs.evolve(MACHINE, usable_cpus=1.5)).process(4, 25)
    assert crowded.seconds == pytest.approx(1.0 / 1.5)


def test_waiting_needs_no_cpu():
    waiting = attrs.evolve(SAMPLE, cpu_fraction=0.0)
    assert model(sample=waiting, machine=attrs.evolve(MACHINE, usable_cpus=1.0)).process(10, 10).seconds == (
        pytest.approx(0.1)
    )


def test_a_forked_worker_is_warm_and_a_fresh_one_pays_first_call_and_imports():
    sample = attrs.evolve(SAMPLE, first_call_seconds=0.51, worker_import_seconds=0.25)
    spawn = attrs.evolve(MACHINE, start_method="spawn")
    assert model(sample=sample).process(4, 25).start == 0.0
    assert model(sample=sample, machine=spawn).process(4, 25).start == pytest.approx(0.75)
    assert model(sample=sample, machine=spawn).process(8, 25).start == pytest.approx(1.5)


def test_a_first_call_that_nobody_has_paid_yet_is_charged_where_it_will_be_made():
    there = attrs.evolve(SAMPLE, first_call_seconds=0.51, sampled_in="worker")
    assert there.warm_up_seconds == pytest.approx(0.5)
    assert model(sample=there).serial() == pytest.approx(1.5)
    assert Situation(100, there, MACHINE, Constraints()).serial_seconds == pytest.approx(1.5)
    assert model(sample=there).process(4, 25).start == pytest.approx(0.5)
    assert model(sample=there).thread(4, 25).start == pytest.approx(0.5)
    for paid in (
        attrs.evolve(there, sampled_in="caller"),
        attrs.evolve(there, first_call_seconds=0.1),  # caches were cold
    ):
        assert paid.warm_up_seconds == 0.0
        assert model(sample=paid).serial() == pytest.approx(1.0)
        assert model(sample=paid).process(4, 25).start == 0.0


def test_busy_neighbours_slow_computing_down_as_measured():
    slower = attrs.evolve(FREE, slowdown=2.0)
    assert model(overheads=slower).slowdown(1) == 1.0
    assert model(overheads=slower).slowdown(4) == pytest.approx(2.0)
    assert model(overheads=slower).slowdown(2) == 1.0
    assert model(overheads=slower).slowdown(2.5) == pytest.approx(1.25)
    assert model(overheads=slower).process(4, 25).seconds == pytest.approx(0.5)


def test_slowing_down_is_linear_between_one_half_and_all_of_the_cpus():
    eight = attrs.evolve(MACHINE, usable_cpus=8.0)
    costs = model(overheads=attrs.evolve(FREE, slowdown_half=1.1, slowdown=1.9), machine=eight)
    found = [costs.slowdown(p) for p in (1, 2, 4, 6, 8, 64)]
    assert found == pytest.approx([1.0, 1.0 + 0.1 / 3, 1.1, 1.5, 1.9, 1.9])


def test_two_cpus_slow_down_at_once_and_one_never():
    slower = attrs.evolve(FREE, slowdown=1.5)
    assert model(overheads=slower, machine=attrs.evolve(MACHINE, usable_cpus=2.0)).slowdown(2) == pytest.approx(1.5)
    assert model(overheads=slower, machine=attrs.evolve(MACHINE, usable_cpus=1.0)).slowdown(2) == 1.0


@given(cpus=st.floats(1.1, 64), half=st.floats(1, 3), further=st.floats(0, 3))
def test_more_workers_never_speed_one_up(cpus, half, further):
    charged = attrs.evolve(FREE, slowdown_half=half, slowdown=half + further)
    costs = model(overheads=charged, machine=attrs.evolve(MACHINE, usable_cpus=cpus))
    found = [costs.slowdown(p) for p in range(1, 80)]
    assert all(before <= after + 1e-9 for before, after in pairwise(found))
    assert found[-1] == pytest.approx(half + further)


def test_workers_get_ready_side_by_side_as_far_as_there_are_cpus():
    charged = attrs.evolve(FREE, boot_seconds=0.05)
    assert model(overheads=charged).process(4, 25).start == pytest.approx(0.05)
    assert model(overheads=charged).process(8, 25).start == pytest.approx(0.10)


def test_a_pool_of_threads_has_its_own_price():
    charged = attrs.evolve(FREE, thread_pool_seconds=0.002, thread_start_seconds=0.001)
    parts = model(overheads=charged).thread(4, 25)
    assert (parts.start, parts.end) == pytest.approx((0.004, 0.002))


def test_the_least_that_a_process_costs_is_a_pool_of_one():
    charged = attrs.evolve(FREE, start_seconds=0.1, start_worker_seconds=0.02, boot_seconds=0.003, end_seconds=0.0004)
    assert charged.least_seconds == pytest.approx(0.1234)


def test_threads_run_the_locked_share_one_at_a_time():
    half_held = attrs.evolve(SAMPLE, gil_fraction=0.5)
    assert model(sample=half_held).thread(4, 25).parent == pytest.approx(0.5)
    assert model(sample=half_held).thread(4, 25).seconds == pytest.approx(0.5 + 0.005)  # the last one's other half


def test_an_unmeasured_lock_counts_as_held_while_computing():
    assert model().thread(4, 25).seconds == pytest.approx(1.0)


def test_a_queue_of_one_waits_for_nobody_and_a_long_one_for_everybody():
    assert queued(1, 2.0, 3.0, 1.0) == pytest.approx(2.0)
    assert queued(1000, 2.0, 3.0, 1.0) == pytest.approx(1000 * 2.0 - 3.0, rel=1e-4)
    assert queued(5, 2.0, 0.0, 1.0) == pytest.approx(10.0)
    assert queued(5, 0.0, 3.0, 1.0) == 0.0


@pytest.mark.parametrize(("p", "exact"), [(2, 1.5), (3, 2.2), (4, 3.0625), (8, 7.0)])
def test_the_queue_is_near_that_of_exact_mean_value_analysis(p, exact):
    assert queued(p, 1.0, 1.0, 1.0) == pytest.approx(exact, rel=0.11)


@given(
    p=st.integers(1, 1000),
    alone=st.floats(0, 10),
    apart=st.floats(0, 10),
    unevenness=st.floats(0, 3),
    more=st.floats(0, 10),
)
def test_a_queue_grows_with_customers_their_stay_and_its_unevenness(p, alone, apart, unevenness, more):
    now = queued(p, alone, apart, unevenness)
    least = now * 0.999999 - 1e-9
    assert now >= alone * 0.999999 - 1e-9
    assert queued(p + 1, alone, apart, unevenness) >= least
    assert queued(p, alone + more, apart, unevenness) >= least
    assert queued(p, alone, apart, unevenness + more) >= least
    assert queued(p, alone, apart + more, unevenness) <= now * 1.000001 + 1e-9


def test_threads_queue_for_the_lock_the_more_the_less_even_its_holders_are():
    half_held = attrs.evolve(SAMPLE, gil_fraction=0.5)
    even = model(sample=half_held).thread(2, 1)
    uneven = model(sample=attrs.evolve(half_held, spread_seconds=0.01)).thread(2, 1)
    assert 0 < even.queue < uneven.queue
    assert even.queue == pytest.approx(100 / 2 * (queued(2, 0.005, 0.005, 0.0) - 0.005))


def test_workers_queue_for_the_parent_only_with_messages_that_a_pipe_cannot_hold():
    sample = attrs.evolve(SAMPLE, item_bytes=1000.0)
    charged = attrs.evolve(FREE, byte_seconds=1e-6)
    assert model(sample=sample, overheads=charged).process(4, 25).queue == 0.0
    beyond = model(10_000, sample, charged).process(4, 70)
    assert beyond.queue == pytest.approx(10_000 / 4 * (queued(4, 0.001, 0.01, 0.0) - 0.001))
    results = attrs.evolve(SAMPLE, result_bytes=1e6)
    assert model(sample=results, overheads=charged).process(4, 1).queue > 0.0


def test_threads_slow_each_other_down_by_the_cpus_they_keep_busy():
    slower, free = attrs.evolve(FREE, slowdown=2.0), attrs.evolve(MACHINE, gil_enabled=False)
    assert model(overheads=slower, machine=free).thread(4, 25).seconds == pytest.approx(0.5)
    assert model(overheads=slower).thread(4, 25).seconds == pytest.approx(1.0)  # the lock keeps one CPU busy


def test_the_chunk_sent_last_is_run_after_all_sending():
    sent = attrs.evolve(SAMPLE, pickle_item_seconds=0.01, unpickle_result_seconds=0.004)
    charged = attrs.evolve(FREE, chunk_parent_seconds=0.002)
    parts = model(sample=sent, overheads=charged).process(10, 10)
    assert parts.through == pytest.approx(100 * 0.01 + 10 * 0.001 + 10 * 0.01)
    read = attrs.evolve(SAMPLE, pickle_item_seconds=0.004, unpickle_result_seconds=0.01)
    assert model(sample=read, overheads=charged).process(10, 10).through == parts.through
    uneven = attrs.evolve(sent, spread_seconds=0.005)
    assert model(sample=uneven, overheads=charged).process(10, 9).through == pytest.approx(
        100 * 0.01 + 12 * 0.001 + 9 * 0.01 + 0.005 * 3
    )


def test_uneven_items_hold_up_who_is_short_of_workers_not_who_is_short_of_a_parent():
    uneven = attrs.evolve(SAMPLE, spread_seconds=0.01)
    parts = model(sample=uneven).process(4, 25)
    assert parts.seconds == pytest.approx(parts.workers + parts.tail)
    parts = model(sample=attrs.evolve(uneven, pickle_item_seconds=0.1)).process(4, 25)
    assert parts.seconds == pytest.approx(parts.through)


def test_workers_that_wait_for_their_parent_slow_nobody_down():
    bound = attrs.evolve(SAMPLE, pickle_item_seconds=0.01)
    assert model(sample=bound, overheads=attrs.evolve(FREE, slowdown=2.0)).process(4, 25).parent == pytest.approx(1.0)


def test_chunks_are_also_compared_as_if_all_of_them_were_paid_by_one():
    shared = model(10_000).chunksizes(4, 1e-3, 0.0)
    few = {10_000 // 4 // 4}
    assert max(model(10_000).chunksizes(4, 1e-3, 1e-3) - few) > 1.8 * max(shared - few)


def test_chunks_are_also_compared_by_what_the_cpus_pay_where_workers_are_more():
    roomy = model(10_000, machine=attrs.evolve(MACHINE, usable_cpus=16.0)).chunksizes(16, 1e-3, 0.0)
    few = {ceil(10_000 / 16 / 4)}
    assert max(model(10_000).chunksizes(16, 1e-3, 0.0) - few) > 1.8 * max(roomy - few)


def test_threads_without_the_lock_share_the_cpus():
    free = attrs.evolve(MACHINE, gil_enabled=False)
    assert model(machine=free).thread(4, 25).seconds == pytest.approx(0.25)


def test_the_largest_part_is_named():
    charged = attrs.evolve(FREE, start_seconds=9.0)
    assert model(overheads=charged).process(2, 50).binding == "start"
    assert model().thread(4, 25).binding == "parent"
    assert model(machine=attrs.evolve(MACHINE, usable_cpus=1.0)).process(4, 25).binding == "cores"
    assert model().process(2, 50).binding == "workers"


@pytest.mark.parametrize(
    ("p", "known"), [(1, 0.0), (2, 0.5642), (8, 1.4236), (50, 2.2491), (100, 2.5076), (1000, 3.2414)]
)
def test_the_expected_maximum_of_normal_deviates_is_near_its_known_value(p, known):
    assert expected_maximum(p) == pytest.approx(known, rel=0.04)


@given(
    items=st.integers(1, 100_000),
    p=st.integers(1, 64),
    mean=st.floats(1e-7, 1.0),
    spread=st.floats(0, 1.0),
    per_chunk=st.floats(0, 0.1),
)
def test_chunk_sizes_compared_are_whole_and_within_the_items(items, p, mean, spread, per_chunk):
    sample = attrs.evolve(SAMPLE, seconds_per_item=mean, spread_seconds=spread)
    for k in model(items, sample).chunksizes(p, per_chunk, per_chunk / 2):
        assert 1 <= k <= items


def test_items_that_take_no_time_go_in_one_chunk_a_worker():
    instant = attrs.evolve(SAMPLE, seconds_per_item=0.0)
    assert model(100, instant).chunksizes(4, 1e-4, 1e-4) == {25, 13, 7}


@given(
    items=st.integers(2, 10_000),
    p=st.integers(2, 16),
    spread=st.floats(0, 0.1),
    per_chunk=st.floats(1e-6, 0.01),
)
@example(items=11, p=4, spread=0.0, per_chunk=0.0025)
def test_the_best_chunk_size_compared_is_near_the_best_of_all(items, p, spread, per_chunk):
    sample = attrs.evolve(SAMPLE, spread_seconds=spread)
    charged = attrs.evolve(FREE, chunk_worker_seconds=per_chunk)
    costs = model(items, sample, charged)
    found = min(costs.process(p, k).seconds for k in costs.chunksizes(p, per_chunk, 0.0))
    tried = {max(1, round(items / p / 2 ** (step / 2))) for step in range(30)}
    assert found <= 1.15 * min(costs.process(p, k).seconds for k in tried)


@given(p=st.integers(1, 16), k=st.integers(1, 100), extra=st.floats(0, 1))
def test_no_larger_overhead_makes_a_prediction_smaller(p, k, extra):
    for field in ("start_seconds", "start_worker_seconds", "end_seconds", "chunk_parent_seconds", "item_seconds"):
        larger = attrs.evolve(FREE, **{field: extra})
        assert model(overheads=larger).process(p, k).seconds >= model().process(p, k).seconds


def test_processes_that_are_there_cost_nothing_to_start_to_get_ready_or_to_end():
    charged = attrs.evolve(FREE, start_seconds=0.1, start_worker_seconds=0.2, boot_seconds=0.3, end_seconds=0.4)
    assert charged.least_seconds == pytest.approx(1.0)
    assert charged.running() == FREE
    assert attrs.evolve(charged, item_seconds=0.5).running().item_seconds == 0.5


@given(
    items=st.integers(2, 5000),
    p=st.integers(2, 100),
    k=st.integers(1, 500),
    cpus=st.floats(0.1, 64),
    mean=st.floats(1e-7, 10),
    cpu=st.floats(0, 3),
    held=st.floats(0, 1),
    each=st.floats(0, 0.1),
    slow=st.floats(1, 3),
    method=st.sampled_from(["fork", "spawn"]),
)
def test_no_chunk_size_makes_workers_cheaper_than_the_least_they_cost(  # noqa: PLR0913, PLR0917  all that it depends on
    items, p, k, cpus, mean, cpu, held, each, slow, method
):
    sample = attrs.evolve(
        SAMPLE,
        seconds_per_item=mean,
        first_call_seconds=3 * mean,
        cpu_fraction=cpu,
        gil_fraction=held,
        pickle_item_seconds=each,
        pickle_result_seconds=each / 2,
        item_bytes=1e5 * each,
    )
    charged = attrs.evolve(
        FREE, start_worker_seconds=each / 3, boot_seconds=each, thread_start_seconds=each / 9, slowdown_half=slow
    )
    of = model(items, sample, charged, attrs.evolve(MACHINE, usable_cpus=cpus, start_method=method))
    tolerance = 1 + 1e-9
    assert of.least("process", p) <= of.process(p, min(k, items)).seconds * tolerance
    assert of.least("thread", p) <= of.thread(p, min(k, items)).seconds * tolerance
