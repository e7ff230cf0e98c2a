"""A decision drawn as SVG, without a library."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import attrs
import pytest
from fakes import SAMPLE, Desk

from amorsize.domain.planning.neighbours import Neighbour
from amorsize.pictures.chart import COLOURS
from amorsize.pictures.drawing import standalone, svg

NS = "{http://www.w3.org/2000/svg}"
WAITING = attrs.evolve(SAMPLE, cpu_fraction=0.1, gil_fraction=0.1, spread_seconds=0.003)


def drawn(*trials, **probe):
    """Return a chart and its picture, parsed."""
    chart = Desk(**probe).ask().chart("plot", trials)
    return chart, ET.fromstring(svg(chart))


def words(picture):
    return [text.text for text in picture.iter(f"{NS}text")]


def test_bars_are_as_high_as_their_seconds():
    chart, picture = drawn()
    heights = [
        sum(float(part.get("height")) for part in group.iter(f"{NS}rect"))
        for group in picture.iter(f"{NS}g")
        if group.find(f"{NS}title") is not None
    ]
    seconds = [bar.seconds for bar in chart.bars]
    assert [height / heights[0] for height in heights] == pytest.approx(
        [each / seconds[0] for each in seconds], rel=0.01
    )


def test_each_part_has_its_colour_and_its_name_and_the_plan_is_marked_once():
    chart, picture = drawn()
    colours = {rect.get("fill") for rect in picture.iter(f"{NS}rect")}
    assert {COLOURS[name] for name in chart.parts} <= colours
    said = words(picture)
    assert {
        *chart.parts,
        "90 % interval",
        "beyond the limits",
        f"{chart.title}; 2,000 items",
        "processes",
        "serial",
    } <= set(said)
    assert said.count("plan") == 1


def test_a_bar_says_its_figures():
    _, picture = drawn()
    said = [title.text for title in picture.iter(f"{NS}title")]
    assert said[0].startswith("serial: 10 s (9.01 s to 11.1 s): computing 10 s")
    assert any(each.startswith("4 processes, chunks of 125: 2.52 s (1.57 s to 4 s): start-up 20 ms") for each in said)


def test_measured_points_are_drawn_and_explained():
    trials = ((Neighbour("thread", 4, 3), 5.0), (Neighbour("serial", 1, 2000), 9.0))
    _, picture = drawn(*trials, sample=WAITING)
    assert [title.text for title in picture.iter(f"{NS}title") if title.text.startswith("measured")] == [
        "measured: 5 s",
        "measured: 9 s",
    ]
    assert {"measured", "other chunks"} <= set(words(picture))
    assert "measured" not in words(drawn()[1])


@pytest.mark.parametrize(
    "probe", [{}, {"sample": WAITING}, {"blocked_reason": "a prompt"}], ids=["few", "many", "threads"]
)
def test_all_of_it_lies_within_the_picture(probe):
    _, picture = drawn(**probe)
    width, height = (float(each) for each in picture.get("viewBox").split()[2:])
    for rect in picture.iter(f"{NS}rect"):
        assert float(rect.get("x")) >= -10
        assert float(rect.get("x")) + float(rect.get("width")) <= width
        assert float(rect.get("y")) + float(rect.get("height")) <= height
    for text in picture.iter(f"{NS}text"):
        assert 0 <= float(text.get("x")) <= width


def test_a_picture_that_stands_alone_has_colours_of_its_own_and_a_margin():
    chart, inline = drawn()
    alone = ET.fromstring(standalone(chart))
    assert "prefers-color-scheme: dark" in alone.find(f"{NS}style").text
    assert float(alone.get("viewBox").split()[0]) < 0
    assert inline.find(f"{NS}style") is None
