"""What a picture shows: positions, groups, units and ticks."""

from __future__ import annotations

import attrs
import pytest
from fakes import OVERHEADS, SAMPLE, Desk

from amorsize.domain.planning.neighbours import Neighbour
from amorsize.pictures.chart import ticks, unit_of

WAITING = attrs.evolve(SAMPLE, cpu_fraction=0.1, gil_fraction=0.1, seconds_per_item=0.05, spread_seconds=0.003)


def chart_of(*trials, **probe):
    return Desk(overheads=OVERHEADS, **probe).ask().chart("plot", trials)


def test_the_title_is_the_plan_in_words():
    assert chart_of().title == "4 processes, chunks of 125: 2.52 s predicted, 3.96x serial"
    assert chart_of(sample=attrs.evolve(SAMPLE, seconds_per_item=1e-6, spread_seconds=0.0)).title.startswith("serial: ")


def test_bars_stand_side_by_side_with_space_between_kinds():
    chart = chart_of(sample=WAITING)
    kinds = [bar.executor for bar in chart.bars]
    positions = chart.positions()
    steps = {
        (before == after, round(right - left, 6))
        for before, after, left, right in zip(kinds, kinds[1:], positions, positions[1:], strict=False)
    }
    assert steps == {(True, 1.0), (False, 1.6)}
    names = dict(chart.groups())
    assert list(names) == ["", "processes", "threads"]
    assert names[""] == positions[0] == 0.5


def test_one_bar_is_that_of_the_plan():
    chart = chart_of()
    assert [bar.n_jobs for bar in chart.bars if chart.is_plan(bar)] == [4]
    assert chart.has_pale
    assert chart.parts == ["start-up", "moving data", "computing", "tail"]


def test_each_trial_stands_over_its_number_of_workers_and_says_whether_the_bar_has_its_chunks():
    chart = chart_of((Neighbour("process", 4, 125), 3.0), (Neighbour("process", 4, 60), 9.0))
    over = chart.positions()[[bar.n_jobs for bar in chart.bars].index(4)]
    assert list(chart.points()) == [(over, 3.0, True), (over, 9.0, False)]


def test_an_interval_is_cut_off_where_it_would_leave_no_space_for_the_bars():
    chart = chart_of()
    assert chart.top_seconds == chart.bars[0].seconds_high  # serial's, 1.1 times the tallest bar
    wide = attrs.evolve(chart.bars[1], seconds_high=500.0)
    assert attrs.evolve(chart, bars=(chart.bars[0], wide)).top_seconds == 1.5 * chart.bars[0].seconds
    slow = (Neighbour("process", 4, 125), 30.0)
    assert chart_of(slow).top_seconds == 30.0


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (0, [0]),
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (12.8, [0, 5, 10]),
        (0.3, [0, 0.1, 0.2, 0.3]),
        (470, [0, 100, 200, 300, 400]),
    ],
)
def test_ticks_are_round_and_few(most, expected):
    assert ticks(most) == pytest.approx(expected)


def test_an_axis_has_the_unit_of_its_largest_value():
    assert [unit_of(value)[0] for value in (30, 1, 0.5, 1e-3, 5e-4, 1e-9)] == ["s", "s", "ms", "ms", "us", "us"]
