"""The commands: demo, optimize, verify, cache, plugins and config."""

from __future__ import annotations

import sys
import warnings

import attrs
import click
from rich.console import Console

import amorsize
from amorsize.cli import cache
from amorsize.cli.options import cache_named, data_options
from amorsize.errors import AmorsizeError
from amorsize.inputs import data_named, function_named
from amorsize.plugins import Backends
from amorsize.report import comparison, summary


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(amorsize.__version__, prog_name="amorsize")
def amorsize_command() -> None:
    """How many workers, of which kind, in what chunks, or is plain serial best?"""


@amorsize_command.command()
@click.option("--most", type=click.IntRange(min=1), help="Modules to take at the most.")
def demo(most: int | None) -> None:
    """Tokenize the standard library serially and as recommended, and compare."""
    from amorsize.cli.demo import demo as show  # noqa: PLC0415  imports multiprocessing

    show(Console(), most)


@amorsize_command.command()
@click.argument("function", metavar="MODULE:FUNCTION")
@data_options
@click.option("--max-workers", type=click.IntRange(min=1), help="Most workers.")
@click.option("--executor", type=click.Choice(["auto", "serial", "thread", "process"]), default="auto")
@click.option("--min-speedup", type=click.FloatRange(min=1), help="Least gain worth leaving serial for.")
@click.option("--memory-limit", type=click.IntRange(min=1), help="Bytes all workers together may take.")
@click.option("--cache", "cache_name", help="Name of a cache backend, or of several layers: json,redis.")
@click.option("--probe", help="Name of a probe backend.")
@click.option("--inspector", help="Name of an inspector backend.")
@click.option("--config", type=click.Path(), help="A config file.")
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache.")
@click.option("--profile", is_flag=True, help="Measure anew and show everything that was weighed.")
def optimize(  # noqa: PLR0913  one parameter an option
    *,
    function: str,
    numbers: str | None,
    lines: str | None,
    pattern: str | None,
    document: str | None,
    max_workers: int | None,
    executor: str,
    min_speedup: float | None,
    memory_limit: int | None,
    cache_name: str | None,
    probe: str | None,
    inspector: str | None,
    config: str | None,
    no_cache: bool,
    profile: bool,
) -> None:
    """Say how to run MODULE:FUNCTION over the data named."""
    func = function_named(function)
    data = data_named(numbers=numbers, lines=lines, pattern=pattern, document=document)
    result = amorsize.optimize(
        func,
        data,
        use_cache=not no_cache,
        profile=profile,
        max_workers=max_workers,
        executor=executor,
        min_speedup=min_speedup,
        memory_limit=memory_limit,
        config=config,
        cache=cache_named(cache_name),
        probe=probe,
        inspector=inspector,
    )
    result.explain()


@amorsize_command.command()
@click.argument("function", metavar="MODULE:FUNCTION")
@data_options
@click.option("--max-workers", type=click.IntRange(min=1), help="Most workers.")
@click.option("--executor", type=click.Choice(["auto", "serial", "thread", "process"]), default="auto")
@click.option("--probe", help="Name of a probe backend.")
@click.option("--config", type=click.Path(), help="A config file.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each way.")
def verify(  # noqa: PLR0913  one parameter an option
    *,
    function: str,
    numbers: str | None,
    lines: str | None,
    pattern: str | None,
    document: str | None,
    max_workers: int | None,
    executor: str,
    probe: str | None,
    config: str | None,
    rounds: int,
) -> None:
    """Run the plan for MODULE:FUNCTION and those around it over all the data, and compare with what was predicted."""
    func = function_named(function)
    data = data_named(numbers=numbers, lines=lines, pattern=pattern, document=document)
    result = amorsize.optimize(
        func, data, profile=True, max_workers=max_workers, executor=executor, config=config, probe=probe
    )
    click.echo("\n".join(summary(result)))
    verification = amorsize.verify(func, data, result, rounds=rounds)
    click.echo("\n".join(comparison(verification)))


@amorsize_command.command()
def plugins() -> None:
    """List every backend: name, kind, distribution, version, state and options with their defaults."""
    for row in Backends().describe():
        options = ", ".join(f"{name}={_default(value)}" for name, value in row.options.items())
        shown = (row.name, row.kind or "plugin", row.distribution, row.version, row.state, options or "no options")
        click.echo("\t".join(shown))


def _default(value: object) -> str:
    return "must be given" if value is attrs.NOTHING else "not set" if value is None else repr(value)


amorsize_command.add_command(cache.cache)


def run() -> int:
    """Run the command line; return 0, 1 after an error, 2 for wrong usage, 130 when interrupted.

    Errors are said in a line on standard error, without a traceback.
    """
    warnings.showwarning = _show_warning  # type: ignore[assignment]  # it takes whatever comes after the message
    try:
        code = amorsize_command.main(prog_name="amorsize", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("amorsize: interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except AmorsizeError as error:
        click.echo(f"amorsize: {error}", err=True)
        return 1
    except Exception as error:  # noqa: BLE001  what the user's function raised, or a wrong argument
        notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))
        click.echo(f"amorsize: {type(error).__name__}: {error}{notes}", err=True)
        return 1
    return code if isinstance(code, int) else 0


def _show_warning(message: Warning | str, *_: object) -> None:
    print(f"amorsize: warning: {message}", file=sys.stderr)  # noqa: T201  a command speaks to its terminal
