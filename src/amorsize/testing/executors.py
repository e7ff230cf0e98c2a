"""The contract of all executors."""

# a contract asserts, its method names are its sentences, and its numbers are its examples
# ruff: noqa: S101, D102, PLR2004

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psutil

from amorsize.application.ports import Executors
from amorsize.domain.planning.external import Capacity
from amorsize.testing.raising import must_raise

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

_PATIENCE_SECONDS: Final = 60.0
"""How long a result is waited for before a test fails."""
_LONG_SECONDS: Final = 600.0
"""How long an item takes that only kill() ends."""
_SHORT_SECONDS: Final = 0.2
"""How long it takes where kill() leaves it alone."""
_KEPT_BY_PYTHON: Final = ("from multiprocessing.resource_tracker import", "from multiprocessing.forkserver import")
"""In the commands of the processes that Python starts beside workers, once; a fork server's workers have its own."""


class ExecutorsContract:
    """What all executors must do; see ``amorsize.application.ports.Executors``.

    ``start_method`` is what they are asked to start processes by. ``ends_workers`` says whether ``kill`` ends workers
    at what they are at: not where these are threads, or processes that others own too.
    """

    start_method: str = "spawn" if sys.platform == "win32" else "fork"
    ends_workers: bool = True

    def make(self) -> Executors:
        """Return executors."""
        raise NotImplementedError

    def test_they_keep_the_port_and_name_a_kind_of_worker(self) -> None:
        executors = self.make()
        assert isinstance(executors, Executors)
        assert executors.kind in ("serial", "thread", "process")

    def test_what_is_submitted_runs_and_its_result_comes_back(self) -> None:
        with self._started() as executor:
            futures = [executor.submit(divmod, number, 7) for number in range(100)]
            assert [future.result(_PATIENCE_SECONDS) for future in futures] == [divmod(x, 7) for x in range(100)]
            assert executor.submit(int, "11", base=2).result(_PATIENCE_SECONDS) == 3

    def test_work_is_done_where_the_kind_says(self) -> None:
        kind = self.make().kind
        with self._started() as executor:
            process, thread = executor.submit(_process_and_thread).result(_PATIENCE_SECONDS)
            assert (process == os.getpid()) == (kind != "process")
            assert (thread == threading.get_ident()) == (kind == "serial") or kind == "process"

    def test_what_it_raises_comes_out_of_the_future_and_others_go_on(self) -> None:
        with self._started() as executor:
            failing = executor.submit(_fail, "mine")
            fine = executor.submit(abs, -1)
            assert must_raise(LookupError, lambda: failing.result(_PATIENCE_SECONDS)).args == ("mine",)
            assert isinstance(failing.exception(), LookupError)
            assert fine.result(_PATIENCE_SECONDS) == 1

    def test_a_callback_is_called_for_each_future_that_is_done(self) -> None:
        with self._started() as executor:
            called: list[Future[int]] = []
            futures = [executor.submit(abs, number) for number in range(10)]
            for future in futures:
                future.add_done_callback(called.append)
            _wait(lambda: len(called) == 10, "each future must call its callback")
            assert set(called) == set(futures)

    def test_each_start_is_another_executor(self) -> None:
        executors = self.make()
        first, second = (executors.start(2, self.start_method) for _ in range(2))
        with second:
            assert first is not second
            first.shutdown()
            assert second.submit(abs, -1).result(_PATIENCE_SECONDS) == 1

    def test_what_is_shut_down_takes_no_more(self) -> None:
        executor = self._started()
        executor.shutdown()
        executor.shutdown(wait=False, cancel_futures=True)
        must_raise(RuntimeError, lambda: executor.submit(abs, -1))

    def test_the_capacity_is_none_or_has_workers_however_often_it_is_asked_for(self) -> None:
        executors = self.make()
        for _ in range(2):
            capacity = executors.capacity()
            if capacity is not None:
                assert isinstance(capacity, Capacity)
                assert capacity.workers >= 1
                assert capacity.memory_bytes is None or capacity.memory_bytes >= 0
                assert capacity.processes is None or 1 <= capacity.processes <= capacity.workers
                assert capacity.place.isprintable()

    def test_nothing_has_run_again_where_no_worker_was_lost(self) -> None:
        executors = self.make()
        with executors.start(2, self.start_method) as executor:
            assert executors.reruns(executor) == 0
            assert executor.submit(abs, -1).result(_PATIENCE_SECONDS) == 1
            assert executors.reruns(executor) == 0
        assert executors.reruns(executor) == 0

    def test_idle_workers_can_be_killed_again_and_again_and_others_go_on(self) -> None:
        executors, before = self.make(), _workers()
        with executors.start(1, self.start_method) as other:
            assert other.submit(abs, -1).result(_PATIENCE_SECONDS) == 1
            others = _workers()
            executor = executors.start(2, self.start_method)
            executors.kill(executor)  # they have not even begun
            executor = executors.start(2, self.start_method)
            assert executor.submit(abs, -2).result(_PATIENCE_SECONDS) == 2
            for _ in range(3):
                executors.kill(executor)
            assert other.submit(abs, -3).result(_PATIENCE_SECONDS) == 3
            _wait(lambda: _workers() <= others, "killed workers must be gone")
        executors.kill(executor)
        executors.kill(other)
        _wait(lambda: _workers() <= before, "workers that were shut down must be gone")

    def test_killed_while_workers_are_busy_and_work_waits_all_futures_are_done_and_no_process_is_left(self) -> None:
        executors, before = self.make(), _workers()
        seconds = _LONG_SECONDS if self.ends_workers else _SHORT_SECONDS
        for wait_seconds in (0.0, 0.1):  # while they start, and while they run
            executor = executors.start(2, self.start_method)
            if wait_seconds:
                assert executor.submit(abs, -1).result(_PATIENCE_SECONDS) == 1
            futures = [executor.submit(time.sleep, seconds) for _ in range(2 if executors.kind == "serial" else 8)]
            time.sleep(wait_seconds)
            executors.kill(executor)
            executors.kill(executor)
            _wait(partial(_are_done, futures), "killed futures must be done")
            assert not self.ends_workers or all(map(_has_failed, futures))
            _wait(lambda: _workers() <= before, "killed workers must be gone")

    def test_a_process_leaves_ctrl_c_to_its_parent(self) -> None:
        if self.make().kind != "process" or not self.ends_workers:
            return
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background passes it over
        try:
            with self._started() as executor:
                for _ in range(3):
                    assert executor.submit(_interrupt_itself).result(_PATIENCE_SECONDS) == "still here"
        finally:
            signal.signal(signal.SIGINT, before)

    def test_execute_runs_on_one_and_leaves_it_running(self) -> None:
        from amorsize import execute

        data = range(100, 200)
        with self._started() as executor:
            ask = partial(execute, executor=executor, use_cache=False, min_speedup=1.0, config={"cache": "memory"})
            ran = ask(_nap, data)
            assert [item for item, _ in ran] == list(data)
            if self.make().kind != "serial":
                assert {where for _, where in ran} - {_process_and_thread()}, "execute must have used a worker"
            failed = must_raise(LookupError, lambda: ask(_nap_and_fail, data))
            assert any("at position 77" in note for note in failed.__notes__)
            assert executor.submit(abs, -1).result(_PATIENCE_SECONDS) == 1

    def _started(self) -> Executor:
        return self.make().start(2, self.start_method)


