"""iexecute() gives results as they are asked for and takes no more items than it may."""

from __future__ import annotations

import subprocess
import sys
from itertools import count, islice

import pytest
from execution.jobs import Marked, nap, times_run, twice

from amorsize import iexecute

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


def test_a_long_stream_takes_no_memory(tmp_path):
    """Peak memory after a million items is that after a thousand, but for a MiB or two."""
    resource = pytest.importorskip("resource", reason="Windows has no such measure")
    assert resource
    code = (
        "import resource, collections, amorsize\n"
        "def peak(n):\n"
        "    collections.deque(amorsize.iexecute(abs, iter(range(n))), maxlen=0)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "peak(1000); before = peak(20000); print(peak(1000000) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < (4 << 20 if sys.platform == "darwin" else 4096)


def test_a_stream_that_is_left_leaves_nothing_running():
    stream = iexecute(nap, count(), executor="process")
    assert list(islice(stream, 50)) == [2 * x for x in range(50)]
    stream.close()
    assert list(islice(iexecute(nap, count(), executor="process"), 50)) == [2 * x for x in range(50)]
