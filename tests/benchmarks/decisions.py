"""Prints how far the plans that amorsize chooses are from the best of a grid of static plans, over real workloads.

Run it as ``python tests/benchmarks/decisions.py``; ``--rows`` and ``--held-out`` choose workloads. Each figure is a
median over rounds in which all ways of running a workload are shuffled, and each measurement has a process and a pool
of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from pathlib import Path
from statistics import median

import attrs
from advice import overheads_measured, trivial_decided, warm_up
from children import ask
from figures import COLUMNS, HEAD, LEGEND, judged, line, summary
from rows import measured
from workloads import chosen, held_out

TRIVIAL_ROUNDS = 7


def options():
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="only these workloads")
    parser.add_argument("--held-out", action="store_true", help="only the workloads that the model is not tuned to")
    parser.add_argument("--tuned-on", action="store_true", help="only the others")
    parser.add_argument("--rounds", type=int, default=7, help="most rounds a row (7)")
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="begin no round of a row, but for 3, after these (6)"
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures there too")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods(), help="of the pools")
    return parser.parse_args()


def as_json(one):
    """Return a judged row as what json can write."""
    row = one.row
    return {
        "name": row.name,
        "properties": row.properties,
        "held_out": row.held_out,
        "items": row.items,
        "best": str(one.best),
        "best_seconds": one.best_seconds,
        "noise": one.noise,
        "regret": {way: one.regret(way) for way in COLUMNS},
        "grid": {str(plan): seconds for plan, seconds in row.grid.items()},
        "ways": row.ways,
        "again": row.again,
        "decided": [attrs.asdict(decided) for decided in row.decided],
    }


def main():
    """Print the table and the summary."""
    asked = options()
    if asked.start_method:
        multiprocessing.set_start_method(asked.start_method)
    apart = held_out()
    workloads = [
        workload
        for workload in chosen(asked.rows)
        if not (asked.held_out and workload.name not in apart) and not (asked.tuned_on and workload.name in apart)
    ]
    began = time.perf_counter()
    texts, seconds, overheads = ask(overheads_measured)
    print(f"overheads measured in {seconds * 1e3:.0f} ms: {overheads}\n\n{HEAD}")
    warm_up(texts)
    rows = []
    for workload in workloads:
        row = ask(measured, workload, texts, workload.name in apart, asked.rounds, asked.seconds)
        rows.append(judged(row))
        print(line(rows[-1]), flush=True)
    trivial = median(ask(trivial_decided, texts) for _ in range(TRIVIAL_ROUNDS))
    print(LEGEND, *summary(rows, trivial), sep="\n")
    print(f"\n{len(rows)} rows, {os.cpu_count()} CPUs, {time.perf_counter() - began:.0f} s")
    if asked.json:
        written = {"overheads": attrs.asdict(overheads), "trivial": trivial, "rows": [as_json(one) for one in rows]}
        Path(asked.json).write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()