def _process_and_thread() -> tuple[int, int]:
    """Return the process and the thread this runs in."""
    return os.getpid(), threading.get_ident()


def _fail(word: str) -> None:
    raise LookupError(word)


def _interrupt_itself() -> str:
    signal.raise_signal(signal.SIGINT)
    return "still here"


def _nap(item: int) -> tuple[int, tuple[int, int]]:
    time.sleep(0.01)
    return item, _process_and_thread()


def _nap_and_fail(item: int) -> int:
    time.sleep(0.01)
    if item == 177:
        raise LookupError(item)
    return item


def _are_done(futures: list[Future[Any]]) -> bool:
    return all(future.done() for future in futures)


def _has_failed(future: Future[Any]) -> bool:
    return future.cancelled() or future.exception() is not None


def _workers() -> set[psutil.Process]:
    """Return the processes below this one, but for those that have ended and those that Python keeps."""
    found, here = set(), os.getpid()
    for process in psutil.Process().children(recursive=True):
        try:
            command, parent = " ".join(process.cmdline()), process.ppid()
            has_ended = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:  # gone by now
            continue
        if not has_ended and not (parent == here and any(words in command for words in _KEPT_BY_PYTHON)):
            found.add(process)
    return found


def _wait(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until, what
        time.sleep(0.01)
