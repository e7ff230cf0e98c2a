"""The command run: run a function over data, each result a JSON line, and go on where an earlier run was stopped."""

from __future__ import annotations

import os
import signal
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from amorsize.cli.crashes import in_words, isolate_crashes
from amorsize.cli.documents import in_json
from amorsize.cli.errors import said, text_of
from amorsize.cli.items_left import CHANGED, FAILED, NONE, Known, Lines, Pulled, checksum, checksum_of_file
from amorsize.cli.options import config_option, data_options, executor_option, max_workers_option
from amorsize.cli.results_file import ResultsFile, UnwrittenError, write_whole
from amorsize.cli.terminal import Progress, output, own_output, say
from amorsize.client.arguments import check_func
from amorsize.client.calls import CallLimits
from amorsize.client.client import default_calls
from amorsize.config.inputs import STANDARD_INPUT, InputError, LinesAsTheyCome, data_named, function_named
from amorsize.domain.wording import counted
from amorsize.errors import AmorsizeError
from amorsize.execution.job import Failed
from amorsize.processes.failures import renumber

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from amorsize.cli.items_left import ItemsLeft

    Results = Generator[tuple[int, Any]]

_STANDARD_OUTPUT: Final = "-"
_TERMINATED: Final = 128 + 15
"""The exit code after SIGTERM, as shells say it."""

_INSTEAD: Final = "return text, numbers, True, False, None, or lists and dicts of these; None in place of nan"


class ResultError(AmorsizeError):
    """A result that JSON cannot say."""


@click.command()
@click.argument("function", metavar="MODULE:FUNCTION")
@data_options
@click.option(
    "--out",
    type=click.Path(),
    default=_STANDARD_OUTPUT,
    metavar="FILE",
    help="Where lines go; - is standard output.",
)
@click.option("--errors", type=click.Choice(["raise", "collect"]), default="raise", help="What an item's failure does.")
@click.option("--rerun", type=click.Choice([CHANGED, FAILED, NONE]), help="Which items that have a line run again.")
@max_workers_option
@executor_option
@config_option
def run(  # noqa: PLR0913  one parameter an option
    *,
    function: str,
    numbers: str | None,
    lines: str | None,
    pattern: tuple[str, ...],
    document: str | None,
    out: str,
    errors: str,
    rerun: str | None,
    max_workers: int | None,
    executor: str,
    config: str | None,
) -> int:
    """Run MODULE:FUNCTION over the data, each result a JSON line; exit with 1 if an item failed.

    With --out FILE, the same command goes on where an earlier run was stopped or killed.
    """
    to_output = _is_output(out, rerun)
    descriptor = own_output() if to_output else -1  # before the module is imported: it may print
    func = function_named(function)
    check_func("run", "func", func)
    data = _data(numbers, lines, pattern, document)
    if pattern and not to_output:
        data = _without(data, out)
    calls = default_calls.having(config, None)

    def by(executor: str, items: Any) -> Results:
        return in_words(calls.with_positions(func, items, CallLimits(max_workers, executor), ordered=to_output))

    run = partial(isolate_crashes, run=partial(by, executor), in_process=partial(by, "process"))
    collect = errors == "collect"
    with _ended_by_sigterm():
        if to_output:
            return _to_output(descriptor, data, run, collect=collect)
        with ResultsFile(out) as file:
            written = Lines(file, func, rerun)
            if isinstance(data, LinesAsTheyCome):
                left: ItemsLeft = Pulled(data, written)
            else:
                made = checksum_of_file if pattern else checksum
                left = Known(data, written, made, may_change=bool(pattern or document))
            return _to_file(file, left, run, collect=collect)


def _is_output(out: str, rerun: str | None) -> bool:
    """Return whether lines go to standard output."""
    if not out:
        raise click.BadParameter("must name a file; - is standard output", param_hint="--out")
    if out == _STANDARD_OUTPUT and rerun is not None:
        raise click.UsageError("--rerun needs --out FILE: only a file has lines of an earlier run")
    return out == _STANDARD_OUTPUT


