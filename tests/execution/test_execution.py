"""What running shows is reported to the cache: rarely, and never without need."""

from __future__ import annotations

import attrs
import pytest
from fakes import SAMPLE, Desk

from amorsize.domain.values import Constraints
from amorsize.execution.execution import feed_back

SLOW = attrs.evolve(SAMPLE, seconds_per_item=0.01)


def run(desk, off):
    """Find an entry and tell that items took so many times as long as it says."""
    desk.clock.now += 10  # so that the store is asked again
    known = desk.optimizer.recall(abs, range(60), Constraints())
    if known.sample is None:
        desk.ask(range(60))
        return
    feed_back(desk.optimizer, known, off)


def entry(desk):
    (locator,) = [where for where, _ in desk.store.stored if where.startswith("func:")][:1]
    found = list(desk.entries.find(locator, "").values())
    return found[0] if found else None


@pytest.mark.parametrize("off", [0.2, 5.0])
def test_an_entry_contradicted_twice_running_is_measured_again(off):
    desk = Desk(sample=SLOW)
    run(desk, off)
    assert entry(desk).contradictions == 0
    run(desk, off)
    assert entry(desk).contradictions == 1
    run(desk, off)
    assert entry(desk) is None
    run(desk, off)
    assert desk.probe.asked["sample"] == 2


def test_a_run_as_expected_writes_nothing_and_takes_doubts_back():
    desk = Desk(sample=SLOW)
    run(desk, 1.0)
    written = len(desk.store.stored)
    run(desk, 1.5)
    assert len(desk.store.stored) == written
    desk.entries.keep(attrs.evolve(entry(desk), contradictions=1))
    run(desk, 1.0)
    assert entry(desk).contradictions == 0
