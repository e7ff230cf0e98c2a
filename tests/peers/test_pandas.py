"""The engine for pandas gives what pandas gives: values, dtypes, index, and what is raised."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.client.client import default_calls
from amorsize.integrations.pandas import Engine

ENGINES = [Engine(), Engine(executor="serial"), Engine(executor="thread", min_speedup=1.0)]
WORDS = st.text("abcé", max_size=4)


def columns(length):
    """Return a strategy for a column of one dtype."""

    def of(values, dtype):
        return st.lists(values, min_size=length, max_size=length).map(lambda each: pd.Series(each, dtype=dtype))

    days = st.integers(0, 20_000).map(lambda day: pd.Timestamp("1990-01-01") + pd.Timedelta(days=day))
    return st.one_of(
        of(st.integers(-9, 9), "int64"),
        of(st.integers(0, 9), "uint8"),
        of(st.floats(-9, 9) | st.just(float("nan")), "float64"),
        of(st.booleans(), "bool"),
        of(WORDS | st.none(), "object"),
        of(WORDS | st.none(), "str"),
        of(st.sampled_from("abc"), "category"),
        of(days | st.none(), "datetime64[ns]"),
        of(days, "datetime64[ns, UTC]"),
        of(st.integers(0, 99).map(lambda hours: pd.Timedelta(hours=hours)), "timedelta64[ns]"),
        of(st.integers(-9, 9) | st.none(), "Int64"),
        of(st.booleans() | st.none(), "boolean"),
        of(st.integers(0, 1), pd.SparseDtype("int64", 0)),
    )


@st.composite
def frames(draw, least=0):
    """Draw a frame: its columns of any dtypes, its index of any kind, labels that may come twice."""
    length = draw(st.integers(least, 7))
    width = draw(st.integers(least, 4))
    parts = [draw(columns(length)) for _ in range(width)]
    frame = pd.concat(parts, axis=1) if parts else pd.DataFrame(index=range(length))
    frame.columns = draw(st.lists(st.sampled_from(["a", "b", 3, None]), min_size=width, max_size=width))
    kind = draw(st.sampled_from(["range", "words", "pairs", "days"]))
    if kind == "words":
        frame.index = pd.Index(draw(st.lists(WORDS, min_size=length, max_size=length)), name="key", dtype="object")
    elif kind == "pairs":
        frame.index = pd.MultiIndex.from_tuples([(at // 2, at % 2) for at in range(length)], names=["x", "y"])
    elif kind == "days":
        frame.index = pd.date_range("2024-02-28", periods=length)
    frame.attrs["source"] = "drawn"
    return frame


def first_text(series, prefix="", *, end=""):
    return prefix + str(series.iloc[0]) + str(series.name) + end


def count_missing(series):
    return int(series.isna().sum())


def same_series(series):
    return series


def two_values(series):
    return [str(series.iloc[0]), 2]


def with_keys(series):
    return {"n": len(series)}


def renamed(series):
    return pd.Series({"n": len(series), "first": series.iloc[0]})


def uneven(series):
    return list(range(len(str(series.iloc[0])) % 3))


def sometimes(series):
    return None if len(str(series.iloc[0])) % 2 else 1.5


def total(series):
    return series.sum()


def outcome(run):
    """Return what a run returns, or the class and words of what it raises."""
    try:
        return run()
    except Exception as error:  # noqa: BLE001  what is raised is compared
        return type(error), str(error)


def assert_same(ours, theirs, *, attrs=True):
    """Compare; ``attrs=False`` where pandas itself drops them when it is given an engine."""
    assert type(ours) is type(theirs), (ours, theirs)
    if isinstance(theirs, pd.DataFrame):
        pd.testing.assert_frame_equal(ours, theirs, check_freq=True, check_flags=True)
        assert not attrs or ours.attrs == theirs.attrs
    elif isinstance(theirs, pd.Series):
        pd.testing.assert_series_equal(ours, theirs, check_freq=True, check_flags=True)
        assert not attrs or ours.attrs == theirs.attrs
    else:
        assert ours == theirs


BY_LINE = [first_text, count_missing, same_series, two_values, with_keys, renamed, uneven, sometimes, total]


@settings(max_examples=150)
@given(frames(least=1), st.sampled_from(BY_LINE), st.sampled_from([0, 1, "index", "columns"]), st.sampled_from(ENGINES))
def test_apply_gives_what_pandas_gives(frame, func, axis, engine):
    assert_same(
        outcome(lambda: frame.apply(func, axis=axis, engine=engine)), outcome(lambda: frame.apply(func, axis=axis))
    )


@settings(max_examples=60)
@given(frames(), st.sampled_from([0, 1]))
def test_apply_gives_what_pandas_gives_where_an_axis_may_be_empty(frame, axis):
    ours = outcome(lambda: frame.apply(count_missing, axis=axis, engine=Engine()))
    assert_same(ours, outcome(lambda: frame.apply(count_missing, axis=axis)), attrs=False)


@settings(max_examples=100)
@given(
    frames(least=1),
    st.sampled_from([len, str, np.sum, lambda line: line, lambda line: line[0], lambda line: [len(line), 7]]),
    st.sampled_from([0, 1]),
)
def test_apply_of_arrays_gives_what_pandas_gives(frame, func, axis):
    ours = outcome(lambda: frame.apply(func, axis=axis, raw=True, engine=Engine()))
    assert_same(ours, outcome(lambda: frame.apply(func, axis=axis, raw=True)), attrs=False)


BY_VALUE = [
    str,
    repr,
    lambda value: type(value).__name__,
    lambda value: value,
    lambda value: None,
    lambda value: 1.5,
    lambda value: value * 2,
]
BY_VALUE += [lambda value: len(str(value)), lambda value: pd.Timestamp("2024-01-01"), lambda value: value is None]


@settings(max_examples=150)
@given(
    st.sampled_from([0, 1, 3, 9, 300]).flatmap(columns), st.sampled_from(BY_VALUE), st.sampled_from([None, "ignore"])
)
def test_map_gives_what_pandas_gives(series, func, na_action):
    series.name, series.attrs["source"] = "drawn", 1
    ours = outcome(lambda: series.map(func, na_action=na_action, engine=Engine()))
    assert_same(ours, outcome(lambda: series.map(func, na_action=na_action)))


@pytest.mark.parametrize("executor", ["process", "thread", "serial"])
def test_each_kind_of_worker_gives_what_pandas_gives(executor):
    frame = pd.DataFrame({"a": range(300), "b": [str(at) for at in range(300)]})
    engine = Engine(executor=executor, max_workers=2, min_speedup=1.0)
    for axis in (0, 1):
        assert_same(frame.apply(first_text, axis=axis, engine=engine), frame.apply(first_text, axis=axis))
    assert_same(frame["a"].map(str, engine=engine), frame["a"].map(str))


def test_arguments_reach_the_function():
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    ours = frame.apply(first_text, axis=1, args=(">",), end="<", engine=Engine())
    assert_same(ours, frame.apply(first_text, axis=1, args=(">",), end="<"))
    assert_same(frame["a"].map(int, engine=Engine()), frame["a"].map(int))
    assert frame["a"].map(round_to, digits=1, engine=Engine()).tolist() == [1.0, 2.0]


def round_to(value, digits):
    return round(float(value), digits)


@pytest.mark.parametrize("func", ["sum", ["sum", "max"], np.sqrt], ids=str)
def test_what_pandas_does_without_a_loop_stays_with_pandas(func):
    frame = pd.DataFrame({"a": [1.0, 4.0], "b": [9.0, 16.0]})
    assert_same(frame.apply(func, engine=Engine()), frame.apply(func))


@pytest.mark.parametrize("count", [5, 3000])
def test_each_value_is_run_once_however_cheap(count):
    seen = []
    series = pd.Series(range(count))
    assert series.map(lambda value: seen.append(value) or value, engine=Engine(executor="serial")).equals(series)
    assert seen == list(range(count))
    seen.clear()
    series.map(seen.append, engine=Engine(max_workers=1))
    assert seen == list(range(count))


@pytest.mark.parametrize(
    ("slow", "runs"),
    [((), 20_000), ((0,), 20_000), ((0, 1), 3), ((0, 40), 20_000), (range(5000, 20_000), 12_287)],
    ids=["never", "first", "first two", "once later", "later"],
)
def test_calls_are_cheap_until_two_parts_in_a_row_are_not(monkeypatch, slow, runs):
    now = [0.0]
    monkeypatch.setattr("amorsize.integrations.pandas.time", SimpleNamespace(perf_counter=lambda: now[0]))

    def run(value):
        now[0] += 1.0 if value in slow else 1e-7
        return value

    assert Engine.run_cheap(run, list(range(20_000))) == list(range(runs))


@pytest.mark.parametrize(("cpus", "parts"), [(0.5, 6), (2.0, 24), (100.0, 64)])
def test_a_frame_is_cut_into_some_parts_for_each_cpu(monkeypatch, cpus, parts):
    optimizer = SimpleNamespace(machine=lambda: SimpleNamespace(usable_cpus=cpus))
    monkeypatch.setattr(default_calls, "optimizer", lambda: optimizer)
    assert Engine()._parts() == parts


def test_each_row_is_run_once():
    seen = []
    frame = pd.DataFrame({"a": range(200)})
    frame.apply(lambda row: seen.append(row["a"]), axis=1, engine=Engine(executor="serial"))
    assert seen == list(range(200))


def two_numbers(row):
    return pd.Series({"sum": row["a"] + row["b"], "b": row["b"]})


def two_texts(row):
    return pd.Series({"a": str(row["a"]), "b": "x"})


def mixed_values(row):
    return pd.Series(["x", row["a"]], dtype="object")


def other_labels_later(row):
    return pd.Series({"a": 1.0} if row["a"] < 290 else {"b": 2.0, "a": 1.5})


def other_dtype_later(row):
    return pd.Series({"a": 1 if row["a"] < 150 else 2.5})


def series_later(row):
    return 1.0 if row["a"] == 0 else pd.Series({"a": 2.0})


def last_row(row, seen=pd.Series({"a": 0.0})):  # noqa: B008  it is one series for all rows
    seen["a"] = row["a"]
    return seen


SERIES = [two_numbers, two_texts, mixed_values, other_labels_later, other_dtype_later, series_later, last_row]


@pytest.mark.parametrize("engine", [*ENGINES, Engine(executor="process", max_workers=2, min_speedup=1.0)])
@pytest.mark.parametrize("func", SERIES)
def test_rows_that_give_series_make_the_frame_that_pandas_makes(func, engine):
    frame = pd.DataFrame({"a": np.arange(300.0), "b": 1.5}, index=pd.Index(range(300), name="place"))
    frame.attrs["source"] = "made"
    assert_same(outcome(lambda: frame.apply(func, axis=1, engine=engine)), outcome(lambda: frame.apply(func, axis=1)))


class Frame(pd.DataFrame):
    """A frame of the user's own."""

    @property
    def _constructor(self):
        return Frame


