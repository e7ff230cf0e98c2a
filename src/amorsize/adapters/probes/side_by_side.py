"""Runs items in two threads at once, which tells how much of the time they hold the interpreter lock."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any, Final, Protocol

from amorsize.adapters.probes.counters import delay_seconds, waits
from amorsize.adapters.probes.sampling import note, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.adapters.probes.sampling import Sampling

_DISTURBED: Final = 0.5
_HANDOVERS: Final = 10_000.0
"""A second of both threads' waits, beyond those of the function alone, from which on they wait for each other."""


class Side(Protocol):
    """What one thread beside another showed.

    ``seconds`` are when it began and ended, ``cpu`` what it burnt, ``delay`` how long it was kept from a CPU meanwhile,
    ``waits`` how often it gave one up.
    """

    seconds: tuple[float, float]
    cpu: float
    delay: float
    waits: float


class _Run(threading.Thread):
    """A thread that runs its items beside another one; a Side once it has ended."""

    def __init__(self, sampling: Sampling, block: list[tuple[int, Any]], beside: threading.Barrier, place: int) -> None:
        super().__init__(daemon=True)
        self.sampling = sampling
        self.block = block
        self.beside = beside
        self.place = place
        self.seconds = (0.0, 0.0)
        self.cpu = 0.0
        self.delay = 0.0
        self.waits = 0.0
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the items as soon as the other thread is there too, each on a CPU of its own where one can ask for it.

        Left alone, both would be woken on one CPU and stay there for longer than the test takes. The choice is taken
        back before the first item, so that whatever that starts does not inherit it.
        """
        cpus = _settle_on(self.place)
        delay = delay_seconds()
        with suppress(threading.BrokenBarrierError):  # the other one could not be started
            self.beside.wait()
        _settle_anywhere(cpus)
        waited, began, cpu = waits(), perf_counter(), thread_time()
        for position, item in self.block:
            try:
                self.sampling.source.keep((position,), (self.sampling.func(item),))
            except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
                self.sampling.source.keep((position,), (), error)
                note(error, position, item)
                self.error = error
                return
        self.cpu = thread_time() - cpu
        self.seconds = (began, perf_counter())
        self.waits = waits() - waited
        self.delay = delay_seconds() - delay


def lock_share(sampling: Sampling, each: int, mean: float, share: float) -> float | None:
    """Run each items in each of two threads at once and return the share of time the interpreter lock was held.

    None when it cannot be told; see held_share.
    """
    blocks = [take(sampling, each), take(sampling, each)]
    if not all(blocks):
        return None
    waits_alone = sampling.waits_in(2 * each)
    return held_share(_side_by_side(sampling, blocks), each * mean, waits_alone, share)


def held_share(runs: Sequence[Side], seconds_alone: float, waits_alone: float, share: float) -> float | None:
    """Return the share of time the interpreter lock is held, from two threads side by side.

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


def _side_by_side(sampling: Sampling, blocks: list[list[tuple[int, Any]]]) -> list[_Run]:
    """Return threads that have run a block each; what the function raised there is raised here."""
    if sampling.begun:
        sampling.begun([position for block in blocks for position, _ in block])
    beside = threading.Barrier(len(blocks))
    runs = [_Run(sampling, block, beside, place) for place, block in enumerate(blocks)]
    started = []
    for run in runs:
        try:
            run.start()
        except RuntimeError:  # no more threads here: what was not started has burnt nothing, and tells nothing
            beside.abort()
            break
        started.append(run)
    for run in started:
        run.join()
    sampling.count += sum(len(run.block) for run in started)
    for run in started:
        if run.error is not None:
            raise run.error
    return runs


if sys.platform == "linux":

    def _settle_on(place: int) -> set[int]:
        """Move this thread to a CPU of its own; return those it may use, none when that is not to be."""
        try:
            cpus = os.sched_getaffinity(0)
            if place >= len(cpus):
                return set()
            os.sched_setaffinity(0, {sorted(cpus)[place]})
        except OSError:  # forbidden here
            return set()
        return cpus

    def _settle_anywhere(cpus: set[int]) -> None:
        """Let this thread use these CPUs again, if there are any."""
        if cpus:
            with suppress(OSError):
                os.sched_setaffinity(0, cpus)

else:

    def _settle_on(place: int) -> set[int]:  # noqa: ARG001  as on Linux
        """Leave it to the system: it does not let a thread choose its CPU."""
        return set()

    def _settle_anywhere(cpus: set[int]) -> None:
        """Do nothing: nothing was chosen."""
