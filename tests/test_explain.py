"""AMORSIZE_EXPLAIN has each call say in a line what was decided; workers say nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from math import sqrt

import pytest

from amorsize import execute, iexecute, optimize
from amorsize.domain.wording import counted
from amorsize.processes.explaining import explain, is_explaining

JOBS = """
import time

def work(x):
    time.sleep(0.002)
    return x

def nested(x):
    import amorsize
    return amorsize.optimize(abs, [1] * 50).n_jobs + len(amorsize.execute(abs, [x] * 3))

def computes(x):
    end = time.thread_time() + 0.02
    while time.thread_time() < end:
        pass
    return x
"""


def said(capsys):
    return capsys.readouterr().err.splitlines()


def test_each_call_says_a_line(monkeypatch, capsys):
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "1")
    optimize(abs, range(20))
    optimize(abs, range(20))
    execute(abs, range(20))
    list(iexecute(abs, iter(range(20))))
    first, second, third, fourth = said(capsys)
    assert first.startswith("amorsize: optimize, builtins.abs, 20 items: serial, ")
    assert "predicted; cache miss (no entry for this function); " in first
    assert "; cache hit (" in second
    assert third.startswith("amorsize: execute, builtins.abs, 20 items: serial; cache hit; ")
    assert fourth.startswith("amorsize: iexecute, builtins.abs, 20 items: serial; cache ")


def test_the_plan_of_a_result_is_run_as_planned(monkeypatch, capsys):
    result = optimize(abs, range(20))
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "yes")
    result.run()
    (line,) = said(capsys)
    assert "20 items: serial; as planned; " in line


@pytest.mark.parametrize("items", [[4, 9, "x", 1], iter([4, 9, "x", 1])], ids=["list", "iterator"])
def test_a_call_that_raises_says_a_line_too(monkeypatch, capsys, items):
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "1")
    with pytest.raises(TypeError):
        execute(sqrt, items, max_workers=1)
    (line,) = said(capsys)
    assert re.match(r"amorsize: execute, math.sqrt, \d items?: serial; cache miss; ", line)


def test_an_answer_that_is_not_found_is_said(monkeypatch, capsys):
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "1")
    with pytest.raises(TypeError):
        optimize(sqrt, ["x"] * 20)
    (line,) = said(capsys)
    assert line.startswith("amorsize: optimize, math.sqrt, 20 items: no plan: the function or the data raised; ")


def test_a_call_that_several_iterables_go_to_names_the_callers_function(monkeypatch, capsys):
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "1")
    execute(pow, [1, 2], [3, 4])
    (line,) = said(capsys)
    assert "builtins.pow, 2 items" in line


def test_a_stream_that_is_left_says_how_far_it_came(monkeypatch, capsys):
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "1")
    stream = iexecute(abs, range(1000), max_workers=1)
    next(stream)
    stream.close()
    (line,) = said(capsys)
    assert line.startswith("amorsize: iexecute, builtins.abs, 1 item: serial")


@pytest.mark.parametrize("value", [None, "", "0", "no", "False", "off"])
def test_nothing_is_said_unless_it_is_asked_for(monkeypatch, capsys, value):
    if value is not None:
        monkeypatch.setenv("AMORSIZE_EXPLAIN", value)
    assert not is_explaining()
    optimize(abs, range(20))
    execute(abs, range(20))
    assert said(capsys) == []


PROGRAM = """
import multiprocessing

import amorsize
import jobs

if __name__ == "__main__":
    {call}
"""


def run(folder, call):
    (folder / "jobs.py").write_text(JOBS)
    (folder / "program.py").write_text(PROGRAM.format(call=call))
    done = subprocess.run([sys.executable, "program.py"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("probe", ["fork", "spawn"])
def test_workers_say_nothing(tmp_path, monkeypatch, probe):
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "1")
    options = f'executor="process", max_workers=2, probe="{probe}"'
    (line,) = run(tmp_path, f"amorsize.execute(jobs.nested, range(8), {options})")
    assert line.startswith("amorsize: execute, jobs.nested, 8 items: 0 run here, 8 by ")


def test_processes_of_a_pool_of_the_standard_library_say_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "1")
    assert run(tmp_path, "multiprocessing.get_context('spawn').Pool(1).map(jobs.nested, range(2))") == []


def test_items_that_are_sampled_in_a_child_say_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "1")
    call = 'amorsize.optimize(jobs.nested, range(200), config={"sampling": {"where": "worker"}})'
    (line,) = run(tmp_path, call)
    assert line.startswith("amorsize: optimize, jobs.nested, 200 items: ")


def test_pool_executor_map_and_joblib_say_lines_too(tmp_path, monkeypatch):
    monkeypatch.setenv("AMORSIZE_EXPLAIN", "1")
    call = """
    with amorsize.Pool() as pool:
        pool.map(jobs.work, range(9))
    with amorsize.Executor() as executor:
        list(executor.map(jobs.work, range(8)))
        executor.submit(jobs.computes, 1).result()
    amorsize.map(jobs.work, range(7))
    from joblib import Parallel, delayed, parallel_config
    import amorsize.integrations.joblib
    with parallel_config(backend="amorsize"):
        Parallel()(delayed(jobs.work)(x) for x in range(6))
"""
    pool, streamed, submitted, mapped, joblib = run(tmp_path, call.strip())
    assert pool.startswith("amorsize: execute, jobs.work, 9 items: ")
    assert streamed.startswith("amorsize: iexecute, jobs.work, 8 items: ")
    assert submitted.startswith("amorsize: Executor.submit, jobs.computes, 0 earlier calls: threads; ")
    assert mapped.startswith("amorsize: execute, jobs.work, 7 items: ")
    assert joblib.startswith("amorsize: joblib, jobs.work, 6 tasks: ")
    assert "; cache " in joblib


def test_a_line_is_one_line_and_needs_no_standard_error(monkeypatch, capsys):
    hostile = type("\x1b[31m\n", (), {"__call__": lambda self: None})()
    explain("optimize", hostile, "items", "serial", 0.001)
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr("sys.stderr", None)
    explain("optimize", abs, counted(1, "item"), "serial", 0.001)


def test_numbers_of_things_are_said_in_words():
    assert [counted(number, "item") for number in (None, 0, 1, 2)] == ["items", "0 items", "1 item", "2 items"]
