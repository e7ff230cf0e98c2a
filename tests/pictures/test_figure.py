"""A decision drawn with matplotlib."""

from __future__ import annotations

import pickle
import sys
from xml.etree import ElementTree as ET

import attrs
import matplotlib as mpl
import pytest
from fakes import SAMPLE, Desk

from amorsize import verify
from amorsize.application.result import OptimizationResult
from amorsize.domain.planning.neighbours import Neighbour
from amorsize.pictures.chart import COLOURS
from amorsize.pictures.figure import drawn


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    """Let pyplot draw into memory, and leave no figure open."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def bars_of(axes, name):
    """Return the height of each filled bar in the colour of a part."""
    colour = mpl.colors.to_rgb(COLOURS[name])
    return [
        bar.get_height() for bar in axes.patches if bar.get_fill() and mpl.colors.to_rgb(bar.get_facecolor()) == colour
    ]


def test_bars_are_the_parts_and_the_plan_is_marked(tmp_path):
    result = Desk().ask()
    axes = result.plot(tmp_path / "plan.png")
    expected = [bar.computing for bar in result.chart("plot").bars]
    assert bars_of(axes, "computing")[: len(expected)] == pytest.approx(expected)
    assert [text.get_text() for text in axes.texts] == ["plan"]
    assert axes.get_ylabel() == "s for 2,000 items"
    assert axes.get_title(loc="left") == "4 processes, chunks of 125: 2.52 s predicted, 3.96x serial"


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_a_picture_is_written_in_the_format_that_its_ending_names(tmp_path, name, begins):
    Desk().ask().plot(str(tmp_path / name))
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_an_ending_that_matplotlib_does_not_know_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="nonsense"):
        Desk().ask().plot(tmp_path / "a.nonsense")


@pytest.mark.parametrize(("path", "kind"), [("", ValueError), (3, TypeError)])
def test_what_is_no_path_is_an_error(path, kind):
    with pytest.raises(kind, match="^plot: path must be the path of a file, got "):
        Desk().ask().plot(path)


def test_without_a_path_the_picture_is_pyplots(tmp_path):
    import matplotlib.pyplot as plt  # noqa: PLC0415  drawing alone does not load it

    axes = Desk().ask().plot()
    assert plt.gcf() is axes.figure
    plt.close("all")
    Desk().ask().plot(tmp_path / "a.png")
    assert plt.get_fignums() == []


def test_measured_points_are_shown_after_verify(tmp_path):
    data = list(range(20))
    result = Desk(blocked_reason="only threads here").ask(data, profile=True)
    found = verify(abs, data, result=result, rounds=1)
    axes = found.plot(tmp_path / "a.svg")
    shown = [float(line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o" and len(line.get_ydata())]
    unit = {"s": 1.0, "ms": 1e3, "us": 1e6}[axes.get_ylabel().split()[0]]
    assert shown == pytest.approx([trial.seconds * unit for trial in found.trials])
    ET.parse(tmp_path / "a.svg")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"^plot: a picture needs matplotlib: pip install 'amorsize\[plot\]'$"):
        Desk().ask().plot(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_hit_is_drawn_like_a_miss_and_runs_nothing():
    desk = Desk()
    missed = desk.ask().chart("plot")
    desk.anew()
    found = desk.ask()
    assert found.cache_hit
    assert found.chart("plot").bars == missed.bars
    assert desk.probe.asked == {"sample": 1}


def test_where_nothing_is_predicted_the_error_gives_the_reason():
    with pytest.raises(
        ValueError, match="^plot: nothing is predicted that a picture could show: there is nothing to run"
    ):
        Desk().ask([]).plot()
    without = pickle.loads(pickle.dumps(Desk().ask()))
    with pytest.raises(ValueError, match="nothing is predicted"):
        without.plot()


def test_a_pickled_result_with_a_profile_is_drawn(tmp_path):
    result = Desk().ask(profile=True)
    again = pickle.loads(pickle.dumps(result))
    assert isinstance(again, OptimizationResult)
    assert again.chart("plot") == result.chart("plot")
    assert again.advice() == result.advice()


def test_a_wide_picture_with_threads_other_chunks_and_an_executor_backend_is_drawn(tmp_path):
    waiting = attrs.evolve(SAMPLE, cpu_fraction=0.1, gil_fraction=0.1)
    chart = Desk(sample=waiting).ask().chart("plot", [(Neighbour("thread", 4, 3), 0.5)])
    axes = drawn(chart, tmp_path / "a.svg", "plot")
    said = [text.get_text() for text in axes.figure.legends[0].texts]
    assert said[-1] == "pale: beyond the limits"
    assert {"measured", "with other chunks"} <= set(said)
    far = attrs.evolve(Desk().ask(), plan=attrs.evolve(chart.plan, executor="far", n_jobs=2))
    assert bars_of(far.plot(tmp_path / "b.svg"), "not divided")[0] == pytest.approx(chart.plan.predicted_seconds)
