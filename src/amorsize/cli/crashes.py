"""Items that end their worker process: each becomes a failure of its own, and all other items run."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from amorsize.errors import WorkerError
from amorsize.execution.job import Failed
from amorsize.processes.failures import note_item

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    Placed = Generator[tuple[int, Any]]

_SUSPECTS: Final = 1000
"""Of the items without a result, how many of the first ones run on their own after a crash: so many are in flight."""

_WHAT_TO_DO: Final = (
    "with --out FILE and --errors collect such an item gets a line and all other items run; not with --lines -"
)


def placed_apart(data: Sequence[Any], placed: Callable[[Any], Placed], in_process: Callable[[Any], Placed]) -> Placed:
    """Yield index and result of each item; a Failed for one that ends its worker, even where it is alone there.

    Args:
        data: the items.
        placed: runs items as the caller wants them run.
        in_process: runs items in worker processes only.
    """
    left: Sequence[int] = range(len(data))
    while left:
        undone, error = yield from _until_crash(data, left, placed)
        if error is None:
            return
        yield from _one_by_one(data, undone[:_SUSPECTS], in_process)
        left = undone[_SUSPECTS:]


def in_words(found: Placed) -> Placed:
    """Yield results; let the error of a worker that has ended say what helps in a shell."""
    try:
        yield from found
    except WorkerError as error:
        error.args = (str(error).partition(";")[0].removeprefix("execute: "), error.finished)
        error.add_note(_WHAT_TO_DO)
        raise


def _one_by_one(data: Sequence[Any], indices: Sequence[int], in_process: Callable[[Any], Placed]) -> Placed:
    """Run items in ever smaller groups until the ones that end a worker are alone."""
    undone, error = yield from _until_crash(data, indices, in_process)
    if error is not None and len(undone) == 1:
        note_item(error, undone[0], data[undone[0]])
        yield undone[0], Failed(error)
    elif error is not None:
        half = len(undone) // 2
        yield from _one_by_one(data, undone[:half], in_process)
        yield from _one_by_one(data, undone[half:], in_process)


def _until_crash(
    data: Sequence[Any], indices: Sequence[int], run: Callable[[Any], Placed]
) -> Generator[tuple[int, Any], None, tuple[list[int], WorkerError | None]]:
    """Yield results; return the indices without one, and the error if a worker has ended."""
    is_all = len(indices) == len(data)
    is_done = bytearray(len(indices))
    failure = None
    try:
        with closing(run(data if is_all else [data[index] for index in indices])) as found:
            for at, result in found:
                is_done[at] = True
                yield indices[at], result
    except WorkerError as error:
        failure = error
    return [index for index, done in zip(indices, is_done, strict=True) if not done], failure
