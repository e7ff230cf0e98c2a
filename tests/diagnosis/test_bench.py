"""Plans compared with brute force: what runs, within which time, and what is said of it."""

from __future__ import annotations

import multiprocessing
from collections import Counter

import pytest
from fakes import Clock, Desk

from amorsize.cli.bench import _sum_up
from amorsize.diagnosis.bench import Row, grid, judged, over_the_best, rows
from amorsize.diagnosis.workloads import Workload
from amorsize.domain.planning.neighbours import Neighbour
from amorsize.domain.values import Constraints, Plan

PLAN = Plan("process", 2, 7, 1.0, 0.5, 2.0, 2.0, 1.0, 2.0)
SERIAL, USUAL, THREADS = Neighbour("serial", 1, 100), Neighbour("process", 4, 7), Neighbour("thread", 16, 2)
PLANNED = Neighbour("process", 2, 7)
SECONDS = {SERIAL: 2.0, USUAL: 1.0, THREADS: 0.5, PLANNED: 0.75}


def row_of(allowed, ways=(SERIAL, USUAL, THREADS)):
    """Return a row for which so many runs have time, beside those that always run, and what ran how often."""
    ran, left = Counter(), [True] * allowed

    def run(way):
        ran[way] += 1
        return SECONDS[way] * (1 + ran[way] % 2)  # each second run is as quick as it gets

    return judged("job", PLAN, ways, run, lambda: bool(left and left.pop()), 0.01), ran


def test_with_time_all_ways_run_by_turns_and_the_least_median_is_the_best():
    row, ran = row_of(1000)
    assert set(ran) == set(SECONDS)
    assert max(ran.values()) - min(ran.values()) <= 1
    assert row.is_complete
    assert row.best == THREADS
    assert row.ratio == pytest.approx(1.5, rel=0.5)
    assert row.plan == PLANNED


def test_without_time_the_plan_and_serial_run_once():
    row, ran = row_of(0)
    assert ran == {PLANNED: 1, SERIAL: 1}
    assert not row.is_complete
    assert (row.best, row.ratio, row.usual_seconds) == (PLANNED, 1.0, None)
    assert row.serial_seconds == 4.0


def test_no_run_begins_after_the_time():
    _, ran = row_of(3)
    assert ran.total() == 2 + 3


def test_a_plan_that_is_one_of_the_ways_is_not_counted_twice():
    row, ran = row_of(4, (SERIAL, PLANNED, USUAL))
    assert ran == {PLANNED: 2, SERIAL: 2, USUAL: 2}
    assert row.is_complete


@pytest.mark.parametrize("cpus", [0.5, 1.0, 2.0, 7.5, 64.0])
@pytest.mark.parametrize("items", [1, 3, 1000])
def test_the_grid_has_serial_first_then_a_process_for_each_cpu_and_no_more_workers_than_items(items, cpus):
    ways = grid(items, cpus)
    assert ways[0] == Neighbour("serial", 1, items)
    assert len(set(ways)) == len(ways)
    assert all(way.n_jobs <= items and 1 <= way.chunksize <= items for way in ways)
    if items == 1000:
        assert (ways[1].executor, ways[1].n_jobs) == ("process", max(2, -int(-cpus // 1)))
        assert {"process", "thread"} <= {way.executor for way in ways}


def test_means_are_geometric_and_leave_out_what_did_not_run():
    def row(seconds, best, usual):
        return Row("job", SERIAL, seconds, SERIAL, best, seconds, usual, 0.0, is_complete=True)

    found = [row(2.0, 1.0, None), row(8.0, 1.0, 3.0)]
    assert over_the_best(found, lambda each: each.seconds) == pytest.approx(4.0)
    assert over_the_best(found, lambda each: each.usual_seconds) == pytest.approx(3.0)
    assert over_the_best([], lambda each: each.seconds) is None
    assert row(1.0, 0.0, None).ratio == 1.0


def test_a_way_that_never_ran_has_no_figure(capsys):
    _sum_up([Row("job", SERIAL, 2.0, SERIAL, 1.0, 2.0, None, 0.0, is_complete=False)], 0)
    said = capsys.readouterr().out
    assert "the plan 2.00, serial 2.00,\n" in said
    assert "the chunks of Pool.map not run\n" in said


def test_each_workload_gets_a_row_until_the_time_is_over():
    clock = Clock()

    def slow(item):
        clock.now += 1.0
        return item

    desk = Desk(blocked_reason="only threads here")
    jobs = [Workload(name, slow, lambda: [1]) for name in ("one", "two", "three")]
    first, second, third = rows(desk.optimizer, Constraints(), 3.5, jobs, clock)
    assert (first.name, first.best.executor) == ("one", "serial")
    assert second.name == "two"
    assert third == "three"


def test_real_ways_are_run_and_timed():
    job = Workload("small", abs, lambda: range(40))
    (row,) = rows(Desk(start_method=multiprocessing.get_start_method()).optimizer, Constraints(), 60.0, [job])
    assert row.is_complete
    assert row.seconds >= row.best_seconds > 0
