"""What blocks of items take is added up, with the first call apart."""

from __future__ import annotations

import time

import attrs
import pytest
from fakes import SAMPLE

from amorsize.execution import measure as module
from amorsize.execution.measure import Measure


@pytest.fixture
def measured(monkeypatch):
    """Return a function that measures blocks of (items, wall, CPU, waits), as stated clocks show them."""

    def run(*blocks):
        measure, now = Measure(), [module._Clocks(0.0, 0.0, 0, 0)]
        monkeypatch.setattr(module, "_clocks", lambda: now[0])

        def block(items, wall, cpu, waits):
            now[0] = module._Clocks(now[0].wall + wall, now[0].cpu + cpu, now[0].waits + waits, now[0].faults + 10)
            return [None] * items

        for each in blocks:
            measure.block(lambda each=each: block(*each))
        return measure

    return run


def test_nothing_is_known_before_the_first_item(measured):
    measure = measured()
    assert (measure.items, measure.seconds_per_item, measure.spread_seconds, measure.cpu_fraction) == (0, 0.0, 0.0, 1.0)
    assert not measure.waits


def test_the_first_call_counts_as_long_as_it_is_the_only_one(measured):
    assert measured((1, 2.0, 1.0, 0)).seconds_per_item == 2.0
    assert measured((1, 2.0, 1.0, 0), (2, 1.0, 1.0, 0)).seconds_per_item == 0.5
    assert measured((1, 2.0, 1.0, 0), (2, 1.0, 1.0, 0)).first_seconds == 2.0


def test_items_wait_if_they_give_up_a_cpu_that_they_hardly_use(measured):
    assert measured((1, 1.0, 0.1, 1)).waits
    assert not measured((1, 1.0, 0.1, 0)).waits  # other programs had the CPU
    assert not measured((1, 1.0, 0.9, 5)).waits
    assert measured((1, 1.0, 0.9, 0), (1, 1.0, 0.1, 3)).waits


def test_many_blocks_lose_no_item_and_no_second(measured):
    measure = measured(*[(2, 1.0, 0.5, 0)] * 100)
    assert (measure.items, measure.seconds) == (200, 100.0)
    assert measure.seconds_per_item == pytest.approx(0.5)
    assert measure.cpu_fraction == pytest.approx(0.5)


def test_items_that_differ_have_a_spread(measured):
    assert measured(*[(1, 1.0, 1.0, 0)] * 5).spread_seconds == 0.0
    assert measured(*[(1, 1.0, 1.0, 0), (1, 3.0, 3.0, 0)] * 3).spread_seconds > 0.5


def test_page_faults_are_counted_anew_after_each_look(measured):
    measure = measured((1, 1.0, 1.0, 0), (1, 1.0, 1.0, 0))
    assert measure.begin_anew() == 10.0
    assert measure.begin_anew() == 0.0


def test_it_makes_a_sample_for_the_cost_model(measured):
    sample = measured((4, 4.0, 2.0, 4)).sample()
    assert (sample.count, sample.seconds_per_item, sample.first_call_seconds, sample.cpu_fraction) == (4, 1.0, 1.0, 0.5)
    sample = measured((1, 5.0, 5.0, 0), (1, 1.0, 1.0, 0), (1, 3.0, 3.0, 0)).sample()
    assert (sample.count, sample.seconds_per_item, sample.first_call_seconds, sample.cpu_fraction) == (3, 2.0, 5.0, 1.0)
    assert sample.spread_seconds > 1.0
    instant = measured((1, 0.0, 0.0, 0), (1, 0.0, 0.1, 0)).sample()
    assert 0 < instant.seconds_per_item < 1e-6


def test_a_sample_takes_items_for_computing_that_gave_up_no_cpu(measured):
    assert measured((1, 1.0, 0.1, 0), (1, 1.0, 0.1, 0)).sample().cpu_fraction == 1.0  # other programs had the CPU
    assert measured((1, 1.0, 0.1, 3), (1, 1.0, 0.1, 3)).sample().cpu_fraction == pytest.approx(0.1)
    assert measured((1, 1.0, 0.6, 0), (20, 1.0, 0.6, 1)).sample().cpu_fraction == 1.0
    assert measured((1, 1.0, 0.6, 0), (20, 1.0, 0.6, 20)).sample().cpu_fraction == pytest.approx(0.6)
    assert measured((1, 1.0, 3.0, 0), (20, 1.0, 3.0, 0)).sample().cpu_fraction == pytest.approx(3.0)  # own threads


def test_short_items_have_all_their_cpu_seconds():
    def compute():
        until = time.thread_time() + 0.0005
        while time.thread_time() < until:
            pass
        return [None]

    for _ in range(20):
        measure = Measure()
        measure.block(compute)
        assert measure.cpu_fraction * measure.seconds >= 0.0005


def test_items_may_wait_where_the_system_does_not_say_what_gave_up_a_cpu(monkeypatch):
    now = iter([module._Clocks(wall, wall / 10, None, 0) for wall in (0.0, 1.0)])
    monkeypatch.setattr(module, "_clocks", lambda: next(now))
    measure = Measure()
    measure.block(lambda: [None])
    assert measure.waits
    assert measure.sample().cpu_fraction == pytest.approx(0.1)


def taken(*, items, seconds):
    measure = Measure()
    measure.items, measure.seconds, measure.first_seconds = items, seconds, seconds / items
    return measure


def test_a_few_items_or_a_moment_say_nothing():
    slow = attrs.evolve(SAMPLE, seconds_per_item=0.01)
    assert taken(items=3, seconds=3.0).times_as_long_as(slow) is None
    assert taken(items=5, seconds=0.14).times_as_long_as(slow) == 1.0
    assert taken(items=100, seconds=3.0).times_as_long_as(slow) == pytest.approx(3.0)
    assert taken(items=100, seconds=0.3).times_as_long_as(slow) == pytest.approx(0.3)


def test_what_is_done_aside_is_no_time_of_the_items():
    measure = Measure()

    def run():
        with measure.aside():
            time.sleep(0.2)
        return [None]

    measure.block(run)
    assert measure.seconds < 0.2
    measure.block(lambda: [time.sleep(0.2)])
    assert measure.seconds >= 0.2
