"""Records: what is written comes back, and nothing that was altered does."""

from __future__ import annotations

import json
import random
import warnings

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE, Desk
from hypothesis import given
from hypothesis import strategies as st

from amorsize.application.cache import records
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation, worker_cap
from amorsize.domain.values import FORMAT, Constraints, Entry
from amorsize.errors import AmorsizeWarning

WORDS = st.text(st.characters(codec="ascii", min_codepoint=32), max_size=40)


def entry(**changes):
    plan = decide(Situation(2000, SAMPLE, MACHINE, Constraints()), OVERHEADS).plan
    made = Entry(
        format=FORMAT,
        locator="func:0123456789abcdef_item:int~16^3_size:large",
        variant="time:moderate_v:1@01234567",
        function="jobs.work",
        measured_at=1_700_000_000.0,
        confirmed_at=1_700_000_000.0,
        confirmations=3,
        items=2000,
        constraints=Constraints(max_workers=9),
        sample=SAMPLE,
        plan=plan,
        machine=MACHINE,
    )
    return attrs.evolve(made, **changes)


def longest_entry():
    """Return an entry in which every text is as long and every number as wide as they can be."""
    wide = 1.2345678901234567e-5
    sample = attrs.evolve(
        SAMPLE,
        **{field.name: wide for field in attrs.fields(type(SAMPLE)) if field.name.endswith(("seconds", "per_item"))},
        item_bytes=123456789.123,
        result_bytes=123456789.123,
        peak_bytes=123456789.0,
        gil_fraction=0.123456789,
        cpu_fraction=0.123456789,
        blocked_reason="x" * 160,
        positions=tuple(range(10**7, 10**7 + 16)),
    )
    machine = attrs.evolve(MACHINE, cpu_model="m" * 60, blas_threads="OMP_NUM_THREADS=1 MKL_NUM_THREADS=1")
    plan = attrs.evolve(entry().plan, reason="r" * 250)
    return entry(sample=sample, machine=machine, plan=plan, function="f" * 120)


@given(
    function=WORDS,
    confirmations=st.integers(0, 10**6),
    items=st.integers(0, 10**9),
    most=st.none() | st.integers(1, 1000),
    blocked_reason=st.none() | WORDS,
)
def test_an_entry_comes_back_as_it_was(function, confirmations, items, most, blocked_reason):
    made = entry(
        function=function,
        confirmations=confirmations,
        items=items,
        constraints=Constraints(max_workers=most),
        blocked_reason=blocked_reason,
        plan=attrs.evolve(
            entry().plan,
            predicted_seconds=0.25,
            seconds_low=0.25,
            seconds_high=0.25,
            serial_seconds=1.0,
            speedup_low=4.0,
            speedup_high=4.0,
        ),
    )
    assert records.decode_entry(records.encode(made)) == made


def test_overheads_come_back_as_they_were():
    dated = attrs.evolve(OVERHEADS, measured_at=1_700_000_001.0)
    found = records.decode_overheads(records.encode(dated))
    assert (found, found.measured_at) == (dated, 1_700_000_001.0)


def test_numbers_keep_eight_digits():
    sample = attrs.evolve(SAMPLE, seconds_per_item=1 / 3)
    assert records.decode_entry(records.encode(entry(sample=sample))).sample.seconds_per_item == 0.33333333


def test_an_entry_is_one_json_object_of_at_most_two_kilobytes():
    text = records.encode(longest_entry())
    assert len(text.encode()) <= 2048
    assert json.loads(text)["record"][1].startswith("func:")


