"""Who runs the tasks of a call, and what calls and amorsize's own functions know of each other."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from fakes import MACHINE, even_sample
from integrations.joblib import jobs
from integrations.joblib.kinds import on_workers
from joblib import Parallel, delayed

from amorsize import optimize
from amorsize.domain.values import Constraints
from amorsize.integrations.joblib.planning import SERIAL, Planner
from amorsize.integrations.joblib.restrictions import Restrictions


def test_a_second_call_knows_the_function(ours, monkeypatch):
    asked = []
    recall = Planner.recall
    monkeypatch.setattr(Planner, "recall", lambda *args: asked.append(recall(*args)) or asked[-1])
    for _ in range(2):
        on_workers(jobs.sleeping, [0.001] * 30)
    first, second = asked
    assert first is None
    assert second is not None


def test_threads_that_wait_for_the_gil_are_seen():
    planner = Planner(2, Restrictions(wants_threads=False), is_cap=True, executor="auto")
    planner.note_threads(computed=0.1, idle=0.001, switches=40, threads=2)
    assert not planner.waits_for_gil
    planner.note_threads(computed=0.1, idle=0.1, switches=20, threads=2)
    assert planner.waits_for_gil


def test_loky_is_not_used_where_batches_take_long_to_send(monkeypatch):
    monkeypatch.setattr(Planner, "_machine", MACHINE)
    monkeypatch.setattr("amorsize.integrations.joblib.loky.is_warm", lambda: True)
    restrictions = Restrictions(wants_threads=False)
    restrictions.rule_out_forks("the settings say so")
    planner = Planner(4, restrictions, is_cap=False, executor="auto")
    sample = even_sample(0.01)
    assert planner.choose(sample, 100, assumed=False).kind == "loky"
    assert not planner.note_batch_bytes(1000)
    assert planner.note_batch_bytes(1_000_000_000)
    assert planner.choose(sample, 100, assumed=False) == SERIAL


@pytest.mark.parametrize(
    ("func", "columns"),
    [(str.upper, (["word"] * 40,)), (str.replace, (["word"] * 40, ["w"] * 40, ["W"] * 40))],
    ids=["one", "three"],
)
def test_what_optimize_has_stored_is_known_to_a_call(func, columns):
    def known():
        planner = Planner(2, Restrictions(wants_threads=False), is_cap=False, executor="auto")
        return planner.recall(func, tuple(column[0] for column in columns), 40)

    assert known() is None
    stored = optimize(func, *columns, profile=False)
    assert stored.cache == "miss"
    assert known().seconds_per_item > 0


def test_execute_knows_what_a_call_has_learnt(ours, optimizer):
    Parallel()(delayed(jobs.total)(array) for array in [np.ones(1000)] * 40)
    known = optimizer.recall(jobs.total, [np.ones(1000)] * 40, Constraints())
    assert known.sample.count == 40


def test_a_short_rest_runs_here_whatever_is_known():
    restrictions = Restrictions(wants_threads=False)
    planner = Planner(2, restrictions, is_cap=False, executor="auto")
    sample = even_sample(1e-5)
    assert planner.choose(sample, 100, assumed=False) == SERIAL
    long = attrs.evolve(sample, seconds_per_item=1.0)
    restrictions.rule_out_processes("these cannot be pickled")
    assert planner.choose(attrs.evolve(long, cpu_fraction=0.0), 100, assumed=False).kind == "thread"
