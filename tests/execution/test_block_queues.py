"""Blocks of a stream are handed out once each, in order, to threads, to an executor and to forked workers."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from amorsize.execution.block_queues import LocalBlockQueue, SharedBlockQueue

linux = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

BLOCKS = [(0, 0, ["a"]), (1, 1, ["b", "c"]), (2, 3, [b"d" * 100_000])]


@pytest.fixture
def queue(request):
    """Return a queue that holds the blocks."""
    made = request.param()
    for block in BLOCKS:
        made.put(*block)
    yield made
    made.close()
    made.close()


@pytest.mark.parametrize("queue", [LocalBlockQueue, pytest.param(SharedBlockQueue, marks=linux)], indirect=True)
def test_each_block_is_taken_once_by_a_worker_or_by_the_caller(queue):
    assert queue.take(5) == range(1)
    assert queue.steal() == 1
    assert queue.take(1) == range(2, 3)
    assert queue.steal() is None


@pytest.mark.parametrize("queue", [pytest.param(SharedBlockQueue, marks=linux)], indirect=True)
def test_a_block_has_its_first_position_and_its_items(queue):
    for number, first, items in BLOCKS:
        taken = queue.take(1)
        assert taken == range(number, number + 1)
        assert queue.items_of(taken) == (first, items)


@pytest.mark.parametrize("queue", [LocalBlockQueue, pytest.param(SharedBlockQueue, marks=linux)], indirect=True)
def test_every_worker_comes_to_an_end_after_the_last_block(queue):
    queue.stop(2)
    assert [queue.take(1) for _ in range(5)] == [range(1), range(1, 2), range(2, 3), None, None]


def test_a_thread_waits_for_the_next_block():
    queue, taken = LocalBlockQueue(), []
    thread = threading.Thread(target=lambda: taken.extend((queue.take(1), queue.take(1))))
    thread.start()
    queue.put(7, 0, ["a"])
    queue.stop(1)
    thread.join()
    assert taken == [range(7, 8), None]


def test_a_block_that_an_executor_did_not_run_comes_first_again():
    queue = LocalBlockQueue()
    queue.stop(0)
    for block in BLOCKS:
        queue.put(*block)
    numbers = queue.take(1)
    queue.put_back(numbers)
    assert (queue.take(1), queue.left()) == (numbers, 2)
    assert [queue.take(1) for _ in range(3)] == [range(1, 2), range(2, 3), None]


@linux
def test_the_caller_leaves_the_end_to_the_worker_that_it_is_for():
    queue = SharedBlockQueue()
    queue.stop(1)
    assert queue.steal() is None
    assert queue.take(1) is None
    queue.close()


@linux
def test_of_data_that_can_be_indexed_only_positions_travel():
    class Unpicklable:
        pass

    data = [Unpicklable() for _ in range(6)]
    queue = SharedBlockQueue(data)
    queue.put(3, 2, data[2:5])
    assert queue.items_of(queue.take(1)) == (2, data[2:5])
    queue.close()


@linux
def test_the_memory_of_blocks_that_are_done_is_used_again():
    queue = SharedBlockQueue()
    for number in range(100):
        queue.put(number, number, [bytes(300_000)])
        assert queue.items_of(queue.take(1)) == (number, [bytes(300_000)])
        queue.free_before(number + 1)
    assert os.fstat(queue._memory).st_size < 3 << 20
    queue.close()


@linux
def test_items_that_cannot_be_pickled_raise_and_no_block_is_handed_out():
    queue = SharedBlockQueue()
    with pytest.raises(Exception, match="pickle"):
        queue.put(0, 0, [lambda: 0])
    assert queue.steal() is None
    queue.close()


@linux
def test_where_no_memory_can_be_shared_nothing_stays_open(monkeypatch):
    def refuses():
        raise OSError("no memory")

    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    monkeypatch.setattr("amorsize.processes.memory.shared_file", refuses)
    with pytest.raises(OSError, match="no memory"):
        SharedBlockQueue()
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
