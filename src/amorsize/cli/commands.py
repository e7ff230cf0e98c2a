"""The commands: demo, optimize, run, verify, cache, plugins, config, doctor and bench."""

from __future__ import annotations

import sys
import warnings
from typing import Final

import attrs
import click

import amorsize
from amorsize.application.result import explanation, summary
from amorsize.cli import cache
from amorsize.cli.bench import bench
from amorsize.cli.config import config as config_group
from amorsize.cli.doctor import doctor
from amorsize.cli.documents import BackendList, Compared, Optimized, json_option, say_document
from amorsize.cli.errors import Commands
from amorsize.cli.options import (
    Number,
    WholeNumber,
    cache_named,
    config_option,
    data_options,
    executor_option,
    max_workers_option,
)
from amorsize.cli.pictures import draw, plot_option, report_option, write_report
from amorsize.cli.run import run as run_command
from amorsize.cli.terminal import OutputClosedError, close_output, say, say_lines
from amorsize.config.inputs import data_named, function_named
from amorsize.errors import AmorsizeError
from amorsize.execution.verification import comparison
from amorsize.plugins.registry import Backends

_OUTPUT_CLOSED: Final = 128 + 13
"""The exit code where nobody reads the output any more: that of a program that SIGPIPE ends, as shells say it."""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(amorsize.__version__, prog_name="amorsize")
def amorsize_command() -> None:
    """How many workers, of which kind, in what chunks, or is plain serial best?"""


@amorsize_command.command()
@click.option("--most", type=WholeNumber(min=1), help="Modules to take at the most.")
def demo(most: int | None) -> None:
    """Tokenize the standard library serially and as recommended, and compare."""
    from amorsize.cli.demo import Screen
    from amorsize.cli.demo import demo as show

    show(Screen(), most)


@amorsize_command.command()
@click.argument("function", metavar="MODULE:FUNCTION")
@data_options
@max_workers_option
@executor_option
@click.option("--min-speedup", type=Number(min=1), help="Minimum predicted speedup; below it the plan is serial.")
@click.option("--memory-limit", type=WholeNumber(min=1), help="Bytes all workers together may take.")
@click.option("--cache", "cache_name", help="Name of a cache backend, or of several layers: json,redis.")
@click.option("--probe", help="Name of a probe backend.")
@click.option("--inspector", help="Name of an inspector backend.")
@config_option
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache.")
@click.option("--profile", is_flag=True, help="Measure anew and show every plan that was compared.")
@plot_option
@json_option
def optimize(  # noqa: PLR0913  one parameter an option
    *,
    function: str,
    numbers: str | None,
    lines: str | None,
    pattern: tuple[str, ...],
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
    plot: str | None,
    as_json: bool,
) -> None:
    """Say how to run MODULE:FUNCTION over the data."""
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
    draw(result, plot)
    if as_json:
        say_document("optimize", Optimized.of(result))
    else:
        say_lines("\n".join(explanation(result)))


@amorsize_command.command()
@click.argument("function", metavar="MODULE:FUNCTION")
@data_options
@max_workers_option
@executor_option
@click.option("--probe", help="Name of a probe backend.")
@config_option
@click.option("--rounds", type=WholeNumber(min=1), default=3, show_default=True, help="Runs of each way.")
@plot_option
@report_option
@json_option
def verify(  # noqa: PLR0913  one parameter an option
    *,
    function: str,
    numbers: str | None,
    lines: str | None,
    pattern: tuple[str, ...],
    document: str | None,
    max_workers: int | None,
    executor: str,
    probe: str | None,
    config: str | None,
    rounds: int,
    plot: str | None,
    report: str | None,
    as_json: bool,
) -> None:
    """Run the plan for MODULE:FUNCTION, and plans near it, over all the data; compare predicted and measured."""
    func = function_named(function)
    data = data_named(numbers=numbers, lines=lines, pattern=pattern, document=document)
    result = amorsize.optimize(
        func, data, profile=True, max_workers=max_workers, executor=executor, config=config, probe=probe
    )
    if not as_json:
        say_lines("\n".join(summary(result)))
    if result.profile is None or result.profile.situation is None:
        raise AmorsizeError(f"no ways to run can be compared: {result.reason}")
    verification = amorsize.verify(func, data, result=result, rounds=rounds)
    draw(verification, plot)
    write_report(verification, f"{function} over {len(data):,} items", report)
    if as_json:
        say_document("verify", Compared.of(verification))
    else:
        say_lines("\n".join(comparison(verification)))


@amorsize_command.command()
@json_option
def plugins(*, as_json: bool) -> None:
    """List every backend: name, kind, distribution, version, state and options with their defaults."""
    rows = Backends().describe()
    if as_json:
        say_document("plugins", BackendList.of(rows))
        return
    for row in rows:
        options = ", ".join(f"{name}={_default(value)}" for name, value in row.options.items())
        say(row.name, row.kind or "plugin", row.distribution, row.version, row.state, options or "no options")


def _default(value: object) -> str:
    return "must be given" if value is attrs.NOTHING else "not set" if value is None else repr(value)


amorsize_command.add_command(run_command)
amorsize_command.add_command(cache.cache)
amorsize_command.add_command(config_group)
amorsize_command.add_command(doctor)
amorsize_command.add_command(bench)
amorsize_command.offer_traceback()


def run() -> int:
    """Run the command line; return 0, 1 after an error, 2 for wrong usage, 130 when interrupted, 141 without a reader.

    An error takes a few lines on standard error; ``--traceback`` adds the traceback.
    """
    warnings.showwarning = _show_warning  # type: ignore[assignment]  # it ignores all arguments after the message
    try:
        code = amorsize_command.main(prog_name="amorsize", standalone_mode=False)
    except click.exceptions.Abort:
        say("amorsize: interrupted", err=True)
        return 130
    except OutputClosedError:
        close_output()
        return _OUTPUT_CLOSED
    except click.ClickException as error:
        error.show()
        if "extra argument" in error.message and any(each.startswith("--glob") for each in sys.argv):
            say("Quote the pattern, so that the shell leaves it as it is: --glob '*.csv'", err=True)
        elif "extra argument" in error.message and "--json" in sys.argv:
            say("--json prints JSON; a JSON file that holds the items is named by --items FILE", err=True)
        return error.exit_code
    return code if isinstance(code, int) else 0


def _show_warning(message: Warning | str, *_: object) -> None:
    say_lines(f"amorsize: warning: {message}", err=True)
