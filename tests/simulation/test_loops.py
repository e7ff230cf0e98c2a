"""The simulated loop: every chunk once, nobody idle without a reason, and each cost paid by the one who pays it."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation.loops import Costs, LoopRun, best_static, draw_loop, judge_loop, numbers_of_workers, saturation

from amorsize.execution.policy import SILENT_SECONDS

FREE = Costs(**{field.name: 1e-9 for field in attrs.fields(Costs)})

costs = st.lists(st.floats(1e-6, 0.5), min_size=1, max_size=60)


def numbers(outcome):
    """Return the chunks that ran, in the order of their numbers."""
    return sorted(number for ran in outcome.takes for number in ran.numbers)


@given(costs=costs, cpus=st.integers(1, 40), result_bytes=st.sampled_from([0.0, 1e6, 3e7]))
def test_every_chunk_runs_once_and_nobody_is_quicker_than_the_work(costs, cpus, result_bytes):
    run = LoopRun(costs, cpus, result_bytes=result_bytes)
    outcome = run.run()
    assert numbers(outcome) == list(range(run.chunks.count))
    assert outcome.workers < max(2, cpus)
    assert outcome.seconds >= max(*costs, sum(costs) / cpus) * 0.999999
    assert outcome.cpu_seconds >= sum(costs) * 0.999999


@given(cost=st.floats(1e-3, 0.5), items=st.integers(1, 60), workers=st.integers(1, 20))
def test_free_static_workers_share_equal_items_as_well_as_can_be(cost, items, workers):
    outcome = LoopRun([cost] * items, workers, FREE, static=workers).run()
    assert outcome.seconds == pytest.approx(cost * -(-items // workers), abs=cost * 1.001 + 1e-4)


@given(costs=costs)
def test_one_cpu_takes_what_serial_takes_and_a_look_after_each_block(costs):
    outcome = LoopRun(costs, 1).run()
    assert outcome.workers == 0
    assert sum(costs) <= outcome.seconds <= sum(costs) * 1.001 + len(costs) * 3e-5


def test_workers_begin_by_themselves_while_the_caller_is_at_a_long_item():
    outcome = LoopRun([1.0] * 4, 2, FREE).run()
    first = min(ran.began for ran in outcome.takes if ran.taker == 1)
    assert first == pytest.approx(SILENT_SECONDS, rel=0.01)
    assert outcome.seconds == pytest.approx(2.0 + SILENT_SECONDS, rel=0.01)


def test_workers_are_called_after_a_millisecond_of_short_items():
    outcome = LoopRun([0.0005] * 2000, 2, FREE).run()
    assert 0.001 < min(ran.began for ran in outcome.takes if ran.taker == 1) < SILENT_SECONDS


def test_a_short_job_waits_for_nobody():
    outcome = LoopRun([1e-6] * 100, 8).run()
    assert [ran.taker for ran in outcome.takes if ran.taker] == []
    assert outcome.seconds < 0.006


def test_a_worker_begins_with_the_last_chunk():
    outcome = LoopRun([0.001] * 100 + [0.2], 2).run()
    assert outcome.seconds < 0.22
    first = min((ran for ran in outcome.takes if ran.taker), key=lambda ran: ran.began)
    assert list(first.numbers) == [100]


def test_workers_leave_when_taking_in_takes_as_long_as_running():
    slow = attrs.evolve(Costs(), byte=1e-8)
    outcome = LoopRun([0.001] * 2000, 2, slow, result_bytes=3e5).run()
    assert sum(len(ran.numbers) for ran in outcome.takes if ran.taker == 0) > 1500
    assert outcome.seconds < 2.0 * 1.5


def test_forks_are_paid_by_the_caller_one_by_one():
    slow = attrs.evolve(FREE, fork=0.01)
    outcome = LoopRun([0.1] * 40, 20, slow, static=20).run()
    assert outcome.workers == 19
    assert min(ran.began for ran in outcome.takes if ran.taker == 0) == pytest.approx(0.19, rel=0.01)


def test_a_caller_that_takes_in_too_slowly_is_seen():
    few, many = saturation(4), saturation(128)
    assert few[0] < 1.1 < many[0]
    assert few[1] < 0.2 < many[1]
    assert saturation(128, sized=True)[0] < many[0]


def test_a_job_is_the_same_every_time_and_no_loop_beats_the_best():
    drawn = draw_loop(3, 16)
    assert drawn == draw_loop(3, 16) != draw_loop(4, 16)
    found, best = judge_loop(drawn)
    assert best <= found
    assert judge_loop(drawn) == (found, best)


def test_static_numbers_of_workers_reach_from_1_to_all_cpus():
    assert numbers_of_workers(6) == [1, 2, 3, 4, 6]
    assert numbers_of_workers(1) == [1]
    assert numbers_of_workers(1024)[-1] == 1024
    assert best_static([0.1] * 8, 8, FREE)[1] == 8
