"""A forked worker takes no chunk while threads of a library keep all CPUs busy for the item that the caller is at."""

from __future__ import annotations

import os
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("workers are forked on Linux only", allow_module_level=True)

from amorsize.execution.chunks import PipeChunkQueue
from amorsize.execution.workers import child
from amorsize.execution.workers.board import Board, Task
from amorsize.execution.workers.child import Worker


@pytest.fixture
def board():
    board = Board(caller_takes=True)
    board.count_threads()
    yield board
    board.close()


@pytest.fixture
def worker(board):
    queue = PipeChunkQueue(0, 1)
    task = Task(abs, lambda numbers: (numbers.start, [1]), queue, caller_takes=True, bound_bytes=1, cpus=2.0)
    yield Worker(0, board, task, os.getppid())
    queue.close()


@pytest.mark.parametrize(
    ("more_threads", "running", "waits"),
    [(True, [2, 2, 2], True), (True, [2, 2, 1], True), (True, [2, 1, 1], False), (False, [2, 2, 2], False)],
)
def test_a_worker_waits_while_more_threads_than_at_the_fork_keep_all_cpus_busy(
    monkeypatch, worker, more_threads, running, waits
):
    monkeypatch.setattr(Board, "has_more_threads", lambda _: more_threads)
    looks = iter(running)
    monkeypatch.setattr(child, "running_threads", lambda _: next(looks))
    assert worker._must_wait() == waits


def test_a_worker_looks_again_after_a_while_only(monkeypatch, worker):
    now, looks = [100.0], []
    monkeypatch.setattr(child, "perf_counter", lambda: now[0])
    monkeypatch.setattr(Board, "has_more_threads", lambda _: True)
    monkeypatch.setattr(child, "running_threads", lambda _: looks.append(now[0]) or 1)
    for now[0] in (100.0, 100.001, 100.004, 100.006):
        assert not worker._must_wait()
    assert sorted(set(looks)) == [100.0, 100.006]


def test_a_worker_that_waits_has_taken_no_chunk(monkeypatch, worker):
    left = []

    def wait_once(_):
        left.append(worker._task.queue.unclaimed())
        return len(left) == 1

    monkeypatch.setattr(Worker, "_begin", lambda _: None)
    monkeypatch.setattr(Worker, "_must_wait", wait_once)
    monkeypatch.setattr(Worker, "_run_chunks", lambda _, numbers: left.append(numbers))
    worker.run()
    assert left == [1, 1, range(1), 0]
