"""What calls do where only the caller may run items: AMORSIZE_DISABLE is set, or nothing can be opened."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.application.question import EMPTY_PLAN, sized
from amorsize.application.result import OptimizationResult
from amorsize.config.files import DISABLE_VARIABLE
from amorsize.execution.execution import run_alone
from amorsize.execution.initializing import Initialized
from amorsize.execution.job import Options, attempt, checked_initargs, shown
from amorsize.execution.workers.external import initializer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from amorsize.domain.values import Plan

DISABLED: Final = f"{DISABLE_VARIABLE} is set"
"""The reason of an answer while the environment turns amorsize off."""


def answered_here(func: Callable[[Any], Any], data: Iterable[Any]) -> OptimizationResult:
    """Return what optimize returns while AMORSIZE_DISABLE is set: read no config, run nothing, keep nothing."""
    plan = attrs.evolve(EMPTY_PLAN, chunksize=sized(data) or 1, reason=DISABLED)

    def run(func: Callable[[Any], Any], data: Iterable[Any], _: Plan, progress: Any) -> Any:
        with shown(progress, "run") as on_progress:
            return run_alone(func, data, Options(on_progress=on_progress), time.monotonic)

    return OptimizationResult(plan, data, "bypassed", DISABLED, func=func, runner=run)


def initialized_here(
    func: Callable[[Any], Any],
    initializer: Callable[..., object] | None,
    initargs: Iterable[Any],
    executor: str | Executor,
) -> Callable[[Any], Any]:
    """Return a function that runs an initializer before its first call; without one, that of a live executor."""
    initargs = checked_initargs("execute", initializer, initargs)
    if initializer is None and not isinstance(executor, str):
        initializer, initargs = initializer_of(executor)
    if initializer is None:
        return func
    return Initialized(func, initializer, initargs)


def stream_here(func: Callable[[Any], Any], data: Iterable[Any], *, collect: bool = False) -> Iterator[Any]:
    """Run each item when its result is asked for, as iexecute does."""
    if collect:
        func = partial(attempt, func)
    return map(func, data)
