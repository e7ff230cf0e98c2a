"""Executors that were chosen by name: asked, measured and remembered by place, and run on."""

from __future__ import annotations

import importlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Lock

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE, Clock, Desk, dependencies_of, entries_of

from amorsize import AmorsizeWarning
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.application.overheads import Chosen, KnownOverheads, LocalMachine
from amorsize.domain.planning.external import Capacity
from amorsize.domain.rules import RuleSettings
from amorsize.domain.values import Constraints
from amorsize.errors import MeasurementError
from amorsize.execution.budget import Budget
from amorsize.execution.execution import Execution
from amorsize.execution.job import Options
from amorsize.execution.pickling import is_sendable
from amorsize.execution.resources import LeftBehind, Resources
from amorsize.execution.workers.warm import WarmPools

HERE = LocalMachine(MACHINE, "0123abcd")
FAR = Capacity(8, 1 << 36, 8, "tcp://far:1")


class FarExecutors:
    """Executors that say their workers are elsewhere; they are processes that know nothing of this one."""

    kind = "process"

    def __init__(self, capacity=FAR):
        self.there = capacity
        self.lost = 0
        self.started = []

    def start(self, workers, start_method):
        self.started.append(ProcessPoolExecutor(2, mp_context=get_context("spawn")))
        return self.started[-1]

    def capacity(self):
        return self.there

    def reruns(self, executor):
        lost, self.lost = self.lost, 0
        return lost

    def kill(self, executor):
        executor.shutdown(wait=False, cancel_futures=True)


def chosen(executors, measured=None):
    def overheads(workers, start_method):
        (measured if measured is not None else []).append((workers, start_method))
        return attrs.evolve(OVERHEADS, start_seconds=0.0, start_worker_seconds=0.0)

    return Chosen("far", executors, overheads, is_sendable)


def known_by(entries, clock=None, **limits):
    """Return the overheads that a new process knows, with some entries."""
    return KnownOverheads(dependencies_of(entries, clock or Clock(), rules=RuleSettings(**limits)))


def test_what_a_place_charges_is_measured_once_and_kept_for_other_processes():
    entries, measured = entries_of(MemoryCache(MemoryOptions())), []
    for _ in range(2):
        known_overheads = known_by(entries)
        for _ in range(2):
            assert known_overheads.external(chosen(FarExecutors(), measured), abs, None, HERE).capacity == FAR
    assert measured == [(8, "fork")]
    known_by(entries).external(chosen(FarExecutors(FAR._replace(place="tcp://other:1")), measured), abs, None, HERE)
    known_by(entries).external(chosen(FarExecutors(), measured), abs, None, HERE, keep=False)
    assert len(measured) == 3


def test_what_a_place_charged_long_ago_is_measured_again_only_when_asked_to():
    entries, measured, clock = entries_of(MemoryCache(MemoryOptions())), [], Clock()
    for renew, times in ((True, 1), (True, 1), (False, 1), (True, 2), (True, 2)):
        known_overheads = known_by(entries, clock, ttl_seconds=5.0)
        known_overheads.external(chosen(FarExecutors(), measured), abs, None, HERE, renew=renew)
        assert len(measured) == times
        clock.now += 3.0 if times == 1 else 1.0


def test_what_a_place_charged_long_ago_has_to_do_when_it_cannot_be_measured_again():
    def fails(workers, start_method):
        raise MeasurementError("busy")

    clock, measured = Clock(), []
    known_overheads = known_by(entries_of(MemoryCache(MemoryOptions())), clock, ttl_seconds=5.0)
    failing = chosen(FarExecutors())._replace(overheads=fails)
    with pytest.raises(MeasurementError, match="busy"):
        known_overheads.external(failing, abs, None, HERE, renew=True)
    known = known_overheads.external(chosen(FarExecutors(), measured), abs, None, HERE, renew=True).overheads
    clock.now += 9.0
    assert known_overheads.external(failing, abs, None, HERE, renew=True).overheads is known


def test_what_workers_without_a_place_charge_is_not_kept():
    entries, measured = entries_of(MemoryCache(MemoryOptions())), []
    for _ in range(2):
        external = known_by(entries).external(chosen(FarExecutors(None), measured), abs, None, HERE)
    assert (external.capacity.workers, external.is_here) == (4, True)
    assert len(measured) == 2
    assert list(entries.store.locators()) == []


def test_a_function_that_plain_pickle_refuses_can_go_where_its_code_can():
    known_overheads = known_by(entries_of(MemoryCache(MemoryOptions())))
    why = "the function f cannot be pickled"
    assert known_overheads.external(chosen(FarExecutors()), lambda x: x, why, HERE).blocked_reason is None
    assert known_overheads.external(chosen(FarExecutors()), Lock().acquire, why, HERE).blocked_reason == why
    assert (
        known_overheads.external(chosen(FarExecutors()), abs, "items cannot be pickled", HERE).blocked_reason
        is not None
    )


def execution(desk, executors, func, data, options=None):
    pools = WarmPools()
    resources = Resources(
        lambda name: {"far": executors}[name],
        pools,
        0.0,
        time.monotonic,
        Budget(),
        isolates=False,
        blocked_reason=lambda *_: None,
        left_behind=LeftBehind(),
    )
    limits = Constraints(backend="far", min_speedup=1.0)
    return Execution(desk.optimizer, resources, func, data, limits, options or Options(), chosen=chosen(executors))


SLOW = attrs.evolve(SAMPLE, seconds_per_item=1.0, first_call_seconds=1.0)


def test_an_engine_that_is_best_runs_the_items_and_what_it_ran_twice_is_said():
    executors, desk = FarExecutors(), Desk(sample=SLOW)
    executors.lost = 2
    with pytest.warns(AmorsizeWarning, match="2 chunks ran again because a worker was lost"):
        assert execution(desk, executors, abs, range(-300, 0)).run() == list(range(300, 0, -1))
    assert len(executors.started) == 1


def test_items_with_a_time_of_their_own_stay_here():
    executors, desk = FarExecutors(), Desk(sample=attrs.evolve(SLOW, blocked_reason="no processes"))
    found = execution(desk, executors, abs, range(-30, 0), Options(item_timeout=60.0)).run()
    assert found == list(range(30, 0, -1))
    assert executors.started == []


def test_workers_elsewhere_that_know_another_function_run_none_of_it(tmp_path, monkeypatch):
    tmp_path.joinpath("far_work.py").write_text("FACTOR = 2\ndef times(x):\n    return x * FACTOR\n")
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module("far_work")
    executors, desk = FarExecutors(), Desk(sample=SLOW)
    assert execution(desk, executors, work.times, range(100)).run() == list(range(0, 200, 2))
    monkeypatch.setattr(work, "FACTOR", 3)
    with pytest.warns(AmorsizeWarning, match="items run in the caller's process: .* know another version of the func"):
        assert execution(desk, executors, work.times, range(100)).run() == list(range(0, 300, 3))
    assert len(executors.started) == 3
    del sys.modules["far_work"]
