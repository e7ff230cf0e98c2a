"""Prints what 12 programs that use joblib take with the backend ``amorsize``, with loky, with threads and serially.

Usage: ``python tests/benchmarks/joblib_programs.py [--rounds N] [--only NAME]``. It needs scikit-learn. Ways take turns
within a round, so that what else the machine does falls on all of them. Each figure is the median of the rounds after
the first, which starts pools and imports what is needed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from math import exp, log

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

import amorsize.integrations.joblib  # noqa: F401  registers the backend

X, Y = make_classification(1000, 20, n_informative=8, n_classes=3, random_state=0)
ARRAY = np.random.default_rng(0).random(2_000_000)
FITTED = RandomForestClassifier(20, random_state=0).fit(X, Y)
ALLOWED_SHARE, ALLOWED_SECONDS = 1.05, 0.02
"""What a program may take of its serial time, and beside it."""


def count(number):
    return sum(each * each for each in range(number))


def ordered(start):
    return float(np.sort(ARRAY[start : start + 200_000])[1000])


def parallel(func, items):
    return Parallel()(delayed(func)(item) for item in items)


PROGRAMS = {
    "3,000 tiny tasks": lambda: parallel(abs, range(3000)),
    "1,000 tasks of 50 us": lambda: parallel(count, [1000] * 1000),
    "100 tasks of 2 ms": lambda: parallel(count, [40_000] * 100),
    "8 tasks of 0.1 s": lambda: parallel(count, [2_000_000] * 8),
    "40 tasks that wait 20 ms": lambda: parallel(time.sleep, [0.02] * 40),
    "30 sorts of a part of an array": lambda: parallel(ordered, range(0, 1_800_000, 60_000)),
    "forest": lambda: RandomForestClassifier(40, random_state=0, n_jobs=None).fit(X, Y).predict(X),
    "grid search over trees": lambda: GridSearchCV(
        DecisionTreeClassifier(random_state=0), {"max_depth": [2, 4, 8, 16]}, cv=5
    ).fit(X, Y),
    "cross-validation of a forest": lambda: cross_val_score(RandomForestClassifier(20, random_state=0), X, Y, cv=5),
    "permutation importance": lambda: permutation_importance(FITTED, X, Y, n_repeats=2, random_state=0),
    "one against the rest": lambda: OneVsRestClassifier(LogisticRegression(max_iter=300)).fit(X, Y).predict(X),
    "nearest neighbours": lambda: KNeighborsClassifier(5, algorithm="kd_tree").fit(X, Y).predict(X),
}

WAYS = {
    "n_jobs=1": ("sequential", 1),
    "loky": ("loky", -1),
    "threading": ("threading", -1),
    "amorsize": ("amorsize", -1),
}


def seconds(program, way):
    backend, n_jobs = WAYS[way]
    began = time.perf_counter()
    with parallel_config(backend=backend, n_jobs=n_jobs):
        program()
    return time.perf_counter() - began


def measured(program, rounds):
    """Return the median seconds of each way; the ways take turns, each round in another order."""
    found = {way: [] for way in WAYS}
    names = list(WAYS)
    for turn in range(rounds + 1):
        for way in names[turn % len(names) :] + names[: turn % len(names)]:
            took = seconds(program, way)
            if turn:
                found[way].append(took)
    return {way: statistics.median(each) for way, each in found.items()}


def main() -> None:
    """Print the table and what it comes to."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--only", default="")
    given = arguments.parse_args()
    warnings.simplefilter("ignore")
    print("| program | n_jobs=1 | loky | threading | amorsize | over n_jobs=1 | over loky | over threading |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    rows, late = [], []
    for name, program in PROGRAMS.items():
        if given.only not in name:
            continue
        row = measured(program, given.rounds)
        rows.append(row)
        ours, alone = row["amorsize"], row["n_jobs=1"]
        if ours > alone * ALLOWED_SHARE + ALLOWED_SECONDS:
            late.append(f"{name} ({ours - alone:+.3f} s)")
        figures = " | ".join(f"{row[way]:.3f} s" for way in WAYS)
        ratios = " | ".join(f"{ours / row[way]:.2f}" for way in ("n_jobs=1", "loky", "threading"))
        print(f"| {name} | {figures} | {ratios} |", flush=True)
    means = [exp(statistics.mean(log(row["amorsize"] / row[way]) for row in rows)) for way in list(WAYS)[:3]]
    print(f"| geometric mean | | | | | {' | '.join(f'{mean:.2f}' for mean in means)} |")
    print(f"slower than n_jobs=1 by more than 5 % and 20 ms: {', '.join(late) or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
