"""Prints how far the plans that amorsize chooses are from the best of a grid of static plans, over real workloads.

Run it as ``python tests/benchmarks/decisions.py``; ``--rows`` and ``--held-out`` choose workloads, and ``--longer``
makes jobs longer. Each figure is a median over rounds in which all ways of running a workload are shuffled, and each
measurement has a process and a pool of its own. ``--json`` keeps the figures; ``--with`` adds those of earlier runs, as
further rows or further rounds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from statistics import median

from advice import overheads_measured, trivial_decided, warm_up
from children import ask
from figures import HEAD, LEGEND, by_length, judged, line, summary
from kept import read, together, written
from rows import measured
from workloads import chosen, held_out

TRIVIAL_ROUNDS = 7


def options():
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", nargs="*", metavar="NAME", help="only these workloads; none for no name")
    parser.add_argument("--held-out", action="store_true", help="only the workloads that the model is not tuned to")
    parser.add_argument("--tuned-on", action="store_true", help="only the others")
    parser.add_argument("--rounds", type=int, default=9, help="most rounds a row (9)")
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="begin no round of a row, but for 3, after these (6)"
    )
    parser.add_argument("--json", metavar="FILE", help="write all figures there too, after each row")
    parser.add_argument(
        "--with", nargs="+", default=[], metavar="FILE", dest="earlier", help="add earlier runs' figures"
    )
    parser.add_argument("--longer", type=int, default=1, metavar="FACTOR", help="run over all items so many times (1)")
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods(), help="of the pools")
    return parser.parse_args()


def workloads_asked(asked):
    """Return the workloads to run."""
    apart = held_out()
    left_out = set()
    if asked.held_out:
        left_out |= {workload.name for workload in chosen()} - apart
    if asked.tuned_on:
        left_out |= apart
    workloads = [workload for workload in chosen(asked.rows) if workload.name not in left_out]
    return workloads if asked.longer == 1 else [workload.longer(asked.longer) for workload in workloads]


def main():
    """Print the table and the summary."""
    asked = options()
    if asked.start_method:
        multiprocessing.set_start_method(asked.start_method)
    began = time.perf_counter()
    texts, seconds, overheads = ask(overheads_measured)
    print(f"overheads measured in {seconds * 1e3:.0f} ms: {overheads}\n\n{HEAD}")
    warm_up(texts)
    apart = held_out() | {f"{name} x{asked.longer}" for name in held_out()}
    trivial = [ask(trivial_decided, texts) for _ in range(TRIVIAL_ROUNDS)]
    rows = together(row for path in asked.earlier for row in read(path)[2])
    workloads = workloads_asked(asked)
    run_anew = {workload.name for workload in workloads}
    for row in rows:
        if row.name not in run_anew:
            print(line(judged(row)))
    for workload in workloads:
        row = ask(measured, workload, texts, workload.name in apart, asked.rounds, asked.seconds)
        rows = together([*rows, row])
        print(line(judged(next(one for one in rows if one.name == row.name))), flush=True)
        if asked.json:
            written(asked.json, overheads, trivial, rows)
    figures = [judged(row) for row in rows]
    print(LEGEND, *summary(figures, median(trivial)), "", *by_length(figures), sep="\n")
    print(f"\n{len(rows)} rows, {os.cpu_count()} CPUs, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
