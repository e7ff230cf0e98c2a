"""Sources that differ in one thing, read in processes of several hash seeds, in several places."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

_DIFFERENT = runpy.run_path(str(Path(__file__).with_name("fingerprint_different.py")))["DIFFERENT"]
_SAME = runpy.run_path(str(Path(__file__).with_name("fingerprint_same.py")))["SAME"]
_SEEDS = ("0", "1", "4242", "random")

_CHILD = """
import json, sys
from pathlib import Path
from amorsize.domain.fingerprint.fingerprint import fingerprint
from amorsize.domain.fingerprint.loaded import Loaded

found = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    names = [file.stem for file in folder.glob("*.py")]
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    found[folder.name] = fingerprint(__import__("subject").f, Loaded(sys.modules)).hex
    sys.path.remove(str(folder))
    for name in names:
        sys.modules.pop(name, None)
    sys.path_importer_cache.clear()
print(json.dumps(found))
"""


def _lay_out(folder: Path, source: str, offset: int) -> None:
    folder.mkdir(parents=True)
    name = "subject.py"
    for part in source.split("# file: "):
        text = part
        if part is not source and not source.startswith(part):
            name, _, text = part.partition("\n")
        future = text.startswith("from __future__")
        (folder / name.strip()).write_text(text if future else "#\n" * offset + text, encoding="utf-8")


def _read_all(place: Path, seed: str, offset: int) -> dict[str, str]:
    for verdict, table in (("different", _DIFFERENT), ("same", _SAME)):
        for number, (_, one, other) in enumerate(table):
            _lay_out(place / f"{verdict}-{number}-a", one, offset)
            _lay_out(place / f"{verdict}-{number}-b", other, offset)
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(place)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def readings(tmp_path_factory):
    found = []
    for offset, seed in enumerate(_SEEDS):
        deep = Path(*["deeper"] * offset)
        found.append(_read_all(tmp_path_factory.mktemp("pairs") / deep / f"seed-{seed}", seed, offset * 150))
    return found


def test_the_table_is_long_and_names_each_pair_once():
    titles = [title for title, _, _ in (*_DIFFERENT, *_SAME)]
    assert len(titles) >= 60
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("number", range(len(_DIFFERENT)), ids=[title for title, _, _ in _DIFFERENT])
def test_what_can_change_behaviour_or_cost_changes_the_fingerprint(readings, number):
    for reading in readings:
        assert reading[f"different-{number}-a"] != reading[f"different-{number}-b"]


@pytest.mark.parametrize("number", range(len(_SAME)), ids=[title for title, _, _ in _SAME])
def test_what_cannot_leaves_the_fingerprint_alone(readings, number):
    for reading in readings:
        assert reading[f"same-{number}-a"] == reading[f"same-{number}-b"]


def test_every_process_reads_every_function_alike_wherever_it_lies(readings):
    first = readings[0]
    assert all(len(digits) == 16 and int(digits, 16) >= 0 for digits in first.values())
    for reading in readings[1:]:
        assert {name for name in first if reading[name] != first[name]} == set()
