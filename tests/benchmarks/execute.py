"""Prints how long execute() takes, beside the best static plan, serial and other tools, all in one run.

Run it as ``python tests/benchmarks/execute.py``; ``--rows`` names workloads, as for decisions.py. ``nothing`` is a
first call on a machine that nothing is known of, ``cold`` one that knows what workers cost here, ``first`` the first
call of a process whose cache has an entry, ``second`` the call after it. ``limit`` is two processes that each run half
and send nothing. Each is a median of rounds that are interleaved with the static plans and the tools, each in a process
of its own. After the rows come the figures beside their targets.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from statistics import median

import alone
from advice import optimizer_with, overheads_measured, texts_in, warm_up
from alone import geometric, one_more
from children import ask
from plans import SERIAL, TOOLS
from rows import Measuring, Row, note
from varied import variants
from workloads import WORKLOADS, chosen

import amorsize
from amorsize.domain.values import Constraints

OURS = ("nothing", "cold", "first", "second")
LATE_SHARE, LATE_SECONDS = 1.05, 0.005
SHORT_SECONDS = 0.005
"""Jobs under this are no rows of the ratios: they have a figure of their own."""


def executed(workload, items, texts, calls):
    """Return the seconds of the last of some calls of execute in this process.

    Another function has run before, as for decisions: a forked process copies each page of memory at its first write.
    """
    amorsize.execute(one_more, range(10), cache="memory")
    store = optimizer_with(texts).store
    for _ in range(calls):
        workload.fresh()
        data = workload.given(items)
        began = time.perf_counter()
        results = amorsize.execute(workload.func, data, cache=store)
        seconds = time.perf_counter() - began
        if len(results) != len(items):
            raise RuntimeError(f"{workload.name} must give {len(items)} results, got {len(results)}")
    amorsize.default_client().close()
    return seconds


def halves(workload, items):
    """Return the seconds of two forked processes that each run every other item and send nothing."""
    workload.fresh()
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")
    began = time.perf_counter()
    both = [context.Process(target=_run_all, args=(workload.func, items[turn::2])) for turn in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    return time.perf_counter() - began


def _run_all(func, items):
    for item in items:
        func(item)


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
        steps = [("nothing", {}, 1), ("cold", self.texts, 1), ("first", texts, 1), ("second", texts, 2)]
        actions = [(self._executed, *step) for step in steps]
        actions += [(self._limit,)] if hasattr(items, "__getitem__") else []
        actions += [(self._tool, name) for name in TOOLS if first or self._worth_again(name)]
        actions += [] if first else [(self._static, plan) for plan in self._contenders()]
        self.order.shuffle(actions)
        for action, *arguments in actions:
            action(*arguments)
        return row

    def _executed(self, name, texts, calls):
        note(self.row.ways, name, ask(executed, self.workload, self.items, texts, calls))

    def _limit(self):
        note(self.row.ways, "limit", ask(halves, self.workload, self.items))


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
        "properties": workload.properties,
    }


def is_late(seconds, row):
    """Tell whether seconds are more than serial's by more than 5 % and 5 ms."""
    return seconds > LATE_SHARE * row["serial"] + LATE_SECONDS


def ratios(rows, name, other="best", less=0.0):
    """Return what one way takes over another in each row, so many seconds apart."""
    return [max(row[name] - less, 1e-6) / row[other] for row in rows]


def first_calls(rows, name, words):
    """Yield the figures of first calls: all rows, the worst, and by what is best."""
    yield f"{words} over the best static plan", geometric(ratios(rows, name)), 1.0
    yield f"{words}, worst row", max(ratios(rows, name)), 1.3
    waiting = [row for row in rows if "wait" in row["properties"]]
    serial = [row for row in rows if row["plan"] == "serial" and row not in waiting]
    computing = [row for row in rows if row not in waiting and row not in serial]
    if computing:
        yield f"{words}, rows where workers win by computing", geometric(ratios(computing, name)), 0.95
    if serial:
        yield f"{words}, less 3 ms, rows where serial is best", geometric(ratios(serial, name, less=0.003)), 1.02
    if waiting:
        yield f"{words}, rows that wait", geometric(ratios(waiting, name)), 1.1
    if limited := [row for row in computing if "limit" in row]:
        yield f"{words} over the limit, rows that compute", geometric(ratios(limited, name, "limit")), 1.15


def figures(rows):
    """Yield name, value and the most that it may be (None: it is no target), of the rows together."""
    short = [row for row in rows if row["serial"] < SHORT_SECONDS]
    rows = [row for row in rows if row not in short]
    if short:
        yield (
            "jobs under 5 ms: ms more than serial at most",
            max(row["nothing"] - row["serial"] for row in short) * 1e3,
            3.0,
        )
    if not rows:
        return
    yield from first_calls(rows, "nothing", "first call, nothing known")
    yield from first_calls(rows, "cold", "first call, overheads known")
    yield "first call with an entry over the best static plan", geometric(ratios(rows, "first")), 1.0
    yield "second call over the best static plan", geometric(ratios(rows, "second")), 0.85
    late = sum(is_late(row[name], row) for row in rows for name in OURS)
    itself = sum(is_late(seconds, row) for row in rows for seconds in row["serial runs"])
    yield "calls slower than serial by more than 5 % + 5 ms", late, 0
    yield "single serial runs slower than their own median by as much", itself, None
    for name in TOOLS:
        yield f"second call over {name} (geometric mean)", geometric(ratios(rows, "second", name)), 1.0
        yield f"second call over {name} (worst row)", max(ratios(rows, "second", name)), 1.15


def shown(found):
    """Print figures beside their targets."""
    print("\n| figure | got | must be |\n| --- | --- | --- |")
    for name, value, most in found:
        missed = most is not None and value > most
        print(
            f"| {name} | {value:.3g}{' (missed)' if missed else ''} | {'-' if most is None else f'<= {most:g}'} |",
            flush=True,
        )


def main():
    """Print the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", nargs="*", metavar="NAME", help="only these workloads; none for no name")
    parser.add_argument("--no-more", action="store_true", help="neither the variants of rows nor the single figures")
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
    names = [*OURS, "limit", *TOOLS]
    known = WORKLOADS if asked.no_more and asked.rows is None else (*WORKLOADS, *variants())
    print(f"| {'workload':<24} | serial | best static plan | ms | {' | '.join(names)} |")
    print(f"| --- | --- | --- | --- |{' --- |' * len(names)}")
    for workload in chosen(asked.rows, known):
        if workload.name not in rows:
            rows[workload.name] = ask(measured, workload, texts, asked.rounds, asked.seconds)
        row = rows[workload.name]
        cells = " | ".join(f"{row[name] / row['best']:.2f}" if name in row else "-" for name in names)
        serial, best = f"{row['serial'] * 1e3:.0f} ms", f"{row['best'] * 1e3:.0f}"
        print(f"| {workload.name:<24} | {serial} | {row['plan']} | {best} | {cells} |", flush=True)
        if asked.json:
            with open(asked.json, "w") as file:  # noqa: PTH123  as above
                json.dump(rows, file)
    shown(figures(list(rows.values())))
    if not asked.no_more:
        shown(alone.figures(texts))


if __name__ == "__main__":
    main()
