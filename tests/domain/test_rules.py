"""Each rule at its edges: a verdict's kind, and both values in its reason."""

from __future__ import annotations

from math import nextafter

import attrs
import pytest
from fakes import MACHINE, SAMPLE
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.rules import RULES, RuleSettings, judge
from amorsize.domain.values import FORMAT, Constraints, Entry, Plan

NOW = 1_700_000_000.0
LIMITS = RuleSettings()
PLAN = Plan(
    executor="serial",
    n_jobs=1,
    chunksize=1,
    predicted_seconds=1.0,
    seconds_low=1.0,
    seconds_high=1.0,
    serial_seconds=1.0,
    speedup_low=1.0,
    speedup_high=1.0,
)
ENTRY = Entry(
    format=FORMAT,
    locator="func:0_item:none_size:tiny",
    variant="time:fast_v:1@0",
    function="f",
    measured_at=NOW,
    confirmed_at=NOW,
    confirmations=0,
    items=10,
    constraints=Constraints(),
    sample=SAMPLE,
    plan=PLAN,
    machine=MACHINE,
)


def verdict(now=NOW, limits=LIMITS, machine=MACHINE, **changes):
    """Return kind and reason for the entry with some changes."""
    found = judge(attrs.evolve(ENTRY, **changes), machine, now, limits)
    return found.kind, found.reason


def on(**changes):
    """Return kind and reason for the entry on a machine with some changes."""
    return verdict(machine=attrs.evolve(MACHINE, **changes))


def test_an_entry_of_the_same_machine_and_moment_is_fresh():
    assert verdict() == ("fresh", "")


@pytest.mark.parametrize("version", [FORMAT - 1, FORMAT + 1])
def test_another_format_is_stale(version):
    assert verdict(format=version) == ("stale", f"format changed from {version} to {FORMAT}")


def test_an_entry_of_exactly_the_time_to_live_is_fresh_and_a_moment_older_is_stale():
    edge = NOW + LIMITS.ttl_seconds
    assert verdict(now=edge)[0] == "fresh"
    assert verdict(now=nextafter(edge, 2 * edge)) == ("stale", "measured 7 days ago, kept for 7 days")


@given(ttl=st.integers(0, 10**9), age=st.integers(0, 10**9))
def test_age_counts_from_the_measurement_whatever_was_confirmed_since(ttl, age):
    kind, _ = verdict(now=NOW + age, limits=RuleSettings(ttl_seconds=float(ttl)), confirmed_at=NOW + age)
    assert kind == ("fresh" if age <= ttl else "stale")


def test_an_entry_dated_in_the_future_by_any_amount_is_stale():
    assert verdict(measured_at=nextafter(NOW, 2 * NOW))[0] == "stale"
    assert verdict(measured_at=NOW + 60) == ("stale", "dated 60 s in the future")


def test_another_python_is_stale():
    assert on(python_version="CPython 3.11.8") == ("stale", "Python changed from CPython 3.11.7 to CPython 3.11.8")
    assert on(python_tag="pypy310") == ("stale", "Python changed from cpython-311 to pypy310")


def test_another_state_of_the_interpreter_lock_is_stale():
    assert on(gil_enabled=False) == ("stale", "GIL changed from on to off")
    entry = attrs.evolve(ENTRY, machine=attrs.evolve(MACHINE, gil_enabled=False))
    found = judge(entry, MACHINE, NOW, LIMITS)
    assert (found.kind, found.reason) == ("stale", "GIL changed from off to on")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"physical_cores": 2}, "physical cores changed from 4 to 2"),
        ({"usable_cpus": 2.0}, "usable CPUs changed from 4 to 2"),
        ({"usable_cpus": 3.9999}, "usable CPUs changed from 4 to 3.9999"),
        ({"start_method": "spawn"}, "start method changed from fork to spawn"),
        ({"blas_threads": "OMP_NUM_THREADS=1"}, "BLAS threads changed from unset to OMP_NUM_THREADS=1"),
    ],
)
def test_another_machine_is_a_replan_with_both_values(change, reason):
    assert on(**change) == ("replan", reason)


def test_logical_cores_and_total_memory_alone_change_nothing():
    assert on(logical_cores=64, total_memory_bytes=1 << 40)[0] == "fresh"


@given(
    then=st.integers(0, 2**40), now=st.integers(0, 2**40), tolerance=st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 4.0])
)
def test_memory_may_move_by_the_tolerance_of_what_it_was_and_no_more(then, now, tolerance):
    machine = attrs.evolve(MACHINE, available_memory_bytes=now)
    entry = attrs.evolve(ENTRY, machine=attrs.evolve(MACHINE, available_memory_bytes=then))
    kind = judge(entry, machine, NOW, RuleSettings(memory_tolerance=tolerance)).kind
    assert kind == ("fresh" if abs(now - then) * 8 <= int(tolerance * 8) * then else "replan")


@pytest.mark.parametrize(
    ("now", "kind"), [(80, "fresh"), (120, "fresh"), (79, "replan"), (121, "replan"), (100, "fresh")]
)
def test_memory_at_the_edges_of_the_default_tolerance(now, kind):
    mebibyte = 1 << 20
    entry = attrs.evolve(ENTRY, machine=attrs.evolve(MACHINE, available_memory_bytes=100 * mebibyte))
    found = judge(entry, attrs.evolve(MACHINE, available_memory_bytes=now * mebibyte), NOW, LIMITS)
    assert found.kind == kind
    if kind == "replan":
        assert found.reason == f"available memory changed from 100.0 MiB to {now}.0 MiB, by more than 20 %"


def test_from_no_memory_any_memory_is_a_move_and_none_is_not():
    entry = attrs.evolve(ENTRY, machine=attrs.evolve(MACHINE, available_memory_bytes=0))
    assert judge(entry, attrs.evolve(MACHINE, available_memory_bytes=0), NOW, LIMITS).kind == "fresh"
    assert judge(entry, attrs.evolve(MACHINE, available_memory_bytes=1), NOW, LIMITS).kind == "replan"


def test_stale_comes_before_replan():
    assert on(python_tag="other", usable_cpus=1.0)[0] == "stale"
    kinds = [kind for kind, _ in RULES]
    assert kinds == sorted(kinds, key=("stale", "replan").index)
