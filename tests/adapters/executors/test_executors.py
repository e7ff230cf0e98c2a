"""The built-in executors keep their port's promises."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest
from execution.jobs import twice

from amorsize.adapters.executors.process import ProcessExecutors, ProcessOptions
from amorsize.adapters.executors.serial import SerialExecutors, SerialOptions
from amorsize.adapters.executors.thread import ThreadExecutors, ThreadOptions
from amorsize.ports import Executors

ALL = [(SerialExecutors, SerialOptions), (ThreadExecutors, ThreadOptions), (ProcessExecutors, ProcessOptions)]


def fail(item):
    raise LookupError(item)


def handler(_):
    return signal.getsignal(signal.SIGINT) in (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_an_executor_runs_what_is_submitted(kind, options):
    executors = kind(options())
    assert isinstance(executors, Executors)
    assert executors.room() is None
    with executors.start(2, "spawn" if os.name == "nt" else "fork") as executor:
        assert [executor.submit(twice, x).result() for x in range(3)] == [0, 2, 4]
        with pytest.raises(LookupError):
            executor.submit(fail, 1).result()
    executors.kill(executor)
    executors.kill(executor)


def test_killed_processes_are_gone():
    executors = ProcessExecutors(ProcessOptions())
    executor = executors.start(2, "spawn" if os.name == "nt" else "fork")
    futures = [executor.submit(time.sleep, 60) for _ in range(2)]
    pids = list(executor._processes)
    executors.kill(executor)
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
    deadline = time.monotonic() + 10
    while not all(future.done() for future in futures):  # wait() never returns what a shutdown has cancelled
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert all(future.cancelled() or future.exception() is not None for future in futures)


def test_a_worker_leaves_an_interrupt_to_its_parent():
    with ProcessExecutors(ProcessOptions()).start(1, "spawn" if os.name == "nt" else "fork") as executor:
        assert not executor.submit(handler, 0).result()
