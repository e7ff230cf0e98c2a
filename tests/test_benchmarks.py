"""The workloads of the benchmarks are what they are said to be, and the decisions benchmark runs."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from itertools import islice
from pathlib import Path

import attrs
import pytest
import simulation  # noqa: F401  else the benchmark of this name hides the folder from tests that come later
from fakes import OVERHEADS, SAMPLE

from amorsize.domain.values import Plan

BENCHMARKS = Path(__file__).parent / "benchmarks"
sys.path.append(str(BENCHMARKS))  # for good: workers look there too

import execute  # noqa: E402  found by the line above, as the rest
import figures  # noqa: E402
import kept  # noqa: E402
import measured  # noqa: E402
import numpy as np  # noqa: E402
import plans  # noqa: E402
import rows  # noqa: E402
import varied  # noqa: E402
import workloads  # noqa: E402

FUNCTIONS = {workload.func: workload for workload in reversed(workloads.WORKLOADS)}
"""Each function with the first workload that runs it."""


def same(ours, theirs):
    """Tell whether two results are equal, arrays too."""
    return type(ours) is type(theirs) and bool(np.all(ours == theirs))


@pytest.fixture(scope="module")
def two_processes():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        yield pool
    pool.join()


def test_a_workload_gives_the_same_serially_and_in_two_processes(two_processes):
    for func, workload in FUNCTIONS.items():
        items = list(islice(workload.data(), 2))
        theirs = two_processes.map_async(func, items, 1)
        ours = [func(item) for item in items]
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
        *("one in fifty 100x longer", "first call slow", "generator", "unequal", "threads of its own"),
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
    sample = attrs.evolve(SAMPLE, count=2, seconds_per_item=0.1, spread_seconds=0.0, first_call_seconds=0.2)
    advice = Plan(chosen, 1 if chosen == "serial" else 2, 1, 1.0, 0.9, 1.1, 2.0, *interval)
    row = rows.Row("row", "flat", held_out=False, items=9)
    row.grid = seconds
    row.ways = {way: [3.0] for way in ("cold", "once", "cached", *plans.TOOLS)}
    row.others = {plans.Static(chosen, 2, 1): [plan]}
    row.again = [min(map(min, seconds.values()))]
    row.decided = [rows.Decided(advice, sample, 0.5)]
    return figures.judged(row)


TWO = plans.Static("process", 2, 4)


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


def test_jobs_are_put_together_by_what_they_take_serially():
    grid = {plans.SERIAL: [2.0], TWO: [1.0]}
    short = {plan: [seconds[0] / 100] for plan, seconds in grid.items()}
    head, brief, long = figures.by_length([row_of(grid), row_of(short), row_of(grid, chosen="process", plan=4.0)])
    assert head.split()[4:] == ["plan", "once", "cached", "serial", *plans.TOOLS]
    assert brief.split()[:6] == ["0", "to", "0.1", "1", "0.02", "2.00"]
    assert long.split()[:6] == ["1", "and", "more", "2", "2.00", "2.83"]


def test_a_longer_workload_runs_over_the_same_items_again():
    (queens,) = workloads.chosen(["queens"])
    longer = queens.longer(3)
    assert longer.name == "queens x3"
    assert longer.data() == list(queens.data()) * 3
    assert longer.func is queens.func


def test_rows_written_are_read_back_and_added_to(own_place):
    ours = row_of({plans.SERIAL: [2.0], TWO: [1.0]}, chosen="process").row
    ours.stopped = {"PPE"}
    file = own_place / "figures.json"
    kept.written(file, OVERHEADS, [0.001], [ours])
    overheads, _, (theirs,) = kept.read(file)
    assert (overheads, theirs) == (OVERHEADS, ours)
    (both,) = kept.together([ours, theirs])
    assert both.grid == {plans.SERIAL: [2.0, 2.0], TWO: [1.0, 1.0]}
    assert len(both.decided) == 2


def test_rows_are_varied_in_length_and_in_the_memory_of_their_process():
    names = [workload.name for workload in varied.variants()]
    assert {"queens, 500 MB", "reload json x12", "describe groups /40"} <= set(names)
    assert not set(names) & {workload.name for workload in workloads.WORKLOADS}


def test_a_shorter_workload_runs_over_some_of_its_items():
    (groups,) = workloads.chosen(["describe groups"])
    items = groups.data()
    assert varied.shorter(groups, 40).data() == items[::40]
    assert varied.shorter(groups, len(items)).data() == items[:2]


def executed_row(**seconds):
    """Return a row of the benchmark of execute, of a job that computes for 0.1 s."""
    known = dict.fromkeys((*execute.OURS, *plans.TOOLS), 0.05)
    row = {"best": 0.05, "serial": 0.1, "serial runs": [0.1], "plan": "2 process x4", "properties": "flat"}
    return known | row | {"limit": 0.05} | seconds


def test_first_calls_are_judged_by_what_is_best():
    rows = [executed_row(nothing=0.06), executed_row(plan="serial", best=0.1, nothing=0.103)]
    found = {name: value for name, value, _ in execute.figures([*rows, executed_row(properties="waits", nothing=0.1)])}
    assert found["first call, nothing known, rows where workers win by computing"] == pytest.approx(1.2)
    assert found["first call, nothing known, less 3 ms, rows where serial is best"] == pytest.approx(1.0)
    assert found["first call, nothing known, rows that wait"] == pytest.approx(2.0)
    assert found["first call, nothing known over the limit, rows that compute"] == pytest.approx(1.2)
    assert found["first call, nothing known, worst row"] == pytest.approx(2.0)
    assert found["calls slower than serial by more than 5 % + 5 ms"] == 0


def test_jobs_under_5_ms_have_a_figure_of_their_own():
    ((name, value, most),) = execute.figures([executed_row(serial=0.002, nothing=0.0045)])
    assert (name, most) == ("jobs under 5 ms: ms more than serial at most", 3.0)
    assert value == pytest.approx(2.5)


@pytest.mark.usefixtures("untraced")
def test_the_decisions_benchmark_runs_from_end_to_end(own_place):
    file = own_place / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "decisions.py"), "--rows", "wrap a few lines", "--rounds", "1"]
    command += ["--longer", "2", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "wrap a few lines x2" in done.stdout
    assert "serial seconds" in done.stdout
    assert "right side of serial/parallel" in done.stdout
    _, trivial, (row,) = kept.read(file)
    assert len(trivial) == 7
    assert set(row.ways) == {"cold", "once", "cached", "Pool", "PPE", "joblib", "mpire"}
    assert figures.judged(row).regret("serial") >= 1


def test_the_page_of_measured_figures_is_what_its_command_writes():
    page = measured.PAGE.read_text(encoding="utf-8")
    there = measured.sections_of(page)
    assert there
    assert measured.page_of(there) == page
    for heading, section in there.items():
        assert section.startswith(f"`python tests/benchmarks/{' '.join(measured.SECTIONS[heading])}` (")


def test_every_benchmark_of_the_page_of_measured_figures_is_there():
    assert all((BENCHMARKS / command[0]).is_file() for command in measured.SECTIONS.values())


def test_tables_that_a_benchmark_prints_stay_tables_and_all_else_is_text():
    assert measured.shown("one\n two\n\n| a |\n| - |\n\nthree\n") == (
        "```text\none\n two\n```\n\n| a |\n| - |\n\n```text\nthree\n```"
    )


def test_a_section_that_is_measured_again_takes_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(measured, "HERE", tmp_path)
    monkeypatch.setattr(measured, "SECTIONS", {"One": ("one.py",), "Two": ("two.py", "again")})
    (tmp_path / "one.py").write_text("print(1)", encoding="utf-8")
    (tmp_path / "two.py").write_text("import sys; print(sys.argv[1])", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["measured.py"])
    assert measured.main() == 0
    (tmp_path / "one.py").write_text("raise SystemExit(3)", encoding="utf-8")
    (tmp_path / "two.py").write_text("print('new')", encoding="utf-8")
    assert measured.main() == 1
    one, two = measured.sections_of(measured.PAGE.read_text(encoding="utf-8")).values()
    assert "```text\n1\n```" in one
    assert "```text\nnew\n```" in two
    monkeypatch.setattr(sys, "argv", ["measured.py", "--only", "three"])
    with pytest.raises(SystemExit):
        measured.main()
