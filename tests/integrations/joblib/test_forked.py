"""Forked workers of the joblib backend: a worker that is lost, a result that does not pickle, and what is left."""

from __future__ import annotations

import os

import psutil
import pytest
from integrations.joblib import jobs
from integrations.joblib.kinds import FORKS, on_workers
from joblib import Parallel, delayed

from amorsize import AmorsizeWarning, WorkerError
from amorsize.integrations.joblib.planning import Planner


@FORKS
def test_a_worker_that_ends_itself_is_an_error_and_no_hang(run_by):
    run_by("process")
    with pytest.raises(WorkerError, match="exit code 7"):
        Parallel(n_jobs=2, batch_size=1)(delayed(jobs.dying)(n, os.getpid()) for n in range(20))


@FORKS
def test_a_result_that_does_not_pickle_is_made_again_here_with_a_warning(run_by):
    run_by("process")
    with pytest.warns(AmorsizeWarning, match="does not pickle"):
        results = on_workers(jobs.refusing, range(20), batch_size=1)
    assert isinstance(results[11], jobs.Refusing)
    assert results[:11] == list(range(11))


@FORKS
def test_a_warning_that_is_an_error_ends_a_call_in_the_background_without_a_hang(run_by):
    run_by("process")
    with pytest.raises((AmorsizeWarning, RuntimeError)):  # the tests' own filter makes an error of it
        list(on_workers(jobs.refusing, range(60), batch_size=1, return_as="generator"))


@FORKS
def test_no_process_is_left_after_a_call(run_by):
    run_by("process")
    before = psutil.Process().children()
    on_workers(jobs.square, range(50))
    assert psutil.Process().children() == before


@FORKS
def test_a_batch_that_is_not_worth_a_fork_runs_here(run_by, monkeypatch):
    run_by("process")
    monkeypatch.setattr(Planner, "least_forked_seconds", 1e9)
    assert {pid for pid, _ in on_workers(jobs.place, range(20))} == {os.getpid()}
