"""What the rows of the decisions benchmark come to: a line for each, and figures against the targets of issue 4."""

from __future__ import annotations

from itertools import permutations
from math import inf
from statistics import geometric_mean, median, quantiles

import attrs
from advice import items_seconds, static
from plans import SERIAL, TOOLS

OURS = ("plan", "cold", "once", "cached")
COLUMNS = (*OURS, "serial", *TOOLS)
CLEARLY = 1.1
NEVER_SHARE, NEVER_SECONDS = 1.05, 0.005
DECIDING_SHARE, DECIDING_SECONDS = 0.01, 0.005


@attrs.frozen
class Judged:
    """A row with its medians: seconds of the best plan of the grid and of everything else, and what those say."""

    row: object
    best: object
    best_seconds: float
    noise: float
    seconds: dict
    predicted: float
    error: float
    rerun: float
    speedup: float
    interval: tuple[float, float]
    beyond_seconds: float
    fastest_parallel: float

    @property
    def decided(self):
        """The decision of the first round, which stands for the others in what is printed."""
        return self.row.decided[0]

    @property
    def chosen(self):
        """The plan chosen, as one of the grid is written."""
        return static(self.decided.plan)

    def regret(self, way):
        """Return the seconds of a way over those of the best."""
        return self.seconds[way] / self.best_seconds

    def slower_than_serial(self, way):
        """Tell whether a way takes more than serial by more than 5 % and 5 ms."""
        return self.seconds[way] > NEVER_SHARE * self.seconds["serial"] + NEVER_SECONDS

    @property
    def right_side(self):
        """Whether it was rightly left serial or not in most rounds; None where the two sides hardly differ."""
        ratio = self.seconds["serial"] / self.fastest_parallel
        if 1 / CLEARLY <= ratio <= CLEARLY:
            return None
        right = sum((decided.plan.executor == "serial") == (ratio < 1) for decided in self.row.decided)
        return right * 2 > len(self.row.decided)

    @property
    def held(self):
        """Whether the interval held the measured speedup; None for a serial plan, whose speedup is 1 by definition."""
        return None if self.chosen.executor == "serial" else self.interval[0] <= self.speedup <= self.interval[1]

    @property
    def decided_in_time(self):
        """Whether deciding took no more than it may beyond the items that ran."""
        return self.beyond_seconds <= max(DECIDING_SHARE * self.seconds["serial"], DECIDING_SECONDS)


def rerun_error(seconds):
    """Return how far one timing of a plan is off another in the median: the error of a prediction from one run."""
    return median([abs(one / other - 1) for one, other in permutations(seconds, 2)] or [0.0])


def judged(row):
    """Return a row with its medians.

    The best is the least median of the grid, its second timing included: noise can lower that, never raise it.
    """
    best = row.best()
    first, again = median(row.grid[best]), median(row.again)
    seconds = {name: median(figures) for name, figures in row.ways.items()}
    seconds["serial"] = median(row.grid[SERIAL])
    measured = seconds["plan"] = row.chosen_seconds()
    errors = [abs(one.plan.predicted_seconds / measured - 1) for one in row.decided]
    return Judged(
        row=row,
        best=best,
        best_seconds=min(first, again),
        noise=again / first,
        seconds=seconds,
        predicted=median(one.plan.predicted_seconds for one in row.decided),
        error=median(errors),
        rerun=rerun_error((row.others | row.grid)[static(row.decided[0].plan)]),
        speedup=seconds["serial"] / measured,
        interval=(row.decided[0].plan.speedup_low, row.decided[0].plan.speedup_high),
        beyond_seconds=median(max(0.0, one.seconds - items_seconds(one.sample)) for one in row.decided),
        fastest_parallel=min(median(figures) for plan, figures in row.grid.items() if plan != SERIAL),
    )


HEAD = (
    f"{'row':<21} {'best of the grid':<20} {'ms':>7} {'noise':>5} "
    + " ".join(f"{name:>6}" for name in COLUMNS)
    + f"  {'chosen':<20} {'predicted':>9} {'ms':>7} {'speedup within':>18}  {'beyond':>6}  properties"
)


def line(one):
    """Return a judged row as a line of the table."""
    row = one.row
    regrets = " ".join(f"{one.regret(way):>5.2f}{'>' if way in row.stopped else ' '}" for way in COLUMNS)
    others = {str(static(decided.plan)) for decided in row.decided} - {str(one.chosen)}
    held = "-" if one.held is None else "yes" if one.held else "NO"
    within = f"{one.interval[0]:.1f} {one.speedup:.1f} {one.interval[1]:.1f} {held}"
    name, plan = row.name + "*" * row.held_out, str(one.chosen) + "~" * bool(others)
    return (
        f"{name:<21} {one.best!s:<20} {one.best_seconds * 1e3:>7.1f} {one.noise:>5.2f} "
        f"{regrets}  {plan:<20} {one.predicted * 1e3:>9.1f} "
        f"{one.seconds['plan'] * 1e3:>7.1f} {within:>18}  {one.beyond_seconds * 1e3:>6.1f}  {row.properties}"
    )


LEGEND = """
Times over that of the best plan of the grid (the least median of the grid, its second timing included).
noise: the best plan timed again over its first figure. plan: the plan chosen, alone. cold: decided from nothing but
the machine's overheads, then run over all items. once: the same, but items that sampling has run are not run again.
cached: decided from an entry, then run. predicted, ms: of the plan chosen, and what it took. speedup within: lower end,
measured, upper end, held or not. beyond: ms spent deciding beyond the sampled items. *: held out. ~: another plan was
chosen in some round. >: stopped there."""


