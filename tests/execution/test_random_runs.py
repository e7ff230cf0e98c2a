"""Random runs, each held against the list comprehension, with every item counted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psutil
import pytest
from execution import forced
from execution.jobs import Marked, times_run
from hypothesis import given, settings
from hypothesis import strategies as st

import amorsize
from amorsize import ExecutionTimeout, WorkerError, execute, iexecute
from amorsize.domain.schedule import Spread, as_slice, chunk_limits, chunk_size
from amorsize.execution import pace

EXAMPLES = 250
"""A thousand of them, with HYPOTHESIS_PROFILE=thorough."""


PLANS = [("process", 0.0), ("thread", 0.0), ("process", 1e-7), ("thread", 1e-7)]
"""Kinds of worker, and the seconds an item is said to take here: too few, so that workers always seem to be behind."""


@pytest.fixture(autouse=True, scope="module")
def workers_are_judged_at_once():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_LEAST_SECONDS", "_LEAST_ITEMS", "WORTH_MOVING_SECONDS"):
            patch.setattr(pace, name, 0)
        yield


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left():
    before = set(psutil.Process().children())
    yield
    amorsize.api._assembly.end_workers()
    left = set(psutil.Process().children()) - before
    assert not [child for child in left if "resource_tracker" not in " ".join(child.cmdline())]


def few(most):
    return st.frozensets(st.integers(0, most), max_size=2)


RUNS = st.fixed_dictionaries(
    {
        "items": st.integers(0, 120),
        "how": st.sampled_from(["serial", "thread", "process", "auto", *PLANS, *PLANS]),
        "iterator": st.booleans(),
        "collect": st.booleans(),
        "raising": few(240),
        "killing": few(1000),
        "seconds": st.sampled_from([0.0, 0.0003]),
        "timeout": st.none() | st.just(0.01),
    }
)


def outcome(run, job, data):
    """Run as execute does, or by a plan that is given; return what came of it, also when that is an exception."""
    errors = "collect" if run["collect"] else "raise"
    try:
        if isinstance(run["how"], str):
            limits = {"executor": run["how"], "max_workers": 2, "timeout": run["timeout"]}
            return execute(job, data, errors=errors, **limits)
        kind, each = run["how"]
        asked = {"errors": errors, "timeout": run["timeout"], "expected": each * run["items"]}
        return forced.execute(job, data, kind=kind, **asked)
    except (LookupError, WorkerError, ExecutionTimeout) as error:
        return error


@settings(max_examples=max(EXAMPLES, settings.default.max_examples))
@given(run=RUNS)
def test_a_random_run_is_the_list_comprehension_or_says_why_not(run):
    items, collect = run["items"], run["collect"]
    with tempfile.TemporaryDirectory() as folder:
        job = Marked(str(Path(folder) / "runs"), os.getpid(), run["raising"], run["killing"], seconds=run["seconds"])
        Path(job.path).touch()
        came = outcome(run, job, iter(range(items)) if run["iterator"] else list(range(items)))
        counts = times_run(job.path)
    bad = sorted(x for x in run["raising"] if x < items)
    assert set(counts.values()) <= {1}
    if isinstance(came, LookupError):
        assert not collect
        assert came.args[0] in bad
    elif isinstance(came, WorkerError | ExecutionTimeout):
        assert run["killing"] if isinstance(came, WorkerError) else run["timeout"]
        assert all(value == 2 * place for place, value in came.finished.items())
    else:
        results, failures = came if collect else (came, None)
        assert results == [None if x in bad else 2 * x for x in range(items)]
        assert (failures.positions if failures else ()) == (tuple(bad) if collect else ())
        assert counts == dict.fromkeys(range(items), 1)


@settings(max_examples=60)
@given(
    items=st.integers(0, 200),
    kind=st.sampled_from(["serial", "thread", "process"]),
    ordered=st.booleans(),
    in_flight=st.integers(1, 50),
)
def test_a_random_stream_gives_every_result_once(items, kind, ordered, in_flight):
    job = Marked(os.devnull, os.getpid(), seconds=0.0003)
    given = list(iexecute(job, iter(range(items)), executor=kind, ordered=ordered, in_flight=in_flight, max_workers=2))
    assert (given if ordered else sorted(given)) == [2 * x for x in range(items)]


@given(
    first=st.integers(0, 50),
    items=st.integers(0, 3000),
    workers=st.integers(1, 70),
    sizes=st.lists(st.integers(1, 400), min_size=1),
)
def test_rows_cover_every_position_once_whatever_size_is_asked_for(first, items, workers, sizes):
    spread = Spread(first, first + items, workers)
    values = [None] * (first + items)
    taken = []
    while (row := spread.take(sizes[len(taken) % len(sizes)])) is not None:
        assert 1 <= len(row) <= max(1, 1.5 * sizes[len(taken) % len(sizes)])
        assert len(values[as_slice(row)]) == len(row)
        values[as_slice(row)] = list(row)
        taken += row
        assert spread.left == items - len(taken)
        if len(taken) == len(row):
            assert row[0] == first + items - 1
    assert sorted(taken) == list(range(first, first + items))
    assert values == [None] * first + list(range(first, first + items))


@given(
    remaining=st.integers(1, 10**7),
    workers=st.integers(1, 100),
    chunk=st.floats(1e-6, 1),
    each=st.floats(0, 100),
)
def test_chunks_shrink_within_their_limits(remaining, workers, chunk, each):
    limits = chunk_limits(chunk, each)
    assert 1 <= limits.least <= limits.most
    sizes = []
    while remaining and len(sizes) < 300:
        size = chunk_size(remaining, workers, limits)
        assert 1 <= size <= min(remaining, limits.most)
        assert size >= min(remaining, limits.least)
        sizes.append(size)
        remaining -= size
    assert sizes == sorted(sizes, reverse=True)
