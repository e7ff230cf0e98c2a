"""Draws a decision as SVG, without a library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amorsize.domain.wording import seconds as in_words
from amorsize.domain.wording import workers
from amorsize.pictures.chart import BESIDE, COLOURS, PALE, ticks, unit_of
from amorsize.pictures.markup import Markup, element

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.domain.planning.breakdown import Breakdown
    from amorsize.pictures.chart import Chart

_WIDTH: Final = 760.0
"""Width of the picture in pixels: our choice, that of a page on a code host."""
_HEIGHT: Final = 340.0
"""Height of the picture in pixels: our choice, less than half of its width."""
_LEFT: Final = 52.0
"""Space in pixels for the seconds at the axis: our choice, by the longest of them."""
_RIGHT: Final = 8.0
"""Space in pixels to the right of the bars: our choice, a small gap."""
_TOP: Final = 68.0
"""Space for the title, the legend and the word above the plan."""
_BOTTOM: Final = 44.0
"""Space in pixels below the bars: our choice, two lines of text."""
_BAR: Final = 0.78
"""Width of a bar; the next one begins 1 further."""
_WIDEST: Final = 90.0
"""Width in pixels of a bar and the gap beside it, at most: our choice, for pictures of few bars."""
_MARGIN: Final = 16.0
"""Pixels around the picture: our choice, a line of text."""
_STYLE: Final = Markup(
    "svg { --page: #fff; color: #1f2328; background: var(--page); font-family: system-ui, sans-serif }"
    "@media (prefers-color-scheme: dark) { svg { --page: #0d1117; color: #e6edf3 } }"
)
_LETTER: Final = 6.6
"""Width of a letter in pixels, about: our choice for the usual fonts of systems."""


class _Frame:
    """Turns bars and seconds into points of the picture."""

    def __init__(self, chart: Chart) -> None:
        self.top_seconds = chart.top_seconds or 1.0
        self.step = min(_WIDEST, (_WIDTH - _LEFT - _RIGHT) / (chart.positions()[-1] + 0.5))

    def x(self, position: float) -> float:
        """Return where a position on the axis is."""
        return _LEFT + position * self.step

    def y(self, seconds: float) -> float:
        """Return the height of a value; one beyond the axis ends at its top."""
        share = min(1.0, seconds / self.top_seconds)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def standalone(chart: Chart) -> str:
    """Return a decision as the text of an SVG file, with colours of its own for light and dark."""
    return f"{svg(chart, element('style', _STYLE), margin=_MARGIN)}\n"


def svg(chart: Chart, *children: Markup, margin: float = 0.0) -> Markup:
    """Return a decision as an SVG element; further children come first.

    Lines and text have the colour of the page around it.
    """
    frame = _Frame(chart)
    drawn = [*_axis(chart, frame), *_legend(chart)]
    for bar, position in zip(chart.bars, chart.positions(), strict=True):
        drawn += _bar(chart, bar, frame, frame.x(position))
    for position, seconds, is_bar in chart.points():
        where = {
            "cx": frame.x(position if is_bar else position + BESIDE),
            "cy": frame.y(seconds),
            "r": 4 if is_bar else 2.5,
        }
        words = element("title", f"measured: {in_words(seconds)}")
        drawn.append(element("circle", words, **where, fill="var(--page, white)", stroke="currentColor"))
    return element(
        "svg",
        *children,
        element("text", f"{chart.title}; {chart.items:,} items", x=0, y=14, font_weight="bold"),
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"{-margin:g} {-margin:g} {_WIDTH + 2 * margin:g} {_HEIGHT + 2 * margin:g}",
        role="img",
        aria_label=f"predicted seconds by number of workers; {chart.title}",
        font_size=12,
        fill="currentColor",
    )


def _bar(chart: Chart, bar: Breakdown, frame: _Frame, x: float) -> Iterator[Markup]:
    """Yield the parts of a bar, its interval, and the mark of the plan."""
    below, half = 0.0, frame.step * _BAR / 2
    parts = [(name, seconds) for name, seconds in bar.parts.items() if seconds]
    stacked = []
    for name, seconds in parts:
        top, bottom = frame.y(below + seconds), frame.y(below)
        box = {"x": x - half, "y": top, "width": 2 * half, "height": bottom - top}
        stacked.append(element("rect", **box, fill=COLOURS[name]))
        below += seconds
    said = ", ".join(f"{name} {in_words(seconds)}" for name, seconds in parts)
    between = f"{in_words(bar.seconds_low)} to {in_words(bar.seconds_high)}"
    words = element("title", f"{workers(bar)}: {in_words(bar.seconds)} ({between}): {said}")
    yield element("g", words, *stacked, opacity=1.0 if bar.is_allowed else PALE)
    low, high = frame.y(bar.seconds_low), frame.y(bar.seconds_high)
    cap = "" if bar.seconds_high > frame.top_seconds else f"M{x - 4:.1f} {high:.1f}h8"
    line = f"M{x:.1f} {low:.1f}V{high:.1f}{cap}M{x - 4:.1f} {low:.1f}h8"
    yield element("path", d=line, stroke="currentColor", fill="none")
    if chart.is_plan(bar):
        outline = {"x": x - half, "y": frame.y(bar.seconds), "width": 2 * half}
        yield element("rect", **outline, height=_HEIGHT - _BOTTOM - outline["y"], fill="none", stroke="currentColor")
        yield element("text", "plan", x=x, y=high - 10, text_anchor="middle", font_weight="bold")
        yield element("path", d=f"M{x - 4:.1f} {high - 7:.1f}h8l-4 5z")
    name = "serial" if bar.executor == "serial" else str(bar.n_jobs)
    yield element("text", name, x=x, y=_HEIGHT - _BOTTOM + 16, text_anchor="middle")


def _axis(chart: Chart, frame: _Frame) -> Iterator[Markup]:
    """Yield the values at the left, and the kinds of worker below."""
    unit, size = unit_of(frame.top_seconds)
    for tick in ticks(frame.top_seconds / size):
        y = frame.y(tick * size)
        yield element("path", d=f"M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}", stroke="currentColor", stroke_opacity=0.15)
        yield element("text", f"{tick:g} {unit}", x=_LEFT - 6, y=y + 4, text_anchor="end")
    for name, position in chart.groups():
        yield element("text", name, x=frame.x(position), y=_HEIGHT - _BOTTOM + 34, text_anchor="middle")


def _legend(chart: Chart) -> Iterator[Markup]:
    """Yield a square and a name for each part, and what the other signs mean."""
    signs = [(name, element("rect", x=0, y=-9, width=10, height=10, fill=COLOURS[name])) for name in chart.parts]
    signs.append(("90 % interval", element("path", d="M5 -10v12m-4 0h8m-8 -12h8", stroke="currentColor", fill="none")))
    if chart.trials:
        circle = element("circle", cx=5, cy=-4, r=4, fill="var(--page, white)", stroke="currentColor")
        signs.append(("measured", circle))
    if not all(is_bar for _, _, is_bar in chart.points()):
        small = element("circle", cx=5, cy=-4, r=2.5, fill="var(--page, white)", stroke="currentColor")
        signs.append(("other chunks", small))
    if chart.has_pale:
        pale = element("rect", x=0, y=-9, width=10, height=10, fill=COLOURS["computing"], opacity=PALE)
        signs.append(("beyond the limits", pale))
    x = 0.0
    for name, sign in signs:
        yield element("g", sign, element("text", name, x=14, y=0), transform=f"translate({x:.1f} 36)")
        x += 14 + _LETTER * len(name) + 12
