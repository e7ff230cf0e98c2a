"""The demo runs what it says, shows that it does, and does not boast."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from amorsize.application.result import OptimizationResult
from amorsize.cli.demo import bars, count_tokens, progress, run_plan, standard_library, verdict
from amorsize.cli.load import Load, Stopwatch
from amorsize.domain.values import Plan

PLAN = Plan(
    executor="process",
    n_jobs=2,
    chunksize=5,
    predicted_seconds=1.0,
    seconds_low=0.8,
    seconds_high=1.25,
    serial_seconds=1.9,
    speedup_low=1.6,
    speedup_high=2.1,
)
SERIAL = attrs.evolve(PLAN, executor="serial", n_jobs=1, speedup_low=1.0, speedup_high=1.0)
QUIET = Load(0.1, 2)


def nothing():
    """Note nothing."""


def negative(item):
    return -item


@pytest.mark.parametrize(("executor", "n_jobs"), [("serial", 1), ("thread", 3), ("process", 2)])
def test_a_plan_is_run_as_it_says_in_order_and_noted_item_by_item(executor, n_jobs):
    result = OptimizationResult(attrs.evolve(PLAN, executor=executor, n_jobs=n_jobs), range(-20, 0), "miss", "")
    noted = []
    assert run_plan(negative, result, lambda: noted.append(1)) == list(range(20, 0, -1))
    assert len(noted) == 20


@pytest.mark.parametrize(("executor", "n_jobs"), [("serial", 1), ("thread", 3)])
def test_a_plan_is_run_where_it_says(executor, n_jobs):
    result = OptimizationResult(attrs.evolve(PLAN, executor=executor, n_jobs=n_jobs), range(20), "miss", "")
    here = run_plan(lambda _: threading.current_thread() is threading.main_thread(), result, nothing)
    assert set(here) == {executor == "serial"}


def test_what_is_no_python_of_this_version_has_no_tokens(tmp_path):
    for name, body in (("bytes.py", b"\xff\xfe"), ("open.py", b"(")):
        (tmp_path / name).write_bytes(body)
        assert count_tokens(str(tmp_path / name)) == 0
    (tmp_path / "one.py").write_text("x = 1\n")
    assert count_tokens(str(tmp_path / "one.py")) == 5


def test_the_standard_library_is_there_without_its_tests_and_what_was_installed():
    modules = standard_library()
    assert modules == sorted(modules)
    assert any(Path(path).parts[-2:] == ("json", "decoder.py") for path in modules)
    assert not any("site-packages" in path or f"{os.sep}test{os.sep}" in path for path in modules)


def console(*, terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=100)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("total", [3, None])
def test_progress_is_shown_before_anything_has_run(terminal, total):
    shown = console(terminal=terminal)
    with progress(shown, "running serially", total) as done:
        assert "running serially" in shown.file.getvalue()
        for _ in range(3):
            done()


def test_progress_on_a_terminal_goes_on_while_items_run():
    shown = console(terminal=True)
    with progress(shown, "running", 3) as done:
        before = shown.file.getvalue()
        while shown.file.getvalue() == before:
            done()
    assert "/3" in shown.file.getvalue()


def test_nothing_runs_beside_what_is_measured():
    before = set(threading.enumerate())
    with progress(console(terminal=True), "running", 3):
        assert set(threading.enumerate()) <= before


def colours(table, names):
    shown = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=100)
    shown.print(table)
    lines = shown.file.getvalue().splitlines()
    codes = {"\x1b[32m": "green", "\x1b[31m": "red", "\x1b[34m": "blue"}
    return [next(colour for code, colour in codes.items() if code in line) for line in lines[: len(names)]]


@given(st.floats(0.1, 2), st.floats(0.1, 2), st.booleans())
def test_only_a_parallel_run_that_is_faster_is_green_and_only_one_that_is_slower_is_red(serial, planned, parallel):
    times = {"serial": serial, "as recommended": planned}
    first, second = colours(bars(times, is_parallel=parallel), times)
    assert first == "blue"
    if second == "green":
        assert parallel
        assert planned < serial
    if second == "red":
        assert parallel
        assert planned > serial
    if parallel and not 0.5 < planned / serial < 2:
        assert second == ("green" if planned < serial else "red")


def said(plan, serial, planned, load=QUIET):
    return list(verdict(OptimizationResult(plan, [1], "miss", ""), serial, planned, load))


def test_a_prediction_that_holds_is_said_with_both_figures():
    assert said(PLAN, 1.9, 1.0) == [
        "The prediction held: 1 s and 1.90x predicted (800 ms to 1.25 s, 1.60x to 2.10x), 1 s and 1.90x measured."
    ]


@pytest.mark.parametrize(
    ("plan", "serial", "planned"),
    [(PLAN, 3.6, 1.9), (PLAN, 1.0, 1.0), (PLAN, 1.2, 0.5), (SERIAL, 1.5, 1.5), (SERIAL, 0.2, 0.2)],
)
def test_a_prediction_that_fails_is_said_to(plan, serial, planned):
    assert said(plan, serial, planned)[0].startswith("The prediction failed: ")


def test_a_recommendation_that_is_slower_than_serial_is_said_to_have_failed():
    assert "The recommendation failed: here and now serial is faster." in said(PLAN, 1.0, 1.2)
    assert len(said(SERIAL, 1.0, 1.2)) == 1
    assert len(said(PLAN, 1.9, 1.0)) == 1


def test_a_busy_machine_is_said_to_be_busy():
    assert said(PLAN, 1.9, 1.0, Load(1.1, 2))[-1] == (
        "The machine was busy: other programs used 1.1 of 2 CPUs during the demo. Try again when it is quiet."
    )


@pytest.mark.parametrize(
    ("others", "cpus", "workers", "busy"),
    [
        (0.0, 2, 2, False),
        (0.2, 2, 2, False),
        (0.3, 2, 2, True),
        (0.9, 2, 1, False),
        (1.5, 2, 1, True),
        (30.0, 64, 8, False),
        (60.0, 64, 8, True),
        (0.0, 2, 64, False),
    ],
)
def test_a_machine_is_busy_when_workers_lack_a_cpu(others, cpus, workers, busy):
    assert Load(others, cpus).is_busy(workers) is busy


def test_what_this_process_does_is_no_load_of_others():
    clock = {"wall": 0.0, "own": 0.0, "all": 0.0}
    watch = Stopwatch(lambda: tuple(clock.values()))
    clock.update(wall=10.0, own=10.0, all=10.0)
    assert watch.read().others == 0.0
    clock.update(all=25.0)
    assert watch.read().others == 1.5
    clock.update(all=0.0)  # a system that does not say
    assert watch.read().others == 0.0


def test_the_systems_clocks_go_on():
    watch = Stopwatch()
    ends = time.perf_counter() + 0.05
    while time.perf_counter() < ends:
        pass
    load = watch.read()
    assert 0.0 <= load.others <= load.cpus + 1
