"""The breakdown: predicted seconds by number of workers, in parts that add up."""

from __future__ import annotations

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.planning.breakdown import breakdowns
from amorsize.domain.planning.neighbours import Neighbour
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import Constraints


def situation(items=2000, obstacle=None, constraints=None, **sampled):
    return Situation(items, attrs.evolve(SAMPLE, **sampled), MACHINE, constraints or Constraints(), obstacle)


def broken_down(there, ways=()):
    return breakdowns(decide(there, OVERHEADS).plan, there, OVERHEADS, ways)


def shown(bars):
    return {(bar.executor, bar.n_jobs): bar.is_allowed for bar in bars}


def bar_of(bars, executor, n_jobs):
    return next(bar for bar in bars if (bar.executor, bar.n_jobs) == (executor, n_jobs))


def test_serial_comes_first_then_processes_up_to_twice_the_cpus():
    bars = broken_down(situation())
    assert [(bar.executor, bar.n_jobs) for bar in bars][:2] == [("serial", 1), ("process", 2)]
    assert shown(bars) == {("serial", 1): True} | {("process", p): p <= 4 for p in (2, 3, 4, 6, 8)}


def test_the_bar_of_the_plan_is_what_the_plan_says():
    there = situation(spread_seconds=0.003)
    plan = decide(there, OVERHEADS).plan
    bar = bar_of(breakdowns(plan, there, OVERHEADS), plan.executor, plan.n_jobs)
    for name in ("chunksize", "seconds_low", "seconds_high"):
        assert getattr(bar, name) == getattr(plan, name)
    assert bar.seconds == plan.predicted_seconds
    other = attrs.evolve(plan, chunksize=1)
    assert bar_of(breakdowns(other, there, OVERHEADS), plan.executor, plan.n_jobs).chunksize == 1


def test_serial_has_only_computing_and_the_first_call_where_that_takes_long():
    bar = broken_down(situation())[0]
    assert bar.parts == {"start-up": 0.0, "moving data": 0.0, "computing": 10.0, "tail": 0.0}
    slow = broken_down(situation(first_call_seconds=1.005, sampled_in="worker"))[0]
    assert slow.start == pytest.approx(1.0)
    assert slow.computing == pytest.approx(10.0)


def test_moving_is_what_is_saved_when_nothing_is_moved():
    free = attrs.evolve(OVERHEADS, chunk_parent_seconds=0.0, chunk_worker_seconds=0.0, item_seconds=0.0)
    there = situation()
    assert all(bar.moving == pytest.approx(0, abs=1e-9) for bar in breakdowns(decide(there, free).plan, there, free))
    bar = bar_of(broken_down(situation(pickle_item_seconds=0.004, item_bytes=1e6)), "process", 4)
    assert bar.moving > 2000 * 0.004 - bar.computing
    assert bar.computing == pytest.approx(2.5)


@given(
    cpu=st.floats(0.01, 1),
    held=st.floats(0, 1),
    spread_seconds=st.floats(0, 0.05),
    pickle_item_seconds=st.floats(0, 0.01),
    result_bytes=st.floats(0, 1e7),
    items=st.integers(2, 3000),
)
def test_parts_are_never_negative_and_add_up_to_the_seconds(cpu, held, items, **sampled):
    there = situation(items, cpu_fraction=cpu, gil_fraction=min(cpu, held), **sampled)
    for bar in broken_down(there):
        assert min(bar.parts.values()) >= 0
        assert sum(bar.parts.values()) == pytest.approx(bar.seconds)
        assert bar.seconds_low <= bar.seconds <= bar.seconds_high


def test_threads_are_shown_where_they_work_side_by_side_and_where_nothing_else_is_left():
    assert ("thread", 2) not in shown(broken_down(situation()))
    assert ("thread", 2) in shown(broken_down(situation(gil_fraction=0.1)))
    only = shown(broken_down(situation(obstacle="a prompt")))
    assert ("thread", 2) in only
    assert ("process", 2) not in only


def test_what_the_limits_rule_out_is_shown_as_not_allowed():
    seven = shown(broken_down(situation(constraints=Constraints(max_workers=7), cpu_fraction=0.1)))
    assert seven[("process", 7)]
    few = shown(broken_down(situation(constraints=Constraints(max_workers=2))))
    assert few[("process", 2)]
    assert not few[("process", 4)]
    serial = shown(broken_down(situation(constraints=Constraints(executor="serial"))))
    assert not serial[("process", 2)]
    assert ("process", 2) not in shown(broken_down(situation(constraints=Constraints(executor="thread"))))


def test_plans_that_ran_are_shown_with_their_number_of_workers():
    bars = broken_down(situation(), [Neighbour("process", 16, 9), Neighbour("thread", 5, 9)])
    assert {("process", 16), ("thread", 5)} <= set(shown(bars))


def test_the_seconds_of_an_executor_backend_are_not_divided():
    there = situation()
    plan = attrs.evolve(decide(there, OVERHEADS).plan, executor="far", n_jobs=40)
    last = breakdowns(plan, there, OVERHEADS)[-1]
    assert (last.executor, last.n_jobs) == ("far", 40)
    assert last.parts == {"not divided": plan.predicted_seconds}


def test_one_item_is_serial_and_nothing_else():
    assert set(shown(broken_down(situation(1)))) == {("serial", 1)}