def test_what_would_be_longer_is_not_written():
    crowded = entry(function="é" * 120, machine=attrs.evolve(MACHINE, cpu_model="é" * 120, blas_threads="é" * 200))
    crowded = attrs.evolve(crowded, plan=attrs.evolve(crowded.plan, reason="é" * 300), blocked_reason="é" * 200)
    with pytest.raises(ValueError, match="at most 2048 characters"):
        records.encode(crowded)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        "\ud800",
        records.seal("[]"),
        records.seal("{"),
        records.seal('{"sample":3}'),
        records.seal("[] "),
        records.seal("[][]"),
        records.seal('{"unknown":3}'),
        records.seal('{"items":NaN}'),
        records.seal("[" * 1000),
        records.seal("1" * 1900),
        "x" * 100_000,
    ],
)
@pytest.mark.parametrize("decode", [records.decode_entry, records.decode_overheads])
def test_what_is_no_record_is_a_value_error(text, decode):
    with pytest.raises(ValueError, match="."):
        decode(text)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("plan", "n_jobs", 0),
        ("plan", "n_jobs", True),
        ("plan", "chunksize", 0),
        ("plan", "executor", "rocket"),
        ("sample", "seconds_per_item", -1),
        ("sample", "seconds_per_item", "1"),
        ("sample", "positions", [-1]),
        ("sample", "positions", list(range(17))),
        ("sample", "positions", 3),
        ("machine", "usable_cpus", 0),
        ("machine", "start_method", "teleport"),
        ("constraints", "min_speedup", 0.5),
    ],
)
def test_a_well_sealed_record_with_a_wrong_value_is_refused(section, field, value):
    record = json.loads(records.encode(entry()))["record"]
    part = getattr(entry(), section)
    place = [one.name for one in attrs.fields(Entry)].index(section)
    record[place][[one.name for one in attrs.fields(type(part))].index(field)] = value
    with pytest.raises(ValueError, match="."):
        records.decode_entry(records.seal(json.dumps(record)))


def mutations(text, count, seed):
    """Yield texts with a byte flipped, cut out or put in, a piece missing or doubled, or the end cut off."""
    rng = random.Random(seed)
    for _ in range(count):
        raw = bytearray(text.encode())
        at = rng.randrange(len(raw))
        match rng.randrange(6):
            case 0:
                raw[at] ^= 1 << rng.randrange(8)
            case 1:
                raw[at] = rng.randrange(256)
            case 2:
                del raw[at]
            case 3:
                raw.insert(at, rng.randrange(256))
            case 4:
                del raw[at:]
            case 5:
                end = rng.randrange(len(raw))
                raw[at:end] = b"" if rng.random() < 0.5 else raw[at:end] * 2
        altered = raw.decode("utf-8", "replace")
        if altered != text:
            yield altered


def test_twenty_thousand_damaged_records_are_misses_with_one_warning_at_the_most():
    desk = Desk()
    desk.ask()
    (locator,) = {where for where, _ in desk.store.stored if where.startswith("func:")}
    ((variant, text),) = desk.store.inner.fetch(locator).items()
    cases = 0
    for altered in mutations(text, 23_000, seed=2026):
        desk.store.inner.store(locator, variant, altered)
        desk.anew()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            answer = desk.ask()
        assert answer.cache == "miss"
        assert len(caught) <= 1
        assert all(issubclass(one.category, AmorsizeWarning) for one in caught)
        assert 1 <= answer.n_jobs <= 4
        assert answer.chunksize >= 1
        cases += 1
    assert cases >= 20_000


@given(st.integers(5, 65536), st.integers(1, 2**53))
def test_a_plan_beyond_what_the_machine_bears_is_solved_again_however_well_it_is_sealed(n_jobs, chunksize):
    desk = Desk()
    desk.ask()
    (locator,) = {where for where, _ in desk.store.stored if where.startswith("func:")}
    ((variant, text),) = desk.store.inner.fetch(locator).items()
    kept = records.decode_entry(text)
    wild = attrs.evolve(kept, plan=attrs.evolve(kept.plan, n_jobs=n_jobs, chunksize=chunksize))
    desk.store.inner.store(locator, variant, records.encode(wild))
    desk.anew()
    answer = desk.ask()
    assert answer.n_jobs <= worker_cap(answer.executor, Situation(2000, SAMPLE, MACHINE, Constraints()))
    assert 1 <= answer.chunksize <= 2000
