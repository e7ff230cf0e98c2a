"""The programs of the how-to pages run, and those before and after a change print the same."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from docs.programs import programs

from amorsize import fingerprint

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
BEFORE, AFTER = "before.py", "after.py"
COMING_FROM = sorted(HOW_TO.glob("coming-from-*.md"))
ASYNCIO, ARGUMENTS = HOW_TO / "use-with-asyncio.md", HOW_TO / "pass-more-arguments.md"
LONG_JOB = HOW_TO / "run-a-long-job.md"  # test_examples types its commands
TESTED = {ASYNCIO, ARGUMENTS, LONG_JOB}
SHOWN = {page: programs(page) for page in sorted(HOW_TO.glob("*.md"))}
OTHERS = [
    (page, name)
    for page, files in SHOWN.items()
    for name in files
    if name not in {BEFORE, AFTER} and not name[0].isdigit() and page not in TESTED  # a block without a name is a part
]


def missing(program):
    """Return the libraries that a program imports and that are not installed."""
    tree = ast.parse(program)
    named = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    named += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [name for name in named if find_spec(name.partition(".")[0]) is None]


@pytest.fixture
def run(tmp_path):
    def run(program, *flags):
        path = tmp_path / "program.py"
        path.write_text(program, encoding="utf-8")
        command = [sys.executable, "-B", *flags, path]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_there_is_a_page_for_each_library_that_people_come_from():
    libraries = {"multiprocessing", "concurrent-futures", "joblib", "mpire", "pathos", "p-tqdm", "pandarallel"}
    assert {page.stem.removeprefix("coming-from-") for page in COMING_FROM} >= libraries


@pytest.mark.parametrize("page", COMING_FROM, ids=lambda page: page.stem)
def test_the_programs_before_and_after_print_the_same(page, run):
    before, after = SHOWN[page][BEFORE], SHOWN[page][AFTER]
    compile(before, BEFORE, "exec")
    compile(after, AFTER, "exec")
    if absent := missing(after):
        pytest.skip(f"needs {', '.join(absent)}; compiled only")
    printed = run(after, "-W", "error")
    assert printed.strip()
    if not missing(before):
        assert run(before) == printed


@pytest.mark.parametrize(("page", "name"), OTHERS, ids=lambda part: getattr(part, "stem", part))
def test_every_other_program_that_a_page_shows_runs(page, name, run):
    compile(SHOWN[page][name], name, "exec")
    if absent := missing(SHOWN[page][name]):
        pytest.skip(f"needs {', '.join(absent)}; compiled only")
    assert run(SHOWN[page][name], "-W", "error").strip()


def test_the_asyncio_page_runs_beside_an_event_loop_and_names_a_coroutine_function(run):
    files = SHOWN[ASYNCIO]
    printed = {run(files[name], "-W", "error") for name in ("main.py", "stream.py", "calls.py")}
    assert len(printed) == 1
    error, results = run(files["coroutine.py"], "-W", "error").splitlines()
    assert "the coroutine function 'fetch'" in error
    assert results == "[0, 1, 4]"


def test_the_page_on_arguments_passes_them(run):
    files = SHOWN[ARGUMENTS]
    assert run(files["same.py"], "-W", "error") == "['short', 'a rather..', 'another ..']\n"
    assert run(files["each.py"], "-W", "error") == "[10, 40, 90]\n[10, 45]\n"
    assert run(files["columns.py"], "-W", "error").splitlines() == [
        "[110.0, 225.0, 100.0]",
        "[110.0, 225.0, 100.0]",
        "[(100, 1.1), (250, 0.9), (80, 1.25)]",
    ]


def test_an_argument_that_partial_fixes_is_part_of_the_fingerprint():
    two, three, again = (fingerprint(partial(pow, exp=exponent)) for exponent in (2, 3, 2))
    assert two.hex == again.hex != three.hex
