"""When workers are forked, and what is waited for before that."""

from __future__ import annotations

import os
import random
import sys
import time
from types import SimpleNamespace

import pytest

from amorsize import execute
from amorsize.execution import scaling
from amorsize.execution.scaling import ScalingTeam

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forked workers are for Linux")


@pytest.fixture
def forks(monkeypatch):
    """Note each fork that is asked for, as the workers and the items that have run; fork none. A fork takes 1 ms.

    Workers that a fork server may fork are noted as a text.
    """
    asked = []
    monkeypatch.setattr(scaling, "fork_seconds", lambda: 0.001)
    monkeypatch.setattr(ScalingTeam, "_wanted", lambda _: 4)

    def fork(team, workers, *, most_that_wait=0):
        asked.append((f"{workers} to {most_that_wait}" if most_that_wait else workers, team._run.measure.items))

    monkeypatch.setattr(ScalingTeam, "fork", fork)
    return asked


def pause(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_few_items_may_take_long_so_a_fork_server_is_forked_first(forks):
    execute(abs, range(32), cache="memory", use_cache=False)
    assert forks == [("3 to 15", 0)]


def test_of_many_items_some_run_before_a_worker_is_forked(forks):
    execute(abs, range(33), cache="memory", use_cache=False)
    assert [workers for workers, items in forks if not items] == []


@pytest.mark.parametrize(
    ("items", "seconds", "options", "expected"),
    [
        (0, 0.0, {}, True),
        (5, 0.0009, {}, True),
        (5, 0.0019, {}, True),  # a worker costs 4 ms here
        (5, 0.0021, {}, False),
        (5, 0.0011, {"is_alone": False}, False),
        (5, 0.0011, {"may_fork": False}, False),
        (1, 0.003, {}, True),  # a first call may take longer than others
        (1, 0.005, {}, False),
        (1, 0.003, {"is_alone": False}, False),
        (1, 0.003, {"waits": True}, False),
    ],
)
@pytest.mark.usefixtures("forks")
def test_it_is_decided_once_enough_has_run(items, seconds, options, expected):
    class Team(ScalingTeam):
        is_alone = options.get("is_alone", True)

    team = object.__new__(Team)
    team.may_fork = options.get("may_fork", True)
    team._run = SimpleNamespace(
        measure=SimpleNamespace(items=items, seconds=seconds, waits=options.get("waits", False))
    )
    assert team.is_undecided == expected


def test_a_long_first_call_brings_workers_at_once(forks):
    seconds = iter([0.02, *[0.0005] * 99])
    execute(lambda _: pause(next(seconds)), range(100), cache="memory", use_cache=False)
    assert any(items == 1 for workers, items in forks if workers != 0)


def test_a_function_that_may_keep_what_items_make_has_a_fork_server_and_no_worker_is_forked_later(forks, monkeypatch):
    monkeypatch.setattr(scaling, "fork_seconds", lambda: 0.02)  # too long for workers that are forked later
    kept = {}

    def keeps(item):
        kept["last"] = kept.get("last", 0) + item
        pause(0.001)

    execute(keeps, range(100), cache="memory", use_cache=False)
    assert [each for each in forks if each[0] != 0] == [("3 to 15", 0)]


def test_a_generator_that_the_first_item_makes_is_not_copied_into_workers(monkeypatch):
    made = []
    monkeypatch.setattr(scaling, "fork_seconds", lambda: 0.0001)

    def draw(_):
        if not made:
            made.append(random.Random())
        pause(0.002)
        return made[0].random()

    drawn = execute(draw, range(100), cache="memory", use_cache=False)
    assert len(set(drawn)) == len(drawn)


def test_what_the_first_item_does_not_make_costs_no_workers(monkeypatch):
    monkeypatch.setattr(scaling, "fork_seconds", lambda: 0.0001)
    monkeypatch.setattr(ScalingTeam, "_wanted", lambda _: 4)

    def where(_):
        pause(0.002)
        return os.getpid()

    assert len(set(execute(where, range(300), cache="memory", use_cache=False))) > 1
