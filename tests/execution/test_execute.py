"""execute() gives what a list comprehension gives, running each item once, however it is run."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from array import array
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import psutil
import pytest
from execution import forced
from execution.jobs import Marked, here, nap, times_run, twice

import amorsize
from amorsize import AmorsizeWarning, ExecutionError, ExecutionTimeout, FailedItems, WorkerError, execute

KINDS = ["serial", "thread", "process"]


class Refuses:
    """Cannot be pickled."""

    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        raise TypeError("not this one")


def refusing(item):
    nap(item)
    return Refuses(item) if item == 151 else item


def value_of(thing):
    nap(0)
    return getattr(thing, "value", thing)


class OddError(Exception):
    """An exception that pickles and does not come back."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def odd(item):
    nap(item)
    if item == 151:
        raise OddError(1, 2)
    return item


def ending(item):
    nap(item)
    if item == 151:
        raise SystemExit(7)
    return item


@pytest.fixture(autouse=True, scope="module")
def no_process_is_left():
    before = set(psutil.Process().children())
    yield
    amorsize.default_client().close()
    left = set(psutil.Process().children()) - before
    assert not [child for child in left if "resource_tracker" not in " ".join(child.cmdline())]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "data",
    [
        list(range(300)),
        tuple(range(300)),
        range(5, 305),
        set(range(300)),
        dict.fromkeys(range(300)),
        deque(range(300)),
        array("i", range(300)),
        bytes(range(200)),
        memoryview(bytes(range(200))),
        np.arange(300),
        [],
        [3],
    ],
    ids=lambda data: f"{type(data).__name__}-{len(data)}",
)
def test_any_data_gives_what_a_list_comprehension_gives(kind, data):
    assert execute(nap, data, executor=kind) == [2 * x for x in data]


