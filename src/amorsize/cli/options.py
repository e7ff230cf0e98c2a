"""Options that several commands share."""

from __future__ import annotations

from typing import Any

import click


def data_options(command: Any) -> Any:
    """Add the four ways to name data to a command."""
    for option in (
        click.option("--json", "document", metavar="FILE", help="A JSON file that holds a list."),
        click.option("--glob", "pattern", metavar="PATTERN", help="Paths that match, sorted."),
        click.option("--lines", metavar="FILE", help="The lines of a UTF-8 text file."),
        click.option("--range", "numbers", metavar="[START:]STOP[:STEP]", help="Whole numbers."),
    ):
        command = option(command)
    return command


def cache_named(names: str | None) -> str | list[str] | None:
    """Return the cache that an option names, which lists the layers of one with commas between."""
    return names.split(",") if names and "," in names else names
