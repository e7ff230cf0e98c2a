"""Numerical libraries in workers that start empty use no more threads, all workers together, than there are CPUs."""

from __future__ import annotations

import subprocess
import sys

import pytest
import threadpoolctl

from amorsize.processes.blas import VARIABLES

LIMITED = f"""
import os, pickle
import numpy
from threadpoolctl import threadpool_info
from amorsize.execution.workers.chunk import DONE, Head, run_chunk

head = Head(b"abs", pickle.dumps(abs), "", b"", collect=False, threads=1)
answer = run_chunk(head, pickle.dumps([-1, 2]))
assert (answer.kind, pickle.loads(answer.results)) == (DONE, [1, 2])
assert {{os.environ[name] for name in {VARIABLES}}} == {{"1"}}
assert {{pool["num_threads"] for pool in threadpool_info()}} == {{1}}
"""

VARIABLES_ALONE = f"""
import os, pickle, sys
sys.modules["threadpoolctl"] = None
from amorsize.execution.workers.chunk import Head, run_chunk

os.environ["MKL_NUM_THREADS"] = "3"
for threads in (0, 2):
    run_chunk(Head(b"abs", pickle.dumps(abs), "", b"", collect=False, threads=threads), pickle.dumps([1]))
    wanted = dict.fromkeys({VARIABLES}, "2" if threads else None) | {{"MKL_NUM_THREADS": "3"}}
    assert {{name: os.environ.get(name) for name in {VARIABLES}}} == wanted
assert "numpy" not in sys.modules
"""


@pytest.fixture(autouse=True)
def unlimited(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(not threadpoolctl.threadpool_info(), reason="threadpoolctl knows nothing of this numpy's")
def test_libraries_that_are_loaded_are_limited():
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_threadpoolctl_workers_have_the_variables_that_are_not_set():
    done = subprocess.run([sys.executable, "-c", VARIABLES_ALONE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
