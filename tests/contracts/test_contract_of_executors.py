"""The contract of executors is worth something: those that are wrong in one way each are caught."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from amorsize.adapters.executors.process import ProcessExecutors, ProcessOptions
from amorsize.adapters.executors.thread import ThreadExecutors, ThreadOptions
from amorsize.domain.planning.external import Capacity
from amorsize.testing import ExecutorsContract
from amorsize.testing import executors as contract

NOTHING_IS_LEFT = "test_killed_while_workers_are_busy_and_work_waits_all_futures_are_done_and_no_process_is_left"


class Sound(ThreadExecutors):
    def __init__(self):
        super().__init__(ThreadOptions())


class KnowsNoReruns(Sound):
    reruns = None


class IsOfNoKind(Sound):
    kind = "fibre"


class SaysProcess(Sound):
    kind = "process"


class HasNoWorkers(Sound):
    def capacity(self):
        return Capacity(0)


class AlwaysRunsAgain(Sound):
    def reruns(self, executor):
        return 1


class KillsOnce(Sound):
    def kill(self, executor):
        if executor._shutdown:
            raise RuntimeError("it is dead")
        super().kill(executor)


class StartsOneForAll(Sound):
    def __init__(self):
        super().__init__()
        self.one = ThreadPoolExecutor(2)

    def start(self, workers, start_method):
        return self.one


class SwallowsWhatIsRaised(Sound):
    class Executor(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            inner, outer = super().submit(fn, *args, **kwargs), Future()
            inner.add_done_callback(lambda done: outer.set_result(None if done.exception() else done.result()))
            return outer

    def start(self, workers, start_method):
        return self.Executor(workers)


class LeavesFuturesWaiting(Sound):
    """As a pool whose workers vanish and that tells nobody."""

    class Executor(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            if not wait:
                while not self._work_queue.empty():
                    self._work_queue.get()
            super().shutdown(wait=wait)

    def start(self, workers, start_method):
        return self.Executor(workers)


class TakesWorkForEver(Sound):
    class Executor(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            pass

    def start(self, workers, start_method):
        return self.Executor(workers)


class SoundProcesses(ProcessExecutors):
    def __init__(self):
        super().__init__(ProcessOptions())


class HearsCtrlC(SoundProcesses):
    def start(self, workers, start_method):
        return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(start_method))


class LeavesProcesses(SoundProcesses):
    def kill(self, executor):
        executor.shutdown(wait=False, cancel_futures=True)


FAULTS = [
    (KnowsNoReruns, "test_nothing_has_run_again_where_no_worker_was_lost"),
    (IsOfNoKind, "test_they_keep_the_port_and_name_a_kind_of_worker"),
    (SaysProcess, "test_work_is_done_where_the_kind_says"),
    (HasNoWorkers, "test_the_capacity_is_none_or_has_workers_however_often_it_is_asked_for"),
    (AlwaysRunsAgain, "test_nothing_has_run_again_where_no_worker_was_lost"),
    (KillsOnce, "test_idle_workers_can_be_killed_again_and_again_and_others_go_on"),
    (StartsOneForAll, "test_each_start_is_another_executor"),
    (SwallowsWhatIsRaised, "test_what_it_raises_comes_out_of_the_future_and_others_go_on"),
    (TakesWorkForEver, "test_what_is_shut_down_takes_no_more"),
    (LeavesFuturesWaiting, NOTHING_IS_LEFT),
    (HearsCtrlC, "test_a_process_leaves_ctrl_c_to_its_parent"),
    (LeavesProcesses, NOTHING_IS_LEFT),
]


@pytest.mark.parametrize(("kind", "sentence"), FAULTS)
def test_executors_with_a_fault_fail(kind, sentence, monkeypatch):
    class Contract(ExecutorsContract):
        ends_workers = issubclass(kind, SoundProcesses)

        def make(self):
            return kind()

    monkeypatch.setattr(contract, "_PATIENCE_SECONDS", 3.0)  # long enough for what comes
    monkeypatch.setattr(contract, "_LONG_SECONDS", 6.0)  # and for what must not be left
    with pytest.raises((AssertionError, RuntimeError, TypeError, KeyboardInterrupt)):
        getattr(Contract(), sentence)()
