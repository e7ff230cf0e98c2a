"""The use case: what workers cost here, and what stands in their way."""

from __future__ import annotations

import attrs
import pytest
from fakes import OVERHEADS, SAMPLE, Desk

from amorsize import charges

DAY = 86400.0


@pytest.fixture
def desk():
    return Desk()


def test_no_advice_is_given_where_what_workers_cost_is_not_known(desk):
    assert desk.ask(range(2)).advice() is None
    assert desk.ask([]).advice is None
    assert desk.probe.asked["overheads"] == 0


def test_overheads_are_measured_once_for_a_machine(desk):
    desk.ask()
    desk.anew()
    desk.ask(func=float)
    assert desk.probe.asked["overheads"] == 1


def test_a_short_job_measures_no_overheads_that_no_cache_would_keep(desk):
    items = int(0.4 / SAMPLE.seconds_per_item)
    assert desk.ask([1] * items, use_cache=False).executor == "serial"
    assert desk.probe.asked["overheads"] == 0
    assert desk.ask([1] * 2 * items, use_cache=False).executor == "process"
    assert desk.probe.asked["overheads"] == 1


def test_overheads_of_long_ago_are_measured_again_by_the_next_miss_and_never_by_a_hit(desk):
    desk.ask()
    desk.clock.now += 5 * DAY
    assert desk.ask([1] * 2000, func=float).cache == "miss"
    desk.clock.now += 3 * DAY
    for items in (2000, 2000, 3000):  # the last is solved again
        assert desk.ask([1] * items, func=float).cache == "hit"
        desk.anew()
    assert desk.probe.asked["overheads"] == 1
    for func in (str, repr):
        assert desk.ask(func=func).cache == "miss"
        desk.anew()
        assert desk.probe.asked["overheads"] == 2


def test_overheads_of_long_ago_have_to_do_where_they_cannot_be_measured_again_or_need_not_be(desk):
    desk.ask()
    desk.clock.now += 8 * DAY
    desk.probe.said = attrs.evolve(SAMPLE, seconds_per_item=2e-5, first_call_seconds=2e-5)
    assert desk.ask(func=float).warnings == ()
    assert desk.probe.asked["overheads"] == 1
    desk.probe.said, desk.probe.charges = SAMPLE, None
    answer = desk.ask(func=str)
    assert (answer.executor, answer.n_jobs) == ("process", 4)
    assert any("could not be measured" in warning for warning in answer.warnings)


def test_overheads_dated_in_the_future_are_measured_again(desk):
    desk.ask()
    desk.clock.now -= DAY
    desk.anew()
    desk.ask(func=float)
    assert desk.probe.asked["overheads"] == 2


def test_the_first_pool_of_a_process_costs_what_it_imports(monkeypatch):
    desk = Desk(overheads=attrs.evolve(OVERHEADS, first_pool_seconds=0.2))
    monkeypatch.setattr(charges, "_POOL_MODULES", ("no.such.module",))
    first = desk.ask(profile=True).profile.overheads
    monkeypatch.setattr(charges, "_POOL_MODULES", ("sys",))
    again = desk.ask(profile=True).profile.overheads
    assert first.start_seconds == pytest.approx(again.start_seconds + 0.2)


def test_overheads_are_not_measured_for_what_is_plainly_serial(desk):
    desk.probe.said = attrs.evolve(SAMPLE, seconds_per_item=1e-8)
    answer = desk.ask()
    assert answer.n_jobs == 1
    assert desk.probe.asked["overheads"] == 0


def test_overheads_that_cannot_be_measured_leave_a_serial_plan_with_a_warning():
    desk = Desk(overheads=None)
    answer = desk.ask()
    assert answer.n_jobs == 1
    assert any("could not be measured" in warning for warning in answer.warnings)


def test_an_obstacle_rules_out_processes_only_where_it_stands(desk):
    desk.ask()
    desk.probe.hindrance = "a daemonic worker"
    hindered = desk.ask()
    assert hindered.executor == "serial"
    assert any("a daemonic worker" in warning for warning in hindered.warnings)
    desk.probe.hindrance = None
    assert desk.ask().executor == "process"
    desk.anew()
    assert desk.ask().executor == "process"


def test_an_obstacle_when_it_was_measured_does_not_stick(desk):
    desk.probe.hindrance = "a daemonic worker"
    assert desk.ask().executor == "serial"
    desk.probe.hindrance = None
    desk.anew()
    answer = desk.ask()
    assert (answer.cache, answer.executor) == ("hit", "process")


def test_an_unpicklable_function_gets_no_processes_and_a_warning():
    desk = Desk(sample=attrs.evolve(SAMPLE, obstacle="the function <lambda> cannot be pickled"))
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
