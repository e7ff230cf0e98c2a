"""Prints how steady the measured overheads are, what measuring takes, and how well they predict real pools.

Run it as ``python tests/benchmarks/overheads.py [METHOD ...] [--rounds N]``. A round measures the overheads, and beside
them a plain computation, whose spread is that of the machine itself, and real pools in a process of their own. With
``--priors`` it prints only the medians, for ``src/amorsize/domain/overheads.py``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from math import ceil
from pathlib import Path
from statistics import median, quantiles

import attrs

from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
from amorsize.domain.overheads import Overheads
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source

TARGETS = {"fork": 0.3, "spawn": 1.5, "forkserver": 1.5}
NAP, CHUNKS, LARGE, MESSAGES, TIMES = 0.03, 400, 1 << 20, 6, 3


REAL = """
import json, multiprocessing, sys, time

def idle(item):
    return item

def zeros(count):
    return bytes(count)

def pool_seconds(context, p, func, items):
    began = time.perf_counter()
    with context.Pool(p) as pool:
        pool.map(func, items, 1)
    return time.perf_counter() - began

if __name__ == "__main__":
    method, nap, chunks, large, messages, times = sys.argv[1], *map(float, sys.argv[2:])
    context = multiprocessing.get_context(method)
    cases = {
        "1 worker": (1, time.sleep, [nap], nap),
        "2 workers": (2, time.sleep, [nap] * 2, nap),
        "4 workers": (4, time.sleep, [nap] * 4, nap),
        "2 workers, 400 chunks": (2, idle, range(int(chunks)), 0.0),
        "2 workers, 6 results of 1 MiB": (2, zeros, [int(large)] * int(messages), 0.0),
    }
    if method == "forkserver":
        from multiprocessing import forkserver
    pool_seconds(context, 1, idle, [0])
    seconds = {name: [] for name in cases}
    for _ in range(int(times)):
        for name, (p, func, items, work) in cases.items():
            if method == "forkserver":
                forkserver._forkserver._stop()
            seconds[name].append(pool_seconds(context, p, func, items) - work)
    print(json.dumps({name: sorted(each)[len(each) // 2] for name, each in seconds.items()}))
"""
"""A small program of its own, as its workers under spawn and forkserver import it again."""


def real(method, folder):
    """Return what real pools take beyond the work itself: several times each by turns, medians."""
    script = Path(folder) / "real.py"
    script.write_text(REAL)
    figures = map(str, (NAP, CHUNKS, LARGE, MESSAGES, TIMES))
    command = [sys.executable, str(script), method, *figures]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def predicted(overheads):
    """Return what the overheads say of the same pools."""
    import pickle  # noqa: PLC0415  only here

    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    began = time.perf_counter()
    text = pickle.dumps(bytes(LARGE), pickle.HIGHEST_PROTOCOL)
    put = time.perf_counter() - began
    pickle.loads(text)
    pickling = max(put, time.perf_counter() - began - put)

    def pool(p):
        ready = overheads.boot_seconds * max(1.0, p / cpus)
        return overheads.start_seconds + p * overheads.start_worker_seconds + ready + overheads.end_seconds

    return {
        "1 worker": pool(1),
        "2 workers": pool(2),
        "4 workers": pool(4),
        "2 workers, 400 chunks": pool(2) + CHUNKS * overheads.chunk_parent_seconds,
        "2 workers, 6 results of 1 MiB": pool(2) + MESSAGES * (LARGE * overheads.byte_seconds + pickling),
    }


def burn():
    """Return the median seconds of a short computation, several times over a while like that of a measurement."""
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        sum(range(50_000))
        seconds.append(time.perf_counter() - began)
        time.sleep(0.005)
    return median(seconds)


def spread(values):
    """Return the way from the 10th to the 90th percentile over the median."""
    tenths = quantiles(values, n=10)
    return (tenths[-1] - tenths[0]) / median(values) if median(values) else 0.0


def show(method, rounds, folder):
    """Measure one start method many times and print what came."""
    probe = StartMethodProbe(ProbeOptions(), method)
    measured, walls, burns, said, took = [], [], [], [], []
    for _ in range(rounds):
        began = time.perf_counter()
        measured.append(probe.overheads())
        walls.append(time.perf_counter() - began)
        burns.append(burn())
        said.append(predicted(measured[-1]))
        took.append(real(method, folder))
    print(f"\n{method}, {rounds} measurements: {median(walls):.3f} s each, longest {max(walls):.3f} s", end=" ")
    print(f"(target {TARGETS[method]:g} s)")
    print(f"  {'figure':<32}{'median':>12}{'p10..p90':>10}{'over burn':>10}   target 20 %")
    for field in (one for one in attrs.fields(Overheads)[1:] if one.eq and one.name != "source"):
        values = [getattr(one, field.name) for one in measured]
        beside = [value / calm for value, calm in zip(values, burns, strict=True)]
        print(f"  {field.name:<32}{median(values):>12.4g}{spread(values):>10.0%}{spread(beside):>10.0%}")
    starts = [one.least_seconds for one in measured]
    print(f"  {'a pool of one, start and end':<32}{median(starts):>12.4g}{spread(starts):>10.0%}", end="")
    print(f"{spread([a / b for a, b in zip(starts, burns, strict=True)]):>10.0%}")
    print(f"  {'noise: the same sum, timed again':<32}{median(burns):>12.4g}{spread(burns):>10.0%}")
    print(f"  {'real pool':<32}{'predicted':>12}{'took':>10}{'ratio':>8}{'spread of what it took':>26}")
    for name in said[0]:
        words, deeds = [one[name] for one in said], [one[name] for one in took]
        ratio = median(word / deed for word, deed in zip(words, deeds, strict=True))
        print(f"  {name:<32}{median(words):>12.4g}{median(deeds):>10.4g}{ratio:>8.2f}{spread(deeds):>26.0%}")


def priors(method, rounds):
    """Print the medians of what is measured, as the priors in the code are written."""
    probe = StartMethodProbe(ProbeOptions(), method)
    measured = [probe.overheads() for _ in range(rounds)]
    print(f"\n{method}, medians of {rounds}")
    for field in (one for one in attrs.fields(Overheads)[1:] if one.eq and one.name != "source"):
        print(f"    {field.name}={median(getattr(one, field.name) for one in measured):.2g},")


def trivial(rounds):
    """Print what sampling ten million items of ``x + 1`` takes with the overheads known."""
    probe = StartMethodProbe(ProbeOptions(), "fork")
    seconds = []
    for _ in range(max(rounds, 20)):
        began = time.perf_counter()
        probe.sample(lambda x: x + 1, Source(range(10_000_000)), Budget())
        seconds.append(time.perf_counter() - began)
    seconds.sort()
    worst = seconds[ceil(0.9 * len(seconds)) - 1]
    print(f"\nsampling x + 1 over range(10_000_000): {median(seconds) * 1e3:.2f} ms, p90 {worst * 1e3:.2f} ms", end=" ")
    print("(target 2 ms)")


def main():
    """Print a table a start method."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("methods", nargs="*", default=multiprocessing.get_all_start_methods())
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--priors", action="store_true", help="print only the medians")
    arguments = parser.parse_args()
    if arguments.priors:
        for method in arguments.methods:
            priors(method, arguments.rounds)
        return
    for method in arguments.methods:
        with tempfile.TemporaryDirectory() as folder:
            show(method, arguments.rounds, folder)
    trivial(arguments.rounds)


if __name__ == "__main__":
    main()
