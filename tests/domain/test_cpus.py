"""Each package takes items for waiting by the same share of computing, and counts workers by the CPUs alike."""

from __future__ import annotations

from types import SimpleNamespace

import attrs
import pytest
from fakes import MACHINE, SAMPLE
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.cpus import ALWAYS_COMPUTES, MOST_WAITING, MOSTLY_WAITS, WAITS_AT_ALL, workers_by_cpu
from amorsize.domain.overheads import prior
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation, worker_cap
from amorsize.domain.values import Constraints
from amorsize.execution.measure import Measure
from amorsize.execution.scaling import ScalingTeam
from amorsize.integrations.joblib.clocks import Clocks, work
from amorsize.pools.costs import CallCost

NEARLY = 1e-6


def reason(share):
    sample = attrs.evolve(SAMPLE, cpu_fraction=share, gil_fraction=0.0)
    situation = Situation(1000, sample, MACHINE, Constraints(executor="thread"))
    return decide(situation, prior(MACHINE)).plan.reason


def measured(share):
    measure = Measure()
    measure.add(1.0, share, 1, 1)
    return measure


def called(share):
    cost = CallCost(reason)
    for _ in range(100):
        cost.add(0.01, share * 0.01, None)
    cost.is_result_light = True
    return cost


@pytest.mark.parametrize(("share", "waits"), [(MOSTLY_WAITS, False), (MOSTLY_WAITS - NEARLY, True)])
def test_an_item_that_mostly_waits_is_taken_for_waiting_everywhere(share, waits):
    assert ("mostly waits" in reason(share)) is waits
    assert measured(share).waits is waits
    assert called(share).pays() is not waits


@pytest.mark.parametrize(("share", "seconds"), [(WAITS_AT_ALL + NEARLY, WAITS_AT_ALL), (WAITS_AT_ALL - NEARLY, 1.0)])
def test_what_is_missing_to_a_task_that_computes_is_other_programs_doing(share, seconds):
    before, after = Clocks(0.0, 0.0, 0.0, 0), Clocks(share, share, share, 0)
    assert work(1.0, before, after, shared=False)[0] == pytest.approx(seconds, rel=1e-5)


def test_each_threshold_asks_for_more_computing_than_the_one_before():
    assert 0 < MOSTLY_WAITS < WAITS_AT_ALL < ALWAYS_COMPUTES < 1


@pytest.mark.parametrize(
    ("cpus", "share", "workers"),
    [
        (4, 1.0, 4),
        (4, 0.9, 5),
        (4, 0.95, 4),
        (100, 0.5, 100),
        (4, 0.5, 8),
        (2, 0.0, MOST_WAITING),
        (1.5, 1.0, 2),
        (2.2, 1.0, 2),
        (2.3, 1.0, 3),
        (0.1, 1.0, 1),
        (0.5, 0.0, MOST_WAITING),
        (8, 4.0, 2),
        (2, 9.0, 1),
    ],
)
def test_workers_keep_the_cpus_busy(cpus, share, workers):
    assert workers_by_cpu(cpus, share) == workers


@given(st.floats(0.01, 1024), st.floats(0, 64))
def test_there_is_always_a_worker(cpus, share):
    assert workers_by_cpu(cpus, share) >= 1


def wanted_in_a_run(cpus, sample):
    team = object.__new__(ScalingTeam)
    team._config = SimpleNamespace(usable_cpus=cpus, sample=sample, workers=None, most_workers=None)
    team._run = SimpleNamespace(items_at_most=1000)
    return team._wanted()


@pytest.mark.parametrize("executor", ["thread", "process"])
@pytest.mark.parametrize(("cpus", "share"), [(2.2, 1.0), (2.3, 1.0), (2.0, 0.8), (2.0, 0.4), (8.0, 4.0)])
def test_a_plan_and_a_run_count_the_same_workers(executor, cpus, share):
    machine = attrs.evolve(MACHINE, usable_cpus=cpus)
    sample = attrs.evolve(SAMPLE, cpu_fraction=share)
    assert worker_cap(executor, Situation(1000, sample, machine, Constraints())) == wanted_in_a_run(cpus, sample)


def test_a_run_does_not_take_what_other_programs_did_for_waiting():
    assert [wanted_in_a_run(4.0, attrs.evolve(SAMPLE, cpu_fraction=share)) for share in (0.86, 0.84, 1.3)] == [4, 5, 3]