@pytest.mark.parametrize("kind", KINDS)
def test_an_iterator_is_run_over_in_order(kind):
    assert execute(nap, (x for x in range(300)), executor=kind) == [2 * x for x in range(300)]
    assert execute(nap, iter([]), executor=kind) == []


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_an_array_are_items(kind):
    rows = np.arange(2000).reshape(400, 5)
    assert np.array_equal(execute(nap, rows, executor=kind), rows * 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_each_item_is_run_exactly_once(kind, make, tmp_path):
    for again in range(2):
        path = str(tmp_path / f"{again}")
        job = Marked(path, os.getpid(), seconds=0.001)
        assert execute(job, make(range(400)), executor=kind) == [2 * x for x in range(400)]
        assert times_run(path) == dict.fromkeys(range(400), 1)


def test_a_result_of_optimize_runs_its_plan(tmp_path):
    result = amorsize.optimize(nap, range(200))
    assert result.run() == [2 * x for x in range(200)]
    assert amorsize.optimize(nap, iter(range(50))).run() == [2 * x for x in range(50)]
    made = amorsize.OptimizationResult(result.plan, [1], "miss", "")
    with pytest.raises(TypeError, match="run: the result must come from optimize"):
        made.run()


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_item_raises_comes_out_as_itself_with_a_note(kind, tmp_path):
    job = Marked(str(tmp_path / "runs"), os.getpid(), raising=frozenset([151]), seconds=0.001)
    with pytest.raises(LookupError) as caught:
        execute(job, range(100, 400), executor=kind)
    assert caught.value.args == (151,)
    assert any("at position 51: 151" in note for note in caught.value.__notes__)
    assert set(times_run(job.path).values()) == {1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_sampled_item_raises_too(kind, tmp_path):
    job = Marked(str(tmp_path / "runs"), os.getpid(), raising=frozenset([150]))
    with pytest.raises(LookupError):
        execute(job, range(300), executor=kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_failures_are_collected_with_their_positions(kind, make, tmp_path):
    bad = {0, 1, 150, 151, 299}
    job = Marked(str(tmp_path / "runs"), os.getpid(), raising=frozenset(bad), seconds=0.001)
    results, failures = execute(job, make(range(300)), executor=kind, errors="collect")
    assert results == [None if x in bad else 2 * x for x in range(300)]
    assert isinstance(failures, FailedItems)
    assert failures.positions == tuple(sorted(bad))
    assert [error.args[0] for error in failures.exceptions] == sorted(bad)
    assert times_run(job.path) == dict.fromkeys(range(300), 1)


def test_when_all_fail_all_are_collected(tmp_path):
    job = Marked(str(tmp_path / "runs"), os.getpid(), raising=frozenset(range(50)))
    results, failures = execute(job, range(50), errors="collect")
    assert results == [None] * 50
    assert failures.positions == tuple(range(50))
    assert execute(twice, [4], errors="collect") == ([8], None)


def test_an_exception_whose_init_does_not_fit_its_arguments_comes_as_itself():
    with pytest.raises(OddError, match="^1 and 2") as caught:
        forced.execute(odd, range(300))
    assert caught.value.args == ("1 and 2",)
    assert any("in the worker:" in note for note in caught.value.__notes__)


def test_an_item_that_ends_python_ends_the_caller():
    with pytest.raises(SystemExit) as caught:
        forced.execute(ending, range(300))
    assert caught.value.code == 7


def test_a_killed_worker_is_named_and_finished_results_are_kept(tmp_path):
    job = Marked(str(tmp_path / "runs"), os.getpid(), killing=frozenset([1999]), seconds=0.001)
    with pytest.raises(WorkerError, match="a worker process was killed by SIGKILL") as caught:
        forced.execute(job, range(2000))
    assert all(value == 2 * position for position, value in caught.value.finished.items())
    assert 1999 not in caught.value.finished
    assert set(times_run(job.path).values()) == {1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_takes_too_long_is_ended_with_what_there_is(kind):
    with pytest.raises(ExecutionTimeout, match=r"timed out after 0.2 s \(\d+ of 100000 items done\)") as caught:
        execute(nap, range(100_000), executor=kind, timeout=0.2)
    assert caught.value.finished
    assert all(value == 2 * position for position, value in caught.value.finished.items())
    assert isinstance(caught.value, TimeoutError)


def test_an_item_that_hangs_in_a_process_is_interrupted(tmp_path):
    job = Marked(str(tmp_path / "runs"), os.getpid(), hanging=frozenset([151]), seconds=0.001)
    with pytest.raises(ExecutionTimeout, match="item 151 did not finish within"):
        forced.execute(job, range(300), item_timeout=0.3)
    results, failures = forced.execute(job, range(300), item_timeout=0.3, errors="collect")
    assert failures.positions == (151,)
    assert results == [None if x == 151 else 2 * x for x in range(300)]


def stuck(item):
    nap(item)
    return deque(repeat(item), maxlen=0) if item == 151 else item  # it never comes back to Python code


def test_an_item_that_cannot_be_interrupted_ends_with_its_worker():
    with pytest.raises(ExecutionTimeout, match="item 151 did not finish within 0.3 s") as caught:
        forced.execute(stuck, range(300), item_timeout=0.3)
    assert caught.value.finished


def test_items_have_a_time_in_workers_that_were_forked_from_a_program_with_a_watchdog_of_its_own(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import faulthandler\n"
        "from execution import forced\n"
        "from execution.jobs import nap\n"
        "faulthandler.dump_traceback_later(600)\n"
        "if __name__ == '__main__':\n"
        "    print(len(forced.execute(nap, range(100), item_timeout=30.0, timeout=60.0)))\n"
    )
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": tests}
    )
    assert (done.stdout, done.returncode) == ("100\n", 0), done.stderr


@pytest.mark.parametrize("kind", ["serial", "thread"])
def test_an_item_that_takes_too_long_here_is_noticed(kind):
    def slow(item):
        nap(item)
        if item == 151:
            time.sleep(1.0)
        return item

    with pytest.raises(ExecutionTimeout, match="item 151 did not finish within"):
        execute(slow, range(300), executor=kind, item_timeout=0.5)


def test_results_that_cannot_be_pickled_are_run_again_here_with_a_warning():
    with pytest.warns(AmorsizeWarning, match="position 151 cannot be pickled .*run again in the caller"):
        results = forced.execute(refusing, range(300))
    assert [value_of(one) for one in results] == list(range(300))


def test_items_that_cannot_be_pickled_are_inherited_or_run_here_with_a_warning():
    data = [Refuses(x) if x == 151 else x for x in range(300)]
    assert forced.execute(value_of, data) == list(range(300))
    with pytest.warns(AmorsizeWarning, match="cannot be pickled .*run in the caller"):
        assert forced.execute(value_of, iter(data)) == list(range(300))


def test_lambdas_and_closures_are_run_in_processes_too():
    here, offset = os.getpid(), 5

    def where(item):
        nap(item)
        return item + offset, os.getpid()

    pairs = forced.execute(where, range(300))
    assert [value for value, _ in pairs] == [x + 5 for x in range(300)]
    assert {pid for _, pid in pairs} != {here}


@pytest.mark.parametrize("kind", KINDS)
def test_progress_is_reported_to_a_callable(kind):
    reported = []
    execute(nap, range(300), executor=kind, progress=lambda done, total: reported.append((done, total)))
    assert reported[-1] == (300, 300)
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)


def test_progress_shows_a_bar(capsys):
    assert len(execute(nap, range(300), progress=True)) == 300
    assert "300/300" in capsys.readouterr().err


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_a_live_executor_is_used_and_left_running(pool):
    with pool(3) as executor:
        assert execute(nap, range(300), executor=executor) == [2 * x for x in range(300)]
        with pytest.raises(LookupError):
            execute(
                Marked(os.devnull, os.getpid(), raising=frozenset([77]), seconds=0.002), range(300), executor=executor
            )
        assert executor.submit(twice, 4).result() == 8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"errors": "no"}, "execute: errors must be 'raise' or 'collect', got 'no'"),
        ({"timeout": 0}, "execute: timeout must be a number above 0, got 0"),
        ({"item_timeout": "1"}, "execute: item_timeout must be a number above 0, got '1'"),
        ({"max_workers": 0}, "execute: max_workers must be"),
        ({"executor": "nothing"}, "executor must be one of|executors"),
        ({"executor": 5}, "execute: executor must be a name"),
        ({"progress": "yes"}, "execute: progress must be true, false or callable, got str"),
    ],
)
def test_a_wrong_argument_is_said(wrong, message):
    with pytest.raises((ValueError, TypeError, amorsize.PluginError), match=message):
        execute(twice, [1, 2], **wrong)


