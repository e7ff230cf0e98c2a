"""Numerical libraries in workers use no more threads, all workers together, than there are CPUs."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import threadpoolctl
from execution import forced

import amorsize
from amorsize.api import _assembly

measured = pytest.mark.skipif(not threadpoolctl.threadpool_info(), reason="threadpoolctl knows nothing of this numpy's")
METHODS = ["fork", "spawn", "forkserver"] if hasattr(os, "fork") else ["spawn"]
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@pytest.fixture(autouse=True)
def own_workers(monkeypatch):
    """Have new workers that nobody has told how many threads to use."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    _assembly.end_workers()
    yield
    _assembly.end_workers()


def threads(item):
    """Return the process and how many threads its libraries use, once they have computed something."""
    time.sleep(0.002)
    np.linalg.svd(np.eye(8) + item)
    return os.getpid(), max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())


@measured
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("workers", [2, 3])
def test_workers_times_threads_are_no_more_than_the_cpus(method, workers):
    cpus = amorsize.optimize(abs, [1], profile=True).profile.machine.usable_cpus
    ran = [
        inner
        for process, inner in forced.execute(threads, range(300), probe=method, workers=workers)
        if process != os.getpid()
    ]
    assert ran
    assert all(inner == 1 or workers * inner <= cpus for inner in ran)


LEFT_ALONE = f"""
import os
import numpy
from threadpoolctl import threadpool_info
from amorsize.execution.work import limit_threads

def inner():
    return [pool["num_threads"] for pool in threadpool_info()]

before = inner()
limit_threads(1, loaded=False)
assert inner() == before, inner()
assert {{os.environ[name] for name in {VARIABLES}}} == {{"1"}}
limit_threads(1, loaded=True)
assert inner() and set(inner()) == {{1}}, inner()
"""


@measured
def test_libraries_that_the_function_does_not_use_are_left_alone():
    done = subprocess.run([sys.executable, "-c", LEFT_ALONE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


VARIABLES_ALONE = f"""
import os, sys, time
sys.modules["threadpoolctl"] = None
from execution.forced import execute

def told(item):
    time.sleep(0.002)
    return os.getpid(), [os.environ.get(name) for name in {VARIABLES}]

if __name__ == "__main__":
    assert "numpy" not in sys.modules
    ran = [said for process, said in execute(told, range(300)) if process != os.getpid()]
    assert ran
    assert all(all(word and int(word) >= 1 for word in said) for said in ran), ran[0]
    assert not any(os.environ.get(name) for name in {VARIABLES})
"""


def test_without_threadpoolctl_workers_have_the_variables_and_the_caller_does_not(runs_quietly):
    runs_quietly(VARIABLES_ALONE)
