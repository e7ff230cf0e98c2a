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
from fakes import MACHINE, OVERHEADS, SAMPLE, Clock, Desk

from amorsize import AmorsizeWarning, WorkerError
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.domain.engine import Room
from amorsize.domain.values import Constraints, Limits
from amorsize.engines import Engines
from amorsize.entries import Entries
from amorsize.errors import MeasurementError
from amorsize.execution.crews import Crews
from amorsize.execution.job import Manner
from amorsize.execution.parcel import is_sendable
from amorsize.execution.runner import Execution, Means
from amorsize.question import Chosen

HERE = (MACHINE, "0123abcd")
FAR = Room(8, 1 << 36, 8, "tcp://far:1")


class FarExecutors:
    """Executors that say their workers are elsewhere; they are processes that know nothing of this one."""

    kind = "process"

    def __init__(self, room=FAR):
        self.there = room
        self.lost = 0
        self.started = []

    def start(self, workers, start_method):
        self.started.append(ProcessPoolExecutor(2, mp_context=get_context("spawn")))
        return self.started[-1]

    def room(self):
        return self.there

    def reruns(self, executor):
        lost, self.lost = self.lost, 0
        return lost

    def kill(self, executor):
        executor.shutdown(wait=False, cancel_futures=True)


def chosen(executors, measured=None):
    def charges(workers, start_method):
        (measured if measured is not None else []).append((workers, start_method))
        return attrs.evolve(OVERHEADS, start_seconds=0.0, start_worker_seconds=0.0)

    return Chosen("far", executors, charges, is_sendable)


def test_what_a_place_charges_is_measured_once_and_kept_for_other_processes():
    entries, measured = Entries(MemoryCache(MemoryOptions())), []
    for _ in range(2):
        engines = Engines(entries, Clock(), Limits())
        for _ in range(2):
            assert engines.engine(chosen(FarExecutors(), measured), abs, None, HERE).room == FAR
    assert measured == [(8, "fork")]
    Engines(entries, Clock(), Limits()).engine(
        chosen(FarExecutors(FAR._replace(place="tcp://other:1")), measured), abs, None, HERE
    )
    Engines(entries, Clock(), Limits()).engine(chosen(FarExecutors(), measured), abs, None, HERE, keep=False)
    assert len(measured) == 3


def test_what_a_place_charged_long_ago_is_measured_again_only_when_asked_to():
    entries, measured, clock = Entries(MemoryCache(MemoryOptions())), [], Clock()
    for renew, times in ((True, 1), (True, 1), (False, 1), (True, 2), (True, 2)):
        engines = Engines(entries, clock, Limits(ttl_seconds=5.0))
        engines.engine(chosen(FarExecutors(), measured), abs, None, HERE, renew=renew)
        assert len(measured) == times
        clock.now += 3.0 if times == 1 else 1.0


def test_what_a_place_charged_long_ago_has_to_do_when_it_cannot_be_measured_again():
    def fails(workers, start_method):
        raise MeasurementError("busy")

    clock, measured = Clock(), []
    engines = Engines(Entries(MemoryCache(MemoryOptions())), clock, Limits(ttl_seconds=5.0))
    failing = chosen(FarExecutors())._replace(charges=fails)
    with pytest.raises(MeasurementError, match="busy"):
        engines.engine(failing, abs, None, HERE, renew=True)
    known = engines.engine(chosen(FarExecutors(), measured), abs, None, HERE, renew=True).overheads
    clock.now += 9.0
    assert engines.engine(failing, abs, None, HERE, renew=True).overheads is known


def test_what_workers_without_a_place_charge_is_not_kept():
    entries, measured = Entries(MemoryCache(MemoryOptions())), []
    for _ in range(2):
        engine = Engines(entries, Clock(), Limits()).engine(chosen(FarExecutors(None), measured), abs, None, HERE)
    assert (engine.room.workers, engine.is_here) == (4, True)
    assert len(measured) == 2
    assert list(entries.store.locators()) == []


def test_a_function_that_plain_pickle_refuses_can_go_where_its_code_can():
    engines = Engines(Entries(MemoryCache(MemoryOptions())), Clock(), Limits())
    why = "the function f cannot be pickled"
    assert engines.engine(chosen(FarExecutors()), lambda x: x, why, HERE).obstacle is None
    assert engines.engine(chosen(FarExecutors()), Lock().acquire, why, HERE).obstacle == why
    assert engines.engine(chosen(FarExecutors()), abs, "items cannot be pickled", HERE).obstacle is not None


def execution(desk, executors, func, data, manner=None):
    means = Means(lambda name: {"far": executors}[name], Crews(time.monotonic), 0.0, time.monotonic)
    limits = Constraints(engine="far", min_speedup=1.0)
    return Execution(desk.optimizer, means, func, data, limits, manner or Manner(), chosen=chosen(executors))


DEAR = attrs.evolve(SAMPLE, seconds_per_item=1.0, first_call_seconds=1.0)


def test_an_engine_that_is_best_runs_the_items_and_what_it_ran_twice_is_told():
    executors, desk = FarExecutors(), Desk(sample=DEAR)
    executors.lost = 2
    with pytest.warns(AmorsizeWarning, match="2 chunks ran again because a worker was lost"):
        assert execution(desk, executors, abs, range(-300, 0)).run() == list(range(300, 0, -1))
    assert len(executors.started) == 1


def test_items_with_a_time_of_their_own_stay_here():
    executors, desk = FarExecutors(), Desk(sample=attrs.evolve(DEAR, obstacle="no processes"))
    found = execution(desk, executors, abs, range(-30, 0), Manner(item_timeout=60.0)).run()
    assert found == list(range(30, 0, -1))
    assert executors.started == []


def test_workers_elsewhere_that_know_another_function_are_not_believed(tmp_path, monkeypatch):
    tmp_path.joinpath("far_work.py").write_text("FACTOR = 2\ndef times(x):\n    return x * FACTOR\n")
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module("far_work")
    executors, desk = FarExecutors(), Desk(sample=DEAR)
    assert execution(desk, executors, work.times, range(100)).run() == list(range(0, 200, 2))
    monkeypatch.setattr(work, "FACTOR", 3)
    with pytest.raises(WorkerError, match="must know times as it is here, got another version"):
        execution(desk, executors, work.times, range(100)).run()
    del sys.modules["far_work"]
