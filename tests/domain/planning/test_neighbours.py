"""The plans around a plan."""

from __future__ import annotations

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.planning.neighbours import neighbours
from amorsize.domain.planning.planner import decide, serial_plan
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import Constraints


def situation(items=1000, **constraints):
    return Situation(items, SAMPLE, MACHINE, Constraints(**constraints))


def around(plan, asked, overheads=OVERHEADS):
    return [(way.executor, way.n_jobs, way.chunksize) for way in neighbours(plan, asked, overheads)]


def plan(executor, n_jobs, chunksize):
    return attrs.evolve(serial_plan(situation(), ""), executor=executor, n_jobs=n_jobs, chunksize=chunksize)


def test_a_step_is_to_serial_to_half_or_twice_workers_or_chunk_and_to_the_other_kind():
    eight = attrs.evolve(situation(), machine=attrs.evolve(MACHINE, usable_cpus=8.0))
    assert around(plan("process", 4, 50), eight) == [
        ("process", 4, 50),
        ("serial", 1, 1000),
        ("process", 2, 100),
        ("process", 8, 25),
        ("process", 4, 25),
        ("process", 4, 100),
        ("thread", 4, 50),
    ]


def test_twice_the_workers_stays_within_what_is_allowed():
    assert ("process", 8, 25) not in around(plan("process", 4, 50), situation())
    assert ("thread", 4, 25) not in around(plan("thread", 2, 50), situation(max_workers=3))


def test_processes_are_left_out_where_they_cannot_be():
    blocked = attrs.evolve(situation(), blocked_reason="a prompt")
    assert {executor for executor, _, _ in around(plan("thread", 2, 50), blocked)} == {"thread", "serial"}
    assert {executor for executor, _, _ in around(serial_plan(blocked, ""), blocked)} == {"thread", "serial"}


def test_from_serial_a_step_is_to_the_cpus_in_four_chunks_each():
    asked = situation()
    assert around(serial_plan(asked, ""), asked) == [("serial", 1, 1000), ("process", 4, 63), ("thread", 4, 63)]
    assert around(serial_plan(asked, ""), situation(max_workers=1)) == [("serial", 1, 1000)]


def test_from_executors_of_a_plugin_a_step_is_to_workers_here_like_from_serial():
    asked = situation()
    ways = [("far", 64, 8), ("serial", 1, 1000), ("process", 4, 63), ("thread", 4, 63)]
    assert around(plan("far", 64, 8), asked) == ways
    assert around(plan("far", 1, 8), asked) == [("far", 1, 8), *ways[1:]]


def test_each_has_the_models_prediction_and_none_where_overheads_are_not_known():
    asked = situation()
    best = decide(asked, OVERHEADS).plan
    known = neighbours(best, asked, OVERHEADS)
    assert known[0].predicted_seconds == best.predicted_seconds
    assert known[1].predicted_seconds == pytest.approx(5.0)
    assert all(way.predicted_seconds > 0 for way in known)
    unknown = neighbours(best, asked, None)
    assert known == unknown
    assert [way.predicted_seconds for way in unknown[2:]] == [None] * len(unknown[2:])


@given(
    items=st.integers(1, 10_000),
    p=st.integers(1, 64),
    k=st.integers(1, 10_000),
    executor=st.sampled_from(["process", "thread"]),
)
def test_every_way_is_one_that_can_be_run_and_comes_once(items, p, k, executor):
    asked = situation(items)
    given_plan = plan(executor if p > 1 else "serial", p, min(k, items))
    found = around(given_plan, asked)
    assert len(found) == len(set(found))
    for kind, n_jobs, chunksize in found:
        assert kind in {"serial", "process", "thread"}
        assert n_jobs >= 1
        assert 1 <= chunksize <= items
