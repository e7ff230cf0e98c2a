"""The cache commands: see what is kept, and care for it."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

import amorsize
from amorsize import api
from amorsize.cli.options import cache_named, data_options
from amorsize.domain.wording import seconds, size, workers
from amorsize.errors import AmorsizeError
from amorsize.inputs import InputError, data_named, function_named
from amorsize.upkeep import key_of

_HOUR_SECONDS = 3600.0


@click.group()
@click.option("--config", type=click.Path(), help="A config file.")
@click.option("--cache", "name", help="Name of a cache backend, or of several layers: json,redis.")
@click.pass_context
def cache(context: click.Context, config: str | None, name: str | None) -> None:
    """See what the cache keeps, and care for it."""
    context.obj = {"config": config, "cache": cache_named(name)}


def _opened(context: click.Context) -> amorsize.Cache:
    return amorsize.open_cache(**context.obj)


@cache.command()
@click.pass_context
def stats(context: click.Context) -> None:
    """Count entries and bytes, and entries by function."""
    counted = _opened(context).stats()
    console = Console(highlight=False)
    console.print(f"{_entries(counted.entries)}, {size(counted.bytes)} with overheads and outlines")
    if counted.oldest is not None and counted.newest is not None:
        console.print(f"measured between {_when(counted.oldest)} and {_when(counted.newest)}")
    table = Table("entries", "function", box=None)
    for function, count in sorted(counted.functions.items(), key=lambda row: (-row[1], row[0])):
        table.add_row(str(count), function)
    console.print(
        f"in this process: {counted.hits} hits, {counted.misses} misses, {seconds(counted.seconds_saved)} saved"
    )
    if counted.functions:
        console.print(table)


@cache.command(name="list")
@click.option("--function", default="", help="Only functions whose name contains this.")
@click.option("--older-than", type=click.FloatRange(min=0), metavar="HOURS", help="Only what was measured longer ago.")
@click.pass_context
def list_(context: click.Context, function: str, older_than: float | None) -> None:
    """List entries: key, function, plan."""
    age = None if older_than is None else older_than * _HOUR_SECONDS
    for entry in _opened(context).entries(function=function, older_than_seconds=age):
        click.echo(f"{key_of(entry)}\t{entry.function}\t{workers(entry.plan)}\t{_when(entry.measured_at)}")


@cache.command()
@click.argument("key")
@click.pass_context
def show(context: click.Context, key: str) -> None:
    """Show all of the entries under KEY, or under what begins with it."""
    found = _opened(context).show(key)
    if not found:
        raise InputError(f"KEY must be the beginning of an entry's key, got {key!r}; see `amorsize cache list`")
    for entry in found:
        click.echo(key_of(entry))
        click.echo(f"  {entry.function}, {entry.items} items, measured {_when(entry.measured_at)}")
        click.echo(f"  plan: {workers(entry.plan)}, {seconds(entry.plan.predicted_seconds)} predicted")
        click.echo(f"  why: {entry.plan.reason}")
        for value in (entry.sample, entry.machine, entry.constraints):
            click.echo(f"  {value}")
        click.echo(f"  confirmed {entry.confirmations} times, last {_when(entry.confirmed_at)}")


@cache.command()
@click.argument("function", metavar="MODULE:FUNCTION")
@data_options
@click.pass_context
def explain(  # noqa: PLR0913, PLR0917  one parameter an option
    context: click.Context,
    function: str,
    document: str | None,
    pattern: str | None,
    lines: str | None,
    numbers: str | None,
) -> None:
    """Say whether MODULE:FUNCTION over the data would hit, and if not why; nothing is run."""
    func = function_named(function)
    data = data_named(numbers=numbers, lines=lines, pattern=pattern, document=document)
    found, reason = amorsize.lookup(func, data, **context.obj)
    click.echo(f"{found}: {reason}")


@cache.command()
@click.option("--older-than", type=click.FloatRange(min=0), metavar="HOURS", help="Instead of the configured TTL.")
@click.pass_context
def prune(context: click.Context, older_than: float | None) -> None:
    """Remove entries that are too old or unreadable."""
    ttl = api.settings(context.obj["config"]).limits.ttl_seconds if older_than is None else older_than * _HOUR_SECONDS
    click.echo(f"{_entries(_opened(context).prune(ttl))} removed")


@cache.command()
@click.pass_context
def clear(context: click.Context) -> None:
    """Remove everything."""
    click.echo(f"{_entries(_opened(context).clear())} removed")


@cache.command()
@click.pass_context
def verify(context: click.Context) -> None:
    """Read everything and set aside what is unreadable; exits with 1 when something was."""
    verified = _opened(context).verify()
    click.echo(f"{verified.readable} records readable, {len(verified.set_aside)} set aside")
    for locator, variant in verified.set_aside:
        click.echo(f"  {locator}_{variant}")
    if verified.set_aside:
        context.exit(1)


@cache.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def export(context: click.Context, file: Path) -> None:
    """Write all readable records to FILE as JSON."""
    opened = _opened(context)
    with click.open_file(str(file), "w", encoding="utf-8", atomic=True) as handle:
        count = opened.export(handle)
    click.echo(f"{count} records written to {file}")


@cache.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def import_(context: click.Context, file: Path) -> None:
    """Take in FILE, an export; newer records stay. Exits with 1 when a record was refused."""
    opened = _opened(context)
    try:
        with file.open(encoding="utf-8") as handle:
            imported = opened.import_(handle)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"FILE must be a readable export, got {error}") from error
    click.echo(f"{imported.taken} records taken, {imported.kept} not newer, {len(imported.refused)} refused")
    for line in imported.refused:
        click.echo(f"  {line}", err=True)
    if imported.refused:
        context.exit(1)


@cache.command()
@click.pass_context
def warm(context: click.Context) -> None:
    """Measure the functions listed under [[warm]] in the config file ahead of time."""
    warmed = amorsize.warm_cache(**context.obj)
    if not warmed:
        raise InputError("the config must list functions under [[warm]], got none")
    failed = 0
    for function, outcome in warmed:
        if isinstance(outcome, Exception):
            failed += 1
            click.echo(f"{function}: {type(outcome).__name__}: {outcome}", err=True)
        else:
            click.echo(f"{function}: {outcome.cache}, {workers(outcome.plan)}")
    if failed:
        raise AmorsizeError(f"{failed} of {len(warmed)} functions could not be measured")


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
