"""The config commands: see which settings are in force and why; write, check and trust a config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from amorsize.cli.documents import Checked, Decides, InForce, Option, json_option, say_document
from amorsize.cli.terminal import say
from amorsize.config import loader as configuration
from amorsize.config import trust as trusting
from amorsize.config.files import CONFIG_VARIABLE, FILE, foreign, found, project_of, shown, variable
from amorsize.config.inputs import InputError
from amorsize.config.origins import in_force
from amorsize.errors import ConfigError
from amorsize.plugins.registry import Backends

if TYPE_CHECKING:
    from collections.abc import Iterable

    from amorsize.config.loader import Settings


@click.group()
def config() -> None:
    """Show the settings in force, write, check and trust a config."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--revoke", is_flag=True, help="Stop trusting it.")
def trust(file: Path | None, *, revoke: bool) -> None:
    """Trust the options of FILE that reach out; without FILE, those of the config found from here.

    Such options are hosts, addresses, credentials, and folders outside the project. The trust covers the file with
    exactly these options: after a change of one of them, trust it again.
    """
    there = file or configuration.find()
    if there is None:
        raise InputError("FILE must be given where no config is found, got nothing")
    where = str(there.absolute())
    if revoke:
        say(f"{where} is trusted no more" if trusting.revoke(where) else f"{where} was not trusted")
        return
    if (fault := foreign(where)) is not None:
        raise InputError(fault)
    settings = configuration.load(where)
    options, _ = configuration.reaching(settings, project_of(where), Backends())
    if not options:
        say(f"{where} names nothing that reaches out: there is nothing to trust")
        return
    trusting.trust(where, options)
    say(f"{where} is trusted with")
    for name, value in options.items():
        say(f"  {name} = {_in_toml(value)}")


@config.command()
@click.option("--config", "given", type=click.Path(), help="A config file.")
@json_option
def show(given: str | None, *, as_json: bool) -> None:
    """List the settings in force: option, value, and the file or variable that it comes from, or ``default``."""
    settings = configuration.load(given)
    rows = in_force(settings, found(given, []))
    if as_json:
        say_document("config show", _options(rows, settings))
        return
    for name, value, origin in rows:
        if name in settings.untrusted:
            said = f"{shown(settings.source)} is not trusted: {configuration.trust_command(settings.source)}"
            say(name, _in_toml(value), f"default; {said}")
        else:
            say(name, _in_toml(value), origin)


def _options(rows: Iterable[tuple[str, object, str]], settings: Settings) -> InForce:
    untrusted = settings.untrusted
    return InForce(
        tuple(
            Option(name, value, "default" if name in untrusted else origin, untrusted.get(name))
            for name, value, origin in rows
        )
    )


@config.command()
@json_option
def path(*, as_json: bool) -> int:
    """Print the path of the config that decides here; exit with 1 where there is none."""
    there = configuration.find()
    if as_json:
        say_document("config path", Decides(None if there is None else str(there)))
        return 1 if there is None else 0
    if there is None:
        raise InputError("no config is found from here: the defaults hold")
    say(there)
    return 0


@config.command()
@click.option("--force", is_flag=True, help="Replace the file that is there; its values stay.")
def init(*, force: bool) -> None:
    """Write an amorsize.toml here that explains every option and changes nothing."""
    from amorsize.config.writing import write_config

    try:
        written = write_config(Path.cwd(), force=force)
    except FileExistsError as error:
        raise InputError(f"{FILE} is there already: --force replaces it and keeps its values") from error
    except OSError as error:
        raise InputError(f"{FILE} cannot be written here: {error.strerror or error}") from error
    say(f"{written.path} is written: remove the # before an option and its [table] to set it")
    if written.taken:
        taken = ", ".join(written.taken)
        say(f"amorsize: it has options of {written.source} that reach out: {taken}. Keep it as private", err=True)
    if (other := variable(CONFIG_VARIABLE)) is not None:
        said = f"{CONFIG_VARIABLE} names {other}, which decides: the new file counts when that variable is not set"
        say(f"amorsize: {said}", err=True)


@config.command()
@click.argument("file", type=click.Path(), required=False)
@json_option
def check(file: str | None, *, as_json: bool) -> int:
    """Name every error in FILE, by default the config found from here; exit with 1 if there are any."""
    if as_json:
        return _say_checked(file)
    there = configuration.find(file)
    configuration.load(file)
    say("no config is found from here: the defaults hold" if there is None else f"{shown(str(there))}: no errors")
    return 0


def _say_checked(file: str | None) -> int:
    where, errors = file, list[str]()
    try:
        there = configuration.find(file)
        where = None if there is None else str(there)
        configuration.load(file)
    except ConfigError as error:
        errors = str(error).splitlines()
    say_document("config check", Checked(where, tuple(errors)))
    return 1 if errors else 0


def _in_toml(value: object) -> str:
    if value is None:
        return "not set"
    if value is attrs.NOTHING:
        return "must be given"
    return json.dumps(value, default=str, ensure_ascii=False)
