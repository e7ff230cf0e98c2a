"""What running shows is told to the cache: rarely, and never without need."""

from __future__ import annotations

import time

import attrs
import pytest
from fakes import SAMPLE, Desk

from amorsize.domain.values import Constraints
from amorsize.execution.crews import Crews
from amorsize.execution.job import Manner
from amorsize.execution.runner import Execution, Means

SLOW = attrs.evolve(SAMPLE, seconds_per_item=0.01)


def nap(item):
    time.sleep(0.002)
    return item


def run(desk, data=None, **manner):
    means = Means(None, Crews(time.monotonic), 0, time.monotonic)
    constraints = Constraints(executor="serial")
    desk.clock.now += 10  # so that the store is asked again
    return Execution(desk.optimizer, means, nap, data or range(30), constraints, Manner(**manner)).run()


def entry(desk):
    (locator,) = [where for where, _ in desk.store.stored if where.startswith("func:")][:1]
    found = list(desk.optimizer.entries.find(locator, "").values())
    return found[0] if found else None


def test_an_entry_contradicted_twice_running_is_measured_again():
    desk = Desk(sample=SLOW)
    run(desk)
    assert entry(desk).contradictions == 1
    run(desk)
    assert entry(desk) is None
    run(desk)
    assert desk.probe.asked["sample"] == 2


def test_a_run_as_expected_writes_nothing_and_takes_doubts_back():
    desk = Desk(sample=attrs.evolve(SAMPLE, seconds_per_item=0.0022))
    run(desk)
    written = len(desk.store.stored)
    run(desk)
    assert len(desk.store.stored) == written
    desk.optimizer.entries.keep(attrs.evolve(entry(desk), contradictions=1))
    run(desk)
    assert entry(desk).contradictions == 0


def test_a_run_that_failed_says_nothing():
    desk = Desk(sample=SLOW)
    with pytest.raises(TimeoutError):
        run(desk, timeout=0.03, deadline=time.monotonic() + 0.03)
    assert entry(desk).contradictions == 0
