"""Prints how well the simulator of pools predicts real ones here, and how far the planner is from the simulated best.

Run it as ``python tests/benchmarks/simulation.py real`` (two minutes) or ``... regret`` (five minutes: it
weighs every plan of a dense grid for each draw). Regret comes from simulated seconds alone and is the same everywhere;
only the last line, the time a decision takes, is this machine's.
"""

# ruff: noqa: E402  the simulator can be imported only once its folder is on the path

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from pathlib import Path
from random import Random
from statistics import median

import attrs

sys.path[0] = str(Path(__file__).resolve().parents[1])  # where the simulator is; this file has the same name

from simulation.drawn import draw, geometric_mean, judge
from simulation.pools import Job

from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions
from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
from amorsize.domain.overheads import Overheads
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source

ROUNDS = 3


def compute(turns):
    """Compute for some turns and return what came of it."""
    value = 1
    for _ in range(turns):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    return value


def wait(seconds):
    """Wait for some seconds."""
    time.sleep(seconds)


def mix(item):
    """Compute for some turns, then wait for some seconds."""
    compute(item[0])
    time.sleep(item[1])


def grow(turns):
    """Compute for some turns and return a result of a MiB."""
    compute(turns)
    return bytes(1 << 20)


def timed(func, *arguments):
    """Return the seconds of a call."""
    began = time.perf_counter()
    func(*arguments)
    return time.perf_counter() - began


def workloads():
    """Return real workloads: a name, a function, items, and the seconds each should take beside the others."""
    rate = 50_000 / min(timed(compute, 50_000) for _ in range(9))
    drawing = Random(4)
    equal = [0.002] * 150
    skewed = [0.001 * drawing.expovariate(1.0) for _ in range(300)]
    tiny = [2e-5] * 15_000
    return [
        ("computing, equal", compute, [round(one * rate) for one in equal], equal),
        ("computing, skewed", compute, [round(one * rate) for one in skewed], skewed),
        ("computing, tiny", compute, [round(one * rate) for one in tiny], tiny),
        ("waiting, equal", wait, equal, equal),
        ("waiting, skewed", wait, skewed, skewed),
        ("half and half", mix, [(round(one / 2 * rate), one / 2) for one in equal], equal),
        ("results of a MiB", grow, [round(one * rate) for one in equal], equal),
    ]


def real_seconds(pools, func, items, p, k):
    """Return the seconds of making a pool, mapping and ending it."""
    began = time.perf_counter()
    with pools(p) as pool:
        pool.map(func, items, k)
    return time.perf_counter() - began


def steady_overheads(probe):
    """Return the median, field by field, of several measurements of overheads."""
    found = [attrs.asdict(probe.overheads()) for _ in range(ROUNDS)]
    numbers = {name for name, value in found[0].items() if isinstance(value, float)}
    return Overheads(**found[0] | {name: median(one[name] for one in found) for name in numbers})


def real(start_method):
    """Print simulated beside real seconds for a grid of plans.

    The simulator is fed with what amorsize itself measures of function and machine. Serial runs alternate with the
    pools and scale the items' seconds, since the speed of a shared machine changes by the minute.
    """
    probe = StartMethodProbe(ProbeOptions(), start_method)
    overheads = steady_overheads(probe)
    machine = PsutilInspector(PsutilOptions()).inspect(start_method)
    print(f"{'workload':<20}{'plan':<26}{'simulated':>12}{'real':>12}{'ratio':>8}")
    errors = []
    for name, func, items, costs in workloads():
        sample = probe.sample(func, Source(items), Budget(min_seconds=0.1))
        for executor, pools in (("process", get_context(start_method).Pool), ("thread", ThreadPool)):
            for p in (1, 2, 4):
                for k in sorted({1 + len(items) // 300, len(items) // (2 * p)}):
                    pairs = [
                        (timed(list, map(func, items)), real_seconds(pools, func, items, p, k)) for _ in range(ROUNDS)
                    ]
                    scale = median(serial for serial, _ in pairs) / sum(costs)
                    reported = Job([one * scale for one in costs], sample, overheads, machine).seconds(executor, p, k)
                    seen = median(seconds for _, seconds in pairs)
                    errors.append(abs(reported / seen - 1.0))
                    plan = f"{p} x {executor}, chunks of {k}"
                    print(f"{name:<20}{plan:<26}{reported * 1e3:>9.1f} ms{seen * 1e3:>9.1f} ms{reported / seen:>8.2f}")
    errors.sort()
    print(f"{len(errors)} plans: error {median(errors):.1%} in the median, {errors[len(errors) * 9 // 10]:.1%} at p90")


def judged_draw(seed, most_items):
    """Return the name of a draw and what was decided in it, by the exact sample and by one of a few items."""
    drawn = draw(seed, most_items)
    return drawn.name, judge(drawn, samples=2)


def regret(draws, most_items):
    """Print the regret of decisions against the simulated best, and what a decision takes."""
    with get_context("spawn").Pool() as pool:
        judged = pool.map(partial(judged_draw, most_items=most_items), range(draws), 1)
    for at, title in enumerate(("exact sample", "sample of 12 items")):
        found = sorted(((both[at].regret, name, both[at]) for name, both in judged), key=lambda one: -one[0])
        regrets = [one[0] for one in found]
        off = [abs(one[2].predicted / one[2].seconds - 1.0) for one in found]
        print(
            f"{title}: regret {geometric_mean(regrets):.3f} (geometric mean of {draws}), worst {regrets[0]:.2f}, "
            f"p99 {regrets[draws // 100]:.2f}, p90 {regrets[draws // 10]:.2f}; predicted off by {median(off):.1%}"
        )
        for one, name, worst in found[:5]:
            print(f"  {one:.2f}  {name}")
            print(f"        chose {worst.plan}: {worst.seconds:.4g} s")
            print(f"        best  {worst.best}: {worst.best_seconds:.4g} s")
    widest = [one for one in (draw(seed, 10_000) for seed in range(200)) if one.machine.usable_cpus == 1024]
    taken = sorted(min(timed(decide, one.situation, one.overheads) for _ in range(3)) for one in widest)
    print(
        f"a decision for 1,024 cores: {median(taken) * 1e3:.2f} ms in the median of {len(taken)}, "
        f"{taken[-1] * 1e3:.2f} ms at most"
    )


def main():
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=["real", "regret"])
    parser.add_argument("--start-method", choices=["fork", "spawn"], default="fork")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--items", type=int, default=30_000, help="most items of a draw")
    arguments = parser.parse_args()
    if arguments.part == "real":
        real(arguments.start_method)
    else:
        regret(arguments.draws, arguments.items)


if __name__ == "__main__":
    main()
