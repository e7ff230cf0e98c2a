"""Prints how well the simulated run loop predicts real runs here, how far it is from the best, and who is too slow.

Run it as ``python tests/benchmarks/loops.py regret`` (three minutes), ``... caller`` or ``... real`` (one minute). Only
``real`` depends on this machine. ``regret`` compares the loop with the best static number of workers, from 4 to 1,024
CPUs. ``caller`` tells from how many workers on the
caller, which takes everything in, is the bottleneck.
"""

# ruff: noqa: E402  the simulator can be imported only once its folder is on the path

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from math import ceil
from pathlib import Path
from random import Random
from statistics import median

import attrs

sys.path[0] = str(Path(__file__).resolve().parents[1])  # where the simulator is

from simulation.drawn import CORES, geometric_mean
from simulation.loops import Costs, LoopRun, draw_loop, judge_loop, saturation

from amorsize.execution.budget import Budget
from amorsize.execution.execution import make_team
from amorsize.execution.job import Job, Options
from amorsize.execution.loop import Loop
from amorsize.execution.resources import RunConfig
from amorsize.processes.process_info import fork_seconds

ROUNDS = 5
WORKERS = (2, 4, 8, 16, 24, 32, 48, 64, 128)
FREE_BYTES = 1 << 30


def compute(turns):
    """Compute for some turns and return what came of it."""
    value = 1
    for _ in range(turns):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    return value


def timed(act, *arguments):
    """Return the seconds of a call."""
    began = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - began


def looped(items, takers):
    """Run items by the real loop with so many takers, the caller too, of which nothing is known before."""
    job = Job(compute, Options(), time.monotonic, len(items))
    config = RunConfig(usable_cpus=float(takers), available_bytes=FREE_BYTES)
    Loop(job, items, config, partial(make_team, budget=Budget())).run()


def jobs():
    """Return names and the seconds that items should take."""
    drawing = Random(4)
    return [
        ("equal", [0.002] * 150),
        ("skewed", [0.001 * drawing.expovariate(1.0) for _ in range(300)]),
        ("tiny", [2e-5] * 15_000),
        ("few", [0.05] * 8),
        ("falling", [0.004 * (1 - at / 100) for at in range(100)]),
        ("heavy last", [0.001] * 100 + [0.1]),
        ("short", [0.0001] * 100),
    ]


def real():
    """Print simulated beside real seconds. Serial runs alternate with the others and scale what items take."""
    rate = 50_000 / min(timed(compute, 50_000) for _ in range(9))
    measure_overheads = attrs.evolve(Costs(), fork=fork_seconds())
    print(f"| {'job':<12} | takers | simulated | real | ratio |\n| --- | --- | --- | --- | --- |")
    errors = []
    for name, costs in jobs():
        items = [max(1, round(cost * rate)) for cost in costs]
        for takers in (2, 3):
            pairs = [(timed(list, map(compute, items)), timed(looped, items, takers)) for _ in range(ROUNDS)]
            scale = median(serial for serial, _ in pairs) / sum(costs)
            cpus = len(os.sched_getaffinity(0))
            run = LoopRun([cost * scale for cost in costs], cpus, measure_overheads, wanted=takers).run()
            seen = median(seconds for _, seconds in pairs)
            errors.append(abs(run.seconds / seen - 1.0))
            predicted, ratio = f"{run.seconds * 1e3:.1f} ms", run.seconds / seen
            print(f"| {name:<12} | {takers} | {predicted} | {seen * 1e3:.1f} ms | {ratio:.2f} |", flush=True)
    print(f"{len(errors)} runs: error {median(errors):.0%} in the median, {max(errors):.0%} at most")


def regret(draws):
    """Print the seconds of the loop over those of the best static number of workers."""
    print("| CPUs | mean | worst |\n| --- | --- | --- |")
    for cpus in CORES:
        found = [judge_loop(draw_loop(seed, cpus)) for seed in range(draws)]
        ratios = [ours / best for ours, best in found]
        print(f"| {cpus} | {geometric_mean(ratios):.3f} | {max(ratios):.2f} |", flush=True)


def caller():
    """Print what workers take whose chunks are 1 ms each over the ideal, and the caller's share of taking in."""
    print("| workers | chunks of 1 ms | taking in | sized by the loop | taking in |\n| --- | --- | --- | --- | --- |")
    for workers in WORKERS:
        found = (saturation(workers), saturation(workers, sized=True))
        cells = " | ".join(f"{ratio:.2f} | {share:.0%}" for ratio, share in found)
        print(f"| {workers} | {cells} |", flush=True)
    print(f"the caller takes in {ceil(1 / Costs().take_in)} messages a second at most")


def main():
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=["real", "regret", "caller"])
    parser.add_argument("--draws", type=int, default=25, help="jobs for each number of CPUs (25)")
    asked = parser.parse_args()
    if asked.part == "regret":
        regret(asked.draws)
    else:
        {"real": real, "caller": caller}[asked.part]()


if __name__ == "__main__":
    main()
