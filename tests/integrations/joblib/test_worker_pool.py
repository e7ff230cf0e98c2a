"""The joblib backend gives what joblib's own give and runs each task once, on every kind of worker."""

from __future__ import annotations

import multiprocessing
import os
import threading

import numpy as np
import pytest
from integrations.joblib import jobs
from integrations.joblib.kinds import KINDS, WORKERS, on_workers
from joblib import Parallel, delayed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_the_results_are_those_of_the_list_comprehension(run_by, kind, return_as):
    run_by(kind)
    results = list(on_workers(jobs.square, range(50), return_as=return_as))
    assert (sorted(results) if return_as == "generator_unordered" else results) == [n * n for n in range(50)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_task_runs_once(run_by, kind, tmp_path):
    run_by(kind)
    assert Parallel(n_jobs=2)(delayed(jobs.marked)(tmp_path, n) for n in range(40)) == list(range(40))
    assert sorted(int(path.name.partition("-")[0]) for path in tmp_path.iterdir()) == list(range(40))


@pytest.mark.parametrize("kind", WORKERS)
def test_workers_take_part(run_by, kind):
    run_by(kind)
    places = set(on_workers(jobs.place, range(40), batch_size=1))
    assert places - {(os.getpid(), threading.get_ident())}
    assert ({pid for pid, _ in places} == {os.getpid()}) == (kind == "thread")


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_task_raises_is_raised(run_by, kind):
    run_by(kind)
    with pytest.raises(LookupError) as caught:
        on_workers(jobs.failing, range(20))
    assert caught.value.args == ("the third", 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_after_one_that_failed_works(run_by, kind):
    run_by(kind)
    with Parallel(n_jobs=2) as parallel:
        with pytest.raises(LookupError):
            parallel(delayed(jobs.failing)(n) for n in range(20))
        assert parallel(delayed(jobs.square)(n) for n in range(5)) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("kind", KINDS)
def test_lambdas_and_closures_run_anywhere(run_by, kind):
    run_by(kind)
    more = 3
    assert on_workers(lambda n: lambda: n + more, range(8))[4]() == 7


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_tasks_do_not_break_the_stack(run_by, kind):
    run_by(kind)
    size = 1 if kind == "serial" else 100
    assert on_workers(jobs.square, range(3000), batch_size=size, pre_dispatch="all")[-1] == 2999**2


def test_a_time_limit_ends_a_call(ours):
    with pytest.raises(multiprocessing.TimeoutError):
        on_workers(jobs.sleeping, [0.5] * 4, timeout=0.05)


@pytest.mark.filterwarnings("ignore:Exception in thread ExecutorManagerThread")  # of joblib's own pool, as it is killed
@pytest.mark.parametrize("kind", WORKERS)
def test_an_abandoned_generator_ends_its_call(run_by, kind):
    run_by(kind)
    results = on_workers(jobs.sleeping, [0.01] * 60, return_as="generator", batch_size=1)
    assert next(results) == 0.01
    with pytest.warns(UserWarning, match="tasks"):
        del results


@pytest.mark.parametrize("kind", KINDS)
def test_large_arrays_reach_the_tasks(run_by, kind):
    run_by(kind)
    array = np.ones(300_000)
    seen = on_workers(jobs.total, [array] * 20, batch_size=1)
    assert {each for _, each in seen} == {300_000.0}
    assert {name for name, _ in seen[10:]} == ({"memmap"} if kind == "loky" else {"ndarray"})
