"""Prints how long execute() takes, beside the best static plan, serial and other tools, all in one run.

Run it as ``python tests/benchmarks/execute.py``; ``--rows`` names workloads, as for decisions.py. ``cold`` knows only
what workers cost here, ``first`` is the first call of a process whose cache has an entry, ``second`` the call after it.
Each is a median of rounds that are interleaved with the static plans and the tools, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from statistics import median

from advice import optimizer_with, overheads_measured, texts_in, warm_up
from children import ask
from plans import SERIAL, TOOLS
from rows import Measuring, Row, note
from workloads import chosen

import amorsize
from amorsize.api import _assembly
from amorsize.domain.values import Constraints

OURS = ("cold", "first", "second")
LATE_SHARE, LATE_SECONDS = 1.05, 0.005
FIRST_HEAVY, LAST_HEAVY = 0.02, 0.5
TRIVIAL_ITEMS, STREAM_ITEMS = 1_000_000, 10_000_000
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


def executed(workload, items, texts, calls):
    """Return the seconds of the last of some calls of execute in this process."""
    store = optimizer_with(texts).entries.store
    for _ in range(calls):
        workload.fresh()
        data = workload.given(items)
        began = time.perf_counter()
        results = amorsize.execute(workload.func, data, cache=store)
        seconds = time.perf_counter() - began
        if len(results) != len(items):
            raise RuntimeError(f"{workload.name} must give {len(items)} results, got {len(results)}")
    _assembly.end_workers()
    return seconds


def learned_texts(workload, items, texts):
    """Return a store's texts with the entry that one decision has left."""
    optimizer = optimizer_with(texts)
    workload.fresh()
    optimizer.optimize(workload.func, workload.given(items), Constraints())
    return texts_in(optimizer)


class Executing(Measuring):
    """Fills a row with execute in place of decisions."""

    def _round(self, *, first):
        workload, items, row = self.workload, self.items, self.row
        texts = ask(learned_texts, workload, items, self.texts)
        steps = [("cold", self.texts, 1), ("first", texts, 1), ("second", texts, 2)]
        actions = [(self._executed, *step) for step in steps]
        actions += [(self._tool, name) for name in TOOLS if first or self._worth_again(name)]
        actions += [] if first else [(self._static, plan) for plan in self._contenders()]
        self.order.shuffle(actions)
        for action, *arguments in actions:
            action(*arguments)
        return row

    def _executed(self, name, texts, calls):
        note(self.row.ways, name, ask(executed, self.workload, self.items, texts, calls))


def measured(workload, texts, rounds, seconds):
    """Return the medians of a workload: by way, and of its best static plan."""
    items = workload.data()
    row = Executing(
        Row(workload.name, workload.properties, held_out=False, items=len(items)),
        workload,
        items,
        texts,
        rounds,
        seconds,
    )
    row = row.measure()
    best = row.best()
    known = {name: median(seconds) for name, seconds in row.ways.items()}
    return known | {
        "best": median([*row.grid[best], *row.again]),
        "serial": median(row.grid[SERIAL]),
        "serial runs": row.grid[SERIAL],
        "plan": str(best),
    }


def is_late(seconds, row):
    """Tell whether seconds are more than serial's by more than 5 % and 5 ms."""
    return seconds > LATE_SHARE * row["serial"] + LATE_SECONDS


