"""iexecute() gives results as they are asked for and takes no more items than it may."""

from __future__ import annotations

import mmap
import os
import signal
import sys
import threading
import time
import warnings
from itertools import count, islice
from unittest.mock import Mock

import numpy as np
import psutil
import pytest
from execution.jobs import Marked, first_of, nap, times_run, twice

from amorsize import execute, iexecute, optimize
from amorsize.client.calls import CallLimits
from amorsize.client.client import default_calls
from amorsize.execution.block_queues import SharedBlockQueue
from amorsize.execution.job import Failed, Job, Options
from amorsize.execution.resources import RunConfig
from amorsize.execution.stream import Stream

KINDS = ["serial", "thread", "process"]


class Tap:
    """An iterator without end that counts what was taken from it."""

    def __init__(self):
        self.taken = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.taken += 1
        return self.taken - 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_flight", [1, 7, 1000])
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_a_stream_gives_everything_in_order(kind, in_flight, make):
    given = list(iexecute(nap, make(range(200)), executor=kind, in_flight=in_flight))
    assert given == [2 * x for x in range(200)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_unordered_stream_gives_everything_once(kind, tmp_path):
    job = Marked(str(tmp_path / "runs"), 0, seconds=0.001)
    assert sorted(iexecute(job, iter(range(400)), executor=kind, ordered=False)) == [2 * x for x in range(400)]
    assert times_run(job.path) == dict.fromkeys(range(400), 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_flight", [1, 20, 300])
def test_no_more_is_taken_than_may_be_in_flight(kind, in_flight):
    tap = Tap()
    stream = iexecute(nap, tap, executor=kind, in_flight=in_flight)
    assert tap.taken == 0
    for given in range(600):
        assert next(stream) == 2 * given
        assert tap.taken <= given + in_flight
    stream.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_item_or_the_data_raises_ends_a_stream(kind, tmp_path):
    job = Marked(str(tmp_path / "runs"), 0, raising=frozenset([151]), seconds=0.001)
    with pytest.raises(LookupError) as caught:
        list(iexecute(job, count(), executor=kind))
    assert any("at position 151: 151" in note for note in caught.value.__notes__)

    def broken():
        yield from range(100)
        raise OSError("no more")

    given = []
    with pytest.raises(OSError, match="no more"):
        given.extend(iexecute(nap, broken(), executor=kind, in_flight=10))
    assert given == [2 * x for x in range(100)]


def test_nothing_gives_nothing_and_a_wrong_number_is_said():
    assert list(iexecute(twice, [])) == []
    with pytest.raises(ValueError, match="iexecute: in_flight must be a whole number from 1, got 0"):
        iexecute(twice, [1], in_flight=0)


def test_a_long_stream_takes_no_memory():
    """A list of half a million results would take 20 MB."""
    resident = psutil.Process().memory_info
    early = late = 0
    for at, _ in enumerate(iexecute(twice, iter(range(10**9, 10**9 + 500_000)))):
        if at == 20_000:
            early = resident().rss
        if at == 499_000:
            late = resident().rss
    assert late - early < 5_000_000


def test_a_stream_that_is_left_leaves_nothing_running():
    stream = iexecute(nap, count(), executor="process")
    assert list(islice(stream, 50)) == [2 * x for x in range(50)]
    stream.close()
    assert list(islice(iexecute(nap, count(), executor="process"), 50)) == [2 * x for x in range(50)]


class Guesses:
    """Data whose length is only a guess."""

    def __init__(self, length, items):
        self.length = length
        self.items = items

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter(range(self.items))


@pytest.mark.parametrize("kind", ["auto", *KINDS])
@pytest.mark.parametrize("length", [0, 1, 2, 50, 400])
def test_data_that_say_a_wrong_length_give_what_iterating_gives(kind, length):
    seen = []
    options = {"executor": kind, "max_workers": 2, "min_speedup": 1.0}
    data = Guesses(length, 200)
    assert execute(nap, data, progress=lambda *counts: seen.append(counts), **options) == [2 * x for x in range(200)]
    assert all(total is None or done <= total for done, total in seen)
    assert list(iexecute(nap, data, **options)) == [2 * x for x in range(200)]
    if length:
        assert optimize(nap, data, use_cache=False, **options).run() == [2 * x for x in range(200)]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_an_item_that_fails_when_it_runs_again_for_a_killed_worker_is_never_left_out():
    caller, begun = os.getpid(), mmap.mmap(-1, 400)

    def fails_again(x):
        end = time.perf_counter() + 0.001
        while time.perf_counter() < end:
            pass
        if begun[x]:
            raise ValueError(x)
        if x > 20 and os.getpid() != caller:
            begun[x] = 1
            time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    given, failed = [], []
    stream = iexecute(fails_again, list(range(400)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a worker was killed
        try:
            given.extend(stream)
        except ValueError as error:
            failed.extend(error.args)
    assert all(begun[x] for x in failed)
    assert given == list(range(*failed or [400]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_what_became_of_each_item_comes_with_its_position(kind, ordered, make, tmp_path):
    job = Marked(str(tmp_path / "runs"), 0, raising=frozenset([0, 7, 150, 399]), seconds=0.0005)
    given = list(default_calls.with_positions(job, make(range(400)), CallLimits(executor=kind), ordered=ordered))
    positions = [position for position, _ in given]
    assert sorted(positions) == list(range(400))
    assert ordered is False or positions == sorted(positions)
    failed = {position: result.error for position, result in given if isinstance(result, Failed)}
    assert set(failed) == job.raising
    assert all(error.args == (position,) for position, error in failed.items())
    assert all(result == 2 * position for position, result in given if position not in failed)
    assert times_run(job.path) == dict.fromkeys(range(400), 1)


class LeavingTeam(Mock):
    """Workers that are withdrawn, and have all ended, in the step in which they are handed their first blocks."""

    def begin(self):
        self.run.share_here(waits=True)

    def look(self):
        self.run.withdraw(0)
        self.has_workers = self.is_together = False


def test_blocks_that_are_taken_back_as_the_last_worker_ends_are_given_out_once():
    def make_team(run, _job, _config):
        return LeavingTeam(run=run, has_workers=True, is_together=True, takers=2, chunk_results=list)

    job = Job(twice, Options(), time.monotonic, None)
    config = RunConfig(usable_cpus=2.0, available_bytes=1 << 30)
    stream = Stream(job, iter(range(20)), None, config, make_team, in_flight=20, ordered=True)
    assert list(stream.results()) == [2 * x for x in range(20)]


CHANGING = 20
"""Items of an iterator whose items change."""


def filled(row, at=0):
    """Yield one object again and again, filled with another number each time."""
    for number in range(CHANGING):
        row[at] = number
        yield row


def in_turn():
    """Yield two lists in turn."""
    rows = [[0], [0]]
    for number in range(CHANGING):
        rows[number % 2][0] = number
        yield rows[number % 2]


def emptied():
    """Yield new objects, each of which is emptied before the next one is made."""
    for number in range(CHANGING):
        row = [number]
        yield row
        row[0] = -1


class Row:
    """A row that cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def __getitem__(self, at):
        return getattr(self, f"value{at}")

    def __setitem__(self, at, value):
        setattr(self, f"value{at}", value)


class Step:
    """Items that share what they show, and are new objects each."""

    def __init__(self, state):
        self.state = state

    def __getitem__(self, at):
        return self.state[at]


def steps():
    state = [0]
    for number in range(CHANGING):
        state[0] = number
        yield Step(state)


MAKE = {
    "list": lambda: filled([0]),
    "dict": lambda: filled({}),
    "bytearray": lambda: filled(bytearray(4)),
    "memoryview": lambda: filled(memoryview(bytearray(4))),
    "array": lambda: filled(np.zeros(3)),
    "large array": lambda: filled(np.zeros(200_000)),
    "object that cannot be pickled": lambda: filled(Row()),
    "two in turn": in_turn,
    "emptied after the yield": emptied,
    "shared state": steps,
}
CALLS = {
    "execute": execute,
    "ordered": lambda func, data, **asked: list(iexecute(func, data, **asked)),
    "unordered": lambda func, data, **asked: sorted(iexecute(func, data, ordered=False, **asked)),
    "optimize": lambda func, data, **asked: optimize(func, data, use_cache=False, **asked).run(),
    "data": lambda func, data, **asked: list(map(func, optimize(func, data, use_cache=False, **asked).data)),
}


@pytest.mark.parametrize("kind", ["auto", "thread", "process"])
@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
@pytest.mark.parametrize("make", MAKE.values(), ids=list(MAKE))
@pytest.mark.filterwarnings("ignore:execute:")
def test_an_item_that_changes_when_the_next_one_is_pulled_runs_before(make, call, kind):
    assert call(first_of, make(), executor=kind) == list(range(CHANGING))


@pytest.mark.parametrize("make", [MAKE["list"], MAKE["memoryview"], MAKE["two in turn"]])
def test_threads_that_alone_run_items_run_none_that_changes(make):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        given = execute(first_of, make(), executor="thread", timeout=60, item_timeout=30)
    assert given == list(range(CHANGING))
    assert len(caught) <= 1


def test_a_warning_says_once_why_no_worker_of_the_kind_that_was_asked_for_runs_items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        execute(first_of, MAKE["list"](), executor="process")
    assert [str(each.message) for each in caught] == [
        "execute: an item changes when the next one is pulled; the items run one by one in the caller's process"
    ]


def test_nothing_is_said_where_no_kind_of_worker_was_asked_for():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        execute(first_of, MAKE["list"]())


@pytest.mark.parametrize("item", [[1], {}, (), np.zeros(3), nap], ids=lambda item: type(item).__name__)
@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_workers_run_an_item_that_is_the_same_each_time(item):
    def where(_):
        time.sleep(0.002)
        return os.getpid()

    given = execute(where, (item for _ in range(100)), executor="process")
    assert len(given) == 100
    assert os.getpid() not in given


def test_ctrl_c_before_an_item_is_pulled_is_raised(monkeypatch):
    one_by_one, calls = Stream._one_by_one, []

    def interrupted(stream, block, size):
        calls.append(size)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return one_by_one(stream, block, size)

    monkeypatch.setattr(Stream, "_one_by_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(iexecute(abs, iter(range(100))))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has few signals")
def test_what_a_signal_handler_raises_while_items_are_handed_out_is_raised(monkeypatch):
    put, before = SharedBlockQueue.put, signal.getsignal(signal.SIGALRM)

    def interrupted(queue, number, first, items):
        put(queue, number, first, items)
        signal.raise_signal(signal.SIGALRM)

    def end(*_):
        raise TimeoutError

    monkeypatch.setattr(SharedBlockQueue, "put", interrupted)
    signal.signal(signal.SIGALRM, end)
    try:
        with pytest.raises(TimeoutError):
            list(iexecute(twice, iter(range(100)), executor="process"))
    finally:
        signal.signal(signal.SIGALRM, before)