def _data(numbers: str | None, lines: str | None, pattern: tuple[str, ...], document: str | None) -> Any:
    if lines == STANDARD_INPUT and numbers is document is None and not pattern:
        return LinesAsTheyCome()
    return data_named(numbers=numbers, lines=lines, pattern=pattern, document=document)


def _without(paths: Sequence[str], out: str) -> list[str]:
    """Return the paths that are not the file of lines: an earlier run has left it there."""
    try:
        found = Path(out).expanduser().stat()
    except OSError:
        return list(paths)

    def is_out(path: str) -> bool:
        try:
            return os.path.samestat(os.stat(path), found)  # noqa: PTH116  a plain look
        except OSError:
            return False

    return [path for path in paths if not is_out(path)]


def _to_output(descriptor: int, data: Any, run: Callable[..., Results], *, collect: bool) -> int:
    """Write a line for each item to standard output, in order."""
    failed = 0
    progress = Progress(0, None if not hasattr(data, "__len__") else len(data), quiet=os.isatty(descriptor))
    try:
        with closing(run(data)) as found:
            for position, result in found:
                text = _in_json(result, position, collect=collect)
                failed += text.startswith('"error"')
                with output():
                    write_whole(descriptor, b'{"position": %d, %s}\n' % (position, text.encode("ascii")))
                progress.step()
    finally:
        progress.end()
        os.close(descriptor)
    return _ended(failed)


def _to_file(file: ResultsFile, left: ItemsLeft, run: Callable[..., Results], *, collect: bool) -> int:
    """Write the lines that a file does not have, as they come; then put all in order."""
    if file.was_cut:
        say(f"amorsize: the last line of {file.path} was cut short: its item runs again", err=True)
    if left.done:
        say(f"amorsize: {_lines(left.done, left.total)} there already", err=True)
    progress = Progress(left.done, left.total)

    def there() -> str:
        done = len(file) if left.total is None else progress.done
        return f"{_lines(done, left.total)} in {file.path}; the same command goes on"

    try:
        with closing(run(left.data)) as found:
            for index, result in found:
                position, key = left.of(index)
                text = _in_json(result, position, collect=collect)
                file.append(position, key, text, failed=text.startswith('"error"'))
                progress.step()
        file.settle()
    except KeyboardInterrupt:
        progress.end()
        say(f"amorsize: stopped: {there()}", err=True)
        raise
    except Exception as error:
        progress.end()
        if not isinstance(error, InputError) or isinstance(error, UnwrittenError):
            error.add_note(there())
        raise
    progress.end()
    return _ended(len(file.failed))


def _lines(done: int, total: int | None) -> str:
    last = done if total is None else total
    return f"{'' if total is None else f'{done} of '}{counted(last, 'line')} {'is' if last == 1 else 'are'}"


def _ended(failed: int) -> int:
    if failed:
        say(f'amorsize: {counted(failed, "item")} failed: see "error" in the lines', err=True)
    return 1 if failed else 0


def _in_json(result: Any, position: int, *, collect: bool) -> str:
    """Return what a line says of an item: its result or its error; raise the error unless errors are collected."""
    error = result.error if isinstance(result, Failed) else None
    if error is None:
        try:
            return f'"result": {in_json(result)}'
        except Exception as why:  # noqa: BLE001  a class of the user's may raise anything
            error = ResultError(f"the result at position {position} is not JSON ({said(why)}): {_INSTEAD}")
            if not collect:
                raise error from None
    if not collect:
        renumber(error, position)
        raise error
    return f'"error": {in_json({"type": type(error).__name__, "message": text_of(error)})}'


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End by SIGTERM as by Ctrl-C, so that workers end too; then exit with 143."""
    own, terminated = os.getpid(), False

    def end(number: int, frame: Any) -> None:
        nonlocal terminated
        if os.getpid() != own:  # a worker, which has inherited this
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        terminated = True
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):
            interrupt(signal.SIGINT, frame)
        else:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        if terminated:
            raise click.exceptions.Exit(_TERMINATED) from None
        raise
    except SystemExit as error:
        raise AmorsizeError(f"the function ended the program: it called sys.exit({error.code!r})") from error
    finally:
        signal.signal(signal.SIGTERM, before)