def geometric(values):
    """Return the geometric mean."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def nap(seconds):
    time.sleep(seconds)
    return seconds


def one_more(x):
    return x + 1


def against_ideal(items, texts):
    """Return seconds of execute in two warm processes over the least that two workers could take."""
    store = optimizer_with(texts).entries.store
    options = {"executor": "process", "max_workers": 2, "cache": store, "min_speedup": 1.0}
    for _ in range(2):  # the second finds the workers and the entry
        began = time.perf_counter()
        amorsize.execute(nap, items, **options)
        seconds = time.perf_counter() - began
    _assembly.end_workers()
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


def stream_mebibytes(items):
    """Return by how much a fresh interpreter's memory grows at most over a stream, amorsize itself included."""
    done = subprocess.run([sys.executable, "-c", STREAM, str(items)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def figures(rows):
    """Yield name, value, what it must be and whether it is, of the rows together."""
    first = geometric(row["first"] / row["best"] for row in rows)
    second = geometric(row["second"] / row["best"] for row in rows)
    cold = geometric(row["cold"] / row["best"] for row in rows)
    late = [name for row in rows for name in OURS if is_late(row[name], row)]
    late_itself = [seconds for row in rows for seconds in row["serial runs"] if is_late(seconds, row)]
    yield "second call of a process over the best static plan", second, "<= 0.90", second <= 0.90
    yield "first call of a process over it, with an entry", first, "<= 1.10", first <= 1.10
    yield "first call of a process over it, without one", cold, "<= 1.10", cold <= 1.10
    yield "calls slower than serial by more than 5 % + 5 ms", len(late), "0", not late
    yield "single serial runs slower than their own median by as much", len(late_itself), "-", True
    for name in TOOLS:
        mine = geometric(row["second"] / row[name] for row in rows)
        worst = max(row["second"] / row[name] for row in rows)
        yield f"second call over {name} (geometric mean)", mine, "< 1", mine < 1
        yield f"second call over {name} (worst row)", worst, "<= 1.15", worst <= 1.15


def main():
    """Print the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", nargs="*", metavar="NAME", help="only these workloads; none for no name")
    parser.add_argument("--rounds", type=int, default=5, help="most rounds a row (5)")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="begin no round of a row, but for 3, after these (3)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the rows there, and take in those that are there already")
    asked = parser.parse_args()
    os.environ["AMORSIZE_CONFIG"] = os.devnull
    texts, _, _ = ask(overheads_measured)
    warm_up(texts)
    amorsize.execute(one_more, range(10), cache="memory")
    from amorsize.adapters.executors import process, thread  # noqa: F401, PLC0415  as a caller of Pool has imported it

    rows = {}
    if asked.json and os.path.exists(asked.json):  # noqa: PTH110  a name as it was given
        with open(asked.json) as file:  # noqa: PTH123  likewise
            rows = json.load(file)
    names = [*OURS, *TOOLS]
    print(f"| {'workload':<24} | serial | best static plan | ms | {' | '.join(names)} |")
    print(f"| --- | --- | --- | --- |{' --- |' * len(names)}")
    for workload in chosen(asked.rows):
        if workload.name not in rows:
            rows[workload.name] = ask(measured, workload, texts, asked.rounds, asked.seconds)
        row = rows[workload.name]
        cells = " | ".join(f"{row[name] / row['best']:.2f}" for name in names)
        serial, best = f"{row['serial'] * 1e3:.0f} ms", f"{row['best'] * 1e3:.0f}"
        print(f"| {workload.name:<24} | {serial} | {row['plan']} | {best} | {cells} |", flush=True)
        if asked.json:
            with open(asked.json, "w") as file:  # noqa: PTH123  as above
                json.dump(rows, file)
    print("\n| figure | got | must be |\n| --- | --- | --- |")
    alone = [
        (
            "cost falling with position, over the ideal",
            median(ask(against_ideal, falling(), texts) for _ in range(3)),
            1.15,
        ),
        (
            "one rare heavy item last, over the ideal",
            median(ask(against_ideal, heavy_last(), texts) for _ in range(3)),
            1.15,
        ),
        ("a million trivial items over a list comprehension", ask(trivial), 1.05),
        ("MiB that iexecute grows by over 10 million items", stream_mebibytes(STREAM_ITEMS), 64.0),
        ("the same over 100 thousand items", stream_mebibytes(STREAM_ITEMS // 100), 64.0),
    ]
    found = [*(figures(list(rows.values())) if rows else ()), *((a, b, f"<= {c:g}", b <= c) for a, b, c in alone)]
    for name, value, bound, held in found:
        print(f"| {name} | {value:.3g}{'' if held else ' (missed)'} | {bound} |")


if __name__ == "__main__":
    main()
