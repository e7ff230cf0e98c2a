"""The cache commands: look into the cache and maintain it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

import amorsize
from amorsize.application.cache.maintenance import key_of
from amorsize.cli.documents import Entries, Found, Listing, Removed, json_option, say_document
from amorsize.cli.errors import said
from amorsize.cli.options import Number, UserPath, cache_named, config_option, data_options
from amorsize.cli.terminal import say
from amorsize.config.inputs import InputError, data_named, function_named
from amorsize.domain.wording import counted, seconds, size, workers
from amorsize.errors import AmorsizeError

_HOUR_SECONDS = 3600.0
"""The seconds of an hour."""


@click.group()
@config_option
@click.option("--cache", "name", help="Name of a cache backend, or of several layers: json,redis.")
@click.pass_context
def cache(context: click.Context, config: str | None, name: str | None) -> None:
    """Look into the cache and maintain it."""
    context.obj = {"config": config, "cache": cache_named(name)}


def _opened(context: click.Context) -> amorsize.Cache:
    return amorsize.open_cache(**context.obj)


@cache.command()
@json_option
@click.pass_context
def stats(context: click.Context, *, as_json: bool) -> None:
    """Count entries and bytes, and entries by function."""
    counted = _opened(context).stats()
    if as_json:
        say_document("cache stats", counted)
        return
    say(f"{_entries(counted.entries)}, {size(counted.bytes)} with overheads and outlines")
    if counted.oldest is not None and counted.newest is not None:
        say(f"measured between {_when(counted.oldest)} and {_when(counted.newest)}")
    say(f"in this process: {counted.hits} hits, {counted.misses} misses, {seconds(counted.seconds_saved)} saved")
    for function, count in sorted(counted.functions.items(), key=lambda row: (-row[1], row[0])):
        say(f"{count:>7} {_entries(count).rpartition(' ')[2]} of {function}")


@cache.command(name="list")
@click.option("--function", default="", help="Only functions whose name contains this.")
@click.option("--older-than", type=Number(min=0), metavar="HOURS", help="Only what was measured longer ago.")
@json_option
@click.pass_context
def list_(context: click.Context, function: str, older_than: float | None, *, as_json: bool) -> None:
    """List entries: key, function, plan."""
    age = None if older_than is None else older_than * _HOUR_SECONDS
    entries = _opened(context).entries(function=function, older_than_seconds=age)
    if as_json:
        say_document("cache list", Listing.of(entries))
        return
    for entry in entries:
        say(key_of(entry), entry.function, workers(entry.plan), _when(entry.measured_at))


@cache.command()
@click.argument("key")
@json_option
@click.pass_context
def show(context: click.Context, key: str, *, as_json: bool) -> None:
    """Show all of the entries under KEY, or under what begins with it."""
    found = _opened(context).show(key)
    if not found:
        raise InputError(f"KEY must be the beginning of an entry's key, got {key!r}; see `amorsize cache list`")
    if as_json:
        say_document("cache show", Entries(tuple(found)))
        return
    for entry in found:
        say(key_of(entry))
        say(f"  {entry.function}, {counted(entry.items, 'item')}, measured {_when(entry.measured_at)}")
        say(f"  plan: {workers(entry.plan)}, {seconds(entry.plan.predicted_seconds)} predicted")
        say(f"  why: {entry.plan.reason}")
        for value in (entry.sample, entry.machine, entry.constraints):
            say(f"  {value}")
        say(f"  confirmed {entry.confirmations} times, last {_when(entry.confirmed_at)}")


@cache.command()
@click.argument("function", metavar="MODULE:FUNCTION")
@data_options
@json_option
@click.pass_context
def explain(  # noqa: PLR0913, PLR0917  one parameter an option
    context: click.Context,
    function: str,
    document: str | None,
    pattern: tuple[str, ...],
    lines: str | None,
    numbers: str | None,
    *,
    as_json: bool,
) -> None:
    """Say whether MODULE:FUNCTION over the data would hit, and if not why; nothing is run."""
    func = function_named(function)
    data = data_named(numbers=numbers, lines=lines, pattern=pattern, document=document)
    found, reason = amorsize.lookup(func, data, **context.obj)
    if as_json:
        say_document("cache explain", Found(found, reason))
    else:
        say(f"{found}: {reason}")


@cache.command()
@click.option("--older-than", type=Number(min=0), metavar="HOURS", help="Instead of the configured TTL.")
@json_option
@click.pass_context
def prune(context: click.Context, older_than: float | None, *, as_json: bool) -> None:
    """Remove entries that are too old or unreadable."""
    ttl = None if older_than is None else older_than * _HOUR_SECONDS
    with amorsize.Client(**context.obj) as client:
        _say_removed("cache prune", client.prune_expired_cache(ttl), as_json=as_json)


@cache.command()
@click.option("--function", default="", help="Only functions whose name contains this.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_context
def clear(context: click.Context, function: str, *, yes: bool, as_json: bool) -> None:
    """Remove everything. On a terminal it asks first."""
    opened = _opened(context)
    if not yes and sys.stdin is not None and sys.stdin.isatty():
        count = sum(1 for _ in opened.entries(function=function))
        if not click.confirm(f"Remove {_entries(count)} from the cache?", err=True):
            raise AmorsizeError("nothing was removed")
    _say_removed("cache clear", opened.clear(function=function), as_json=as_json)


@cache.command()
@json_option
@click.pass_context
def verify(context: click.Context, *, as_json: bool) -> None:
    """Read everything and set aside what is unreadable; exits with 1 when something was."""
    verified = _opened(context).verify()
    if as_json:
        say_document("cache verify", verified)
    else:
        say(f"{verified.readable} records readable, {len(verified.set_aside)} set aside")
        for locator, variant in verified.set_aside:
            say(f"  {locator}_{variant}")
        for locator, variant in verified.too_long:
            say(f"  {locator}_{variant}: too long to be set aside, it stays where it is")
    if verified.set_aside or verified.too_long:
        context.exit(1)


@cache.command()
@click.argument("file", type=UserPath(path_type=Path))
@click.pass_context
def export(context: click.Context, file: Path) -> None:
    """Write all readable records to FILE as JSON."""
    opened = _opened(context)
    with click.open_file(str(file), "w", encoding="utf-8", atomic=True) as handle:
        count = opened.export(handle)
    say(f"{counted(count, 'record')} written to {file}")


@cache.command(name="import")
@click.argument("file", type=UserPath(path_type=Path))
@click.pass_context
def import_(context: click.Context, file: Path) -> None:
    """Take in FILE, an export; newer records stay. Exits with 1 when a record was refused."""
    opened = _opened(context)
    try:
        with file.open(encoding="utf-8") as handle:
            imported = opened.import_(handle)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"FILE cannot be read as an export: {error}") from error
    say(f"{imported.taken} records taken, {imported.kept} not newer, {len(imported.refused)} refused")
    for line in imported.refused:
        say(f"  {line}", err=True)
    if imported.refused:
        context.exit(1)


@cache.command()
@click.pass_context
def warm(context: click.Context) -> None:
    """Measure the functions listed under [[warm]] in the config file ahead of time."""
    warmed = amorsize.warm_cache(**context.obj)
    if not warmed:
        raise InputError("there is nothing to warm: list functions under [[warm]] in the config")
    failed = 0
    for function, outcome in warmed:
        if isinstance(outcome, Exception):
            failed += 1
            say(f"{function}: {said(outcome)}", err=True)
        else:
            say(f"{function}: {outcome.cache}, {workers(outcome.plan)}")
    if failed:
        raise AmorsizeError(f"{failed} of {len(warmed)} functions could not be measured")


def _say_removed(command: str, count: int, *, as_json: bool) -> None:
    if as_json:
        say_document(command, Removed(count))
    else:
        say(f"{_entries(count)} removed")


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
