"""The demo: counts the tokens of the standard library's modules, serially and as amorsize recommends."""

from __future__ import annotations

import os
import sysconfig
import time
import tokenize
from contextlib import contextmanager
from multiprocessing import Pool
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.table import Table

from amorsize.api import optimize
from amorsize.cli.load import Stopwatch
from amorsize.cli.terminal import OutputClosedError
from amorsize.domain.wording import seconds as in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amorsize.application.result import OptimizationResult
    from amorsize.cli.load import Load

T = TypeVar("T")

_LEFT_OUT: Final = frozenset({"test", "tests", "site-packages", "dist-packages", "lib2to3", "__pycache__"})
_BAR_WIDTH: Final = 40
"""Characters of the progress bar: our choice, half of a terminal's usual width."""
_NEUTRAL: Final = "blue"
_REFRESH_SECONDS: Final = 0.1
"""Seconds between two updates of the progress bar, at least: our choice; an update takes 1 ms."""

_FASTER: Final = 0.95
"""Share of the serial seconds below which a run is called faster: our choice; repeats differ by a few per cent."""


class Screen(Console):
    """A console that lets the command end where nobody reads the output, in place of exiting with 1."""

    def on_broken_pipe(self) -> None:
        """Say that nobody reads the output."""
        raise OutputClosedError("nobody reads the output")


def standard_library() -> list[str]:
    """Return the paths of the running Python's standard library modules, its own tests left out, sorted."""
    found: list[str] = []
    for folder, folders, files in os.walk(sysconfig.get_paths()["stdlib"]):
        folders[:] = [
            name for name in folders if name not in _LEFT_OUT
        ]  # what is installed can be a hundred times more
        found += [str(Path(folder, name)) for name in files if name.endswith(".py")]
    return sorted(found)


def count_tokens(path: str) -> int:
    """Return the number of Python tokens in a file; 0 for one that is no Python of this version."""
    try:
        with tokenize.open(path) as file:
            return sum(1 for _ in tokenize.generate_tokens(file.readline))
    except (SyntaxError, ValueError, tokenize.TokenError):
        return 0


def run_plan(func: Callable[[str], int], result: OptimizationResult, done: Callable[[], None]) -> list[int]:
    """Run a result's data as it recommends, by the pools of the standard library; call done after each item."""
    if result.n_jobs == 1:
        return [_noted(func(item), done) for item in result.data]
    make = Pool if result.executor == "process" else ThreadPool
    with make(result.n_jobs) as pool:
        return [_noted(value, done) for value in pool.imap(func, result.data, result.chunksize)]


def _noted(value: T, done: Callable[[], None]) -> T:
    done()
    return value


def demo(console: Console, most: int | None) -> None:
    """Show the question answered, the answer tried, and the answer remembered.

    Args:
        console: where to show it.
        most: modules to take at the most; None: all of them.
    """
    console.print("How should Python's standard library be tokenized on this machine?\n")
    modules = standard_library()[:most]
    count = len(modules)
    with progress(console, "reading the modules", count) as done:
        for path in modules:
            _noted(Path(path).read_bytes(), done)  # so that no run below waits for the disk
    with progress(console, "measuring a few of them, and deciding", None):
        deciding, result = timed(lambda: optimize(count_tokens, modules))
    console.print(f"\n{result}", highlight=False, markup=False, soft_wrap=True)
    for warning in result.warnings:
        console.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"decided in {in_words(deciding)}\n", highlight=False)

    watch = Stopwatch()
    with progress(console, "running serially", count) as done:
        serial_seconds, serial = timed(lambda: [_noted(count_tokens(path), done) for path in modules])
    with progress(console, "running as recommended", count) as done:
        planned_seconds, planned = timed(lambda: run_plan(count_tokens, result, done))
    load = watch.read()
    if serial != planned:
        raise RuntimeError("demo: both ways must count the same tokens")
    console.print(f"\n{sum(serial):,} tokens either way:")
    label = "as recommended" if result.n_jobs > 1 else "as recommended (serial again)"
    console.print(bars({"serial": serial_seconds, label: planned_seconds}, is_parallel=result.n_jobs > 1))
    for line in verdict(result, serial_seconds, planned_seconds, load):
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    repeat_seconds, again = timed(lambda: optimize(count_tokens, modules))
    console.print(f"\nAsked again: cache {again.cache}, answered in {in_words(repeat_seconds)}.", highlight=False)


@contextmanager
def progress(console: Console, words: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Show from now on that something runs, and how far it is; yield what is to be called after each item.

    On a terminal a bar is drawn by the thread that calls, so that nothing runs beside what is measured or forked.
    """
    if not console.is_terminal or total is None:
        console.print(f"{words} ...", highlight=False)
        yield lambda: None
        return
    drawing = BarColumn(complete_style=_NEUTRAL, finished_style=_NEUTRAL)  # rich's own is green at the end
    columns = (TextColumn("{task.description}"), drawing, MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        task = bar.add_task(words, total=total)
        bar.refresh()
        drawn = time.perf_counter()

        def done() -> None:
            nonlocal drawn
            bar.advance(task)
            now = time.perf_counter()
            if now - drawn >= _REFRESH_SECONDS:
                drawn = now
                bar.refresh()

        yield done


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds an action took and what it returned."""
    began = time.perf_counter()
    value = action()
    return time.perf_counter() - began, value


def bars(seconds: dict[str, float], *, is_parallel: bool) -> Table:
    """Return a table with a bar for each time, the longest filling the width.

    The bar of a parallel run is green when it is faster than the serial one, and red when it is slower.
    """
    longest = max(seconds.values())
    table = Table.grid(padding=(0, 2))
    for name, value in seconds.items():
        style = _NEUTRAL
        if name != "serial" and is_parallel:
            gain = value / seconds["serial"] if seconds["serial"] else 1.0
            style = "green" if gain < _FASTER else "red" if gain > 1 / _FASTER else _NEUTRAL
        bar = ProgressBar(total=longest, completed=value, width=_BAR_WIDTH, complete_style=style, finished_style=style)
        table.add_row(name, bar, in_words(value), f"{seconds['serial'] / value:.2f}x" if value else "")
    return table


def verdict(result: OptimizationResult, serial_seconds: float, planned_seconds: float, load: Load) -> Iterator[str]:
    """Yield what the two runs say of the prediction and of the recommendation, and whether they were disturbed."""
    plan = result.plan
    predicted, measured = in_words(plan.predicted_seconds), in_words(planned_seconds)
    between = f"{in_words(plan.seconds_low)} to {in_words(plan.seconds_high)}"
    holds = plan.seconds_low <= planned_seconds <= plan.seconds_high
    if plan.n_jobs > 1 and planned_seconds:
        gain = serial_seconds / planned_seconds
        predicted, measured = f"{predicted} and {plan.speedup:.2f}x", f"{measured} and {gain:.2f}x"
        between += f", {plan.speedup_low:.2f}x to {plan.speedup_high:.2f}x"
        holds = holds and plan.speedup_low <= gain <= plan.speedup_high
    said = "held" if holds else "failed"
    yield f"The prediction {said}: {predicted} predicted ({between}), {measured} measured."
    if plan.n_jobs > 1 and planned_seconds * _FASTER > serial_seconds:
        yield "The recommendation failed: here and now serial is faster."
    if load.is_busy(plan.n_jobs):
        yield f"The machine was busy: {load} during the demo. Try again when it is quiet."
