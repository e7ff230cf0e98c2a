"""Writes a config that explains every option and changes nothing."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from tomllib import loads
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs
from tomli_w import dumps

from amorsize.config import loader as configuration
from amorsize.config import trust
from amorsize.config.files import FILE, project_of, replace_file, searched
from amorsize.config.settings import TABLES
from amorsize.plugins.registry import KINDS, Backends

if TYPE_CHECKING:
    from amorsize.config.files import Found
    from amorsize.config.loader import Settings

_INSTALLED: Final = Path(__file__).with_name("amorsize.toml.example")
EXAMPLE: Final = _INSTALLED if _INSTALLED.exists() else Path(__file__).parents[3] / _INSTALLED.name
"""Every option with its default and a line on what it is for; a clone has it at its top."""

_OPTION: Final = re.compile(r"#?([a-z_]+) = .*")
_TABLE: Final = re.compile(r"\[([a-z_.]+)\]")
"""Lines of the example that have an option, or begin a table."""
_HEAD: Final = """\
# Options of amorsize. To set one, remove the # before it, and the # before the [table] above it.
# Reference: https://github.com/amorsize/amorsize/blob/main/docs/reference/configuration.md
"""


class Written(NamedTuple):
    """A config that was written, and the options that reach out which it has from a file elsewhere."""

    path: Path
    source: str
    taken: list[str]


def write_config(folder: Path, *, force: bool) -> Written:
    """Write a config into the working directory.

    The options that a config found from there sets keep their values. All others are commented out. What
    AMORSIZE_CONFIG names has no part in it.

    Args:
        folder: the working directory.
        force: whether a file that is there is replaced; its values stay. A link stays, its target is replaced.

    Raises:
        FileExistsError: there is one or a link, and it must not be replaced.
        ConfigError: the config that is found has errors.
        OSError: it cannot be written.
    """
    path = folder / FILE
    if not force and os.path.lexists(path):
        raise FileExistsError(path)
    there = searched([])
    settings = configuration.settings_of(there, [])
    text = explained({} if there is None else _given(there, settings, folder))
    configuration.load(loads(text))
    _write(Path(os.path.realpath(path)), text)
    options = {} if settings.untrusted else _trust(path)
    if there is None or Path(there.path).parent == folder:
        return Written(path, "", [])
    return Written(path, there.path, [*options])


def _write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all; one that is there keeps its permissions."""
    if path.exists():
        replace_file(str(path), text, stat.S_IMODE(path.stat().st_mode), is_exact=True)
    else:
        replace_file(str(path), text, 0o666)


def _given(there: Found, settings: Settings, folder: Path) -> dict[str, Any]:
    """Return what a config says, as it must be said in another folder."""
    if Path(there.path).parent == folder:
        return dict(there.document)
    _, tables = configuration.reaching(settings, project_of(there.path), Backends())
    given = {key: value for key, value in there.document.items() if key not in KINDS} | tables
    if settings.warm:
        given["warm"] = [attrs.asdict(each, filter=lambda _, value: value is not None) for each in settings.warm]
    return given


def _trust(path: Path) -> dict[str, Any]:
    """Trust a config that says no more than what was in force before; return its options that reach out."""
    settings = configuration.load(path)
    options, _ = configuration.reaching(settings, project_of(str(path)), Backends())
    if options:
        trust.trust(str(path), options)
    return options


def explained(given: dict[str, Any]) -> str:
    """Return the example with all options commented out but those that are given."""
    left = {key: value for key, value in given.items() if key not in (*TABLES, *KINDS)}
    left |= {table: dict(given.get(table, {})) for table in TABLES}
    left |= {kind: {name: dict(table) for name, table in given.get(kind, {}).items()} for kind in KINDS}
    lines, table = [_HEAD], left
    for line in EXAMPLE.read_text(encoding="utf-8").partition("\n\n")[2].splitlines():
        option = _OPTION.fullmatch(line)
        if header := _TABLE.fullmatch(line):
            kind, _, name = header[1].partition(".")
            table = left[kind].get(name, {}) if name else left[kind]
            line = f"#{line}" if name and not table else line  # noqa: PLW2901  an empty table would choose nothing
        elif line == "#[[warm]]":
            table = {}
        if option is None:
            lines.append(line)
        elif option[1] in table:
            lines.append(dumps({option[1]: table.pop(option[1])}).rstrip("\n"))
        else:
            lines.append(f"#{line.removeprefix('#')}")
    return "\n".join(lines) + "\n" + _others(left)


def _others(left: dict[str, Any]) -> str:
    """Return what the example does not hold: tables of plugins, and functions to warm."""
    others: dict[str, Any] = {}
    for kind in KINDS:
        if tables := {name: table for name, table in left[kind].items() if table}:
            others[kind] = tables
    texts = [dumps(others)] if others else []
    texts += [f"[[warm]]\n{dumps(dict(each))}" for each in left.get("warm", ())]  # dumps may put them into one line
    return "".join(f"\n{text}" for text in texts)
