"""The planner: what it chooses, within which limits, and why."""

from __future__ import annotations

import attrs
import pytest
from fakes import FREE, OVERHEADS
from fakes import MACHINE as FOUR_CORES
from fakes import SAMPLE as SHORT_ITEMS
from hypothesis import example, given
from hypothesis import strategies as st

from amorsize.domain.planning.advice import advise
from amorsize.domain.planning.cost import CostModel
from amorsize.domain.planning.planner import FRUGAL, decide, plainly_serial, relative_error, serial_plan, worker_counts
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.planning.situation import Situation, worker_cap
from amorsize.domain.values import EXECUTORS, Constraints

MACHINE = attrs.evolve(FOUR_CORES, physical_cores=8, logical_cores=8, usable_cpus=8.0)
SAMPLE = attrs.evolve(SHORT_ITEMS, count=10, seconds_per_item=0.01, spread_seconds=0.001, first_call_seconds=0.01)


def situation(items=1000, *, machine=MACHINE, constraints=None, blocked_reason=None, sample=SAMPLE, **sampled):
    return Situation(items, attrs.evolve(sample, **sampled), machine, constraints or Constraints(), blocked_reason)


def plan_of(**kwargs):
    return decide(situation(**kwargs), OVERHEADS).plan


def test_computing_goes_to_processes_on_every_cpu():
    plan = plan_of()
    assert (plan.executor, plan.n_jobs) == ("process", 8)
    assert plan.speedup > 6


def test_waiting_goes_to_many_threads():
    plan = plan_of(cpu_fraction=0.01, gil_fraction=0.01)
    assert plan.executor == "thread"
    assert plan.n_jobs > 16


def test_computing_that_lets_go_of_the_lock_goes_to_threads_when_pickling_is_dear():
    plan = plan_of(gil_fraction=0.02, pickle_item_seconds=0.01, item_bytes=1e7)
    assert (plan.executor, plan.n_jobs) == ("thread", 8)


def test_a_small_job_stays_serial_and_says_why():
    plan = plan_of(items=10, seconds_per_item=1e-4)
    assert (plan.executor, plan.n_jobs, plan.chunksize) == ("serial", 1, 10)
    assert "not surely 1.1 times faster" in plan.reason


def test_a_job_of_no_time_at_all_stays_serial_beside_workers_that_cost_nothing():
    idle = situation(seconds_per_item=0.0, spread_seconds=0.0, first_call_seconds=0.0)
    assert decide(idle, FREE).plan.n_jobs == 1
    assert advise(idle, OVERHEADS) is None


def test_no_process_is_planned_past_a_blocked_reason():
    assert plan_of(blocked_reason="a daemonic worker").executor == "serial"
    assert "a daemonic worker" in plan_of(blocked_reason="a daemonic worker").reason
    assert plan_of(sample=attrs.evolve(SAMPLE, blocked_reason="a lambda")).executor == "serial"


@pytest.mark.parametrize("executor", ["serial", "thread", "process"])
def test_only_the_executor_asked_for_is_compared_besides_serial(executor):
    decision = decide(situation(constraints=Constraints(executor=executor)), OVERHEADS)
    assert {one.executor for one in decision.candidates} <= {executor}
    assert decision.plan.executor in {executor, "serial"}


@given(
    items=st.integers(2, 20_000),
    cpus=st.sampled_from([2.0, 7.5, 64.0]),
    seconds=st.floats(1e-5, 1),
    cpu=st.floats(0.01, 1),
    byte=st.floats(0, 1e6),
)
def test_no_number_of_workers_that_was_passed_over_would_have_been_better(items, cpus, seconds, cpu, byte):
    machine = attrs.evolve(MACHINE, usable_cpus=cpus)
    asked = situation(
        items, machine=machine, seconds_per_item=seconds, cpu_fraction=cpu, gil_fraction=0.5 * cpu, item_bytes=byte
    )
    candidates = decide(asked, OVERHEADS).candidates
    best = min(one.seconds * one.n_jobs**FRUGAL for one in candidates)
    model = CostModel(items, asked.sample, OVERHEADS, machine)
    for p in worker_counts(worker_cap("process", asked, OVERHEADS))[1:]:
        assert best <= p**FRUGAL * min(model.process(p, k).seconds for k in model.chunksizes(p, 1e-4, 5e-5))
    for p in worker_counts(worker_cap("thread", asked, OVERHEADS))[1:]:
        assert best <= p**FRUGAL * min(model.thread(p, k).seconds for k in model.chunksizes(p, 1e-5, 1e-5))


def test_nothing_is_compared_when_one_worker_is_all_there_is():
    decision = decide(situation(constraints=Constraints(max_workers=1, executor="process")), OVERHEADS)
    assert decision.candidates == ()
    assert "one worker" in decision.plan.reason


