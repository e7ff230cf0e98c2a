"""Records whose numbers are valid and as extreme as can be: every path that uses them answers."""

from __future__ import annotations

import io
import json
import warnings

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE, Desk
from hypothesis import given, settings
from hypothesis import strategies as st

import amorsize
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.application.cache import records
from amorsize.application.cache.maintenance import Cache
from amorsize.application.result import explanation
from amorsize.domain.values import EXECUTORS, Constraints
from amorsize.errors import AmorsizeWarning

TINY = (0, 0.0, 5e-324, 1e-310, 1e-300, 1e-200, 1e-150, 1e-30, 1e-15, 1e-12, 1e-9, 1e-3)
USUAL = (0.01, 0.5, 1, 1.0, 1.25, 2, 64, 900.0, 1000, 65536)
LARGE = (1e6, 366 * 86400.0, 1e9, 1e11, 2**53, 2**62, 2**63, 1e30, 1e150, 1e300, 1.7976931348623157e308)
NUMBERS = st.sampled_from([*TINY, *USUAL, *LARGE])


def extreme(usual):
    """Draw values like a usual one in which some numbers are extreme, as far as its own validators take them."""
    numeric = (int, float, type(None))
    names = [field.name for field in attrs.fields(type(usual)) if type(getattr(usual, field.name)) in numeric]

    def changed(changes):
        value = usual
        for name, number in changes.items():
            try:
                value = attrs.evolve(value, **{name: number})
            except ValueError:
                continue
        return value

    return st.dictionaries(st.sampled_from(names), NUMBERS, max_size=len(names)).map(changed)


def kept(kind):
    """Return where a desk that has measured and answered keeps its record of a kind, and the record's text."""
    desk = Desk(measured=False)
    desk.solver.measure()
    desk.ask()
    (address,) = {where for where in desk.store.stored if where[0].startswith(kind)}
    return address, desk.store.inner.fetch(address[0])[address[1]]


ENTRY_AT, ENTRY_TEXT = kept("func:")
OVERHEADS_AT, _ = kept("machine:")
ENTRY = records.decode_entry(ENTRY_TEXT)


@st.composite
def entries(draw):
    executor = draw(st.sampled_from(EXECUTORS))
    entry = attrs.evolve(
        ENTRY,
        sample=draw(extreme(SAMPLE)),
        plan=draw(extreme(attrs.evolve(ENTRY.plan, executor=executor))),
        machine=draw(st.just(MACHINE) | extreme(MACHINE)),
        constraints=draw(st.just(Constraints()) | extreme(Constraints())),
    )
    return draw(extreme(entry))


@given(
    entry=entries(),
    overheads=extreme(OVERHEADS),
    machine=st.just(MACHINE) | extreme(MACHINE),
    limits=st.just(Constraints()) | extreme(Constraints()),
)
def test_a_valid_record_however_extreme_never_makes_a_call_raise(entry, overheads, machine, limits):
    desk = Desk()
    desk.store.inner.store(*ENTRY_AT, records.encode(entry))
    desk.store.inner.store(*OVERHEADS_AT, records.encode(overheads))
    desk.inspector.machine = machine
    for items in (1000, 2000, 9999):
        desk.anew()
        assert desk.optimizer.lookup(abs, range(items), limits)
        result = desk.ask(range(items), constraints=limits)
        assert all([*explanation(result), str(result), repr(result)])
        assert min(result.n_jobs, result.chunksize) >= 1
    cache = Cache(desk.store, desk.clock)
    assert cache.stats().entries >= 1
    assert cache.verify().set_aside == ()
    assert cache.export(io.StringIO()) >= 2
    assert cache.prune(1e6) >= 0


@pytest.mark.parametrize("seconds", [5e-324, 1e-300, 1e-13, -0.5, 1e300])
def test_a_sealed_mean_that_no_clock_could_have_measured_is_a_miss(seconds):
    record = json.loads(ENTRY_TEXT)["record"]
    place = [field.name for field in attrs.fields(type(ENTRY))].index("sample")
    record[place][[field.name for field in attrs.fields(type(SAMPLE))].index("seconds_per_item")] = seconds
    desk = Desk()
    desk.store.inner.store(*ENTRY_AT, records.seal(json.dumps(record)))
    with pytest.warns(AmorsizeWarning, match="seconds_per_item must be 0 or a number from 1e-12"):
        assert desk.ask(range(1010)).cache == "miss"


@settings(max_examples=15)  # each in a process that knows nothing
@given(entry=entries(), executor=st.sampled_from(["auto", "serial", "thread"]))
def test_execute_runs_beside_a_valid_record_however_extreme(entry, executor):
    store = MemoryCache(MemoryOptions())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AmorsizeWarning)
        amorsize.optimize(abs, range(101), cache=store, executor=executor)
        (locator,) = (name for name in store.locators() if name.startswith("func:"))
        ((variant, text),) = store.fetch(locator).items()
        known = records.decode_entry(text)
        planted = attrs.evolve(entry, locator=locator, variant=variant, machine=known.machine, items=known.items)
        store.store(locator, variant, records.encode(attrs.evolve(planted, measured_at=known.measured_at)))
        assert amorsize.execute(abs, range(101), cache=store, executor=executor, config={}) == [*range(101)]
