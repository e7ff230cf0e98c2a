"""The plugins in this repository are whole, and the how-to is the plugin that it builds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import amorsize.plugins
import amorsize.testing
from amorsize.plugins.registry import KINDS

FOR_TESTS = {"amorsize", "amorsize.plugins", "amorsize.testing"}
ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
HOW_TO = ROOT / "docs" / "how-to" / "write-a-cache-plugin.md"
LMDB = ROOT / "plugins" / "amorsize-lmdb"


def lines_of(text):
    return [line for line in text.splitlines() if line.strip()]


def files_of(page):
    """Return the lines of each file that a page shows, block by block after the file's name, blank lines left out."""
    files = {}
    for path, body in re.findall(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        files.setdefault(path, []).extend(lines_of(body))
    return files


def test_the_how_to_shows_the_whole_plugin_and_nothing_else():
    shown = files_of(HOW_TO.read_text(encoding="utf-8"))
    there = [path.relative_to(LMDB).as_posix() for path in (LMDB / "src").rglob("*.py")]
    assert set(shown) == {"pyproject.toml", *there}
    for path, lines in shown.items():
        assert lines == lines_of((LMDB / path).read_text(encoding="utf-8")), path


def test_there_are_plugins():
    assert {path.name for path in PLUGINS} >= {"amorsize-lmdb", "amorsize-redis"}


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_is_whole(folder):
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    package = folder.name.replace("-", "_")
    assert project["name"] == folder.name
    assert any(each.startswith("amorsize>=") for each in project["dependencies"])
    assert package in project["entry-points"]["amorsize"].values()
    assert (folder / "src" / package / "py.typed").exists()
    assert list((folder / "tests").glob("test_*.py"))
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert f"pip install . ./plugins/{folder.name}\n" in readme
    assert f"plugins/{folder.name}/benchmarks/" in readme
    assert folder.name in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_nothing_of_ours_but_what_is_for_plugins(folder):
    allowed = {"src": {"amorsize.plugins"}, "tests": FOR_TESTS, "benchmarks": FOR_TESTS}
    for part, modules in allowed.items():
        for path in (folder / part).rglob("*.py"):
            imported = re.findall(r"\b(?:from|import) (amorsize(?:\.[\w.]+)?)(?= import|[\s,;]|$)", path.read_text())
            assert set(imported) <= modules, path


def test_the_names_for_plugins_are_there_and_in_the_reference():
    text = (ROOT / "docs" / "reference" / "hooks.md").read_text(encoding="utf-8")
    for module in (amorsize.plugins, amorsize.testing):
        for name in module.__all__:
            assert getattr(module, name) is not None
            assert f"`{name}" in text, name
    assert set(amorsize.plugins.__all__) <= set(dir(amorsize.plugins))
    assert tuple(f"amorsize_{kind}" for kind in KINDS) == amorsize.plugins.HOOKS
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        amorsize.plugins.nothing  # noqa: B018


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_every_option_of_a_plugin_is_in_its_readme(folder):
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for path in (folder / "src").rglob("*.py"):
        for body in re.findall(r"^class \w+Options:\n(.*?)(?=^\S|\Z)", path.read_text(), re.DOTALL | re.MULTILINE):
            for option in re.findall(r"^    (\w+): ", body, re.MULTILINE):
                assert f"| `{option}` |" in readme, option
