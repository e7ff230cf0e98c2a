"""Runs items here, one after another, as fast as a list comprehension, and notices when that turns out wrong."""

from __future__ import annotations

from itertools import islice
from operator import length_hint
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.schedule import grown
from amorsize.execution.job import note, pull
from amorsize.execution.work import ItemTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amorsize.execution.job import Job

_FIRST_BLOCK: Final = 16
_SHORT_SECONDS: Final = 0.25
_PLAIN: Final = (list, tuple, range, str, bytes, bytearray)


def run_serially(job: Job, reconsider: Callable[[float, float], bool] | None = None) -> bool:
    """Run what is left of a job in blocks; return whether all is done.

    Args:
        job: takes results in ``values``, in order.
        reconsider: asked after each block with the seconds spent and the seconds per item so far; True ends the run.
    """
    settled = iter(job.settled())
    next_settled = next(settled, None)
    size = _FIRST_BLOCK
    began = job.monotonic()
    spent = 0.0
    while True:
        position = len(job.values)
        if position == next_settled:
            next(job.items)
            job.values.append(job.kept.get(position))
            next_settled = next(settled, None)
            continue
        gap = None if next_settled is None else next_settled - position
        before = len(job.values)
        _block(job, size if gap is None else min(size, gap))
        count = len(job.values) - before
        now = job.monotonic()
        took, spent = now - began - spent, now - began
        job.ran += count
        job.done += count
        job.busy_seconds += took
        job.check()
        if count < size and (gap is None or count < gap):
            return True
        each = job.busy_seconds / job.ran
        if reconsider is not None and reconsider(spent, each):
            return False
        if count == size:
            size = _next_size(job, size, took)


def _next_size(job: Job, size: int, took: float) -> int:
    """Return the size of the next block: towards 10 ms of work, and all that is left when that is done in a moment."""
    manner, total = job.manner, job.total
    each = took / size
    if manner.deadline is None and manner.told is None and total is not None and size > _FIRST_BLOCK:
        left = total - len(job.values)
        if left * each < _SHORT_SECONDS:
            return left + 1
    return grown(size, each)


def _block(job: Job, size: int) -> None:
    """Run the next size items, fewer when the data ends."""
    if job.manner.collect or job.manner.item_timeout is not None:
        _careful_block(job, size)
        return
    if type(job.source.indexed) in _PLAIN:
        _plain_block(job, size)
        return
    block: list[Any] = []
    raised = pull(islice(job.items, size), block)  # apart, so that it is known who has raised
    func, item = job.func, None
    append = job.values.append
    try:
        for item in block:
            append(func(item))
    except BaseException as error:
        note(error, len(job.values), item)
        raise
    if raised is not None:
        raise raised


def _plain_block(job: Job, size: int) -> None:
    """Run the next size items of a built-in sequence by a list comprehension, which nothing in Python outruns.

    Where it stopped, its iterator tells: that of a built-in sequence knows how many items it still has.
    """
    func, total = job.func, job.total or 0
    left = total - len(job.values)
    try:
        results = [func(item) for item in (job.items if size > left else islice(job.items, size))]
    except BaseException as error:
        position = total - length_hint(job.items) - 1
        note(error, position, job.source.indexed[position])
        raise
    if len(results) > len(job.values):  # the shorter one is moved
        results[:0] = job.values
        job.values = results
    else:
        job.values += results


def _careful_block(job: Job, size: int) -> None:
    """Run the next size items with an eye on each: its failure, its time."""
    block: list[Any] = []
    raised = pull(islice(job.items, size), block)
    limit = job.manner.item_timeout
    for item in block:
        position = len(job.values)
        began = job.monotonic()
        result = None
        try:
            result = job.func(item)
        except BaseException as error:  # noqa: BLE001  fail raises it unless it is to be kept
            job.fail(position, error, item)
        took = job.monotonic() - began
        if limit is not None and took > limit and position not in job.failures:
            result = None
            job.fail(position, ItemTimeout(f"an item must take at most {limit:g} s, got {took:.3g} s"), item)
        job.values.append(result)
    if raised is not None:
        raise raised


def serial_stream(job: Job) -> Iterator[Any]:
    """Yield results in order, each run when it is asked for; those of sampling are given out and forgotten."""
    func, items = job.func, job.items
    position = 0
    for position in range(max(job.settled(), default=-1) + 1):
        item = next(items)
        yield job.kept.pop(position) if position in job.kept else _one(job, position, item)
        position += 1  # noqa: PLW2901  the number of the next one
    for item in items:
        try:
            result = func(item)
        except BaseException as error:
            note(error, position, item)
            raise
        yield result
        position += 1


def _one(job: Job, position: int, item: Any) -> Any:
    try:
        return job.func(item)
    except BaseException as error:
        note(error, position, item)
        raise
