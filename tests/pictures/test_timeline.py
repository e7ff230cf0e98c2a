"""The picture of what each worker did."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from amorsize.pictures.timeline import Span, Timeline, svg

RUN = Timeline(2.0, (Span(1, 0.2, 1.0, 5), Span(0, 0.1, 1.1, 5), Span(0, 1.1, 1.9, 4), Span(1, 1.0, 1.2, 1)))
NS = "{http://www.w3.org/2000/svg}"


def bars_of(timeline):
    """Return the bars of a picture: top, left, right, words."""
    parsed = ET.fromstring(svg(timeline))
    return [
        (float(bar.get("y")), float(bar.get("x")), float(bar.get("x")) + float(bar.get("width")), bar[0].text)
        for bar in parsed.iter(f"{NS}rect")
    ]


def test_each_worker_has_a_lane_and_each_chunk_a_bar_as_long_as_it_took():
    bars = bars_of(RUN)
    assert len({top for top, *_ in bars}) == 2
    first, last = bars[0], bars[1]
    assert first[3] == "5 items: 100 ms to 1.1 s"
    scale = (last[2] - first[1]) / (1.9 - 0.1)
    assert [right - left for _, left, right, _ in bars] == pytest.approx(
        [seconds * scale for seconds in (1.0, 0.8, 0.8, 0.2)], abs=0.05
    )


def test_lanes_are_in_the_order_in_which_workers_begin_and_the_run_says_how_busy_they_were():
    assert list(RUN.lanes) == [0, 1]
    assert [span.begin for span in RUN.lanes[1]] == [0.2, 1.0]
    assert RUN.busy == pytest.approx(2.8 / 4)
    assert ET.fromstring(svg(RUN)).get("aria-label") == "2 workers in 2 s, busy 70% of it"


def test_a_run_of_no_time_and_one_of_many_workers_are_drawn():
    assert Timeline(0.0, ()).busy == 0.0
    ET.fromstring(svg(Timeline(0.0, (Span(0, 0.0, 0.0, 1),))))
    crowd = Timeline(1.0, tuple(Span(worker, 0.1, 0.9, 1) for worker in range(100)))
    picture = ET.fromstring(svg(crowd))
    assert float(picture.get("viewBox").split()[3]) < 460
    assert "worker 1" not in "".join(picture.itertext())


def test_condensing_joins_neighbours_of_one_worker_and_keeps_all_items():
    spans = tuple(Span(number % 3, number / 10_000, (number + 1) / 10_000, 2) for number in range(9000))
    few = Timeline(1.0, spans).condensed()
    assert len(few.spans) <= 2001
    assert sum(span.chunks for span in few.spans) == 9000
    assert sum(span.items for span in few.spans) == 18_000
    assert {span.worker for span in few.spans} == {0, 1, 2}
    assert bars_of(few)[0][3].startswith("5 chunks, 10 items: ")
    assert RUN.condensed() is RUN
