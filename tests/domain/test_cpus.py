"""Each room takes items for waiting by the same share of computing."""

from __future__ import annotations

import attrs
import pytest
from fakes import MACHINE, SAMPLE

from amorsize.domain.cpus import MOSTLY_WAITS, WAITS_AT_ALL
from amorsize.domain.overheads import prior
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import Constraints
from amorsize.execution.measure import Measure
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


def test_less_computing_is_needed_to_mostly_wait_than_to_wait_at_all():
    assert 0 < MOSTLY_WAITS < WAITS_AT_ALL < 1