def test_what_is_done_is_logged(caplog):
    with caplog.at_level("DEBUG", logger="amorsize"):
        assert execute(abs, range(-50, 0)) == [abs(x) for x in range(-50, 0)]
    assert [record.name for record in caplog.records] == ["amorsize"]
    assert caplog.messages == ["50 items ran in the caller, 0 in workers"]


def test_a_silent_logger_stays_silent():
    code = "from amorsize import execute; execute(abs, range(50))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


DEFINED_LATE = """
from execution import forced

def first(x):
    return x

if __name__ == "__main__":
    for _ in range(2):
        assert forced.execute(first, range(100)) == list(range(100))

    def second(x):
        return 2 * first(x)

    class Late:
        pass

    assert forced.execute(second, range(100)) == list(range(0, 200, 2))
    assert all(type(one) is Late for one in forced.execute(first, [Late() for _ in range(100)]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="spawned workers never know such a thing")
def test_warm_workers_run_what_was_defined_after_they_were_started(runs_quietly):
    runs_quietly(DEFINED_LATE)


class Returning:
    """Pickles and does not come back."""

    def __reduce__(self):
        return int, ("no number",)


def kind_of(item):
    nap(0)
    return type(item).__name__


def returning(x):
    return Returning() if x == 151 else x


def test_results_that_do_not_come_back_are_run_again_here_with_a_warning():
    with pytest.warns(AmorsizeWarning, match="are lost: they cannot be unpickled"):
        results = forced.execute(returning, range(300))
    assert type(results[151]) is Returning
    assert [one for one in results if type(one) is int] == [x for x in range(300) if x != 151]


def test_an_item_that_no_worker_can_unpickle_is_run_here_with_a_warning():
    data = [Returning() if x == 151 else x for x in range(300)]
    assert forced.execute(kind_of, data) == [type(x).__name__ for x in data]
    with pytest.warns(AmorsizeWarning, match="the items cannot be unpickled"):
        assert forced.execute(kind_of, iter(data)) == [type(x).__name__ for x in data]


def test_what_a_killed_worker_was_at_runs_again_in_the_caller_unless_that_is_forbidden(tmp_path):
    job = Marked(str(tmp_path / "runs"), os.getpid(), killing=frozenset([1999]), spins=0.002)
    with pytest.warns(AmorsizeWarning, match="a worker process was killed by SIGKILL"):
        assert execute(job, range(2000)) == [2 * x for x in range(2000)]
    with pytest.raises(amorsize.ExecutionError, match="rerun=False keeps it from running again"):
        execute(Marked(os.devnull, os.getpid(), killing=frozenset([1999]), spins=0.002), range(2000), rerun=False)


def test_one_worker_process_runs_all_items_where_processes_are_asked_for():
    pids = set(execute(here, range(50), executor="process", max_workers=1))
    assert len(pids) == 1
    assert pids != {os.getpid()}


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    value: int


def raises_frozen(item):
    if item == 30:
        raise FrozenError(item)
    return item


@pytest.mark.parametrize("kind", ["auto", "serial", "thread", "process"])
def test_an_exception_whose_class_is_frozen_comes_out_as_it_is(kind):
    for data in (range(50), iter(range(50))):
        with pytest.raises(FrozenError) as caught:
            execute(raises_frozen, data, executor=kind)
        assert caught.value.value == 30


def test_notes_that_are_no_list_hide_no_error():
    def fails(item):
        error = ValueError(item)
        error.__notes__ = ("a tuple",)
        raise error

    with pytest.raises(ValueError) as caught:  # noqa: PT011  the text has the notes
        execute(fails, range(3))
    assert caught.value.args == (0,)


@pytest.mark.parametrize("kind", ["auto", "serial"])
def test_a_list_that_the_function_changes_is_an_error_that_says_so(kind):
    work = list(range(50))

    def grows(item):
        if item < 50:
            work.append(item + 50)
        return item

    with pytest.raises(ExecutionError, match="data had 50 items at first and has .* now"):
        execute(grows, work, executor=kind)


def test_an_item_that_the_function_replaces_before_its_turn_is_the_new_one():
    data = list(range(1000))

    def replacing_the_next(item):
        if data[-1] != item:
            data[item + 1] = item + 1
        return type(data[item])

    data[1:] = [None] * 999
    assert execute(replacing_the_next, data, executor="serial") == [int] * 1000


@pytest.mark.parametrize("change", [lambda data: data.append(0), lambda data: data.pop(), lambda data: data.clear()])
def test_an_item_that_changes_the_list_and_raises_is_named_by_its_position(change):
    data = list(range(50))

    def fails(item):
        if item == 30:
            change(data)
            raise ValueError(item)
        return item

    with pytest.raises(ValueError, match="30") as caught:
        execute(fails, data, executor="serial")
    if data:
        assert any("at position 30" in note for note in caught.value.__notes__)
