"""Writes rows to a JSON file and reads them back, so that runs in pieces can be looked at together."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
from plans import Static
from rows import Decided, Row

from amorsize.domain.overheads import Overheads
from amorsize.domain.values import Plan, Sample


def written(path, overheads, trivial, rows):
    """Write rows to a file, with what workers cost on the machine and the seconds of the trivial decisions."""
    body = {"overheads": attrs.asdict(overheads), "trivial": trivial, "rows": [_unstructured(row) for row in rows]}
    Path(path).write_text(json.dumps(body, indent=1))


def read(path):
    """Return the overheads, the seconds of the trivial decisions and the rows of a file."""
    body = json.loads(Path(path).read_text())
    return Overheads(**body["overheads"]), body["trivial"], [_structured(row) for row in body["rows"]]


def together(rows):
    """Return rows with those of the same name made one."""
    known = {}
    for row in rows:
        if row.name in known:
            known[row.name].add(row)
        else:
            known[row.name] = row
    return list(known.values())


def _unstructured(row):
    return {
        **{field.name: getattr(row, field.name) for field in attrs.fields(Row)},
        "grid": [[*attrs.astuple(plan), seconds] for plan, seconds in row.grid.items()],
        "others": [[*attrs.astuple(plan), seconds] for plan, seconds in row.others.items()],
        "decided": [attrs.asdict(decided) for decided in row.decided],
        "stopped": sorted(row.stopped),
    }


def _structured(body):
    decided = [Decided(Plan(**one["plan"]), Sample(**one["sample"]), one["seconds"]) for one in body["decided"]]
    return Row(
        **body
        | {
            "grid": {Static(*plan): seconds for *plan, seconds in body["grid"]},
            "others": {Static(*plan): seconds for *plan, seconds in body["others"]},
            "decided": decided,
            "stopped": set(body["stopped"]),
        }
    )
