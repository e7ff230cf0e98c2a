"""The Executor: futures of threads and processes, and maps that go on by themselves."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import multiprocessing
import os
import pickle
import sys
import threading
import time
import warnings
from concurrent.futures.process import BrokenProcessPool

import pytest

import amorsize

SEEN = []


def allow_processes(monkeypatch):
    """Let pytest, whose main module is no program and which captures output, pass for a program."""
    monkeypatch.setattr("amorsize.pools.executor.blocked_reason", lambda *_: None)
    monkeypatch.setattr(sys, "__stdout__", sys.stdout)


def spin(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(50))
    return os.getpid()


def nap(seconds):
    time.sleep(seconds)
    return os.getpid()


def note(item):
    SEEN.append(item)


def end(code):
    spin(0.01)
    if code:
        os._exit(code)


@pytest.fixture(autouse=True)
def nothing_seen():
    SEEN.clear()


def learnt(executor, func, seconds=0.01):
    """Have an executor know that calls of a function compute."""
    executor.submit(func, seconds if func is not end else 0).result()
    cost = executor._costs[func.__module__, func.__qualname__]
    cost.cpu_seconds, cost.calls, cost.cpu_share = 1.0, 50, 1.0
    return executor


def test_a_call_has_a_true_future_and_shares_objects_with_the_caller():
    with amorsize.Executor(2) as executor:
        future = executor.submit(note, "a")
        assert isinstance(future, concurrent.futures.Future)
        future.result()
        assert executor.submit(divmod, 7, 2).result() == (3, 1)
        assert executor.submit(dict, fn=1, self=2).result() == {"fn": 1, "self": 2}
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 7, 0).result()
    assert SEEN == ["a"]


def test_functions_that_compute_move_to_processes_and_those_that_wait_do_not(monkeypatch):
    allow_processes(monkeypatch)
    with amorsize.Executor(2) as executor:
        executor._processes_at_most = 2  # where this machine has one CPU only
        assert executor.submit(spin, 0.01).result() == os.getpid()
        learnt(executor, spin)
        there = executor.submit(spin, 0.01).result()
        assert there != os.getpid()
        assert executor.submit(nap, 0.001).result() == os.getpid()
        assert executor.submit(spin, seconds=0.01).result() != os.getpid()


def test_what_does_not_pickle_stays_in_threads():
    with amorsize.Executor(2) as executor:
        executor._processes_at_most = 2
        learnt(executor, spin)

        class Seconds(float):
            __slots__ = ()

        assert executor.submit(spin, Seconds(0.001)).result() == os.getpid()


def test_a_worker_that_ends_breaks_its_calls_and_later_ones_get_new_workers(monkeypatch):
    allow_processes(monkeypatch)
    with amorsize.Executor(2) as executor:
        executor._processes_at_most = 2
        learnt(executor, end)
        with pytest.raises(concurrent.futures.BrokenExecutor):
            executor.submit(end, 3).result()
        executor._costs[end.__module__, "end"].may_move = True
        assert executor.submit(end, 0).result() is None


@pytest.mark.parametrize("options", [{}, {"timeout": 60}, {"buffersize": 3}, {"buffersize": 3, "timeout": 60}], ids=str)
def test_map_gives_what_map_gives(options):
    with amorsize.Executor(2) as executor:
        assert list(executor.map(pow, range(10), range(5, 20), **options)) == list(map(pow, range(10), range(5, 20)))
        assert list(executor.map(pow, [], [], **options)) == []
        results = executor.map(divmod, [1, 1, 1], [1, 0, 1], chunksize=2, **options)
        assert next(results) == (1, 0)
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_map_goes_on_while_nobody_asks_for_results():
    with amorsize.Executor(executor="thread") as executor:
        executor.map(note, range(10))
    assert sorted(SEEN) == list(range(10))


def test_a_buffer_bounds_what_is_pulled():
    numbers = iter(range(100))
    with amorsize.Executor(1) as executor:
        results = executor.map(str, numbers, buffersize=4)
        assert next(results) == "0"
        assert next(numbers) <= 5
        assert list(itertools.islice(executor.map(str, itertools.count(), buffersize=2), 3)) == ["0", "1", "2"]


def test_a_map_that_takes_too_long_raises():
    with amorsize.Executor(1) as executor:
        with pytest.raises(TimeoutError):
            list(executor.map(nap, [0.2, 0.2], timeout=0.01))
        with pytest.raises(TimeoutError):
            list(executor.map(nap, [0.2], timeout=0.01, buffersize=1))


def test_nothing_is_taken_after_shutdown():
    executor = amorsize.Executor(1)
    executor.shutdown()
    for call in (executor.submit, executor.map):
        with pytest.raises(RuntimeError, match="after shutdown"):
            call(pow, [1])


def test_a_shutdown_can_give_up_what_has_not_begun():
    gate = threading.Event()
    executor = amorsize.Executor(1)
    running = executor.submit(gate.wait, 60)
    waiting = executor.submit(pow, 2, 2)
    results = executor.map(nap, [0.05] * 1000)
    executor.shutdown(wait=False, cancel_futures=True)
    gate.set()
    assert running.result()
    assert waiting.cancelled()
    with pytest.raises(concurrent.futures.CancelledError):
        list(results)
    executor.shutdown()


def test_the_initializer_runs_in_workers():
    with amorsize.Executor(1, initializer=note, initargs=("begun",)) as executor:
        executor.submit(note, 1).result()
        assert SEEN == ["begun", 1]
        assert len(list(executor.map(nap, [0.0] * 5))) == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_workers": 0}, "Executor: max_workers must be greater than 0, got 0"),
        ({"max_workers": 1.5}, "Executor: max_workers must be a whole number from 1 to 65536, got 1.5"),
        ({"executor": "serial"}, "Executor: executor must be 'auto', 'thread' or 'process', got 'serial'"),
        ({"executor": ["x"]}, r"Executor: executor must be 'auto', 'thread' or 'process', got \['x'\]"),
        ({"initializer": 3}, "Executor: initializer must be callable, got 3"),
        ({"initializer": len, "initargs": 5}, "Executor: initargs must be a tuple, got 5"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(options, said):
    with pytest.raises((ValueError, TypeError), match=said):
        amorsize.Executor(**options)


@pytest.mark.parametrize(("name", "value"), [("chunksize", 0), ("buffersize", 0), ("buffersize", "1")])
def test_wrong_arguments_of_map_are_refused(name, value):
    with amorsize.Executor(1) as executor, pytest.raises((ValueError, TypeError), match=name):
        executor.map(str, [1], **{name: value})


def test_processes_can_be_asked_for():
    with amorsize.Executor(1, executor="process") as executor:
        assert executor.submit(os.getpid).result() != os.getpid()


def test_a_disabled_amorsize_runs_everything_here(monkeypatch):
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    with amorsize.Executor(1, executor="process") as executor:
        assert executor.submit(os.getpid).result() == os.getpid()
        assert list(executor.map(abs, [-1])) == [1]


def test_asyncio_and_dask_find_what_they_need():
    async def gather():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(executor, pow, 2, power) for power in range(4)))

    with amorsize.Executor(3) as executor:
        assert executor._max_workers == 3
        assert asyncio.run(gather()) == [1, 2, 4, 8]
    assert amorsize.Executor()._max_workers > 1


FACTOR = 1


def by_factor(item):
    spin(0.02)
    return item * FACTOR


def test_a_global_that_was_set_after_the_import_is_seen_by_every_call(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 5)
    allow_processes(monkeypatch)
    with amorsize.Executor(2) as executor:
        executor._processes_at_most = 2  # where this machine has one CPU only
        futures = [executor.submit(by_factor, item) for item in range(60)]
        assert [future.result() for future in futures] == [5 * item for item in range(60)]


class Counter:
    count = 0

    def add(self):
        self.count += 1


def add_to(counter):
    spin(0.02)
    counter.add()


def test_no_change_of_an_argument_is_lost(monkeypatch):
    allow_processes(monkeypatch)
    counters = [Counter() for _ in range(60)]
    with amorsize.Executor(2) as executor:
        executor._processes_at_most = 2
        for future in [executor.submit(add_to, counter) for counter in counters]:
            future.result()
    assert [counter.count for counter in counters] == [1] * 60


def fail_to_begin():
    raise LookupError("no such table")


def end_at_once(item):
    os._exit(int(item) + 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", ["thread", "process"])
def test_an_initializer_that_fails_breaks_the_executor_as_in_concurrent_futures(kind):
    with amorsize.Executor(1, executor=kind, initializer=fail_to_begin) as executor:
        with pytest.raises(concurrent.futures.BrokenExecutor):
            executor.submit(abs, -1).result()
        for options in ({}, {"buffersize": 1}):
            with pytest.raises(BrokenProcessPool, match="no such table") as caught:
                list(executor.map(abs, [-1, -2], **options))
            assert isinstance(caught.value, amorsize.InitializerError)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the function runs in this process where it must")
def test_a_worker_that_ends_breaks_a_map_as_in_concurrent_futures():
    with amorsize.Executor(2, executor="process") as executor:
        with pytest.raises(BrokenProcessPool) as caught:
            list(executor.map(end_at_once, range(2)))
        again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, amorsize.WorkerError)
    assert again.finished == {}
    assert str(again) == str(caught.value)


def ask_for_processes(item):
    with warnings.catch_warnings(record=True) as said, amorsize.Executor(1, executor="process") as executor:
        warnings.simplefilter("always")
        places = [executor.submit(os.getpid).result() for _ in range(2)]
        assert list(executor.map(abs, [-item])) == [item]
        return places == [os.getpid()] * 2, next(str(each.message) for each in said)


def test_calls_run_in_threads_where_no_process_can_be_started():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        is_here, said = pool.apply(ask_for_processes, (1,))
    assert is_here
    assert said == ("Executor: calls run in threads: this is a daemonic worker process, which may not have children")
