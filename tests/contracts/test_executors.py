"""The built-in executors keep the contract, processes by every start method."""

from __future__ import annotations

import multiprocessing

import pytest

from amorsize.adapters.executors.process import ProcessExecutors, ProcessOptions
from amorsize.adapters.executors.serial import SerialExecutors, SerialOptions
from amorsize.adapters.executors.thread import ThreadExecutors, ThreadOptions
from amorsize.testing import ExecutorsContract

forks = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="Windows does not fork")


class TestSerial(ExecutorsContract):
    ends_workers = False

    def make(self):
        return SerialExecutors(SerialOptions())


class TestThreads(ExecutorsContract):
    ends_workers = False

    def make(self):
        return ThreadExecutors(ThreadOptions())


class _Processes(ExecutorsContract):
    def make(self):
        return ProcessExecutors(ProcessOptions())


@forks
class TestForkedProcesses(_Processes):
    start_method = "fork"


@forks
class TestServedProcesses(_Processes):
    start_method = "forkserver"


class TestSpawnedProcesses(_Processes):
    start_method = "spawn"
