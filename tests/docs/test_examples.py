"""The programs that README and tutorial show are run as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs.programs import programs

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial" / "first-steps.md"
README = ROOT / "README.md"
HOW_TO = ROOT / "docs" / "how-to"


@pytest.fixture
def run(tmp_path):
    def run(program):
        # A file that is written again within a second, as long as before, would be taken from the bytecode cache.
        command = [sys.executable, "-B", program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_the_tutorial_says_what_happens(run, tmp_path):
    files = programs(TUTORIAL)
    assert set(files) == {"nodes.py", "main.py", "run.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    plan, reason, cache, nodes = run("main.py").splitlines()
    assert "predicted" in plan
    assert reason.startswith("why: ")
    assert cache.startswith("cache: miss")
    assert "cache: hit" in run("main.py")
    assert run("run.py").strip() == nodes
    (tmp_path / "nodes.py").write_text(files["nodes.py"].replace("sum(1 ", "sum(2 "), encoding="utf-8")
    changed = run("main.py")
    assert "cache: miss" in changed
    assert "changed" in changed


def test_the_page_on_arguments_that_take_a_map_says_what_happens(run, tmp_path):
    ((name, text),) = programs(HOW_TO / "use-as-a-map.md").items()
    (tmp_path / name).write_text(text, encoding="utf-8")
    best, said = run(name).splitlines()
    assert best == "3"
    assert "nfev, which its own code changes, is left out" in said


def test_the_page_on_initializers_says_what_happens(run, tmp_path):
    (name, text), *_ = programs(HOW_TO / "initialize-workers.md").items()
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert run(name).splitlines() == ["[0, 2, 4, 6, 8]", "None"]


def test_the_page_on_the_executor_says_what_happens(run, tmp_path):
    ((name, text),) = programs(HOW_TO / "use-the-executor.md").items()
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert run(name).splitlines() == ["2", "[2, 1]", "[1, 3]"]


def test_the_page_on_the_pool_says_what_happens(run, tmp_path):
    ((name, text),) = programs(HOW_TO / "use-the-pool.md").items()
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert run(name).splitlines() == ["[0, 2, 4, 6, 8]", "[2, 12]", "[10, 12]", "21", "[16, 18]"]


def test_the_page_on_long_jobs_says_what_happens(run, tmp_path):
    page = HOW_TO / "run-a-long-job.md"
    for name, text in programs(page).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.txt").write_bytes(b"\xff")
    (tmp_path / "names.tsv").write_text("Ada\tL\nGrace\tH\n")
    first, collect, rerun, pipe = re.findall(r"^(?:cut|amorsize) .*$", page.read_text(encoding="utf-8"), re.MULTILINE)

    def typed(command, code):
        command = command.replace("amorsize", f"{sys.executable} -m amorsize", 1)
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout

    typed(first, 1)
    typed(collect, 1)
    assert run("read.py") == "2\n"
    (tmp_path / "b.txt").write_text("three\n")
    typed(rerun, 0)
    assert run("read.py") == "3\n"
    assert [json.loads(line)["result"] for line in typed(pipe, 0).splitlines()] == [3, 5]


def test_the_readmes_program_runs(run, tmp_path):
    ((name, program),) = programs(README).items()
    (tmp_path / name).write_text(program, encoding="utf-8")
    said = run(name).splitlines()
    assert len(said) == 3
    assert said[1].startswith("why: ")
    (command,) = re.findall(r"^\.venv/bin/amorsize .*$", README.read_text(encoding="utf-8"), re.MULTILINE)
    shutil.copytree(ROOT / "src", tmp_path / "src")
    typed = command.replace(".venv/bin/amorsize", f"{sys.executable} -m amorsize", 1)
    done = subprocess.run(typed, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "why: " in done.stdout


def test_the_readme_stays_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 100
