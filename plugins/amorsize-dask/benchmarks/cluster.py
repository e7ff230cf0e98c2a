"""Prints what a chunk costs through a LocalCluster, and how long runs take there and here.

Run it as ``python plugins/amorsize-dask/benchmarks/cluster.py``; it starts a LocalCluster with a worker for each CPU.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from distributed import Client, LocalCluster

from amorsize import execute, optimize
from amorsize.testing import measure_executor
from jobs import spin

WORKERS = os.cpu_count() or 1
ITEMS, SECONDS = 1000, 0.005


def timed(action):
    """Return the median seconds of three runs."""
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        action()
        spent.append(time.perf_counter() - began)
    return median(spent)


def main():
    os.environ["AMORSIZE_CACHE_DIR"] = tempfile.mkdtemp()
    items = [SECONDS] * ITEMS
    lone = {"inspector": "fixed", "inspectors": {"fixed": {"usable_cpus": 1.0}}}
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
        client.get_executor(pure=False) as bare,
        ProcessPoolExecutor(WORKERS) as pool,
    ):
        for name, executor in (("processes", pool), ("LocalCluster", bare)):
            cost = measure_executor(executor)
            print(
                f"{name}: a chunk costs {cost.chunk_parent_seconds * 1e3:.2f} ms in the parent, "
                f"{(cost.chunk_parent_seconds + cost.chunk_worker_seconds) * 1e3:.2f} ms there and back, "
                f"a MiB {cost.byte_seconds * 2**20 * 1e3:.2f} ms"
            )
        print(f"{ITEMS} items that compute for {SECONDS * 1e3:g} ms each, {WORKERS} workers:")
        rows = {
            "serially": lambda: [spin(item) for item in items],
            "execute() here": lambda: execute(spin, items, executor="process"),
            "execute() on the cluster": lambda: execute(spin, items, executor="dask", config=lone),
            "its bare executor, an item a task": lambda: list(bare.map(spin, items)),
        }
        for name, action in rows.items():
            print(f"  {name:<34} {timed(action):.2f} s")
        print(optimize(spin, items, executor="dask"))
        print("were there one CPU here:")
        print(optimize(spin, items, executor="dask", config=lone))


if __name__ == "__main__":
    main()
