"""Initializers: once in each worker, and no item in the caller's process."""

from __future__ import annotations

import decimal
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import pytest

import amorsize
from amorsize.errors import ExecutionError, InitializerError

STATE = []
HERE = os.getpid()


def begin(*words):
    STATE.append(words)


def state(item):
    time.sleep(0.001)
    return item, os.getpid(), threading.get_ident(), list(STATE)


def fail(words):
    raise LookupError(words)


def leave():
    raise SystemExit(3)


def set_handler():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def handler_of(_):
    return signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN


@pytest.fixture(autouse=True)
def no_state():
    STATE.clear()


def run_stream(*args, **options):
    return list(amorsize.iexecute(*args, **options))


RUNS = pytest.mark.parametrize("run", [amorsize.execute, run_stream], ids=["execute", "iexecute"])


@RUNS
@pytest.mark.parametrize("make", [range, lambda count: iter(range(count))], ids=["range", "iterator"])
@pytest.mark.parametrize("options", [{}, {"max_workers": 1}, {"executor": "process"}, {"min_speedup": 99.0}], ids=str)
def test_the_initializer_runs_once_in_each_process_and_no_item_in_the_caller(run, make, options):
    found = run(state, make(60), initializer=begin, initargs=("a", 2), **options)
    assert [item for item, *_ in found] == list(range(60))
    assert STATE == []
    if hasattr(os, "fork"):
        assert os.getpid() not in {pid for _, pid, *_ in found}
        assert all(words == [("a", 2)] for *_, words in found)


@RUNS
def test_with_threads_it_runs_once_in_each_thread(run):
    found = run(state, range(60), executor="thread", max_workers=3, initializer=begin)
    threads = {thread for _, _, thread, _ in found}
    assert {pid for _, pid, *_ in found} == {os.getpid()}
    assert threading.get_ident() not in threads
    assert [()] * len(threads) == STATE


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_every_start_method_begin_with_it_in_each_call(method):
    for words in ("a", "b"):
        found = amorsize.execute(
            state, range(20), probe=method, executor="process", initializer=begin, initargs=(words,)
        )
        assert all(seen == [(words,)] for *_, seen in found)
    assert all(seen == [] for *_, seen in amorsize.execute(state, range(5), probe=method, executor="process"))


@RUNS
@pytest.mark.parametrize("executor", ["auto", "thread", "process"])
def test_a_failing_initializer_is_raised_with_its_cause(run, executor):
    before = set(multiprocessing.active_children())
    with pytest.raises(InitializerError, match="the initializer failed in a worker: LookupError: no") as caught:
        run(state, range(20), executor=executor, initializer=fail, initargs=("no",))
    assert isinstance(caught.value.__cause__, LookupError)
    assert not any("at position" in note for note in getattr(caught.value, "__notes__", ()))
    for thread in threading.enumerate():
        if thread.name == "amorsize":
            thread.join(10)
            assert not thread.is_alive()
    assert set(multiprocessing.active_children()) <= before
    with pytest.raises(InitializerError, match="SystemExit"):
        run(state, range(20), executor=executor, initializer=leave)


def test_collecting_errors_does_not_collect_a_failing_initializer():
    with pytest.raises(InitializerError):
        amorsize.execute(state, range(20), errors="collect", initializer=fail, initargs=("no",))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of this system are others")
def test_the_callers_signal_handlers_stay():
    assert all(amorsize.execute(handler_of, range(9), initializer=set_handler))
    assert not handler_of(0)


def test_a_result_that_does_not_pickle_is_not_made_here():
    with pytest.raises(ExecutionError, match="an initializer keeps it from running here"):
        amorsize.execute(lambda item: lambda: item, range(3), executor="process", initializer=begin)


def test_items_that_no_process_can_have_are_refused():
    with pytest.raises(ExecutionError, match="keeps them out of the caller's process"):
        list(amorsize.iexecute(next, (iter([number]) for number in range(3)), executor="process", initializer=begin))


def nested(item):
    STATE.clear()
    return amorsize.execute(state, range(3), initializer=begin)[item][3]


def test_a_nested_call_runs_it_in_a_thread():
    assert amorsize.execute(nested, range(3), executor="process") == [[()]] * 3


def test_it_needs_workers_that_are_ours():
    with pytest.raises(ValueError, match="executor='serial'"):
        amorsize.execute(state, [1], executor="serial", initializer=begin)
    with pytest.raises(TypeError, match="initializer must be callable, got 3"):
        amorsize.execute(state, [1], initializer=3)
    with pytest.raises(TypeError, match="initargs must be a tuple, got 3"):
        amorsize.iexecute(state, [1], initializer=begin, initargs=3)


def test_a_disabled_amorsize_runs_it_once_here(monkeypatch):
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    amorsize.execute(state, range(3), initializer=begin, initargs=(1,))
    list(amorsize.iexecute(state, range(3), initializer=begin, initargs=(2,)))
    assert STATE == [(1,), (2,)]


def seen_table(item):
    return item, os.getpid(), list(STATE)


def with_processes(method):
    return ProcessPoolExecutor(2, multiprocessing.get_context(method), initializer=begin, initargs=("table",))


@RUNS
@pytest.mark.parametrize("make", [range, lambda count: iter(range(count))], ids=["range", "iterator"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_all_items_run_in_an_executor_whose_initializer_sets_what_the_function_reads(run, make, method):
    with with_processes(method) as executor:
        found = run(seen_table, make(50), executor=executor)
    assert [item for item, *_ in found] == list(range(50))
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert all(words == [("table",)] for *_, words in found)
    assert STATE == []


@RUNS
def test_all_items_run_in_threads_whose_initializer_sets_what_the_function_reads(run):
    local = threading.local()

    def open_local():
        local.name = "open"

    with ThreadPoolExecutor(2, initializer=open_local) as executor:
        assert run(lambda item: (item, local.name), range(30), executor=executor) == [(n, "open") for n in range(30)]


def environment(_):
    return os.environ.get("AMORSIZE_TEST_TABLE"), decimal.getcontext().prec


def set_environment():
    os.environ["AMORSIZE_TEST_TABLE"] = "there"
    decimal.getcontext().prec = 7


def test_what_an_initializer_of_an_executor_sets_in_its_process_stays():
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=set_environment) as executor:
        assert amorsize.execute(environment, range(9), executor=executor) == [("there", 7)] * 9


def test_items_that_an_executor_with_an_initializer_cannot_have_are_refused():
    with with_processes("spawn") as executor:
        for func, items in ((seen_table, [threading.Lock()] * 2), (partial(print, threading.Lock()), [1, 2])):
            for make in (list, iter):
                with pytest.raises(ExecutionError, match=r"cannot be pickled .*, and the executor's initializer keeps"):
                    list(amorsize.iexecute(func, make(items), executor=executor))


def test_a_disabled_amorsize_runs_the_initializer_of_an_executor_once_here(monkeypatch):
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    with with_processes("spawn") as executor:
        amorsize.execute(state, range(3), executor=executor)
        list(amorsize.iexecute(state, range(3), executor=executor))
    assert STATE == [("table",)] * 2
