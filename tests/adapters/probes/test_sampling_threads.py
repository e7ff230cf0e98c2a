"""Threads of the function's own: they are seen by what they do, and the variable that sets them is named."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from amorsize.processes.blas import VARIABLES

MULTIPLY = """
import sys, numpy
from amorsize.adapters.probes.sampling import Sampling
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source

matrix = numpy.ones((700, 700))

def multiply(_):
    return (matrix @ matrix)[0, 0]

for _ in range(10):  # a busy machine may let one thread do it all
    sample = Sampling(multiply, Source(range(200)), Budget(min_seconds={seconds})).run()
    if sample.cpu_fraction > 1.25:
        break
print(sample.threads_variable, sample.cpu_fraction > 1.25)
"""

MERELY_IMPORTED = """
from amorsize import optimize
import numpy  # whose threads spin for a while from here on

{use}

def add(x):
    return sum(range(30_000 + x % 2))

result = optimize(add, range(300), use_cache=False, profile=True)
sample = result.profile.sample
print(sample.threads_variable, sample.cpu_fraction > 1.25, [one for one in result.warnings if "NUM_THREADS" in one])
"""


def run(code, **variables):
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**plain, **variables}, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.split(maxsplit=2)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU cannot show that a library uses two")
@pytest.mark.parametrize("seconds", [0.1, 0.001])
def test_a_product_of_matrices_is_seen_to_run_on_the_librarys_threads(seconds):
    variable, several = run(MULTIPLY.format(seconds=seconds))
    assert several == "True"
    assert variable in VARIABLES


@pytest.mark.skipif(sys.platform != "linux", reason="only a forked child tells at once whose threads run")
@pytest.mark.parametrize("use", ["", "matrix = numpy.ones((300, 300)); matrix @ matrix"])
def test_a_library_merely_imported_or_used_before_changes_nothing(use):
    variable, several, warned = run(MERELY_IMPORTED.format(use=use))
    assert (variable, several, warned.strip()) == ("None", "False", "[]")
