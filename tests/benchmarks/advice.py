"""Asks amorsize as a process does that has decided something before, with a cache that knows at least the machine."""

from __future__ import annotations

import time
from itertools import islice

from plans import SERIAL, Static, run

from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.application.cache import records
from amorsize.composition import Assembly
from amorsize.domain.source import Source
from amorsize.domain.values import Constraints

TRIVIAL_ITEMS = 10_000_000
NAPS, NAP_SECONDS = 200, 0.001


def optimizer_with(texts):
    """Return a new Optimizer over a store in memory that holds some texts, by locator and variant."""
    store = MemoryCache(MemoryOptions())
    for (locator, variant), text in texts.items():
        store.store(locator, variant, text)
    assembly = Assembly()
    return assembly.optimizer(assembly.settings({}), store, None, None)


def texts_in(optimizer):
    """Return all that an Optimizer's store holds, as ``optimizer_with`` takes it."""
    store = optimizer.store
    return {
        (locator, variant): text for locator in list(store.locators()) for variant, text in store.fetch(locator).items()
    }


def overheads_measured():
    """Measure this machine; return texts of a store that hold it, the seconds that took, the figures."""
    optimizer = optimizer_with({})
    began = time.perf_counter()
    overheads = optimizer.measure_overheads()
    return texts_in(optimizer), time.perf_counter() - began, overheads


def sample_of(optimizer, result):
    """Return the sample behind a result: from its profile, else from the one entry in the store."""
    if result.profile is not None:
        return result.profile.sample
    entries = [text for (locator, _), text in texts_in(optimizer).items() if locator.startswith("func:")]
    return records.decode_entry(entries[0]).sample


def static(plan):
    """Return a plan of ours as one that can be run."""
    return SERIAL if plan.executor == "serial" else Static(plan.executor, plan.n_jobs, plan.chunksize)


def asked(workload, items, texts, *, profile):
    """Return a new Optimizer, its result for a workload and the seconds it took to decide."""
    warm_up(texts)
    optimizer = optimizer_with(texts)
    workload.fresh()
    data = workload.given(items)
    began = time.perf_counter()
    result = optimizer.optimize(workload.func, data, Constraints(), profile=profile)
    return optimizer, result, time.perf_counter() - began


def learned(workload, items, texts):
    """Return what one decision gave: plan, sample, seconds, and the store's texts with the entry in it."""
    optimizer, result, seconds = asked(workload, items, texts, profile=workload.stream)
    return result.plan, sample_of(optimizer, result), seconds, texts_in(optimizer)


def decided_and_run(workload, items, texts):
    """Return the seconds to decide and then to run the plan over all of ``result.data``."""
    optimizer, result, seconds = asked(workload, items, texts, profile=False)
    del optimizer
    began = time.perf_counter()
    run(workload.func, result.data, static(result.plan))
    return seconds + time.perf_counter() - began


def decided_and_rest_run(workload, items, texts):
    """Return the seconds to decide and then to run the plan over the items that sampling has not run."""
    optimizer, result, seconds = asked(workload, items, texts, profile=workload.stream)
    count = sample_of(optimizer, result).count
    if workload.stream:
        rest = islice(result.data, count, None)
    else:
        sampled = set(islice(Source(items).positions(), count))
        rest = [items[position] for position in range(len(items)) if position not in sampled]
    began = time.perf_counter()
    if count < len(items):
        run(workload.func, rest, static(result.plan))
    return seconds + time.perf_counter() - began


def warm_up(texts):
    """Decide on something else.

    A forked process copies each page of memory at its first write, which for a first decision is 3 ms: that is the
    price of measuring in a process of its own, and nobody else pays it.
    """
    optimizer = optimizer_with(texts)
    result = optimizer.optimize(time.sleep, [NAP_SECONDS] * NAPS, Constraints())
    sample_of(optimizer, result)


def add_one(x):
    return x + 1


def trivial_decided(texts):
    """Return the seconds to decide on ten million items that cost next to nothing."""
    warm_up(texts)
    optimizer = optimizer_with(texts)
    began = time.perf_counter()
    optimizer.optimize(add_one, range(TRIVIAL_ITEMS), Constraints())
    return time.perf_counter() - began


def items_seconds(sample):
    """Return the seconds that the sampled items took themselves: the first call, then the mean of the others."""
    return sample.first_call_seconds + (sample.count - 1) * sample.seconds_per_item
