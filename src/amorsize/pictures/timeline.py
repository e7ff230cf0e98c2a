"""What each worker did in a run: chunks with their begin and end, and a picture of them."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from amorsize.domain.wording import seconds as in_words
from amorsize.pictures.chart import COLOURS, ticks, unit_of
from amorsize.pictures.markup import element

if TYPE_CHECKING:
    from collections.abc import Iterable

    from amorsize.pictures.markup import Markup

_MOST_SPANS: Final = 2000
"""The most bars of a picture, about: a screen has not many more points from left to right."""
_WIDTH: Final = 760.0
"""Width of the picture in pixels: our choice, that of a page on a code host."""
_LEFT: Final = 84.0
"""Space in pixels for the names of the workers: our choice, by the longest of them."""
_RIGHT: Final = 16.0
"""Space in pixels to the right of the lanes: our choice, half of the last figure at the axis."""
_TALLEST_LANE: Final = 22.0
"""Height of a lane in pixels, at most: our choice, somewhat more than a line of text."""
_LANES: Final = 420.0
"""Height of all lanes together, at the most."""
_AXIS: Final = 34.0
"""Space in pixels for the axis below the lanes: our choice, two lines of text."""


class Span(NamedTuple):
    """Chunks that a worker ran one after another.

    Attributes:
        worker: names the worker within the run.
        begin: seconds from the beginning of the run.
        end: likewise.
        items: how many items were run.
        chunks: how many chunks; more than one in a timeline that was condensed.
    """

    worker: int
    begin: float
    end: float
    items: int
    chunks: int = 1


@attrs.frozen
class Timeline:
    """What each worker did in one run.

    Attributes:
        seconds: how long the run took, with the start and the end of the workers.
        spans: the chunks, in any order.
    """

    seconds: float
    spans: tuple[Span, ...]

    @property
    def lanes(self) -> dict[int, list[Span]]:
        """The spans of each worker in order, the worker that began first in front."""
        found: dict[int, list[Span]] = {}
        for span in sorted(self.spans, key=lambda span: span.begin):
            found.setdefault(span.worker, []).append(span)
        return found

    @property
    def busy(self) -> float:
        """Share of the time of all workers in which they ran chunks; 0.0 where there is no time."""
        whole = self.seconds * len({span.worker for span in self.spans})
        return sum(span.end - span.begin for span in self.spans) / whole if whole else 0.0

    def condensed(self) -> Timeline:
        """Return a timeline of some 2,000 spans at the most: neighbours of one worker become one span."""
        if len(self.spans) <= _MOST_SPANS:
            return self
        step = ceil(len(self.spans) / _MOST_SPANS)
        lanes = self.lanes.values()
        return Timeline(
            self.seconds, tuple(_one(lane[at : at + step]) for lane in lanes for at in range(0, len(lane), step))
        )


def _one(spans: list[Span]) -> Span:
    first, last = spans[0], spans[-1]
    return Span(
        first.worker, first.begin, last.end, sum(each.items for each in spans), sum(each.chunks for each in spans)
    )


def svg(timeline: Timeline) -> Markup:
    """Return a timeline as an SVG element: a lane for each worker, a bar for each span.

    Text has the colour of the page around it, and the gaps between bars that of ``--page``.
    """
    lanes = timeline.lanes
    lane = min(_TALLEST_LANE, _LANES / max(1, len(lanes)))
    height = lane * len(lanes)
    scale = (_WIDTH - _LEFT - _RIGHT) / timeline.seconds if timeline.seconds else 0.0
    drawn: list[Markup] = list(_axis(timeline.seconds, scale, height))
    for number, spans in enumerate(lanes.values()):
        top = number * lane
        if lane >= _TALLEST_LANE / 2:
            where = {"x": _LEFT - 8, "y": top + lane / 2 + 4, "text_anchor": "end"}
            drawn.append(element("text", f"worker {number + 1}", **where))
        drawn += (_bar(span, top + lane * 0.1, lane * 0.8, scale) for span in spans)
    said = f"{len(lanes)} workers in {in_words(timeline.seconds)}, busy {timeline.busy:.0%} of it"
    return element(
        "svg",
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH:g} {height + _AXIS:.0f}",
        role="img",
        aria_label=said,
        font_size=12,
        fill="currentColor",
    )


def _bar(span: Span, top: float, height: float, scale: float) -> Markup:
    what = f"{span.items} items" if span.chunks == 1 else f"{span.chunks} chunks, {span.items} items"
    return element(
        "rect",
        element("title", f"{what}: {in_words(span.begin)} to {in_words(span.end)}"),
        x=_LEFT + span.begin * scale,
        y=top,
        width=max(0.3, (span.end - span.begin) * scale),
        height=height,
        fill=COLOURS["computing"],
        stroke="var(--page, white)",
        stroke_width=0.5,
    )


def _axis(most: float, scale: float, height: float) -> Iterable[Markup]:
    unit, size = unit_of(most)
    for tick in ticks(most / size):
        x = _LEFT + tick * size * scale
        yield element("path", d=f"M{x:.1f} 0V{height:.1f}", stroke="currentColor", stroke_opacity=0.2)
        yield element("text", f"{tick:g} {unit}", x=x, y=height + 16, text_anchor="middle")
