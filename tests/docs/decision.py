"""Draws docs/decision.svg, the picture in README.md: a decision for a stated job on a stated machine."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs

sys.path.append(str(Path(__file__).resolve().parents[1]))  # where fakes are

from fakes import MACHINE as FOUR_CORES
from fakes import SAMPLE as SHORT_ITEMS

from amorsize.domain.overheads import prior
from amorsize.domain.planning.breakdown import breakdowns
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import Constraints
from amorsize.pictures.chart import Chart
from amorsize.pictures.drawing import standalone

FILE = Path(__file__).parents[2] / "docs" / "decision.svg"

MACHINE = attrs.evolve(FOUR_CORES, physical_cores=8, logical_cores=8, usable_cpus=8.0)
SAMPLE = attrs.evolve(
    SHORT_ITEMS,
    count=20,
    seconds_per_item=0.001,
    spread_seconds=0.0004,
    first_call_seconds=0.001,
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
