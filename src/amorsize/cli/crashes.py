"""Items that end their worker process: each becomes a failure of its own, and all other items run."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.arrivals import Arrivals, Passing
from amorsize.errors import WorkerError
from amorsize.execution.job import Failed
from amorsize.processes.failures import note_item

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    Results = Generator[tuple[int, Any]]

_SUSPECTS: Final = 1000
"""Of the items without a result, how many of the first ones run on their own after a crash: so many are in flight."""

_WHAT_TO_DO: Final = "with --errors collect such an item gets a line, and all other items run"


def isolate_crashes(data: Any, run: Callable[[Any], Results], in_process: Callable[[Any], Results]) -> Results:
    """Yield index and result of each item; a Failed for one that ends its worker, even where it is alone there.

    Args:
        data: the items: a sequence, or Arrivals.
        run: runs items as the caller wants them run.
        in_process: runs items in worker processes only. Where both give results in order, these come in order.
    """
    return (_pulled if isinstance(data, Arrivals) else _known)(data, run, in_process)


def in_words(found: Results) -> Results:
    """Yield results; let the error of a worker that has ended say what helps in a shell."""
    try:
        yield from found
    except WorkerError as error:
        shown = type(error)(str(error).partition(";")[0].removeprefix("execute: "), error.finished)
        for note in (*getattr(error, "__notes__", ()), _WHAT_TO_DO):
            shown.add_note(note)
        raise shown from error


class _Kept(Passing):
    """Items that are pulled, each of which is kept until its result is there.

    Attributes:
        count: how many were pulled.
    """

    def __init__(self, items: Arrivals) -> None:
        super().__init__(items)
        self._left: dict[int, Any] = {}
        self.count = 0

    def passes(self, item: Any) -> bool:
        """Keep an item."""
        self._left[self.count] = item
        self.count += 1
        return True

    def drop(self, index: int) -> None:
        """Keep an item no longer: its result is there."""
        del self._left[index]

    def take_left(self) -> dict[int, Any]:
        """Return the items without a result, those too that have arrived and were not pulled, and keep none longer."""
        left, self._left = self._left, {}
        self.arrived.clear()
        return left


def _pulled(items: Arrivals, run: Callable[[Any], Results], in_process: Callable[[Any], Results]) -> Results:
    kept = _Kept(items)
    while True:
        first = kept.count
        try:
            with closing(run(kept)) as found:
                for at, result in found:
                    kept.drop(first + at)
                    yield first + at, result
        except WorkerError:
            left = kept.take_left()
            indices, suspects = list(left), list(left.values())
        else:
            return
        for at, result in _one_by_one(suspects, range(len(suspects)), in_process):
            yield indices[at], result


def _known(data: Sequence[Any], run: Callable[[Any], Results], in_process: Callable[[Any], Results]) -> Results:
    left: Sequence[int] = range(len(data))
    while left:
        undone, error = yield from _until_crash(data, left, run)
        if error is None:
            return
        yield from _one_by_one(data, undone[:_SUSPECTS], in_process)
        left = undone[_SUSPECTS:]


def _one_by_one(data: Sequence[Any], indices: Sequence[int], in_process: Callable[[Any], Results]) -> Results:
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
    data: Sequence[Any], indices: Sequence[int], run: Callable[[Any], Results]
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
