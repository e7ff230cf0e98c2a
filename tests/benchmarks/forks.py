"""Prints what a fork takes by the memory of the process: the constants of ``domain/fork_costs.py``.

Run it as ``python tests/benchmarks/forks.py``. For each size the process grows by memory of its own and forks children
that end at once, as runs do. The last lines are the line through these medians, and how steep it is beside the line
through those of the next column. Other programs make the largest sizes slower, and the line steeper.
"""

from __future__ import annotations

import time
from statistics import linear_regression, median

from amorsize.processes.forks import Lifeline, fork
from amorsize.processes.process_info import fork_seconds, own_memory_bytes

MEBIBYTES = (0, 50, 100, 150, 250, 500)
FORKS = 40


def seconds_of_forks():
    """Return the seconds of forking, one by one, and of each child's end."""
    lifeline = Lifeline()
    begun, ended = [], []
    for _ in range(FORKS):
        began = time.perf_counter()
        child = fork(int, [], lifeline)
        forked = time.perf_counter()
        child.wait()
        begun.append(forked - began)
        ended.append(time.perf_counter() - forked)
    lifeline.close()
    return median(begun), median(ended)


def main():
    """Print the table and the constants."""
    ballast, sizes, medians, ends = bytearray(), [], [], []
    print("| process's own memory | fork | until its end | as fork_costs.py says |\n| --- | --- | --- | --- |")
    for size in MEBIBYTES:
        ballast.extend(b"x" * ((size << 20) - len(ballast)))
        fork_median, end_median = seconds_of_forks()
        own = own_memory_bytes()
        sizes.append(own)
        medians.append(fork_median)
        ends.append(end_median)
        cells = (fork_median, end_median, fork_seconds())
        print(f"| {own >> 20} MiB | {' | '.join(f'{seconds * 1e3:.2f} ms' for seconds in cells)} |", flush=True)
    slope, start = linear_regression(sizes, medians)
    share = slope / linear_regression(sizes, ends).slope
    print(f"FORK_SECONDS = {start:.2g}\nFORK_BYTE_SECONDS = {slope:.2g}\nFORK_SHARE = {share:.2g}")


if __name__ == "__main__":
    main()
