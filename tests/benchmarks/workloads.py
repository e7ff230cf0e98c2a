"""The workloads that the benchmarks run: real functions over real data, built without network."""

from __future__ import annotations

from functools import partial
from hashlib import sha256

import arrays
import attrs
import computing
import waiting


@attrs.frozen
class Workload:
    """A function with the items to run it over.

    ``data`` builds the items, the same ones at each call. ``properties`` say what makes the row different from others.
    ``stream`` hands the items over as a generator. ``reset`` forgets what the function keeps between calls.
    """

    name: str
    func: object
    data: object
    properties: str
    stream: bool = False
    reset: object = None

    def given(self, items):
        """Return what a user would hand over: the items, or a generator of them."""
        return (item for item in items) if self.stream else items

    def longer(self, factor):
        """Return the workload over its items so many times over."""
        return attrs.evolve(self, name=f"{self.name} x{factor}", data=partial(_repeated, self.data, factor))

    def fresh(self):
        """Forget what earlier calls have left in this process."""
        if self.reset is not None:
            self.reset()


def _repeated(data, factor):
    return list(data()) * factor


WORKLOADS = tuple(
    Workload(*row[:4], **(row[4] if len(row) > 4 else {})) for row in (*computing.ROWS, *waiting.ROWS, *arrays.ROWS)
)
"""Every workload, in the order of their files."""


def held_out(workloads=WORKLOADS):
    """Return the names of the third that the model must not be tuned to: each third one in the order of a hash."""
    names = sorted((workload.name for workload in workloads), key=lambda name: sha256(name.encode()).digest())
    return frozenset(names[::3])


def chosen(names=None, workloads=WORKLOADS):
    """Return the workloads of some names, all of them for None; ValueError names an unknown one."""
    if names is None:
        return workloads
    known = {workload.name: workload for workload in workloads}
    for name in names:
        if name not in known:
            raise ValueError(f"--rows must be of {', '.join(sorted(known))}; got {name}")
    return tuple(known[name] for name in names)
