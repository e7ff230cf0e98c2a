"""Prints what a chunk with one large item costs: through the pipe, lent as execute does it, and in shared memory.

Run it as ``python tests/benchmarks/lending.py [--rounds N]``: one worker, the ways in turns, medians of the time until
the result is back. Shared memory is ``multiprocessing.shared_memory``, copied out by the worker as what is lent is.
"""

from __future__ import annotations

import argparse
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, resource_tracker
from multiprocessing.shared_memory import SharedMemory
from statistics import median

import numpy as np

from amorsize.execution.lending import Lender
from amorsize.execution.work import run_chunk

MIB = 1 << 20
SIZES = (1, 8, 64)


def every_page(item):
    """Read a byte of every page, so that all of them must be there."""
    return sum(memoryview(item).cast("B")[::4096])


HEAD = (b"every page", pickle.dumps(every_page), "", False, None, 0, False)


def run_shared(head, blob, names):
    buffers = []
    for name, size in names:
        shared = SharedMemory(name)
        buffers.append(bytearray(shared.buf[:size]))
        shared.close()
    return head, every_page(pickle.loads(blob, buffers=buffers)[0])


def through_the_pipe(pool, items):
    return pool.submit(run_chunk, HEAD, pickle.dumps(items, pickle.HIGHEST_PROTOCOL))


def lent(pool, items):
    lender = Lender()
    blob, where = lender.pack(items)
    future = pool.submit(run_chunk, HEAD, blob, where)
    lender.until_done(where, future)
    return future


def shared(pool, items):
    buffers = []
    blob = pickle.dumps(items, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
    if not buffers:  # bytes are never out of band by themselves
        return None
    segments = []
    for buffer in buffers:
        raw = buffer.raw()
        segments.append(SharedMemory(create=True, size=raw.nbytes))
        segments[-1].buf[: raw.nbytes] = raw
    future = pool.submit(run_shared, HEAD, blob, [(segment.name, segment.size) for segment in segments])
    future.result()
    for segment in segments:
        segment.close()
        segment.unlink()
    return future


WAYS = {"pipe": through_the_pipe, "lent": lent, "shared memory": shared}


def seconds(way, pool, items):
    began = time.perf_counter()
    future = way(pool, items)
    if future is None:
        return None
    future.result()
    return time.perf_counter() - began


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=11)
    rounds = asked.parse_args().rounds
    resource_tracker.ensure_running()
    print(f"| item | {' | '.join(WAYS)} |\n|{' --- |' * (1 + len(WAYS))}")
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        pool.submit(every_page, b"").result()
        for size in SIZES:
            for name, item in (("array", np.ones(size * MIB // 8)), ("bytes", bytes(size * MIB))):
                taken = {way: [] for way in WAYS}
                for _ in range(rounds):
                    for way, run in WAYS.items():
                        taken[way].append(seconds(run, pool, [item]))
                cells = ("" if None in each else f"{1e3 * median(each):.1f} ms" for each in taken.values())
                print(f"| {name}, {size} MiB | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
