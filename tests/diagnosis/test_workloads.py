"""The jobs that amorsize bench runs."""

from __future__ import annotations

import pickle

import pytest

from amorsize.diagnosis.workloads import WORKLOADS


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_a_built_in_workload_can_be_sent_to_a_worker_and_gives_the_same_twice(workload):
    data = workload.data()
    assert list(data) == list(workload.data())
    assert len(workload.name) <= 19
    func, item = pickle.loads(pickle.dumps((workload.func, data[-1])))
    assert func(item) == workload.func(item)
