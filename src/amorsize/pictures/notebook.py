"""What a notebook shows of a result: a few lines of HTML without scripts, readable on white and on black."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amorsize.domain.wording import seconds as in_words
from amorsize.domain.wording import workers
from amorsize.pictures.chart import COLOURS
from amorsize.pictures.markup import element, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from amorsize.domain.values import Plan
    from amorsize.pictures.markup import Markup

_BOX: Final = "border-left: 3px solid currentColor; padding: 0 0.8em; max-width: 60em; color: inherit"
_LINE: Final = "margin: 0.3em 0"
_FAINT: Final = f"{_LINE}; opacity: 0.75"
_BAR: Final = "display: inline-block; height: 0.8em; margin-right: 0.5em; vertical-align: middle"
_WIDEST: Final = 24.0
"""Width of the longer bar, in the height of letters."""


def of_result(plan: Plan, lines: Sequence[str], warnings: Iterable[str]) -> Markup:
    """Return a result: its lines in words, and for a parallel plan a bar for serial and one for the plan."""
    head, *rest = lines
    said = [element("p", element("strong", head), style=_LINE)]
    if plan.n_jobs > 1 and plan.serial_seconds:
        longest = max(plan.serial_seconds, plan.predicted_seconds)
        said += [
            _bar("serial", plan.serial_seconds, longest, COLOURS["tail"]),
            _bar(workers(plan), plan.predicted_seconds, longest, COLOURS["computing"]),
        ]
    said += [element("p", line, style=_FAINT) for line in rest]
    said += [element("p", f"warning: {warning}", style=_LINE) for warning in warnings]
    return element("div", *said, class_="amorsize", style=_BOX)


def of_verification(head: Sequence[str], rows: Iterable[Iterable[str]], verdict: str) -> Markup:
    """Return a verification: its verdict, and a table of predicted and measured seconds."""
    return element(
        "div",
        element("p", element("strong", verdict), style=_LINE),
        table(head, rows, style="color: inherit; background: none"),
        class_="amorsize",
        style=_BOX,
    )


def _bar(name: str, seconds: float, longest: float, colour: str) -> Markup:
    width = max(0.1, _WIDEST * seconds / longest)
    bar = element("span", style=f"{_BAR}; width: {width:.1f}em; background: {colour}")
    return element("div", bar, f"{name}, {in_words(seconds)}", style="line-height: 1.4")