def test_chunks_are_smaller_when_the_number_of_items_is_assumed():
    known = situation(5000, cpu_fraction=0.01, gil_fraction=0.01, seconds_per_item=0.001)
    assumed = attrs.evolve(known, assumed=True)
    plans = [decide(one, OVERHEADS).plan for one in (known, assumed)]
    assert plans[1].chunksize < plans[0].chunksize / 2
    assert plans[1].predicted_seconds <= 1.05 * plans[0].predicted_seconds


def test_chunks_stay_large_for_an_assumed_number_of_items_when_they_cost_more_than_the_items():
    plan = decide(attrs.evolve(situation(100_000, seconds_per_item=1e-5), assumed=True), OVERHEADS).plan
    assert plan.chunksize > 50


def test_a_blocked_reason_is_the_reason_when_processes_alone_were_wanted():
    decision = decide(situation(constraints=Constraints(executor="process"), blocked_reason="no way"), OVERHEADS)
    assert decision.plan.reason == "processes are ruled out: no way"


def test_memory_bounds_the_number_of_processes():
    tight = attrs.evolve(MACHINE, available_memory_bytes=3 << 30)
    assert plan_of(machine=tight, peak_bytes=1 << 30).n_jobs == 2
    assert plan_of(constraints=Constraints(memory_limit=4 << 30), peak_bytes=1 << 30).n_jobs == 3


def test_memory_bounds_the_number_of_threads():
    assert worker_cap("thread", situation(constraints=Constraints(memory_limit=10), peak_bytes=5.0)) == 2


def test_one_worker_is_always_allowed():
    assert worker_cap("process", situation(constraints=Constraints(memory_limit=1), peak_bytes=1e9)) == 1
    assert worker_cap("serial", situation()) == 1


def test_a_function_with_threads_of_its_own_gets_fewer_workers():
    assert worker_cap("process", situation(cpu_fraction=4.0)) == 2


def test_the_limit_on_workers_raises_the_number_of_threads_and_lowers_that_of_processes():
    limits = Constraints(max_workers=100)
    assert worker_cap("thread", situation(constraints=limits)) == 100
    assert worker_cap("process", situation(constraints=limits)) == 8
    assert worker_cap("process", situation(constraints=Constraints(max_workers=3))) == 3


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"constraints": Constraints(executor="serial")}, "asked for"),
        ({"items": 1}, "one item"),
        ({"constraints": Constraints(max_workers=1)}, "one worker"),
        ({"items": 2, "seconds_per_item": 1e-6}, "less than starting one worker"),
        ({"constraints": Constraints(executor="thread")}, "GIL"),
        ({"blocked_reason": "no way"}, "no way"),
        ({"pickle_item_seconds": 0.02}, "pickling an item"),
        ({"machine": attrs.evolve(MACHINE, usable_cpus=1.0)}, "one usable CPU"),
    ],
)
def test_what_is_plainly_serial_needs_no_overheads(changed, why):
    assert why in plainly_serial(situation(**changed), Budget())


@pytest.mark.parametrize("changed", [{}, {"cpu_fraction": 0.1, "blocked_reason": "no way"}, {"gil_fraction": 0.1}])
def test_what_is_not_plain_is_compared(changed):
    assert plainly_serial(situation(**changed), Budget()) is None


def test_the_reason_names_what_binds():
    assert "usable CPUs" in plan_of(machine=attrs.evolve(MACHINE, usable_cpus=2.5)).reason
    assert "parent's pickling" in plan_of(pickle_item_seconds=0.004).reason
    assert "mostly waits" in plan_of(cpu_fraction=0.01, gil_fraction=0.01).reason
    assert (
        "GIL is the limit"
        in plan_of(constraints=Constraints(executor="thread"), cpu_fraction=0.6, gil_fraction=0.6).reason
    )


def test_the_interval_holds_the_prediction():
    plan = plan_of()
    assert plan.seconds_low < plan.predicted_seconds < plan.seconds_high
    assert plan.speedup_low < plan.speedup < plan.speedup_high


def test_a_gain_that_the_first_pool_of_a_process_may_cost_is_left():
    charged = attrs.evolve(OVERHEADS, thread_pool_seconds=0.005)
    short, long = (decide(situation(items, cpu_fraction=0.0), charged).plan for items in (2, 20))
    assert (short.executor, long.executor) == ("serial", "thread")


def test_a_machine_whose_speed_changes_widens_what_is_reported_and_not_what_is_chosen():
    even = decide(situation(100_000), OVERHEADS).plan
    reported = decide(situation(100_000), attrs.evolve(OVERHEADS, jitter=0.3)).plan
    assert reported.executor == even.executor != "serial"
    assert reported.speedup_low < even.speedup_low < even.speedup_high < reported.speedup_high
    assert reported.seconds_low < even.seconds_low < even.seconds_high < reported.seconds_high


def test_the_error_shrinks_with_what_was_seen():
    assert relative_error(attrs.evolve(SAMPLE, count=1), 1000) == 0.5
    assert relative_error(attrs.evolve(SAMPLE, seconds_per_item=0.0), 1000) == 0.5
    wide = attrs.evolve(SAMPLE, spread_seconds=0.01)
    assert relative_error(attrs.evolve(wide, count=2), 1000) > relative_error(wide, 1000) > relative_error(wide, 10)


