"""What CONTRIBUTING.md and the workflows say is there: sessions, files, scripts and Pythons."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SESSIONS = set(
    re.findall(r"^@nox\.session.*\ndef (\w+)", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
)


def sessions_in(text):
    """Return each session that a text has nox run."""
    return {name for names in re.findall(r"\bnox (?:--no-venv )?-s ((?:[a-z]+ ?)+)", text) for name in names.split()}


def matrix(text, key):
    """Return the values of a matrix in a workflow that stand on one line."""
    return [value.strip(' "') for value in re.search(rf"^ +{key}: \[(.*)\]$", text, re.MULTILINE)[1].split(",")]


def test_contributing_names_every_session_and_no_other():
    assert sessions_in(CONTRIBUTING) == SESSIONS


def test_every_file_and_folder_that_contributing_names_is_there():
    paths = re.findall(r"(?<![\w/])(?:src|tests|docs|\.ci|\.github)/[\w./-]*\w", CONTRIBUTING)
    missing = {path for path in paths if not (ROOT / path).exists()}
    assert len(paths) > 10
    assert missing <= {".ci/peers"}  # CONTRIBUTING.md says that it may not be there


def test_every_benchmark_that_contributing_names_is_there():
    named = re.findall(r"nox -s benchmarks -- ([\w.]+)", CONTRIBUTING)
    assert named
    assert all((ROOT / "tests" / "benchmarks" / name).exists() for name in named)


def test_every_extra_that_set_up_installs_is_there():
    assert all(extra in PROJECT["optional-dependencies"] for extra in re.findall(r"'\.\[(\w+)\]'", CONTRIBUTING))


def test_the_workflow_tests_the_pythons_that_the_classifiers_name_on_three_systems():
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    named = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r":: Python :: 3\.\d+$", each)]
    assert matrix(text, "python") == named
    assert [system.partition("-")[0] for system in matrix(text, "system")] == ["ubuntu", "macos", "windows"]


def test_the_workflow_runs_sessions_that_are_there_and_leaves_out_none_that_checks():
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    run = {*matrix(text, "session"), "tests"}
    assert "nox -s tests" in text
    assert run == SESSIONS - {"portable", "benchmarks"}


def test_a_release_is_tested_and_published_without_a_stored_secret():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert "uses: ./.github/workflows/test.yml" in text
    assert "needs: [test, build]" in text
    assert "id-token: write" in text
    assert "secrets." not in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_unless_a_job_says_more(path):
    assert "\npermissions:\n  contents: read\n" in path.read_text(encoding="utf-8")


def test_every_group_of_portable_tests_is_there(request):
    (shared,) = [plugin for plugin in request.config.pluginmanager.get_plugins() if hasattr(plugin, "PORTABLE")]
    for start in shared.PORTABLE:
        path, _, name = start.partition("::")
        assert (ROOT / path).exists(), start
        assert not name or re.search(
            rf"^(?:class|def) {name}\b", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE
        )
