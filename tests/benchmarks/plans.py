"""Runs a function over items by a static plan or by another tool, each from the start to the end of its pool."""

from __future__ import annotations

import atexit
from concurrent.futures import ProcessPoolExecutor
from math import ceil
from multiprocessing import Pool
from multiprocessing.pool import ThreadPool

import attrs

THREADS = (2, 4, 8, 16, 32, 64)
PROCESSES = (2, 4)
SHARES = (4, 1, 16)
"""Chunks a worker: the middle one is tried first."""

MOST_CHUNKS = 4096


@attrs.frozen
class Static:
    """A plan that is fixed before anything runs: kind of worker, number of workers, items a chunk."""

    executor: str
    n_jobs: int = 1
    chunksize: int = 1

    def __str__(self):
        return "serial" if self.executor == "serial" else f"{self.n_jobs} {self.executor} x{self.chunksize}"


SERIAL = Static("serial")


def run(func, data, plan):
    """Return the results of func over data, in order, by a static plan with a new pool."""
    if plan.executor == "serial":
        return [func(item) for item in data]
    with (Pool if plan.executor == "process" else ThreadPool)(plan.n_jobs) as pool:
        results = pool.map(func, data, plan.chunksize)
    pool.join()
    return results


def chunksizes(items, workers):
    """Return chunk sizes to try, one after which the others are known to be near first."""
    sizes = [ceil(items / workers / share) for share in SHARES]
    sizes.append(1)
    return list(dict.fromkeys(size for size in sizes if ceil(items / size) <= max(MOST_CHUNKS, workers)))


def by_pool(func):
    """Return what runs func over data by ``Pool().map``."""

    def act(data):
        with Pool() as pool:
            results = pool.map(func, data)
        pool.join()
        return results

    return act, None


def by_futures(func):
    """Return what runs func over data by ``ProcessPoolExecutor.map``."""

    def act(data):
        with ProcessPoolExecutor() as executor:
            return list(executor.map(func, data))

    return act, None


def by_joblib(func):
    """Return what runs func over data by ``joblib.Parallel(n_jobs=-1)``, and what ends its workers, untimed."""
    from joblib import Parallel, delayed  # noqa: PLC0415  only its own measurement imports it, before the clock starts
    from joblib.externals.loky import get_reusable_executor  # noqa: PLC0415

    def act(data):
        return Parallel(n_jobs=-1)(delayed(func)(item) for item in data)

    def tidy():
        get_reusable_executor().shutdown(wait=True)
        atexit._run_exitfuncs()  # joblib's folder in shared memory goes then, and this child does not come that far

    return act, tidy


def by_mpire(func):
    """Return what runs func over data by mpire's ``WorkerPool().map``, which would spread a tuple over arguments."""
    from mpire import WorkerPool  # noqa: PLC0415  as for joblib

    def act(data):
        with WorkerPool() as pool:
            return pool.map(func, [(item,) for item in data])

    return act, None


TOOLS = {"Pool": by_pool, "PPE": by_futures, "joblib": by_joblib, "mpire": by_mpire}
"""The tools compared, by the name of their column: each gives what runs, and what tidies up after the clock."""
