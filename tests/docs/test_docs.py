"""The docs name all there is: public names, arguments, hooks, errors, commands, options; and links lead somewhere."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import click
import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

import amorsize
from amorsize import api, errors
from amorsize.application import ports
from amorsize.cli.commands import amorsize_command
from amorsize.plugins import hook_specifications as hookspecs

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
CLASSES_TO_CALL = {"Client", "Executor", "Pool"}
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def commands(group, prefix="amorsize"):
    """Yield the full name of each command below a group."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


def options(group):
    """Return each option of all commands below a group, without --help."""
    named = set()
    for command in group.commands.values():
        named |= set(options(command)) if isinstance(command, click.Group) else set()
        named |= {param.opts[-1] for param in command.params if isinstance(param, click.Option)}
    return sorted(named)


@pytest.mark.parametrize("name", amorsize.__all__)
def test_every_public_name_is_in_the_reference_and_has_a_docstring(name):
    assert f"`{name}" in (REFERENCE / "python.md").read_text()
    thing = getattr(amorsize, name)
    assert thing.__doc__ or name == "hookimpl"


@pytest.mark.parametrize("name", [name for name in vars(errors) if name.startswith(("Amorsize",)) or "Error" in name])
def test_every_error_is_in_the_reference(name):
    assert f"`{name}`" in (REFERENCE / "python.md").read_text()


@pytest.mark.parametrize("name", [name for name in vars(hookspecs) if name.startswith("amorsize_")])
def test_every_hook_is_in_the_reference(name):
    assert f"`{name}`" in (REFERENCE / "hooks.md").read_text()


@pytest.mark.parametrize("port", [ports.CacheStore, ports.Probe, ports.SystemInspector])
def test_every_method_of_every_port_is_in_the_reference(port):
    text = (REFERENCE / "hooks.md").read_text()
    for name in vars(port):
        if not name.startswith("_"):
            assert f"`{name}" in text


@pytest.mark.parametrize("command", list(commands(amorsize_command)))
def test_every_command_is_in_the_reference(command):
    assert f"| `{command}" in (REFERENCE / "command.md").read_text()


@pytest.mark.parametrize("option", options(amorsize_command))
def test_every_option_of_the_command_is_in_the_reference(option):
    assert f"| `{option}" in (REFERENCE / "command.md").read_text()


@pytest.mark.parametrize("name", [name for name in amorsize.__all__ if name in vars(api) or name in CLASSES_TO_CALL])
def test_every_argument_is_in_the_reference(name):
    text = (REFERENCE / "python.md").read_text()
    for argument in inspect.signature(getattr(amorsize, name)).parameters:
        assert re.search(rf"`[^`]*\b{argument}\b[^`]*`", text), argument


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.name == "index.md" or page.relative_to(ROOT / "docs").as_posix() in index


def test_the_version_stands_in_one_place_which_the_build_reads():
    assert ProjectMetadata(str(ROOT), PluginManager()).version == amorsize.__version__
    assert "version" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_test_that_the_page_on_trust_names_is_there():
    named = re.findall(r"`((?:tests|plugins)/[^`]+\.py)`", (ROOT / "docs" / "explanation" / "security.md").read_text())
    assert len(named) > 20
    for path in named:
        assert (ROOT / path).exists(), path
