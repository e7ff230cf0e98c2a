"""iexecute() gives results as they are asked for and takes no more items than it may."""

from __future__ import annotations

import mmap
import os
import signal
import sys
import time
import warnings
from itertools import count, islice
from unittest.mock import Mock

import psutil
import pytest
from execution.jobs import Marked, nap, times_run, twice

from amorsize import execute, iexecute, optimize
from amorsize.client.calls import CallLimits
from amorsize.client.client import default_calls
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
    assert execute(nap, data, progress=lambda *told: seen.append(told), **options) == [2 * x for x in range(200)]
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
    given = list(default_calls.placed(job, make(range(400)), CallLimits(executor=kind), ordered=ordered))
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
    def make_team(run):
        return LeavingTeam(run=run, has_workers=True, is_together=True, takers=2, chunk_results=list)

    job = Job(twice, Options(), time.monotonic, None)
    config = RunConfig(usable_cpus=2.0, available_bytes=1 << 30)
    stream = Stream(job, iter(range(20)), None, config, make_team, in_flight=20, ordered=True)
    assert list(stream.results()) == [2 * x for x in range(20)]
