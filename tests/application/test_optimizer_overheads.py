"""The use case: what workers cost here, and what stands in their way."""

from __future__ import annotations

import attrs
import pytest
from fakes import OVERHEADS, SAMPLE, Desk

from amorsize.errors import MeasurementError

DAY = 86400.0


@pytest.fixture
def desk():
    return Desk(measured=False)


LONG = [1] * 20_000
"""Items that take 100 s serially and 25 s on four CPUs, beside which measuring takes next to nothing."""


def test_what_workers_cost_is_never_waited_for(desk):
    answer = desk.ask(profile=True)
    assert (answer.executor, answer.n_jobs) == ("process", 4)
    assert answer.profile.overheads.source == "prior"
    assert answer.warnings == ()
    assert desk.ask(use_cache=False).executor == "process"
    assert desk.ask().advice() is not None
    assert desk.probe.asked["overheads"] == 0


def test_a_machine_is_measured_within_a_call_when_that_takes_three_hundredths_of_it_at_most(desk):
    assert desk.ask(LONG[:8_000]).executor == "process"  # 10 s
    assert desk.probe.asked["overheads"] == 0
    assert desk.ask(LONG).executor == "process"
    desk.anew()
    assert desk.ask(LONG, func=float).executor == "process"
    assert desk.probe.asked["overheads"] == 1


def test_no_cache_keeps_nothing_and_the_process_knows_what_it_has_learnt(desk):
    desk.ask(LONG, use_cache=False)
    assert desk.ask(profile=True, use_cache=False).profile.overheads == OVERHEADS
    assert desk.store.stored == desk.store.fetched == []
    desk.ask(LONG, func=float, use_cache=False)
    assert desk.probe.asked["overheads"] == 1
    desk.anew()
    assert desk.ask(profile=True, use_cache=False).profile.overheads.source == "prior"


def test_what_the_cache_knows_replaces_what_was_assumed_before_it_was_asked(desk):
    Desk.measure(desk)
    desk.anew()
    assert desk.ask(profile=True, use_cache=False).profile.overheads.source == "prior"
    assert desk.ask(profile=True).profile.overheads == OVERHEADS


def test_measuring_ahead_measures_once_until_that_is_too_old(desk):
    solver = desk.solver
    assert solver.measure() == solver.measure() == solver.overheads() == OVERHEADS
    assert desk.probe.asked["overheads"] == 1
    desk.clock.now += 8 * DAY
    solver.measure()
    assert desk.probe.asked["overheads"] == 2
    desk.anew()
    assert desk.solver.measure() == OVERHEADS
    assert desk.probe.asked["overheads"] == 2


def test_a_plan_that_rests_on_what_was_assumed_is_made_anew_once_the_machine_is_measured(desk):
    desk.ask()
    desk.measure()
    desk.clock.now += 5
    answer = desk.ask()
    assert (answer.cache, answer.cache_reason) == ("replanned", "what workers cost here was measured since")
    desk.clock.now += 5
    assert desk.ask().cache == "hit"
    desk.anew()
    assert desk.ask().cache == "hit"
    assert desk.probe.asked == {}


def test_another_process_that_measures_is_noticed_within_the_hour_and_at_once_by_a_new_one(desk):
    desk.ask()
    mine = desk.optimizer
    desk.anew()
    desk.clock.now += 60
    desk.measure()
    desk.optimizer = mine
    assert desk.ask().cache == "hit"
    desk.clock.now += 3600
    assert desk.ask().cache == "replanned"
    desk.clock.now += 5
    assert desk.ask().cache == "hit"


def test_a_plan_that_needs_no_overheads_is_not_made_anew(desk):
    desk.probe.said = attrs.evolve(SAMPLE, seconds_per_item=1e-8)
    assert desk.ask().executor == "serial"
    desk.measure()
    desk.clock.now += 5
    assert desk.ask().cache == "hit"
    assert desk.store.fetched == [desk.store.fetched[0]]  # the entry; nobody looked for overheads


@pytest.mark.parametrize("days", [8, -1])
def test_overheads_of_long_ago_or_of_the_future_are_measured_again_where_that_takes_little(days):
    desk = Desk()
    desk.ask()
    desk.clock.now += days * DAY
    desk.anew()
    assert desk.ask(func=float).executor == "process"
    assert desk.probe.asked["overheads"] == 0
    desk.ask(LONG, func=str)
    assert desk.probe.asked["overheads"] == 1


def test_a_hit_that_is_solved_again_measures_nothing(desk):
    desk.ask(LONG[:15_000])
    desk.probe.asked.clear()
    desk.clock.now += 6 * DAY
    assert desk.ask(LONG).cache == "hit"
    assert desk.probe.asked == {}


