"""What joblib asks of a backend: the number of jobs, hints, initializers, progress."""

from __future__ import annotations

import os
import threading
import time

import joblib
import pytest
from integrations.joblib import jobs
from integrations.joblib.kinds import on_workers
from joblib import Parallel, delayed
from joblib._parallel_backends import SequentialBackend

from amorsize.integrations.joblib import AmorsizeBackend


def test_tasks_are_pulled_only_as_far_as_pre_dispatch_says(ours):
    pulled = []

    def items():
        for n in range(10):
            pulled.append(n)
            yield n

    done = Parallel(n_jobs=2, batch_size=1, pre_dispatch=2)(delayed(lambda: len(pulled))() for _ in items())
    assert done[0] <= 3


def test_the_number_of_jobs_is_a_cap_and_none_leaves_it_open(ours):
    backend = AmorsizeBackend(nesting_level=0)
    assert backend.effective_n_jobs(None) == backend.effective_n_jobs(-1) == joblib.cpu_count()
    assert backend.effective_n_jobs(3) == joblib.effective_n_jobs(3) == 3
    assert Parallel().n_jobs == -1
    with pytest.raises(ValueError, match="n_jobs == 0"):
        backend.effective_n_jobs(0)


def test_one_job_runs_as_joblib_runs_it(ours):
    parallel = Parallel(n_jobs=1)
    assert parallel(delayed(jobs.place)(n) for n in range(3)) == [(os.getpid(), threading.get_ident())] * 3
    assert isinstance(parallel._backend, SequentialBackend)


@pytest.mark.parametrize("options", [{"prefer": "threads"}, {"require": "sharedmem"}])
def test_who_wants_threads_gets_no_processes(ours, options):
    seen = []
    Parallel(n_jobs=2, **options)(delayed(lambda n: (time.sleep(0.002), seen.append(n)))(n) for n in range(60))
    assert sorted(seen) == list(range(60))


def test_the_backend_stays_ours_where_memory_must_be_shared(ours):
    parallel = Parallel(n_jobs=2, require="sharedmem")
    parallel(delayed(jobs.square)(n) for n in range(4))
    assert isinstance(parallel._backend, AmorsizeBackend)


def test_a_switch_turns_workers_off(ours, monkeypatch):
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    assert AmorsizeBackend(nesting_level=0).effective_n_jobs(-1) == 1
    assert set(on_workers(jobs.place, range(4))) == {(os.getpid(), threading.get_ident())}


def test_an_initializer_has_been_called_wherever_a_task_runs(ours, tmp_path):
    options = {"initializer": jobs.begin, "initargs": (tmp_path,)}
    assert all(Parallel(n_jobs=2, **options)(delayed(jobs.was_begun)(tmp_path) for _ in range(8)))


def test_progress_is_printed(ours, capsys):
    on_workers(jobs.square, range(20), verbose=60)
    assert "Done" in capsys.readouterr().out


def test_the_backend_travels_as_what_it_is():
    found = AmorsizeBackend(nesting_level=1, inner_max_num_threads=1)
    assert found.__reduce__() == (AmorsizeBackend, (1, 1))
