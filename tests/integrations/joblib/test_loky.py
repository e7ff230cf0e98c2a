"""Tasks in joblib's own pool of processes, and forks beside it."""

from __future__ import annotations

from integrations.joblib import jobs
from integrations.joblib.kinds import FORKS
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import reusable_executor

from amorsize import execute


@FORKS
def test_a_forked_worker_does_not_wait_for_a_pool_of_its_parent(run_by):
    run_by("process")
    Parallel(n_jobs=2, backend="loky")(delayed(jobs.square)(n) for n in range(4))
    results = Parallel(n_jobs=2, batch_size=1)(delayed(jobs.nested)(3, "loky") for _ in range(8))
    assert [each for each, _ in results] == [[0, 1, 4]] * 8


def sums(count):
    return execute(abs, range(-count, 0))


def test_a_worker_of_joblibs_own_pool_may_call_execute():
    with parallel_config(backend="loky"):
        assert Parallel(2)(delayed(sums)(count) for count in (2, 3)) == [[2, 1], [3, 2, 1]]
    reusable_executor._executor.shutdown(wait=True, kill_workers=True)
