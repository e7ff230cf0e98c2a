"""Figures of execute() that are no row of a table: each beside the ideal, serial, a Pool or bare Python."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import Pool
from statistics import fmean, median

from advice import optimizer_with
from children import ask

import amorsize

FIRST_HEAVY, LAST_HEAVY = 0.02, 0.5
TRIVIAL_ITEMS, STREAM_ITEMS, OBJECTS = 1_000_000, 10_000_000, 1_000_000
SLACK_SECONDS = 0.003
"""What a call may take beside serial's seconds, by the targets."""

FEW = ((2, 2.0), (4, 0.5), (8, 0.2), (16, 0.1))
"""Numbers of items and what each takes."""

ROUNDS, PAIRS, STARTS = 3, 9, 15

STREAM = """
import sys, psutil
def resident():
    return psutil.Process().memory_info().rss / 2**20
def one(x):
    return x + 1
bare = resident()
import amorsize
most = 0.0
for at, _ in enumerate(amorsize.iexecute(one, iter(range(int(sys.argv[1]))))):
    if not at % 20000:
        most = max(most, resident())
print(most - bare)
"""

WORK = """
def work(x):
    return sum(range(600))
"""
OURS = "import amorsize, jobs; amorsize.execute(jobs.work, range(100))"
BARE = "import jobs; [jobs.work(x) for x in range(100)]"


def geometric(values):
    """Return the geometric mean."""
    return math.exp(fmean(math.log(value) for value in values))


def nap(seconds):
    """Wait."""
    time.sleep(seconds)
    return seconds


def burn(seconds):
    """Compute for so many CPU seconds."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return seconds


def one_more(x):
    """Do next to nothing."""
    return x + 1


def both(pair):
    """Do next to nothing with an object."""
    return pair[0] + pair[1]


def against_ideal(items, texts):
    """Return the seconds of a second call in two processes over the least that two workers could take."""
    store = optimizer_with(texts).store
    options = {"max_workers": 2, "cache": store, "min_speedup": 1.0}
    for _ in range(2):
        began = time.perf_counter()
        amorsize.execute(nap, items, **options)
        seconds = time.perf_counter() - began
    return seconds / max(*items, sum(items) / 2)


def falling():
    """Return items whose cost falls with their position."""
    return [FIRST_HEAVY * (1 - at / 100) for at in range(100)]


def heavy_last():
    """Return light items and a heavy one after them."""
    return [0.002] * 300 + [LAST_HEAVY]


def trivial():
    """Return the CPU seconds of execute over those of a list comprehension, on a million items that cost nothing.

    The median of ratios, each of two neighbours in time: the least of many would compare a quick moment of the machine
    with a slow one. Results are let go of outside the clock.
    """
    data = list(range(TRIVIAL_ITEMS))
    ratios = []
    amorsize.execute(one_more, data)
    for _ in range(25):
        began = time.process_time()
        ours = amorsize.execute(one_more, data)
        between = time.process_time()
        theirs = [one_more(x) for x in data]
        ratios.append((between - began) / (time.process_time() - between))
        del ours, theirs
    return median(ratios)


def objects():
    """Return the seconds of execute less 3 ms over serial's, on a list of a million small objects (some 150 MB)."""
    data = [(at, at + 1000) for at in range(OBJECTS)]
    ratios = []
    for _ in range(PAIRS):
        began = time.perf_counter()
        theirs = [both(pair) for pair in data]
        between = time.perf_counter()
        ours = amorsize.execute(both, data, cache="memory")
        ended = time.perf_counter()
        ratios.append((ended - between - SLACK_SECONDS) / (between - began))
        del ours, theirs
    return median(ratios)


def few_by_us(func, items, takers):
    """Return the seconds of a first call on a machine that nothing is known of."""
    store = optimizer_with({}).store
    began = time.perf_counter()
    amorsize.execute(func, items, cache=store, max_workers=takers)
    return time.perf_counter() - began


def few_by_pool(func, items, takers):
    """Return the seconds of a Pool that takes one item at a time."""
    began = time.perf_counter()
    with Pool(takers) as pool:
        pool.map(func, items, 1)
    pool.join()
    return time.perf_counter() - began


def few():
    """Yield what few long items take over a Pool: a name and the ratio."""
    for func in (burn, nap):
        for takers in (2, 16):
            for count, each in FEW:
                pairs = [
                    (
                        ask(few_by_us, func, [each] * count, takers),
                        ask(few_by_pool, func, [each] * count, takers),
                    )
                    for _ in range(ROUNDS)
                ]
                ours, theirs = (median(seconds) for seconds in zip(*pairs, strict=True))
                yield f"{count} x {each:g} s {func.__name__}, p = {takers}", ours / theirs


def stream_mebibytes(items):
    """Return by how much a fresh interpreter's memory grows at most over a stream, amorsize itself included."""
    done = subprocess.run([sys.executable, "-c", STREAM, str(items)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def fresh_process():
    """Return the seconds of a whole fresh process with a job of 1 ms over those of bare Python doing it."""
    times = {OURS: [], BARE: []}
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "jobs.py"), "w") as file:  # noqa: PTH118, PTH123  names as they are given
            file.write(WORK)
        for turn in range(STARTS):
            cache = os.path.join(folder, f"cache{turn}")  # noqa: PTH118  likewise
            environment = {**os.environ, "AMORSIZE_CACHE_DIR": cache, "PYTHONPATH": folder}
            for code, seconds in times.items():
                began = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=folder)
                seconds.append(time.perf_counter() - began)
    return median(times[OURS]) / median(times[BARE])


def figures(texts):
    """Yield name, value and the most that it may be."""
    for name, items in (("cost falling with position", falling()), ("one rare heavy item last", heavy_last())):
        yield f"{name}, over the ideal", median(ask(against_ideal, items, texts) for _ in range(3)), 1.15
    ratios = []
    for name, ratio in few():
        ratios.append(ratio)
        print(f"| {name}, over Pool | {ratio:.3g} | |", flush=True)
    yield "2 to 16 items of 0.1 to 2 s over Pool", geometric(ratios), 1.0
    yield "a million trivial items over a list comprehension", ask(trivial), 1.05
    yield "a million small objects, less 3 ms, over serial", ask(objects), 1.05
    yield "fresh process with a job of 1 ms over bare Python", fresh_process(), 5.0
    yield "MiB that iexecute grows by over 10 million items", stream_mebibytes(STREAM_ITEMS), 64.0
    yield "the same over 100 thousand items", stream_mebibytes(STREAM_ITEMS // 100), 64.0
