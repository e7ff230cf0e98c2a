"""Fakes of the ports: they pass the same contracts as the real adapters and keep count of what was asked."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import islice

import attrs

from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.adapters.inspectors.files import FileSizes
from amorsize.application.cache.entries import Entries
from amorsize.application.dependencies import Dependencies
from amorsize.application.optimizer import Optimizer
from amorsize.application.solver import Solver
from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.domain.overheads import Overheads
from amorsize.domain.values import Constraints, Machine, Sample
from amorsize.errors import MeasurementError
from amorsize.processes.warning import warn

MACHINE = Machine(
    physical_cores=4,
    logical_cores=4,
    usable_cpus=4.0,
    available_memory_bytes=8 << 30,
    total_memory_bytes=16 << 30,
    start_method="fork",
    python_tag="cpython-311",
    python_version="CPython 3.11.7",
    gil_enabled=True,
    cpu_model="test",
    architecture="x86_64",
)
SAMPLE = Sample(count=5, seconds_per_item=0.005, spread_seconds=0.0001, first_call_seconds=0.005, cpu_fraction=1.0)
OVERHEADS = Overheads(
    start_method="fork",
    start_seconds=0.005,
    start_worker_seconds=0.003,
    end_seconds=0.003,
    chunk_parent_seconds=5e-5,
    chunk_worker_seconds=5e-5,
    item_seconds=1e-6,
    byte_seconds=1e-9,
    thread_start_seconds=1e-4,
    thread_chunk_seconds=1e-5,
    worker_bytes=float(10 << 20),
)
FREE = Overheads(
    start_method="fork",
    start_seconds=0.0,
    start_worker_seconds=0.0,
    end_seconds=0.0,
    chunk_parent_seconds=0.0,
    chunk_worker_seconds=0.0,
    item_seconds=0.0,
    byte_seconds=0.0,
    thread_start_seconds=0.0,
    thread_chunk_seconds=0.0,
    worker_bytes=0.0,
)


def even_sample(seconds_per_item, **more):
    """Return the sample of a function that takes so many seconds for each item, the first one too."""
    seconds = {"seconds_per_item": seconds_per_item, "spread_seconds": 0.0, "first_call_seconds": seconds_per_item}
    return attrs.evolve(SAMPLE, **seconds, **more)


def entries_of(store, *options, **more):
    """Return the entries of a store, which warn as in a program."""
    return Entries(store, *options, say=warn, **more)


def dependencies_of(entries, clock, **more):
    """Return dependencies on fakes, with entries and one clock for both kinds of seconds."""
    fakes = {"probe": FakeProbe(), "inspector": FakeInspector(), "has_pools": lambda: True}
    given = fakes | more
    given.setdefault("start_method", given["probe"].start_method)
    return Dependencies(entries=entries, now=clock, monotonic=clock, loaded=Loaded(sys.modules), **given)


class FakeInspector:
    """A machine one can change."""

    def __init__(self, machine=MACHINE):
        self.machine = machine
        self.asked = 0
        self.files = {}

    def file_bytes(self, path):
        return self.files[path] if path in self.files else FileSizes().of(path)

    def inspect(self, start_method):
        self.asked += 1
        return attrs.evolve(self.machine, start_method=start_method)


class FakeProbe:
    """Runs two items and says what it was asked to say of them."""

    def __init__(self, sample=SAMPLE, overheads=OVERHEADS, blocked_reason=None, start_method="fork"):
        self.said = sample
        self.known = attrs.evolve(overheads, start_method=start_method) if overheads is not None else None
        self.blocked = blocked_reason
        self.start_method = start_method
        self.asked = Counter()
        self.fate = None

    def sample(self, func, source, budget):
        self.asked["sample"] += 1
        if self.fate is not None:
            raise self.fate
        places = list(islice(source.positions(), budget.most_items or 2))
        if not places:
            raise ValueError("sample: source must have an item, got none")
        for place in places:
            try:
                func(source.at(place))
            except BaseException as error:
                error.add_note(f"amorsize was sampling the item at position {place}")
                raise
        said = self.said(source.at(places[0])) if callable(self.said) else self.said
        return attrs.evolve(said, count=len(places), positions=tuple(places))

    def overheads(self):
        self.asked["overheads"] += 1
        if self.known is None:
            raise MeasurementError("the fake measures nothing")
        return self.known

    def blocked_reason(self, func):
        return self.blocked


class Clock:
    """Unix seconds and monotonic seconds that stand still until moved."""

    def __init__(self, now=1_700_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


class CountingStore:
    """A store that counts what is asked of it."""

    def __init__(self, store):
        self.inner = store
        self.fetched = []
        self.stored = []

    def fetch(self, locator):
        self.fetched.append(locator)
        return self.inner.fetch(locator)

    def store(self, locator, variant, text):
        self.stored.append((locator, variant))
        self.inner.store(locator, variant, text)

    def discard(self, addresses):
        return self.inner.discard(addresses)

    def locators(self):
        return self.inner.locators()

    def close(self):
        self.inner.close()


class Desk:
    """An Optimizer and all that it uses. Its machine was measured, unless ``measured`` is False."""

    def __init__(self, *, measured=True, **probe):
        self.store = CountingStore(MemoryCache(MemoryOptions()))
        self.inspector = FakeInspector()
        self.probe = FakeProbe(**probe)
        self.clock = Clock()
        self.has_pools = True
        self.anew()
        if measured:
            self.measure()
            self.anew()

    def measure(self):
        """Measure the machine, as warming a cache does, and forget that it was asked for."""
        self.solver.measure()
        self.probe.asked.clear()
        self.store.fetched.clear()
        self.store.stored.clear()

    def anew(self):
        """Begin a new process as far as memory goes: nothing is left but the store."""
        self.entries = entries_of(self.store)
        dependencies = dependencies_of(
            self.entries, self.clock, probe=self.probe, inspector=self.inspector, has_pools=lambda: self.has_pools
        )
        self.solver = Solver(dependencies)
        self.optimizer = Optimizer(dependencies, self.solver)

    def ask(self, data=None, func=abs, constraints=None, **options):
        data = range(2000) if data is None else data
        return self.optimizer.optimize(func, data, constraints or Constraints(), **options)
