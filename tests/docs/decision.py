"""Draws docs/decision.svg, the picture in README.md: a decision for a stated job on a stated machine."""

from __future__ import annotations

from pathlib import Path

from amorsize.domain.overheads import prior
from amorsize.domain.planning.breakdown import breakdowns
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import Constraints, Machine, Sample
from amorsize.pictures.chart import Chart
from amorsize.pictures.drawing import standalone

FILE = Path(__file__).parents[2] / "docs" / "decision.svg"

MACHINE = Machine(
    physical_cores=8,
    logical_cores=8,
    usable_cpus=8.0,
    available_memory_bytes=8 << 30,
    total_memory_bytes=16 << 30,
    start_method="fork",
    python_tag="cpython-311",
    python_version="CPython 3.11",
    gil_enabled=True,
    cpu_model="",
    architecture="x86_64",
)
SAMPLE = Sample(
    count=20,
    seconds_per_item=0.001,
    spread_seconds=0.0004,
    first_call_seconds=0.001,
    cpu_fraction=1.0,
    gil_fraction=1.0,
    pickle_item_seconds=6e-5,
    unpickle_item_seconds=6e-5,
    item_bytes=50_000.0,
    result_bytes=200.0,
)
"""Items of 50 kB that take 1 ms each, as a small parser takes for a document."""


def picture():
    """Return the picture as the text of an SVG file."""
    situation = Situation(400, SAMPLE, MACHINE, Constraints())
    overheads = prior(MACHINE)
    plan = decide(situation, overheads).plan
    return standalone(Chart(plan, situation.items, tuple(breakdowns(plan, situation, overheads))))


if __name__ == "__main__":
    FILE.write_text(picture(), encoding="utf-8")
