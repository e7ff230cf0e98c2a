"""A forked worker waits for the caller's call, or for its silence, but not beside items that keep all CPUs busy."""

from __future__ import annotations

import os
import sys
import threading
from time import perf_counter

import pytest

if sys.platform != "linux":
    pytest.skip("workers are forked on Linux only", allow_module_level=True)

from amorsize.execution.chunks import PipeChunkQueue
from amorsize.execution.workers import child
from amorsize.execution.workers.board import Board, Task
from amorsize.execution.workers.child import Worker

CPUS = 2.0


class Caller:
    """Stands for the CPU seconds of the caller's process: all CPUs for some looks, then one CPU."""

    def __init__(self, busy_looks):
        self.looks = 0
        self._busy_looks = busy_looks

    def scheduled_seconds(self, _pid):
        self.looks += 1
        return perf_counter() * (CPUS if self.looks <= 2 * self._busy_looks else 1.0), 0.0


@pytest.fixture
def board():
    board = Board(caller_takes=True)
    board.count_threads()
    yield board
    board.close()


@pytest.fixture
def worker(board):
    queue = PipeChunkQueue(0, 1)
    task = Task(abs, lambda numbers: (numbers.start, [1]), queue, caller_takes=True, bound_bytes=1, cpus=CPUS)
    yield Worker(0, board, task, os.getpid())
    queue.close()


@pytest.fixture
def another_thread(board):
    """Start a thread after the board has counted those of this process, as an item does."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    assert board.has_more_threads()
    yield
    over.set()
    thread.join()


@pytest.fixture
def caller(monkeypatch, request):
    caller = Caller(request.param)
    monkeypatch.setattr(child, "scheduled_seconds", caller.scheduled_seconds)
    return caller


@pytest.mark.parametrize("caller", [3], indirect=True)
def test_a_worker_begins_when_the_caller_is_silent(worker, caller):
    worker._wait()
    assert caller.looks == 0


@pytest.mark.usefixtures("another_thread")
@pytest.mark.parametrize("caller", [0, 3], indirect=True)
def test_a_worker_begins_once_threads_of_an_item_leave_a_cpu_free(worker, caller):
    busy_looks = caller._busy_looks
    worker._wait()
    assert caller.looks == 2 * busy_looks + 2


@pytest.mark.usefixtures("another_thread")
@pytest.mark.parametrize("caller", [1 << 30], indirect=True)
def test_a_worker_begins_when_it_is_called(worker, board, caller):
    calls = threading.Timer(0.03, board.wake)
    calls.start()
    worker._wait()
    calls.join()
    assert caller.looks < 1 << 30
