"""Draws a decision with matplotlib (extra ``plot``)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.wording import printable
from amorsize.pictures.chart import BESIDE, COLOURS, PALE, ticks, unit_of

if TYPE_CHECKING:
    from amorsize.pictures.chart import Chart, FilePath

_INCHES: Final = (8.0, 4.5)
"""Width and height of the figure in inches: our choice, 16 to 9."""
_WIDTH: Final = 0.8
"""Width of a bar; the next one begins 1 further."""

_INTERVAL: Final[dict[str, Any]] = {"fmt": "none", "ecolor": "black", "elinewidth": 1, "capsize": 3}
"""How matplotlib draws an interval, with widths in points: our choice, thin beside a bar."""
_POINT: Final[dict[str, Any]] = {"marker": "o", "linestyle": "", "mec": "black", "mfc": "white"}
_OVER: Final[dict[str, Any]] = {"backgroundcolor": "white", "textcoords": "offset points"}
_HEADROOM: Final = 1.15
"""Height of the picture over its largest value: space for the word above the plan."""


def check(where: str) -> None:
    """Raise ImportError, which begins with ``where``, when matplotlib is not there."""
    if find_spec("matplotlib") is None:
        raise ImportError(f"{where}: a picture needs matplotlib: pip install 'amorsize[plot]'")


def drawn(chart: Chart, path: str | FilePath | None, where: str) -> Any:
    """Return the axes of a picture; with a path, write the picture there.

    Without a path the figure belongs to ``matplotlib.pyplot``, so that notebooks and ``show()`` show it.

    Raises:
        ImportError: matplotlib is not there; the message begins with ``where``.
        TypeError: the path is none.
        ValueError: the path is empty, or matplotlib does not know the format that the path's ending names.
    """
    if path is not None and not (isinstance(path, str) or hasattr(path, "__fspath__")):
        raise TypeError(f"{where}: path must be the path of a file, got {path!r:.80}")
    if path == "":
        raise ValueError(f"{where}: path must be the path of a file, got an empty one")
    check(where)
    made = _figure(is_shown=path is None)
    axes = made.add_subplot()
    _draw(chart, axes)
    if path is not None:
        made.savefig(path, dpi=150)
    return axes


def _figure(*, is_shown: bool) -> Any:
    if is_shown:
        from matplotlib import pyplot as plt

        return plt.figure(figsize=_INCHES, layout="constrained")
    from matplotlib.figure import Figure

    return Figure(figsize=_INCHES, layout="constrained")


def _draw(chart: Chart, axes: Any) -> None:
    unit, size = unit_of(chart.top_seconds)
    top = chart.top_seconds / size
    positions = chart.positions()
    for bar, position in zip(chart.bars, positions, strict=True):
        below = 0.0
        for name, seconds in bar.parts.items():
            alpha = 1.0 if bar.is_allowed else PALE
            axes.bar(position, seconds / size, _WIDTH, bottom=below, color=COLOURS[name], alpha=alpha)
            below += seconds / size
        ends = [[(bar.seconds - bar.seconds_low) / size], [(bar.seconds_high - bar.seconds) / size]]
        axes.errorbar(position, bar.seconds / size, ends, **_INTERVAL)
        if chart.is_plan(bar):
            axes.bar(position, bar.seconds / size, _WIDTH, fill=False)
            arrow, point = {"arrowstyle": "->"}, (position, min(bar.seconds_high / size, top))
            axes.annotate("plan", point, (0, 14), ha="center", arrowprops=arrow, **_OVER)
    for position, seconds, is_bar in chart.points():
        axes.plot(position + (0.0 if is_bar else BESIDE), seconds / size, ms=7 if is_bar else 4, **_POINT)
    _label(chart, axes, unit, positions)
    axes.set_yticks(ticks(top))
    axes.set_ylim(0, top * _HEADROOM)


def _label(chart: Chart, axes: Any, unit: str, positions: list[float]) -> None:
    axes.set_title(printable(chart.title), loc="left", fontsize="medium")
    axes.set_ylabel(f"{unit} for {chart.items:,} items")
    names = ["serial" if bar.executor == "serial" else str(bar.n_jobs) for bar in chart.bars]
    axes.set_xticks(positions, names)
    below = axes.secondary_xaxis(-0.06)
    below.set_xticks([position for _, position in chart.groups()], [printable(name) for name, _ in chart.groups()])
    below.tick_params(length=0)
    below.spines[:].set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    for name in chart.parts:
        axes.bar(positions[0], 0, color=COLOURS[name], label=name)
    axes.errorbar([], [], [], **_INTERVAL, label="90 % interval")
    if chart.trials:
        axes.plot([], [], ms=7, **_POINT, label="measured")
    if not all(is_bar for _, _, is_bar in chart.points()):
        axes.plot([], [], ms=4, **_POINT, label="with other chunks")
    if chart.has_pale:
        axes.bar(positions[0], 0, color=COLOURS["computing"], alpha=PALE, label="pale: beyond the limits")
    axes.figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize="small")
