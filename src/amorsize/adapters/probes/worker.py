"""A program that measures, in a clean interpreter of its own, what pools of one start method cost here.

It is run as a file, never imported by amorsize: ``python -I worker.py overheads fork`` or ``... imports`` with the
module search path and module names as JSON on standard input. The answer is a line of JSON on standard output.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import multiprocessing.pool
import os
import pickle
import sys
import time
from statistics import median
from typing import Any

CHUNKS = 200
ITEMS = 5000
SMALL, LARGE, MESSAGES = 16, 1 << 20, 3
BURN_SECONDS = 0.004
REPEATS = 3
TRIALS = 5
CROWD = 4
LEAST_PART = 16


def idle(item: Any) -> Any:
    """Return the item, as the cheapest work there is."""
    return item


def size_of(item: bytes) -> int:
    """Return a length, so that only the way there carries bytes."""
    return len(item)


def burn(turns: int) -> float:
    """Compute for some turns and return the wall seconds that took."""
    began = time.perf_counter()
    value = 1
    for _ in range(turns):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    return time.perf_counter() - began


def resident(_: Any) -> int:
    """Return the bytes of memory that are this worker's alone, as near as the system tells."""
    try:
        with open("/proc/self/smaps_rollup") as file:  # noqa: PTH123  pathlib would count as the worker's memory
            lines = [line.split() for line in file if line.startswith("Private")]
        return sum(int(line[1]) for line in lines) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return 20 << 20
    import resource  # noqa: PLC0415  Windows has none

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def cpus() -> int:
    """Return how many CPUs this process may use, at most 4 (a burn on each is started at once)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(4, len(affinity(0)) if affinity else os.cpu_count() or 1)


def pool_seconds(make: Any, p: int) -> tuple[float, float]:
    """Return seconds from asking for a pool of p to an answer of its workers, and seconds to end it."""
    began = time.perf_counter()
    pool = make(p)
    pool.map(idle, range(p), 1)
    ready = time.perf_counter()
    pool.terminate()
    pool.join()
    return ready - began, time.perf_counter() - ready


def pool_costs(make: Any, many: int, repeats: int) -> tuple[float, float, float]:
    """Return seconds to start a pool with one worker, for each further one (starting and ending it), and to end it.

    The least of several trials each: whatever else runs here can only make one take longer. So that what is left of it
    cannot hide what a worker costs, that is never less than a small part of what the first one took.
    """
    ones = [pool_seconds(make, 1) for _ in range(repeats)]
    crowds = [pool_seconds(make, many) for _ in range(repeats)]
    start, end = min(start for start, _ in ones), min(end for _, end in ones)
    further = (min(map(sum, crowds)) - min(map(sum, ones))) / (many - 1)
    return start, max(further, start / LEAST_PART), end


def per_chunk(pool: Any) -> tuple[float, float]:
    """Return seconds a chunk keeps the parent and a worker busy."""
    cpu, wall = [], []
    for _ in range(REPEATS):
        began, busy = time.perf_counter(), time.process_time()
        pool.map(idle, range(CHUNKS), 1)
        cpu.append((time.process_time() - busy) / CHUNKS)
        wall.append((time.perf_counter() - began) / CHUNKS)
    parent = min(median(cpu), median(wall))
    return parent, max(median(wall) - parent, 0.0)


def timed(pool: Any, func: Any, items: Any, chunksize: int) -> float:
    """Return the median seconds of a map."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        pool.map(func, items, chunksize)
        seconds.append(time.perf_counter() - began)
    return median(seconds)


def per_item(pool: Any) -> float:
    """Return seconds an item costs within a chunk, pickling apart."""
    items = list(range(ITEMS))
    began = time.perf_counter()
    for _ in range(2):
        pickle.loads(pickle.dumps(items, pickle.HIGHEST_PROTOCOL))  # noqa: S301  dumped right here
    pickling = time.perf_counter() - began
    return max(timed(pool, idle, items, ITEMS) - pickling, 0.0) / ITEMS


def per_byte(pool: Any) -> float:
    """Return seconds a byte costs on its way through the pipe, pickling apart."""
    large = timed(pool, size_of, [bytes(LARGE)] * MESSAGES, 1)
    small = timed(pool, size_of, [bytes(SMALL)] * MESSAGES, 1)
    began = time.perf_counter()
    pickle.loads(pickle.dumps(bytes(LARGE), pickle.HIGHEST_PROTOCOL))  # noqa: S301  dumped right here
    pickling = time.perf_counter() - began
    return max((large - small) / MESSAGES - pickling, 0.0) / (LARGE - SMALL)


def slowdown(pool: Any, p: int) -> float:
    """Return how much longer a computation takes when p run at once.

    The least of several trials on both sides: whatever else runs here can only make one take longer.
    """
    if p == 1:
        return 1.0
    turns = 1000
    while burn(turns) < BURN_SECONDS:
        turns *= 2
    alone = min(pool.apply(burn, (turns,)) for _ in range(TRIALS))
    together = min(median(pool.map(burn, [turns] * p, 1)) for _ in range(TRIALS))
    return max(1.0, float(together / alone))


def overheads(start_method: str) -> dict[str, Any]:
    """Measure all that a pool of a start method and a pool of threads cost."""
    context = multiprocessing.get_context(start_method)
    repeats = REPEATS if start_method == "fork" else 1
    p = max(2, cpus())
    first = pool_seconds(context.Pool, 1)  # a forkserver starts its server here, as it will for the caller
    start, worker, end = pool_costs(context.Pool, CROWD, repeats)
    if start_method == "forkserver":
        start = first[0]
    with context.Pool(1) as lone:
        parent, in_worker = per_chunk(lone)
        item, byte, memory = per_item(lone), per_byte(lone), lone.apply(resident, (0,))
    with context.Pool(p) as pool:
        slower = slowdown(pool, cpus())
    thread_one = median(pool_seconds(multiprocessing.pool.ThreadPool, 1)[0] for _ in range(REPEATS))
    thread_many = median(pool_seconds(multiprocessing.pool.ThreadPool, 8)[0] for _ in range(REPEATS))
    thread = max((thread_many - thread_one) / 7, thread_one / 8)
    with multiprocessing.pool.ThreadPool(2) as threads:
        thread_chunk = timed(threads, idle, range(CHUNKS), 1) / CHUNKS
    return {
        "start_method": start_method,
        "start_seconds": max(start - worker, 0.0),
        "start_worker_seconds": worker,
        "end_seconds": end,
        "chunk_parent_seconds": parent,
        "chunk_worker_seconds": in_worker,
        "item_seconds": item,
        "byte_seconds": byte,
        "thread_start_seconds": min(thread, worker),  # only noise makes a thread dearer than a process
        "thread_chunk_seconds": thread_chunk,
        "worker_bytes": float(memory),
        "slowdown": slower,
    }


def imports() -> dict[str, Any]:
    """Import the modules named on standard input and return the seconds that took; those that fail cost nothing."""
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    began = time.perf_counter()
    for name in asked["modules"]:
        with contextlib.suppress(BaseException):  # whatever a module does when imported
            importlib.import_module(name)
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    out = sys.stdout
    sys.stdout = sys.stderr  # what an imported module prints must not mix with the answer
    answer = imports() if sys.argv[1] == "imports" else overheads(sys.argv[2])
    print(json.dumps(answer), file=out, flush=True)  # at exit only what sys.stdout names then is flushed for certain
