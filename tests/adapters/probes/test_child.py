"""Sampling in a child process: what it shows, and that nothing that happens there harms the caller."""

from __future__ import annotations

import ctypes
import math
import mmap
import multiprocessing
import os
import signal
import sys
import time

import pytest

from amorsize.adapters.probes import child, sampling
from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source
from amorsize.errors import AmorsizeWarning, SamplingError

METHODS = multiprocessing.get_all_start_methods()
every_method = pytest.mark.parametrize("method", METHODS)
forks = pytest.mark.skipif("fork" not in METHODS, reason="Windows does not fork, and only a fork takes what is local")


@pytest.fixture(autouse=True)
def _a_main_module_that_can_be_imported(monkeypatch):
    """A test run's main module is pytest's, or xdist's, which has no file."""
    monkeypatch.setattr("amorsize.adapters.probes.start_conditions.blocked_reason", lambda *_: None)


def sample(func, data, method="fork", **budget):
    source = data if isinstance(data, Source) else Source(data)
    return StartMethodProbe(ProbeOptions(), method).sample(func, source, Budget(where="worker", **budget))


@every_method
def test_a_child_says_what_sampling_showed(method):
    found = sample(time.sleep, [0.002] * 50, method, min_seconds=0.2)
    assert 3 <= found.count <= 50
    assert 0.002 <= found.seconds_per_item < 0.1
    assert len(set(found.positions)) == min(16, found.count)


@every_method
def test_what_the_function_raises_comes_back_with_the_item_and_the_childs_traceback(method):
    with pytest.raises(ValueError, match="invalid literal") as caught:
        sample(int, ["five"], method)
    item, traceback = caught.value.__notes__
    assert item == "amorsize was sampling the item at position 0: 'five'"
    assert "Traceback" in traceback


@every_method
def test_a_child_that_ends_itself_is_reported_with_the_item(method):
    with pytest.raises(SamplingError) as caught:
        sample(os._exit, [3] * 1001, method)
    assert str(caught.value) == "the item at position 500 (3) ended its process with exit code 3"
    assert caught.value.seconds == 0.0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to be ended by")
@every_method
def test_a_child_that_is_killed_or_crashes_is_reported_with_the_signal(method):
    with pytest.raises(SamplingError, match=r"the item at position 0 \(0\) was ended by SIGSEGV"):
        sample(ctypes.string_at, [0], method)
    with pytest.raises(SamplingError, match="was ended by SIGKILL"):
        sample(signal.raise_signal, [int(signal.SIGKILL)] * 9, method)


@every_method
def test_an_item_that_hangs_is_ended_at_the_limit(method):
    began = time.monotonic()
    with pytest.raises(SamplingError) as caught:
        sample(time.sleep, [600] * 3, method, item_seconds=0.2)
    assert str(caught.value) == "the item at position 1 (600) took longer than 0.2 s"
    assert caught.value.seconds == 0.2
    assert time.monotonic() - began < 60
    assert not [one for one in multiprocessing.active_children() if one.name == "amorsize sampling"]


@every_method
def test_nothing_of_an_iterator_is_lost_and_no_item_comes_twice(method):
    source = Source(iter(range(1, 200)))
    first = sample(math.factorial, source, method, most_items=2)
    again = sample(math.factorial, source, method, most_items=2)
    assert not set(first.positions) & set(again.positions)
    assert list(source.data([])) == list(range(1, 200))


@every_method
def test_sampling_a_sequence_again_takes_other_items(method):
    source = Source(range(1000))
    first, again = (sample(math.sqrt, source, method, most_items=2).positions for _ in range(2))
    assert not set(first) & set(again)


@every_method
def test_an_empty_source_is_refused(method):
    with pytest.raises(ValueError, match="source must have an item"):
        sample(abs, iter(()), method)


@forks
def test_a_forked_child_takes_what_cannot_be_pickled_and_changes_nothing_here():
    seen = []
    found = sample(lambda lock: seen.append(lock) or lock, [multiprocessing.Lock() for _ in range(5)])
    assert found.count >= 1
    assert seen == []
    assert "cannot be pickled" in found.blocked_reason


@pytest.mark.parametrize("data", [range(3), [1, 2, lambda: 3], list(range(500))])
def test_what_a_fresh_child_cannot_take_is_sampled_here_with_a_warning(data):
    seen = []
    with pytest.warns(AmorsizeWarning, match="sampled here and not in a worker of spawn"):
        found = sample(lambda item: seen.append(item) or item, data, "spawn")
    assert found.count == len(seen) >= 1


def test_a_blocked_reason_to_starting_a_child_is_a_warning_too(monkeypatch):
    monkeypatch.setattr("amorsize.adapters.probes.start_conditions.blocked_reason", lambda *_: "no processes here")
    with pytest.warns(AmorsizeWarning, match="not in a worker of spawn: no processes here"):
        assert sample(abs, range(5), "spawn").count >= 1


class StubbornError(Exception):
    """Does not come back from its own pickle."""

    def __init__(self, one, two):
        super().__init__(one)


def fail_stubbornly(item):
    raise StubbornError(item, 2) from KeyError("first")


@every_method
def test_an_exception_comes_back_however_it_is_made(method):
    with pytest.raises(StubbornError) as caught:
        sample(fail_stubbornly, range(3), method)
    assert (caught.value.args, type(caught.value.__cause__)) == ((1,), KeyError)


@forks
def test_an_exception_that_cannot_come_back_is_reported_by_what_it_says():
    class LocalError(Exception):
        pass

    def fail(item):
        raise LocalError("only here")

    with pytest.raises(SamplingError, match=r"position 1 \(1\) raised LocalError: only here, which cannot be pickled"):
        sample(fail, range(3))


@forks
def test_native_memory_is_seen_even_below_an_earlier_peak_of_the_caller():
    bytearray(b"x") * (300 << 20)  # gone at once, but the caller's peak

    def native(_):
        with mmap.mmap(-1, 150 << 20) as area:
            area[:] = bytes([1]) * len(area)

    assert sample(native, range(3)).peak_bytes > 140 << 20


@forks
def test_a_block_of_items_is_named_by_its_ends(monkeypatch):
    seen = []
    monkeypatch.setattr(sampling, "perf_counter", lambda: len(seen) * 1e-5)  # 10 us an item, whatever else runs here

    def fail(item):
        seen.append(item)
        if len(seen) > 30:
            os._exit(7)

    with pytest.raises(SamplingError, match=r"one of the \d+ items from position \d+ to \d+ ended .* exit code 7"):
        sample(fail, range(10**6), min_seconds=5.0)


def test_a_child_that_never_starts_is_given_up():
    mine, its = multiprocessing.Pipe()
    with mine, its, pytest.raises(SamplingError, match="took longer than 0.01 s to start"):
        child.ChildSession(mine, Source([1]), Budget(), lambda: None).found(0.01)


@pytest.mark.parametrize(("code", "said"), [(0, "ended its process"), (None, "ended its process"), (-99, "signal 99")])
def test_any_way_to_end_has_words(code, said):
    assert said in child._ending(code)
