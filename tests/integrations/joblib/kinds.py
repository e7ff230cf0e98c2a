"""How the tests of the joblib backend run tasks, and on which kinds of workers."""

from __future__ import annotations

import sys

import pytest
from joblib import Parallel, delayed

FORKS = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
KINDS = ["serial", "thread", pytest.param("process", marks=FORKS), "loky"]
WORKERS = ["thread", pytest.param("process", marks=FORKS), "loky"]


def on_workers(func, items, *, n_jobs=2, **options):
    """Call func with each item through joblib."""
    return Parallel(n_jobs, **options)(delayed(func)(item) for item in items)
