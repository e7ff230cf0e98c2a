"""Compares pandas with and without the engine of amorsize; needs pandas 3: python tests/benchmarks/frames.py.

Each figure is the median of interleaved rounds, each timing in the same process. ``limit`` is what an engine may take
at most: pandas' own time and 5 % + 20 ms.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from statistics import median

import numpy as np
import pandas as pd

from amorsize import execute
from amorsize.integrations.pandas import Engine

SHARE, SECONDS = 1.05, 0.020


def plus_one(value):
    return value + 1


def collatz(value):
    steps = 0
    while value > 1:
        value = value // 2 if value % 2 == 0 else 3 * value + 1
        steps += 1
    return steps


def words(value):
    return " ".join(sorted(f"value {value} of many".split()))


def distance(row):
    return (row["x"] ** 2 + row["y"] ** 2) ** 0.5


def collatz_of_row(row):
    return collatz(int(row["n"])) + row["x"]


def two_columns(row):
    return pd.Series({"sum": row["x"] + row["y"], "n": row["n"]})


def spread(column):
    return column.max() - column.min()


def of_array(line):
    return line[0] * line[1] + line[2]


def summary(group):
    key, frame = group
    counts = [collatz(int(n)) for n in frame["n"]]
    return pd.DataFrame({"key": [key], "steps": [sum(counts)], "longest": [max(counts)]})


def groups_here(frame):
    return pd.concat([summary(group) for group in frame.groupby("key")])


def groups_executed(frame):
    return pd.concat(execute(summary, list(frame.groupby("key"))))


def rows(count):
    """Return name, pandas' own way and ours for each row of the table."""
    numbers = np.random.default_rng(7)
    frame = pd.DataFrame({"n": range(count), "x": numbers.random(count), "y": numbers.random(count)})
    small, keyed = frame.head(1000), frame.assign(key=frame["n"] % 200)
    engine = Engine()
    for func in (plus_one, words, collatz):
        yield f"map, {func.__name__}", partial(frame["n"].map, func), partial(frame["n"].map, func, engine=engine)
    yield "map of 1,000, plus_one", partial(small["n"].map, plus_one), partial(small["n"].map, plus_one, engine=engine)
    for func in (distance, collatz_of_row):
        by_row = partial(frame.apply, func, axis=1)
        yield f"apply by row, {func.__name__}", by_row, partial(by_row, engine=engine)
    by_row = partial(frame.head(count // 10).apply, two_columns, axis=1)
    yield "apply by row of a tenth, two_columns", by_row, partial(by_row, engine=engine)
    by_row = partial(small.apply, distance, axis=1)
    yield "apply by row of 1,000, distance", by_row, partial(by_row, engine=engine)
    yield "apply by column, spread", partial(frame.apply, spread), partial(frame.apply, spread, engine=engine)
    raw = partial(frame.apply, of_array, axis=1, raw=True)
    yield "apply of arrays, of_array", raw, partial(raw, engine=engine)
    yield "200 groups, execute and concat", partial(groups_here, keyed), partial(groups_executed, keyed)


def seconds_of(run):
    began = time.perf_counter()
    result = run()
    return time.perf_counter() - began, result


def same(ours, theirs):
    """Tell whether two results are equal, index and dtypes too."""
    return type(ours) is type(theirs) and ours.equals(theirs) and ours.index.equals(theirs.index)


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=200_000)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--only", default="", help="only jobs with this in their name")
    options = asked.parse_args()
    print(
        "| job | pandas, ms | with amorsize, ms | times faster | within the limit |\n| --- | ---: | ---: | ---: | --- |"
    )
    for name, theirs, ours in rows(options.rows):
        if options.only not in name:
            continue
        took = {theirs: [], ours: []}
        for turn in range(options.rounds):
            results = {}
            for run in (theirs, ours)[:: 1 if turn % 2 else -1]:
                seconds, results[run] = seconds_of(run)
                took[run].append(seconds)
            assert same(results[ours], results[theirs]), name
        own, with_us = median(took[theirs]), median(took[ours])
        within = "yes" if with_us <= SHARE * own + SECONDS else "NO"
        print(f"| {name} | {own * 1e3:,.0f} | {with_us * 1e3:,.0f} | {own / with_us:.2f} | {within} |", flush=True)


if __name__ == "__main__":
    main()
