"""Rows beside those of ``workloads.py``: the same work for longer, for a moment, and in a large process."""

from __future__ import annotations

from functools import partial

import attrs
from workloads import WORKLOADS

LONGER = {
    "tokenize modules": 20,
    "digits of a root": 10,
    "reload json": 12,
    "deflate blocks": 10,
    "sort arrays": 10,
    "wait for answers": 4,
}
"""Jobs that are run so many times over: 1 to 4 s each."""

SHORTER = {"tokenize modules": 40, "words of paragraphs": 40, "prices in cents": 20, "describe groups": 40}
"""Jobs of which one item in so many is run: some 2 ms each."""

LARGE_MEBIBYTES = 500
LARGE = ("tokenize modules", "digits of a root", "reload json", "queens")

_ballast = bytearray()


def large(workload):
    """Return a workload whose process has so much memory of its own before the clock starts."""
    return attrs.evolve(workload, name=f"{workload.name}, {LARGE_MEBIBYTES} MB", reset=partial(_grow, workload.reset))


def shorter(workload, factor):
    """Return a workload over each so manieth item."""
    return attrs.evolve(workload, name=f"{workload.name} /{factor}", data=partial(_each, workload.data, factor))


def _each(data, factor):
    items = list(data())
    return items[::factor] if len(items) > 2 * factor else items[:2]


def _grow(reset):
    if reset is not None:
        reset()
    if not _ballast:
        _ballast.extend(b"x" * (LARGE_MEBIBYTES << 20))


def variants():
    """Return the rows of this file."""
    known = {workload.name: workload for workload in WORKLOADS}
    rows = [known[name].longer(factor) for name, factor in LONGER.items()]
    rows += [shorter(known[name], factor) for name, factor in SHORTER.items()]
    return (*rows, *(large(known[name]) for name in LARGE))