def share(values):
    """Return the share of true ones among those that are not None, 1.0 when there is none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 1.0


def ninetieth(values):
    """Return the 90th percentile, by the inclusive method."""
    return quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]


def _mean(way):
    return lambda rows: geometric_mean([one.regret(way) for one in rows])


def _worst(way):
    return lambda rows: max(one.regret(way) for one in rows)


def _slower(way):
    return lambda rows: sum(one.slower_than_serial(way) for one in rows)


PLAIN, PERCENT, COUNT = "{:.2f}", "{:.0%}", "{:.0f}"

FIGURES = (
    ("plan alone, geometric mean", _mean("plan"), PLAIN, (0, 1.08)),
    ("cold, geometric mean", _mean("cold"), PLAIN, (0, 1.20)),
    ("  no item run twice (once)", _mean("once"), PLAIN, (0, 1.20)),
    ("cached, geometric mean", _mean("cached"), PLAIN, (0, 1.08)),
    ("plan alone, worst row", _worst("plan"), PLAIN, (0, 1.3)),
    ("cold, worst row", _worst("cold"), PLAIN, (0, 1.6)),
    ("  no item run twice (once)", _worst("once"), PLAIN, (0, 1.6)),
    ("cached, worst row", _worst("cached"), PLAIN, (0, 1.3)),
    *((f"rows slower than serial, {way}", _slower(way), COUNT, (0, 0)) for way in OURS),
    ("right side of serial/parallel", lambda rows: share([one.right_side for one in rows]), PERCENT, (0.97, 1)),
    ("error of prediction, median", lambda rows: median(one.error for one in rows), PERCENT, (0, 0.15)),
    ("error of prediction, p90", lambda rows: ninetieth([one.error for one in rows]), PERCENT, (0, 0.35)),
    ("  one run predicted by another, median", lambda rows: median(one.rerun for one in rows), PERCENT, None),
    ("  one run predicted by another, p90", lambda rows: ninetieth([one.rerun for one in rows]), PERCENT, None),
    ("interval held the speedup", lambda rows: share([one.held for one in rows]), PERCENT, (0.85, 0.95)),
    ("rows decided in time", lambda rows: share([one.decided_in_time for one in rows]), PERCENT, (1, 1)),
    ("noise, geometric mean", lambda rows: geometric_mean([one.noise for one in rows]), PLAIN, None),
    ("noise, worst either way", lambda rows: max(max(one.noise, 1 / one.noise) for one in rows), PLAIN, None),
    *((f"{way}, geometric mean", _mean(way), PLAIN, None) for way in ("serial", *TOOLS)),
    *((f"{way}, worst row", _worst(way), PLAIN, None) for way in ("serial", *TOOLS)),
)
"""What to call a figure, how to get it from judged rows, how to write it, and the bounds that meet the target."""


def summary(rows, trivial_seconds):
    """Yield the lines of the summary: each figure beside its target, for tuned-on rows, held-out rows and all."""
    groups = {
        "tuned on": [one for one in rows if not one.row.held_out],
        "held out": [one for one in rows if one.row.held_out],
        "all": rows,
    }
    yield f"{'figure':<37} {'target':>13} " + " ".join(
        f"{f'{name} ({len(group)})':>14}" for name, group in groups.items()
    )
    for name, figure, style, bounds in FIGURES:
        cells = [_cell(figure(group), style, bounds) if group else "-" for group in groups.values()]
        yield f"{name:<37} {_target(style, bounds):>13} " + " ".join(f"{cell:>14}" for cell in cells)
    if trivial_seconds is not None:
        cell = _cell(trivial_seconds * 1e3, "{:.2f} ms", (0, 2))
        yield f"{'x + 1 over range(10_000_000)':<37} {'<= 2 ms':>13} {'':>14} {'':>14} {cell:>14}"


def _target(style, bounds):
    if bounds is None:
        return ""
    low, high = bounds
    if low == high:
        return style.format(high)
    if low == 0:
        return f"<= {style.format(high)}"
    return f">= {style.format(low)}" if high == 1 else f"{style.format(low)} to {style.format(high)}"


def _cell(value, style, bounds):
    if bounds is None:
        return style.format(value) + "    "
    return style.format(value) + (" met" if bounds[0] <= value <= bounds[1] else " NOT")


LENGTHS = ((0.0, 0.1), (0.1, 1.0), (1.0, inf))
"""Bounds of the serial seconds by which rows are put together."""


def by_length(rows):
    """Yield a table of the geometric means of ways over the best, by how long a job takes serially."""
    ways = ("plan", "once", "cached", "serial", *TOOLS)
    yield f"{'serial seconds':<16} {'rows':>4} {'median':>7} " + " ".join(f"{way:>7}" for way in ways)
    for low, high in LENGTHS:
        group = [one for one in rows if low <= one.seconds["serial"] < high]
        if group:
            bounds = f"{low:g} and more" if high == inf else f"{low:g} to {high:g}"
            middle = median(one.seconds["serial"] for one in group)
            means = " ".join(f"{_mean(way)(group):>7.2f}" for way in ways)
            yield f"{bounds:<16} {len(group):>4} {middle:>7.2f} {means}"