@pytest.mark.parametrize("measured", [True, False])
def test_overheads_that_cannot_be_measured_leave_what_was_known_and_a_warning(measured):
    desk = Desk(measured=measured)
    desk.clock.now += 8 * DAY
    desk.probe.known = None
    answer = desk.ask(LONG)
    assert (answer.executor, answer.n_jobs) == ("process", 4)
    assert any("could not be measured" in warning for warning in answer.warnings)
    with pytest.raises(MeasurementError, match="measures nothing"):
        desk.solver.measure()


def forked(solver, seconds, **keep):
    """Have a solver learn what a fork took."""
    solver._overheads.calibrate(solver.machine(), attrs.evolve(SAMPLE, fork_seconds=seconds), **keep)


def learnt_by(solver):
    """Return the overheads that a solver knows without asking the cache."""
    return solver._overheads.known(solver.machine(), keep=False)


def test_what_workers_took_brings_assumptions_nearer_and_other_processes_know_it(desk):
    solver = desk.solver
    assumed = solver.overheads()
    for _ in range(20):
        forked(solver, 0.05)
    near = solver.overheads()
    assert near.start_worker_seconds > 5 * assumed.start_worker_seconds
    assert near.chunk_parent_seconds == assumed.chunk_parent_seconds
    desk.anew()
    again = desk.solver.overheads()
    assert again.source == "calibrated"
    assert again.least_seconds == pytest.approx(near.least_seconds, rel=0.3)
    assert len(desk.store.stored) < 12  # what hardly changes is not written each time


def test_what_workers_took_is_kept_from_the_cache_when_nothing_may_be_written(desk):
    solver = desk.solver
    forked(solver, 0.5, keep=False)
    assert learnt_by(solver).source == "calibrated"
    assert desk.store.stored == desk.store.fetched == []


def test_what_was_measured_is_not_moved_by_what_one_run_took():
    solver = Desk().solver
    forked(solver, 1.0)
    assert solver.overheads() == OVERHEADS


def test_the_fork_that_sampled_calibrates_what_is_assumed(desk):
    desk.probe.said = attrs.evolve(SAMPLE, fork_seconds=0.004, parent_bytes=1e6, sampled_in="worker")
    assumed = desk.solver.overheads()
    desk.ask(use_cache=False)
    assert learnt_by(desk.solver).start_seconds > 1.5 * assumed.start_seconds
    assert desk.store.stored == []


def test_the_first_pool_of_a_process_costs_what_it_imports():
    desk = Desk(overheads=attrs.evolve(OVERHEADS, first_pool_seconds=0.2))
    desk.has_pools = False
    first = desk.ask(profile=True).profile.overheads
    desk.has_pools = True
    again = desk.ask(profile=True).profile.overheads
    assert first.start_seconds == pytest.approx(again.start_seconds + 0.2)


def test_overheads_are_not_measured_for_what_is_plainly_serial(desk):
    desk.probe.said = attrs.evolve(SAMPLE, seconds_per_item=1e-8)
    answer = desk.ask()
    assert answer.n_jobs == 1
    assert desk.probe.asked["overheads"] == 0


def test_a_blocked_reason_rules_out_processes_only_where_it_stands(desk):
    desk.ask()
    desk.probe.blocked = "a daemonic worker"
    hindered = desk.ask()
    assert hindered.executor == "serial"
    assert any("a daemonic worker" in warning for warning in hindered.warnings)
    desk.probe.blocked = None
    assert desk.ask().executor == "process"
    desk.anew()
    assert desk.ask().executor == "process"


def test_a_blocked_reason_when_it_was_measured_does_not_stick(desk):
    desk.probe.blocked = "a daemonic worker"
    assert desk.ask().executor == "serial"
    desk.probe.blocked = None
    desk.anew()
    answer = desk.ask()
    assert (answer.cache, answer.executor) == ("hit", "process")


def test_an_unpicklable_function_gets_no_processes_and_a_warning():
    desk = Desk(sample=attrs.evolve(SAMPLE, blocked_reason="the function <lambda> cannot be pickled"))
    answer = desk.ask()
    assert answer.executor == "serial"
    assert answer.warnings == ("no processes: the function <lambda> cannot be pickled",)


def test_a_function_with_threads_of_its_own_gets_fewer_workers_and_hears_which_variable_to_set():
    threaded = attrs.evolve(SAMPLE, cpu_fraction=2.0, gil_fraction=1.0, threads_variable="OPENBLAS_NUM_THREADS")
    desk = Desk(sample=threaded)
    result = desk.ask()
    assert result.n_jobs <= 2
    (warning,) = result.warnings
    assert "keeps 2.0 CPUs busy" in warning
    assert "set OPENBLAS_NUM_THREADS=1 to let" in warning
    desk.anew()
    assert desk.ask().warnings == (warning,)
    (other,) = Desk(sample=attrs.evolve(threaded, threads_variable=None)).ask().warnings
    assert "set OMP_NUM_THREADS=1 (or its library's variable) to let" in other
