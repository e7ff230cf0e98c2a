"""Options that several commands share, and what they take."""

from __future__ import annotations

from functools import wraps
from math import isnan
from pathlib import Path
from typing import Any, Final

import click

from amorsize.config.inputs import InputError, data_named, whole_number


class WholeNumber(click.IntRange):
    """A whole number, which may have an exponent: ``1e5``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; a usage error when the text is no number or out of range."""
        try:
            value = whole_number(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A number that is one: nan passes any range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; a usage error when it is nan or out of range."""
        number = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class UserPath(click.Path):
    """A path in which ``~`` is the user's home, also where the shell does not replace it: ``--lines=~/names``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        return super().convert(Path(value).expanduser() if str(value).startswith("~") else value, param, ctx)


max_workers_option = click.option("--max-workers", type=WholeNumber(min=1), help="Most workers.")
executor_option = click.option(
    "--executor",
    type=click.Choice(["auto", "serial", "thread", "process"]),
    default="auto",
    help="Which workers are allowed.",
)
config_option = click.option("--config", type=click.Path(), help="A config file.")

_FILE = click.Path(allow_dash=True)
"""A path that a shell completes; whether it is there is looked at when it is read."""


def _check_range(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return the text of a range; a usage error when it is none."""
    try:
        if value is not None:
            data_named(numbers=value)
    except InputError as error:
        raise click.BadParameter(str(error)) from None
    return value


_DATA: Final = {"numbers": "--range", "lines": "--lines", "pattern": "--glob", "document": "--items"}


def data_options(command: Any) -> Any:
    """Add the four ways to name data to a command, which takes exactly one of them."""

    @wraps(command)
    def checked(*arguments: Any, **options: Any) -> Any:
        given = [name for key, name in _DATA.items() if options[key] not in (None, ())]
        if len(given) != 1:
            got = " and ".join(given) or "none of them"
            raise click.UsageError(f"name the data by one of {', '.join(_DATA.values())}, got {got}")
        return command(*arguments, **options)

    for option in (
        click.option(
            "--items",
            "document",
            type=_FILE,
            metavar="FILE",
            help="A JSON list; - is standard input.",
        ),
        click.option(
            "--glob", "pattern", metavar="PATTERN", multiple=True, help="Paths that match, sorted; may be repeated."
        ),
        click.option("--lines", type=_FILE, metavar="FILE", help="Lines of UTF-8 text; - is standard input."),
        click.option(
            "--range",
            "numbers",
            callback=_check_range,
            metavar="[START:]STOP[:STEP]",
            help="Whole numbers; 1e5 is one too.",
        ),
    ):
        checked = option(checked)
    return checked


def cache_named(names: str | None) -> str | list[str] | None:
    """Return the cache that an option names: a name, or the names of layers with commas between them."""
    return names.split(",") if names and "," in names else names
