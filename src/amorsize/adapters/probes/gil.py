"""Measures how much of the time items hold the GIL, by running them in two threads at once."""

from __future__ import annotations

import threading
from contextlib import suppress
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.adapters.probes.counters import delay_seconds, waits
from amorsize.processes.failures import note_item
from amorsize.processes.process_info import move_back, move_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DISTURBED: Final = 0.5
"""Delay, as a share of the CPU seconds, that a measurement does not leave out: our choice; half is too much of it."""

_HANDOVERS: Final = 10_000.0
"""Waits of both threads a second, beyond the function's own, that mean waiting for the GIL: our choice."""


class Side(NamedTuple):
    """What one thread beside another showed.

    ``seconds`` are when it began and ended, ``cpu`` what it burnt, ``delay`` how long it was kept from a CPU meanwhile,
    ``waits`` how often it gave one up.
    """

    seconds: tuple[float, float] = (0.0, 0.0)
    cpu: float = 0.0
    delay: float = 0.0
    waits: float = 0.0


def _run(
    func: Callable[[Any], Any], block: list[tuple[int, Any]], beside: threading.Barrier, index: int, sides: list[Any]
) -> None:
    """Run items beside another thread, and put what that showed, or what an item raised, into ``sides`` at its index.

    They begin as soon as the other thread is there too, each on a CPU of its own where the system allows it. Left
    alone, both threads would be woken on one CPU and stay there for longer than the test takes. The choice of the CPU
    is taken back before the first item, so that what the item starts does not inherit it.
    """
    cpus = move_to(lambda cpus: set(sorted(cpus)[index : index + 1]))
    delay = delay_seconds()
    with suppress(threading.BrokenBarrierError):  # the other one could not be started
        beside.wait()
    move_back(cpus)
    waited, began, cpu = waits(), perf_counter(), thread_time()
    for position, item in block:
        try:
            func(item)
        except BaseException as error:  # noqa: BLE001  what is no Exception is raised again in the caller's thread
            note_item(error, position, item, "sampling")
            sides[index] = error
            return
    cpu = thread_time() - cpu
    sides[index] = Side((began, perf_counter()), cpu, delay_seconds() - delay, waits() - waited)


def gil_fraction_of(runs: Sequence[Side], seconds_alone: float, waits_alone: float, share: float) -> float | None:
    """Return the share of time the GIL is held, from two threads side by side.

    Two threads that each burn c CPU seconds end after c when nothing holds them up and after 2c when only one runs
    at a time. Time in which other programs had the CPU is left out; where that was much, it counts as held, since then
    nobody knows. A lock that is handed over all the time makes both burn more than they would alone; then how much
    longer they took than one of them alone says it. None when one has burnt nothing.

    Args:
        runs: the two threads.
        seconds_alone: what one of them takes alone.
        waits_alone: how often both of them would wait alone.
        share: CPU seconds per wall second of the function.
    """
    low, high = sorted(run.cpu for run in runs)
    if low <= 0:
        return None
    wall = max(run.seconds[1] for run in runs) - min(run.seconds[0] for run in runs)
    delay = max(run.delay for run in runs)
    if delay < _DISTURBED * low:
        wall -= delay
    held = (wall * share - high) / low
    if sum(run.waits for run in runs) - waits_alone > _HANDOVERS * wall:
        held = max(held, wall / seconds_alone - 1.0)
    return min(1.0, max(0.0, held)) * min(1.0, share)


def side_by_side(func: Callable[[Any], Any], blocks: list[list[tuple[int, Any]]], seconds: float) -> list[Side] | None:
    """Run each block in a thread, all at once, and return what that showed.

    Where no further thread can be started, there are fewer sides than blocks. None where the items do not run in
    threads: one has raised an exception, as an SQLite connection does in another thread than its own, or the threads
    have not ended after so many seconds. Then each may wait for what the other has taken, and they are left to
    themselves. What ends a program, such as SystemExit, is raised here.
    """
    beside = threading.Barrier(len(blocks))
    sides: list[Any] = [Side()] * len(blocks)
    threads: list[threading.Thread] = []
    for index, block in enumerate(blocks):
        thread = threading.Thread(target=_run, args=(func, block, beside, index, sides), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads here
            beside.abort()
            break
        threads.append(thread)
    until = perf_counter() + seconds
    for thread in threads:
        thread.join(max(0.0, until - perf_counter()))
    if any(thread.is_alive() for thread in threads):
        return None
    errors = [side for side in sides if isinstance(side, BaseException)]
    for error in errors:
        if not isinstance(error, Exception):
            raise error
    if errors:
        return None
    return sides[: len(threads)]
