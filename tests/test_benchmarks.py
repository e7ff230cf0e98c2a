"""The workloads of the benchmarks are what they are said to be, and the decisions benchmark runs."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from amorsize.domain.overheads import Overheads
from amorsize.domain.values import Plan, Sample

BENCHMARKS = Path(__file__).parent / "benchmarks"
sys.path.append(str(BENCHMARKS))  # for good: workers look there too

import figures  # noqa: E402  found by the line above, as the rest
import kept  # noqa: E402
import numpy as np  # noqa: E402
import plans  # noqa: E402
import rows  # noqa: E402
import workloads  # noqa: E402

SLOW = frozenset({"queens", "wait for two slow", "tokenize a few"})


def few(workload):
    """Return the first items of a workload, fewer where they take long."""
    return list(islice(workload.data(), 1 if workload.name in SLOW else 2))


def same(ours, theirs):
    """Tell whether two results are equal, arrays too."""
    return type(ours) is type(theirs) and bool(np.all(ours == theirs))


@pytest.fixture(scope="module")
def two_processes():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        yield pool
    pool.join()


def test_a_workload_gives_the_same_serially_and_in_two_processes(two_processes):
    for workload in workloads.WORKLOADS:
        items = few(workload)
        theirs = two_processes.map_async(workload.func, items, 1)
        ours = [workload.func(item) for item in items]
        assert all(map(same, ours, theirs.get(60))), workload.name
        workload.fresh()


def test_there_are_enough_workloads_and_no_name_twice():
    names = [workload.name for workload in workloads.WORKLOADS]
    assert len(set(names)) == len(names) >= 27


def test_a_third_is_held_out_by_name_alone():
    apart = workloads.held_out()
    assert len(apart) == -(-len(workloads.WORKLOADS) // 3)
    assert workloads.held_out(workloads.WORKLOADS[::-1]) == apart


@pytest.mark.parametrize(
    "property_",
    ["pure Python", "releases the lock", "holds the lock in C", "waits", "waits and computes", "subprocess", "numpy"],
)
def test_a_kind_of_work_that_the_targets_name_has_a_row(property_):
    assert any(property_ in workload.properties.split(", ") for workload in workloads.WORKLOADS)


@pytest.mark.parametrize(
    "property_",
    [
        *("big items", "big results", "few", "many", "flat", "bimodal", "rising", "falling", "tiny", "1 us", "1 s"),
        *("one in fifty 100x dearer", "first call dear", "generator", "unequal", "threads of its own"),
    ],
)
def test_a_property_that_the_targets_name_has_a_row(property_):
    assert any(property_ in workload.properties.split(", ") for workload in workloads.WORKLOADS)


def test_an_unknown_row_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="--rows must be of .*queens.*; got nothing"):
        workloads.chosen(["nothing"])


def test_a_workload_hands_over_a_generator_only_when_it_says_so():
    for workload in workloads.chosen(["words of a stream", "factor numbers"]):
        assert hasattr(workload.given([1]), "__len__") is not workload.stream
        assert list(workload.given([1, 2])) == [1, 2]


@pytest.mark.parametrize("plan", [plans.SERIAL, plans.Static("thread", 3, 4)])
def test_a_static_plan_gives_results_in_order(plan):
    assert plans.run(abs, range(-9, 9), plan) == [abs(item) for item in range(-9, 9)]


@pytest.mark.parametrize(("items", "workers"), [(1, 2), (3, 2), (50, 64), (200, 4), (100_000, 2)])
def test_chunk_sizes_are_from_1_to_a_workers_share_and_none_twice(items, workers):
    sizes = plans.chunksizes(items, workers)
    assert len(set(sizes)) == len(sizes) >= 1
    assert all(1 <= size <= -(-items // workers) for size in sizes)


def row_of(seconds, *, chosen="serial", plan=1.0, interval=(1.0, 1.0)):
    """Return a row of which the grid is given, with two serial items sampled in no time."""
    advice = Plan(chosen, 1 if chosen == "serial" else 2, 1, 1.0, 0.9, 1.1, 2.0, *interval)
    row = rows.Row("row", "flat", held_out=False, items=9)
    row.grid = seconds
    row.ways = {way: [3.0] for way in ("cold", "once", "cached", *plans.TOOLS)}
    row.others = {plans.Static(chosen, 2, 1): [plan]}
    row.again = [min(map(min, seconds.values()))]
    row.decided = [rows.Decided(advice, Sample(2, 0.1, 0.0, 0.2, 1.0), 0.5)]
    return figures.judged(row)


TWO = plans.Static("process", 2, 4)
MINIMAL = Overheads("fork", *[0.001] * 9, 1.0)


def test_regret_is_over_the_best_of_the_grid_timed_twice():
    one = row_of({plans.SERIAL: [2.0, 2.0, 8.0], TWO: [1.0, 1.0, 1.2]}, chosen="process", plan=1.5)
    assert (one.best, one.regret("plan"), one.regret("serial"), one.regret("cold")) == (TWO, 1.5, 2.0, 3.0)
    assert row_of({plans.SERIAL: [2.0], TWO: [1.0]}).regret("plan") == 2.0
    one.row.again = [0.5]
    assert figures.judged(one.row).regret("plan") == 3.0
    assert figures.judged(one.row).noise == 0.5


def test_a_plan_timed_once_is_not_the_best_of_those_timed_often():
    assert row_of({plans.SERIAL: [2.0, 2.0, 2.0], TWO: [1.0]}).best == plans.SERIAL


@pytest.mark.parametrize(
    ("parallel", "chosen", "right"),
    [
        (1.0, "process", True),
        (1.0, "serial", False),
        (4.0, "serial", True),
        (4.0, "thread", False),
        (1.9, "thread", None),
    ],
)
def test_the_side_is_right_where_the_sides_differ(parallel, chosen, right):
    assert row_of({plans.SERIAL: [2.0], TWO: [parallel]}, chosen=chosen).right_side is right


def test_deciding_is_charged_for_what_lies_beyond_the_sampled_items():
    one = row_of({plans.SERIAL: [2.0], TWO: [1.0]})
    assert one.beyond_seconds == pytest.approx(0.5 - 0.2 - 0.1)
    assert not one.decided_in_time


def test_the_interval_is_asked_only_of_parallel_plans():
    grid = {plans.SERIAL: [2.0], TWO: [1.0]}
    assert row_of(grid).held is None
    assert row_of(grid, chosen="process", interval=(1.5, 2.5)).held is True
    assert row_of(grid, chosen="process", interval=(2.1, 2.5)).held is False


def test_the_summary_tells_met_from_missed():
    said = "\n".join(figures.summary([row_of({plans.SERIAL: [2.0], TWO: [1.0]}, chosen="process", plan=1.2)], 0.003))
    assert "plan alone, geometric mean" in said
    assert "1.20 NOT" in said
    assert "3.00 ms NOT" in said
    assert "100% met" in said.partition("right side")[2].partition("\n")[0]


def test_rows_written_are_read_back_and_added_to(own_place):
    ours = row_of({plans.SERIAL: [2.0], TWO: [1.0]}, chosen="process").row
    ours.stopped = {"PPE"}
    file = own_place / "figures.json"
    kept.written(file, MINIMAL, [0.001], [ours])
    overheads, _, (theirs,) = kept.read(file)
    assert (overheads, theirs) == (MINIMAL, ours)
    (both,) = kept.together([ours, theirs])
    assert both.grid == {plans.SERIAL: [2.0, 2.0], TWO: [1.0, 1.0]}
    assert len(both.decided) == 2


@pytest.mark.usefixtures("untraced")
def test_the_decisions_benchmark_runs_from_end_to_end(own_place):
    file = own_place / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "decisions.py"), "--rows", "wrap a few lines", "--rounds", "1"]
    done = subprocess.run([*command, "--json", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "wrap a few lines" in done.stdout
    assert "right side of serial/parallel" in done.stdout
    _, trivial, (row,) = kept.read(file)
    assert len(trivial) == 7
    assert set(row.ways) == {"cold", "once", "cached", "Pool", "PPE", "joblib", "mpire"}
    assert figures.judged(row).regret("serial") >= 1
