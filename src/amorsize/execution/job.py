"""One run: what is run, what is done by now, and how it ends."""

from __future__ import annotations

import pickle
from reprlib import repr as short
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.schedule import as_slice
from amorsize.errors import ExecutionTimeout, FailedItems
from amorsize.execution.work import ItemTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from amorsize.domain.source import Source


_YEAR_SECONDS: Final = 366 * 86400


@attrs.frozen
class Manner:
    """How a run goes about failures, time and progress.

    ``collect`` keeps failures instead of raising the first. ``deadline`` is in seconds of the monotonic clock,
    ``timeout`` says how far off it was. ``told`` is called with the items done and their number, None when not known.
    """

    collect: bool = False
    deadline: float | None = None
    timeout: float | None = None
    item_timeout: float | None = None
    told: Callable[[int, int | None], None] | None = None


def manner_of(  # noqa: PLR0913, PLR0917  what execute is asked, one by one
    where: str,
    errors: str,
    timeout: float | None,
    item_timeout: float | None,
    told: Callable[[int, int | None], None] | None,
    monotonic: Callable[[], float],
) -> Manner:
    """Return the manner that a caller asks for; ValueError names what is out of range."""
    if errors not in ("raise", "collect"):
        raise ValueError(f"{where}: errors must be 'raise' or 'collect', got {errors!r:.80}")
    for name, seconds in (("timeout", timeout), ("item_timeout", item_timeout)):
        if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < _YEAR_SECONDS):
            raise ValueError(f"{where}: {name} must be a number above 0, got {seconds!r:.80}")
    deadline = None if timeout is None else monotonic() + timeout
    return Manner(errors == "collect", deadline, timeout, item_timeout, told)


@attrs.frozen
class Terms:
    """What is expected: seconds an item takes in a worker and a chunk costs beside them; and threads for libraries.

    ``is_threaded`` tells that the function runs threads of its own, or that nobody knows. ``here_seconds`` is what an
    item takes in the caller's process; None: not known.
    """

    seconds_per_item: float
    chunk_seconds: float
    threads: int = 0
    is_threaded: bool = True
    here_seconds: float | None = None


class Job:
    """The items of one run, what is done of them, and what that took.

    ``values`` holds results by position, as far as ``values`` goes: serially it grows item by item; ``open`` makes it
    ready to take results at any position.
    """

    def __init__(
        self, func: Callable[[Any], Any], source: Source, manner: Manner, monotonic: Callable[[], float]
    ) -> None:
        self.func = func
        self.source = source
        self.manner = manner
        self.monotonic = monotonic
        self.values: list[Any] = []
        self.kept: dict[int, Any] = source.results or {}
        self.failures: dict[int, Exception] = dict(source.failures)
        self.done = len(self.kept) + len(self.failures)
        self.ran = 0
        self.busy_seconds = 0.0
        self.items = source.rest()
        self._skipped = bytearray()
        self._finished: list[range] = []

    @property
    def total(self) -> int | None:
        """Number of items, None while it is not known."""
        return self.source.known_items()

    def is_settled(self, position: int) -> bool:
        """Tell whether sampling has run the item at a position."""
        return position in self.kept or position in self.failures

    def settled(self) -> list[int]:
        """Return the positions that sampling has run, in order."""
        return sorted({*self.kept, *self.failures})

    def open(self, total: int) -> None:
        """Make room for results at any position below total, and put there what sampling has shown."""
        self._skipped = bytearray(total)
        self._finished.append(range(len(self.values)))
        self.values += [None] * (total - len(self.values))
        for position in self.settled():
            self._skipped[position] = 1
            self.values[position] = self.kept.get(position)

    def picked(self, row: range) -> tuple[Sequence[int], Any]:
        """Return the positions of a row that are still to run, and their items, of data that can be indexed."""
        data = self.source.indexed
        here = as_slice(row)
        if 1 in self._skipped[here]:
            positions = [position for position in row if not self._skipped[position]]
            return positions, [data[position] for position in positions]
        if isinstance(data, list | tuple | str | bytes | range) or hasattr(data, "dtype"):
            return row, data[here]
        return row, [data[position] for position in row]

    def put(self, positions: Sequence[int], results: list[Any]) -> None:
        """Keep the results of a chunk."""
        if not results:
            return
        positions = positions[: len(results)]
        end = 1 + max(positions[0], positions[-1])
        if end > len(self.values):  # an iterator's
            self.values += [None] * (end - len(self.values))
        if isinstance(positions, range):
            self.values[as_slice(positions)] = results
            self._finished.append(positions)
        else:
            for position, result in zip(positions, results, strict=True):
                self.values[position] = result
            self._finished += [range(position, position + 1) for position in positions]
        self.done += len(results)

    def fail(self, position: int, error: BaseException, item: object = None) -> None:
        """Take note of a failure, or raise it: as itself, with a note that names the item."""
        if isinstance(error, ItemTimeout):
            item_error = ExecutionTimeout(f"execute: item_timeout: {error}; position {position}")
            if self.manner.collect:
                self.failures[position] = item_error
                return
            raise ExecutionTimeout(str(item_error), self.finished()) from error
        note(error, position, item)
        if not self.manner.collect or not isinstance(error, Exception):
            raise error
        self.failures[position] = error

    def finished(self) -> dict[int, Any]:
        """Return the results there are, by position."""
        rows = self._finished or [range(len(self.values))]
        found = {position: self.values[position] for row in rows for position in row if position < len(self.values)}
        for position in self.failures:
            found.pop(position, None)
        return found | self.kept

    def late(self) -> ExecutionTimeout:
        """Return the error of a run that takes too long."""
        of = "" if self.total is None else f" of {self.total}"
        return ExecutionTimeout(
            f"execute: timeout must be long enough for all items, got {self.manner.timeout:g} s in which "
            f"{self.done}{of} were done",
            self.finished(),
        )

    def check(self) -> None:
        """Say how far it is, and raise ExecutionTimeout when the time is up."""
        manner = self.manner
        if manner.told is not None:
            manner.told(self.done, self.total)
        if manner.deadline is not None and self.monotonic() >= manner.deadline:
            raise self.late()

    def outcome(self) -> Any:
        """Return what execute gives back."""
        if self.manner.told is not None:
            self.manner.told(self.done, self.done)
        if not self.manner.collect:
            return self.values
        failed = sorted(self.failures)
        group = FailedItems("items failed", [self.failures[at] for at in failed], failed) if failed else None
        return self.values, group


def note(error: BaseException, position: int, item: object) -> None:
    """Add to an exception which item it came from, once."""
    try:
        words = short(item)
    except Exception:  # noqa: BLE001  a hostile __repr__ must not hide the error
        words = f"<{type(item).__name__}>"
    said = f"amorsize was running the item at position {position}"
    if not any(one.startswith(said) for one in getattr(error, "__notes__", ())):
        error.add_note(f"{said}: {words}")


def unpacked(packed: list[bytes | None]) -> Iterator[tuple[int, Any]]:
    """Yield index and result of those that could be pickled one by one."""
    for index, one in enumerate(packed):
        if one is not None:
            yield index, pickle.loads(one)  # noqa: S301  from a worker of ours


def pull(items: Iterable[Any], into: list[Any]) -> Exception | None:
    """Take items until there is none left; return what the data itself raised on the way."""
    try:
        into.extend(items)
    except Exception as error:  # noqa: BLE001  raised again once what came before it has run
        return error
    return None
