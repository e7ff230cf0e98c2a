"""What tests of the joblib backend have in common, and where modules without a file of their own are tested.

- batch, decision: test_worker_pool, test_planning
"""

from __future__ import annotations

import gc
import time
import warnings

import pytest
from joblib import parallel_config
from joblib.externals.loky import reusable_executor

from amorsize.client.client import default_calls
from amorsize.integrations.joblib import decision, nesting, worker_pool
from amorsize.integrations.joblib.planning import SERIAL, Choice, Planner


@pytest.fixture
def ours():
    """Have calls run by amorsize, and joblib's pool ended afterwards."""
    with parallel_config(backend="amorsize"):
        yield
    while nesting.busy_workers():  # a thread ends with the task that it is at
        time.sleep(0.001)
    if reusable_executor._executor is not None:
        reusable_executor._executor.shutdown(wait=True, kill_workers=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of what joblib's own pool leaves open
        gc.collect()


@pytest.fixture
def optimizer():
    """Return what decides for the public functions and the joblib backend."""
    return default_calls.optimizer()


@pytest.fixture
def run_by(monkeypatch, ours):
    """Settle who runs all tasks but the first ones."""

    def settle(kind):
        choice = SERIAL if kind == "serial" else Choice(kind, 2)
        monkeypatch.setattr(Planner, "choose", lambda *_, **__: choice)
        monkeypatch.setattr(Planner, "may_try_threads", lambda *_: False)
        monkeypatch.setattr(decision, "FIRST_LOOK_SECONDS", 0.0)
        monkeypatch.setattr(worker_pool, "FIRST_LOOK_SECONDS", 0.0)
        monkeypatch.setattr(Planner, "least_forked_seconds", 0.0)

    return settle