def test_a_free_threaded_interpreter_computes_in_threads():
    free = attrs.evolve(MACHINE, gil_enabled=False)
    assert plan_of(machine=free, pickle_item_seconds=0.01).executor == "thread"


def test_a_serial_plan_of_nothing_measured_takes_no_time():
    plan = serial_plan(situation(items=5, seconds_per_item=0.0), "because")
    assert (plan.predicted_seconds, plan.speedup, plan.reason) == (0.0, 1.0, "because")


@given(st.integers(1, 100_000))
def test_the_numbers_of_workers_compared_reach_the_cap_without_repeats(cap):
    counts = worker_counts(cap)
    assert counts == sorted(set(counts))
    assert (counts[0], counts[-1]) == (1, cap)
    assert len(counts) < 60


values = st.fixed_dictionaries(
    {
        "seconds_per_item": st.floats(1e-7, 2.0),
        "spread_seconds": st.floats(0, 2.0),
        "cpu_fraction": st.floats(0, 4.0),
        "pickle_item_seconds": st.floats(0, 0.1),
        "item_bytes": st.floats(0, 1e8),
        "peak_bytes": st.floats(0, 1e10),
    }
)


@given(items=st.integers(1, 10**7), sampled=values, cpus=st.floats(0.1, 1024), most=st.none() | st.integers(1, 5000))
def test_every_plan_is_within_its_limits(items, sampled, cpus, most):
    asked = situation(
        items, machine=attrs.evolve(MACHINE, usable_cpus=cpus), constraints=Constraints(max_workers=most), **sampled
    )
    plan = decide(asked, OVERHEADS).plan
    assert 1 <= plan.n_jobs <= worker_cap(plan.executor, asked, OVERHEADS)
    assert 1 <= plan.chunksize <= items
    assert (plan.n_jobs == 1) == (plan.executor == "serial")
    assert plan.predicted_seconds <= plan.serial_seconds
    assert (
        plan.n_jobs == 1 or plan.speedup_low >= 1.1 / 1.3
    )  # what is reported is that much wider than what is decided by


prices = st.sampled_from(["start_worker_seconds", "thread_start_seconds"])


@given(items=st.integers(2, 10**6), sampled=values, factor=st.floats(1, 100), name=prices)
def test_more_expensive_workers_never_lead_to_more_of_them(items, sampled, factor, name):
    executor = "thread" if name == "thread_start_seconds" else "process"
    asked = situation(items, constraints=Constraints(executor=executor, min_speedup=1.0), **sampled)
    expensive = attrs.evolve(OVERHEADS, **{name: getattr(OVERHEADS, name) * factor})
    few, many = decide(asked, expensive).plan, decide(asked, OVERHEADS).plan
    assert few.n_jobs <= many.n_jobs or few.predicted_seconds <= many.predicted_seconds * 1.05


@given(items=st.integers(2, 10**4), sampled=values, times=st.integers(2, 100), executor=st.sampled_from(EXECUTORS))
def test_more_items_never_make_for_fewer_workers(items, sampled, times, executor):
    constraints = Constraints(executor=executor, min_speedup=1.0)
    few = decide(situation(items, constraints=constraints, **sampled), OVERHEADS)
    asked = situation(items * times, constraints=constraints, **sampled)
    many = decide(asked, OVERHEADS)
    if many.plan.n_jobs < few.plan.n_jobs:  # then as many as before would gain next to nothing
        model = CostModel(items * times, asked.sample, OVERHEADS, asked.machine)
        predict = model.process if few.plan.executor == "process" else model.thread
        sizes = model.chunksizes(few.plan.n_jobs, 1e-4, 5e-5)
        assert many.plan.predicted_seconds <= 1.05 * min(predict(few.plan.n_jobs, k).seconds for k in sizes)


FEW_LARGE_ITEMS = {
    "seconds_per_item": 0.25,
    "spread_seconds": 2.0,
    "cpu_fraction": 0.5,
    "item_bytes": 37_615_747,
}


@given(items=st.integers(2, 10**6), sampled=values, cpus=st.integers(1, 512))
@example(items=15, sampled=FEW_LARGE_ITEMS, cpus=1)
def test_more_cpus_never_make_for_a_slower_plan(items, sampled, cpus):
    few, many = (
        plan_of(items=items, machine=attrs.evolve(MACHINE, usable_cpus=float(count)), **sampled)
        for count in (cpus, 2 * cpus)
    )
    assert many.predicted_seconds <= few.predicted_seconds * 1.05


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_wide_sample_still_lets_go_of_serial_when_the_gain_is_plain(count):
    plan = plan_of(items=100_000, count=count, spread_seconds=0.03)
    assert plan.executor == "process"
    assert plan.seconds_low > 0
