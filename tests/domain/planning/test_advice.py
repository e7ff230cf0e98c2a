"""What holds a plan back: one situation for each constraint, and nothing where nothing would gain."""

from __future__ import annotations

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.planning.advice import advise
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import Constraints

LARGE = float(3 << 20)
MANY_CORES = attrs.evolve(MACHINE, usable_cpus=64.0)
PROCESSES = Constraints(executor="process")


def situation(items=5000, *, machine=MACHINE, constraints=None, blocked_reason=None, **sampled):
    return Situation(items, attrs.evolve(SAMPLE, **sampled), machine, constraints or Constraints(), blocked_reason)


CASES = {
    "the cost of moving items": (
        situation(machine=MANY_CORES, constraints=PROCESSES, item_bytes=LARGE, pickle_item_seconds=0.001),
        "items are 3 MiB each",
    ),
    "the cost of moving results": (
        situation(machine=MANY_CORES, constraints=PROCESSES, result_bytes=LARGE, unpickle_result_seconds=0.001),
        "results are 3 MiB each: return a summary",
    ),
    "the lack of worker processes": (
        situation(machine=MANY_CORES, blocked_reason="the function is a lambda"),
        "processes are ruled out: the function is a lambda",
    ),
    "the GIL": (
        situation(cpu_fraction=0.5, gil_fraction=0.5, pickle_item_seconds=0.01, pickle_result_seconds=0.01),
        "the GIL is held 50% of the time",
    ),
    "start-up": (
        situation(20, machine=attrs.evolve(MANY_CORES, start_method="spawn"), worker_import_seconds=0.5),
        "keep one pool open",
    ),
    "the limits given": (
        situation(machine=MANY_CORES, constraints=Constraints(executor="process", max_workers=2)),
        "without executor='process' and max_workers=2 another plan is better",
    ),
    "memory": (
        situation(constraints=Constraints(memory_limit=3 << 30), machine=MANY_CORES, peak_bytes=float(1 << 30)),
        "a worker takes 1.01 GiB of the 3 GiB there is",
    ),
    "cores": (situation(), "all 4 usable CPUs are busy"),
    "too few items": (situation(20, seconds_per_item=0.5, machine=MANY_CORES), "20 items are few"),
}


@pytest.mark.parametrize("constraint", CASES)
def test_what_binds_is_named_with_what_to_change(constraint):
    asked, words = CASES[constraint]
    advice = advise(asked, OVERHEADS)
    assert advice.constraint == constraint
    assert words in advice.change
    assert advice.gain >= 1.1


def test_nothing_is_said_where_no_change_gains_a_tenth():
    assert advise(situation(seconds_per_item=0.0), OVERHEADS) is None
    assert advise(situation(1, seconds_per_item=1e-6), OVERHEADS) is None


def test_a_hard_change_is_named_only_where_it_gains_twice_what_an_easy_one_does():
    ruled_out = situation(machine=MANY_CORES, blocked_reason="the function is a lambda")
    unlocked = attrs.evolve(ruled_out, sample=attrs.evolve(ruled_out.sample, gil_fraction=0.0))
    now, then = (decide(one, OVERHEADS).plan.predicted_seconds for one in (ruled_out, unlocked))
    assert now / then > advise(ruled_out, OVERHEADS).gain
    few = situation(20, machine=MANY_CORES)
    assert advise(few, OVERHEADS).constraint == "start-up"
    assert advise(attrs.evolve(few, sample=attrs.evolve(SAMPLE, seconds_per_item=5.0)), OVERHEADS).constraint == (
        "too few items"
    )


def test_a_limit_on_workers_alone_is_named_alone():
    advice = advise(situation(machine=MANY_CORES, constraints=Constraints(max_workers=2)), OVERHEADS)
    assert advice.change == "without max_workers=2 another plan is better"


@given(
    items=st.integers(1, 10**6),
    seconds=st.floats(1e-7, 1.0),
    computing=st.floats(0, 4),
    size=st.floats(0, 1e8),
    cpus=st.floats(0.1, 1024),
)
def test_advice_always_gains_a_tenth_and_is_the_same_every_time(items, seconds, computing, size, cpus):
    machine = attrs.evolve(MACHINE, usable_cpus=cpus)
    asked = situation(
        items, machine=machine, seconds_per_item=seconds, cpu_fraction=computing, item_bytes=size, result_bytes=size
    )
    advice = advise(asked, OVERHEADS)
    assert advice == advise(asked, OVERHEADS)
    assert advice is None or advice.gain >= 1.1
    assert advice is None or decide(asked, OVERHEADS).plan.predicted_seconds > 0
