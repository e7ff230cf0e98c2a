"""An external beside this machine: what it is to the model, and what is said of both."""

from __future__ import annotations

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE

from amorsize.domain.planning.external import Capacity, ExternalWorkers
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import Constraints, Plan

FAR = attrs.evolve(
    OVERHEADS, start_seconds=0.0, start_worker_seconds=0.0, chunk_parent_seconds=2e-3, chunk_worker_seconds=2e-2
)


def external(workers=64, memory_bytes=1 << 36, processes=None, kind="process", blocked_reason=None):
    return ExternalWorkers("far", kind, Capacity(workers, memory_bytes, processes, "there"), FAR, blocked_reason)


def situation(items=100_000, constraints=None, **sampled):
    sample = attrs.evolve(SAMPLE, **sampled)
    return Situation(items, sample, MACHINE, constraints or Constraints(backend="far"))


def plan(there, here=OVERHEADS, **asked):
    return decide(situation(**asked), here, there).plan


def test_many_dear_items_go_there_and_the_reason_names_both_sides():
    found = plan(external())
    assert (found.executor, found.n_jobs) == ("far", 64)
    assert found.reason.startswith("64 workers of far should take")
    assert "; 4 processes here should take" in found.reason


def test_few_items_stay_and_the_reason_names_both_sides():
    found = plan(external(workers=2))
    assert found.executor == "process"
    assert "; 2 workers of far should take" in found.reason


def test_cheap_items_run_serially_and_the_reason_names_the_engine():
    found = plan(external(workers=2), None, items=100, seconds_per_item=1e-4)
    assert found.executor == "serial"
    assert "workers of far) should take" in found.reason


def test_an_engine_that_is_ruled_out_is_named_with_the_reason():
    assert plan(external(blocked_reason="no way")).reason.endswith("; far is ruled out: no way")


def test_it_is_said_when_this_machine_has_nothing_to_offer():
    found = plan(external(), None)
    assert found.reason.endswith("; this machine's own workers would not help")


def test_an_engine_on_this_machine_takes_the_place_of_its_own_workers():
    there = external(workers=4, memory_bytes=None)
    assert there.is_here
    assert there.situation(situation()).machine == MACHINE
    found = plan(there, None)
    assert (found.executor, found.n_jobs) == ("far", 4)
    assert found.reason.endswith("are the limit")


def test_workers_that_are_threads_are_compared_as_threads():
    found = plan(external(kind="thread", processes=1), None, cpu_fraction=0.01, gil_fraction=0.0)
    assert (found.executor, found.n_jobs) == ("far", 64)


@pytest.mark.parametrize(
    ("processes", "gil_fraction", "cpus"),
    [(None, 1.0, 8), (2, 1.0, 2), (2, 0.5, 4), (2, 0.0, 8), (8, 1.0, 8)],
    ids=["one each", "lock held", "lock held half the time", "lock never held", "as many as workers"],
)
def test_workers_that_share_a_lock_are_as_many_cpus_as_the_lock_lets_run(processes, gil_fraction, cpus):
    there = external(8, processes=processes).situation(situation(gil_fraction=gil_fraction)).machine
    assert there.usable_cpus == cpus
    assert there.start_method == "spawn"


def test_the_limits_hold_there_too():
    there = external().situation(situation(constraints=Constraints(max_workers=3, memory_limit=1 << 20)))
    assert there.constraints.max_workers == 3
    assert there.memory_bytes == 1 << 20
    assert plan(external(), constraints=Constraints(max_workers=3)).n_jobs <= 3


@pytest.mark.parametrize("name", ["", "Far", "-far", "fär", "far away", "f" * 41, 7])
def test_what_no_backend_can_be_called_no_plan_can_name(name):
    with pytest.raises(ValueError, match="executor must be one of 'serial', 'thread', 'process' or the name"):
        Plan(name, 1, 1, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0)
    assert Plan("far-away_2", 1, 1, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0).executor == "far-away_2"
