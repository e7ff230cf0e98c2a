"""Calls inside tasks give the same, and share the CPUs with the call around them."""

from __future__ import annotations

import pytest
from integrations.joblib import jobs
from integrations.joblib.kinds import FORKS, KINDS, on_workers

from amorsize.integrations.joblib import nesting


@pytest.mark.parametrize("kind", KINDS)
def test_calls_inside_tasks_give_the_same(run_by, kind):
    run_by(kind)
    for results, backend in on_workers(jobs.nested, [5] * 6):
        assert results == [0, 1, 4, 9, 16]
        assert backend in {"AmorsizeBackend", "SequentialBackend"}


@pytest.mark.parametrize(
    ("seconds", "backends"), [(1e9, ["AmorsizeBackend"] + ["SequentialBackend"] * 5), (0.0, ["AmorsizeBackend"] * 6)]
)
def test_calls_inside_tasks_run_serially_after_a_short_one(run_by, monkeypatch, seconds, backends):
    run_by("serial")
    monkeypatch.setattr(nesting, "SHORT_SECONDS", seconds)
    monkeypatch.setattr(
        "amorsize.integrations.joblib.backend.cpu_count", lambda: 64
    )  # calls of other tests may still end
    for _ in range(2):  # each call learns it anew
        assert [backend for _, backend in on_workers(jobs.nested, [5] * 6)] == backends


def test_after_some_serial_calls_one_may_have_workers_again():
    inner = nesting.InnerCalls()
    assert inner.may_have_workers()
    inner.note(0.001)
    assert [inner.may_have_workers() for _ in range(17)].count(True) == 2
    inner.note(0.001)
    inner.note(1.0)
    assert inner.may_have_workers()


@FORKS
def test_a_call_inside_a_forked_worker_runs_serially(run_by):
    run_by("process")
    first, *_, last = on_workers(jobs.nested, [3] * 12, batch_size=1)
    assert first[0] == last[0]
    assert last[1] == "SequentialBackend"
