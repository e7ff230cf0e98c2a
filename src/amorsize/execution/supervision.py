"""Checks the forked workers of a run: those that have ended, those that are stuck, and those that are late."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from amorsize.errors import WorkerError
from amorsize.execution.policy import CRASHES
from amorsize.execution.team import end_of
from amorsize.processes.process_bound import has_other_threads
from amorsize.processes.process_info import signal_of
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    import sys

    from amorsize.execution.job import Job
    from amorsize.execution.run import Run

    if sys.platform == "linux":
        from amorsize.execution.workers.forked import ForkedWorkers
    else:
        ForkedWorkers = Any


def look(run: Run, job: Job, forked: ForkedWorkers, *, isolated: bool) -> bool:
    """Run again what ended and stuck workers were at, or raise where an item has ended its process.

    Args:
        run: whose workers they are.
        job: what it runs.
        forked: the workers.
        isolated: whether no item may run in the caller.

    Returns:
        Whether a worker was stuck.
    """
    for exitcode, numbers in forked.ended():
        run.take_in()  # its last results may have come before it ended
        if not all(run.is_done(number) for number in numbers):
            _gone(run, job, numbers, exitcode, isolated=isolated)
    may_poll = run.measure.items and has_other_threads()  # else no item waits for one, or nothing is known of items
    stuck = forked.stuck(run.measure.longest_seconds * run.chunk_items if may_poll else None)
    for number, why in stuck:
        _lost(run, _ended(run, forked, number), why)
    return bool(stuck)


def can_start(forked: ForkedWorkers) -> bool:
    """Return whether the fork server could start all workers that were wanted; warn where the system could not."""
    number = forked.error()
    if number:
        warn(f"execute: no more processes can be started here ({os.strerror(number)})")
    return not number


def end_late(run: Run, forked: ForkedWorkers, limit: float) -> int:
    """End workers that are at an item for longer than ``limit`` seconds, and note the items; return how many."""
    ended = 0
    for number, position in forked.overdue(limit):
        numbers = _ended(run, forked, number)
        if not all(run.is_done(each) for each in numbers):
            run.fail_late(numbers, position)
            ended += 1
    return ended


def _ended(run: Run, forked: ForkedWorkers, number: int) -> range:
    """End a worker, take in its last results, and return the chunks that it was at."""
    numbers: range = forked.announced(number)
    forked.kill(number)
    run.take_in()
    return numbers


def _gone(run: Run, job: Job, numbers: range, exitcode: int | None, *, isolated: bool) -> None:
    """Run again the chunks of a worker that has ended, or raise where one of their items has ended it."""
    how = end_of(exitcode)
    by_itself = signal_of(exitcode) in CRASHES or (exitcode is not None and exitcode >= 0)
    if by_itself or isolated:
        finished = job.finished()
        said = f"execute: a worker process {how} while it ran items"
        raise WorkerError(f"{said}; {len(finished)} results are in this error's `finished`", finished)
    _lost(run, numbers, f"a worker process {how}")


def _lost(run: Run, numbers: range, why: str) -> None:
    lost = [number for number in numbers if not run.is_done(number)]
    if lost:
        run.lost(range(lost[0], lost[-1] + 1), why)
