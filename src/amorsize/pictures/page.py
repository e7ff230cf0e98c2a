"""The page that ``amorsize verify --report`` writes: one file that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amorsize.domain.wording import seconds as in_words
from amorsize.pictures import drawing
from amorsize.pictures import timeline as timelines
from amorsize.pictures.markup import Markup, element, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from amorsize.pictures.chart import Chart
    from amorsize.pictures.timeline import Timeline

_STYLE: Final = Markup("""
:root { color-scheme: light dark; --page: #fff; --ink: #1f2328; --faint: #59636e; --line: #d1d9e0 }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #3d444d } }
body { background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
  margin: 0 auto; max-width: 50rem; padding: 1.5rem 1rem 4rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin-top: 2.5rem }
svg { width: 100%; height: auto; display: block } .wide { overflow-x: auto } .wide svg { min-width: 32rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.8rem 0.25rem 0; text-align: left;
  white-space: nowrap }
.plan { font-size: 1.15rem; font-weight: 600 } .faint, footer { color: var(--faint) }
li { font-size: 0.9rem }
""")

_NO_NETWORK: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(  # noqa: PLR0913  what stands on it
    *,
    title: str,
    lines: Sequence[str],
    chart: Chart,
    head: Sequence[str],
    rows: Iterable[Iterable[str]],
    verdict: str,
    timeline: Timeline | None,
    footer: str,
) -> str:
    """Return a page of HTML; everything that is given is escaped.

    Args:
        title: what was verified.
        lines: all that is said of the result: the plan, the reason, the cache, then the rest.
        chart: predicted and measured seconds.
        head: the head of the table of what was run.
        rows: its rows.
        verdict: how the plan did.
        timeline: what each worker did, None where that is not known.
        footer: who wrote the page, when and where.
    """
    plan, why, cache, *rest = lines
    body = (
        element("h1", title),
        element("p", plan, class_="plan"),
        element("p", why),
        element("p", cache, class_="faint"),
        element("details", element("summary", "All reasons"), element("ul", *(element("li", line) for line in rest))),
        element("h2", "Predicted and measured"),
        element("p", verdict),
        element("div", drawing.svg(chart), class_="wide"),
        element("div", table(head, rows), class_="wide"),
        element("h2", "What each worker did"),
        *_of_workers(timeline),
        element("footer", element("p", footer)),
    )
    policy = Markup(f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_NO_NETWORK}">')
    view = Markup('<meta name="viewport" content="width=device-width, initial-scale=1">')
    top = element("head", policy, view, element("title", title), element("style", _STYLE))
    return f"<!doctype html>\n{element('html', top, element('body', *body), lang='en')}\n"


def _of_workers(timeline: Timeline | None) -> Iterable[Markup]:
    """Yield the timeline and what it shows."""
    if timeline is None:
        yield element("p", "The plan ran on executors of a plugin, which do not say what each worker did.")
        return
    count = len(timeline.lanes)
    said = (
        f"The plan's run of median length took {in_words(timeline.seconds)}. Each bar is a chunk, from the start of "
        "its first item to the end of its last one. Before the first bar workers start. Between bars data is moved, or "
        f"a worker waits. {count} worker{'s' if count > 1 else ''} ran items for {timeline.busy:.0%} of the time."
    )
    if any(span.chunks > 1 for span in timeline.spans):
        said += " Chunks that a worker ran one after another are one bar where there are too many to draw."
    yield element("p", said)
    yield element("div", timelines.svg(timeline), class_="wide")
