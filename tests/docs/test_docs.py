"""The docs name everything there is: public names, hooks, errors, commands; and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

import amorsize
from amorsize import errors, hookspecs, ports
from amorsize.cli.commands import amorsize_command

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(group, prefix="amorsize"):
    """Yield the full name of each command below a group."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.name == "index.md" or page.relative_to(ROOT / "docs").as_posix() in index


def test_the_version_is_the_same_everywhere():
    assert f'version = "{amorsize.__version__}"' in (ROOT / "pyproject.toml").read_text()