def test_rows_of_a_frame_of_another_class_that_give_series_make_one_of_its_class():
    frame = Frame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert_same(frame.apply(two_numbers, axis=1, engine=Engine()), frame.apply(two_numbers, axis=1))


def test_each_row_that_gives_a_series_is_run_once_where_pandas_goes_on():
    seen = []

    def text(row):
        seen.append(row["a"])
        if row["a"] == 299:
            raise LookupError
        return pd.Series({"a": "x"})

    with pytest.raises(LookupError) as caught:
        pd.DataFrame({"a": range(300)}).apply(text, axis=1, engine=Engine())
    assert seen == list(range(300))
    assert "the row 299" in caught.value.__notes__[0]


def test_a_row_that_is_kept_is_not_overwritten_by_the_next():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    pd.testing.assert_frame_equal(frame.apply(lambda row: row, axis=1, engine=Engine()), frame)


def test_what_a_function_raises_comes_out_with_the_row_that_it_was_given():
    frame = pd.DataFrame({"a": [1, 0, 2]}, index=["x", "y", "z"])
    with pytest.raises(ZeroDivisionError) as caught:
        frame.apply(lambda row: 1 // int(row["a"]), axis=1, engine=Engine())
    assert any("the row 'y'" in note for note in caught.value.__notes__)


def test_values_that_take_longer_than_the_first_are_run_once():
    seen = []
    series = pd.Series(range(20_000))
    mapped = series.map(lambda value: seen.append(value) or sum(range(value // 40)), engine=Engine(executor="auto"))
    assert mapped.equals(series.map(lambda value: sum(range(value // 40))))
    assert len(set(seen)) == len(seen)  # those in workers are seen there


def test_stop_iteration_comes_out():
    def stops(value):
        raise StopIteration

    for count in (3, 3000):
        with pytest.raises(StopIteration):
            pd.Series(range(count)).map(stops, engine=Engine())


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "pandas.md"


@pytest.mark.parametrize("program", re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE))
def test_the_programs_of_the_how_to_run(program, own_place):
    path = own_place / "work" / "program.py"
    path.write_text(program)
    done = subprocess.run([sys.executable, "-W", "error", path], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
