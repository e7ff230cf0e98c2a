"""The demo: counts the tokens of the standard library's modules, serially and as amorsize recommends."""

from __future__ import annotations

import sysconfig
import time
import tokenize
from multiprocessing import Pool
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from rich.progress_bar import ProgressBar
from rich.table import Table

from amorsize.api import optimize

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from amorsize.result import OptimizationResult

T = TypeVar("T")

_LEFT_OUT: Final = frozenset({"test", "tests", "site-packages", "dist-packages", "lib2to3", "__pycache__"})
_BAR_WIDTH: Final = 40


def standard_library() -> list[str]:
    """Return the paths of the running Python's standard library modules, its own tests left out, sorted."""
    root = Path(sysconfig.get_paths()["stdlib"])
    return sorted(str(path) for path in root.rglob("*.py") if not _LEFT_OUT.intersection(path.relative_to(root).parts))


def count_tokens(path: str) -> int:
    """Return the number of Python tokens in a file; 0 for one that is no Python of this version."""
    try:
        with tokenize.open(path) as file:
            return sum(1 for _ in tokenize.generate_tokens(file.readline))
    except (SyntaxError, ValueError, tokenize.TokenError):
        return 0


def run_plan(func: Callable[[str], int], result: OptimizationResult) -> list[int]:
    """Run a result's data as it recommends, by the pools of the standard library."""
    if result.n_jobs == 1:
        return [func(item) for item in result.data]
    make = Pool if result.executor == "process" else ThreadPool
    with make(result.n_jobs) as pool:
        return pool.map(func, result.data, result.chunksize)


def demo(console: Console, most: int | None) -> None:
    """Show the question answered, the answer tried, and the answer remembered.

    Args:
        console: where to show it.
        most: modules to take at the most; None: all of them.
    """
    modules = standard_library()[:most]
    console.print(f"How should {len(modules):,} modules of the standard library be tokenized on this machine?\n")
    began = time.perf_counter()
    result = optimize(count_tokens, modules, use_cache=True)
    deciding = time.perf_counter() - began
    console.print(str(result), highlight=False, markup=False, soft_wrap=True)
    for warning in result.warnings:
        console.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"decided in {deciding * 1e3:.1f} ms\n", highlight=False)

    serial_seconds, serial = timed(lambda: [count_tokens(path) for path in modules])
    planned_seconds, planned = timed(lambda: run_plan(count_tokens, result))
    if serial != planned:
        raise RuntimeError("demo: both ways must count the same tokens")
    console.print(f"{sum(serial):,} tokens either way:")
    label = "as recommended" if result.n_jobs > 1 else "as recommended (serial again)"
    console.print(bars({"serial": serial_seconds, label: planned_seconds}))

    repeat_seconds, again = timed(lambda: optimize(count_tokens, modules))
    console.print(f"\nAsked again: cache {again.cache}, answered in {repeat_seconds * 1e6:.0f} us.", highlight=False)


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds an action took and what it returned."""
    began = time.perf_counter()
    value = action()
    return time.perf_counter() - began, value


def bars(seconds: dict[str, float]) -> Table:
    """Return a table with a bar for each time, the longest filling the width."""
    longest = max(seconds.values())
    table = Table.grid(padding=(0, 2))
    for name, value in seconds.items():
        bar = ProgressBar(total=longest, completed=value, width=_BAR_WIDTH)
        table.add_row(name, bar, f"{value:.2f} s", f"{seconds['serial'] / value:.2f}x" if value else "")
    return table
