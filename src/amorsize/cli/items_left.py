"""The items of a run that have no line yet, and whether those that have one are still what they were."""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

import amorsize
from amorsize.cli.results_file import Key
from amorsize.config.inputs import InputError
from amorsize.domain.arrivals import Passing
from amorsize.domain.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.cli.results_file import ResultsFile
    from amorsize.domain.arrivals import Arrivals

CHANGED, FAILED, NONE = "changed", "failed", "none"
"""Which items that have a line run again."""


class ItemsLeft(Protocol):
    """What there is to run.

    Attributes:
        data: the items that have no line.
        total: the number of all items, None where that is not known.
        done: the number of items that have a line and do not run again, as far as it is known.
    """

    data: Any
    total: int | None
    done: int

    def of(self, index: int) -> tuple[int, Key]:
        """Return the position among all items, and the key, of one in ``data``."""


def checksum(item: object) -> int:
    """Return a checksum of an item by value."""
    return crc32(repr(item).encode("utf-8", "surrogatepass"))


def checksum_of_file(path: str) -> int:
    """Return a checksum of a path, and of the size and the time of what is there."""
    try:
        found = os.stat(path)  # noqa: PTH116  a plain look
    except OSError:
        return checksum((path, None))
    return checksum((path, found.st_size, found.st_mtime_ns))


class Lines:
    """The lines that there are: which count, and which do not since function or item have changed.

    Args:
        file: where they are.
        func: the function.
        rerun: which items run again; None: none, and InputError where function or item have changed.
    """

    def __init__(self, file: ResultsFile, func: Callable[[Any], Any], rerun: str | None) -> None:
        self.file = file
        self.function = int(amorsize.fingerprint(func).hex[:8], 16)
        self._rerun = rerun

    def __len__(self) -> int:
        """Return how many lines count, 0 where only the items say so."""
        if self._rerun == CHANGED:
            return 0
        return len(self.file) - (len(self.file.failed) if self._rerun == FAILED else 0)

    def is_done(self, position: int, item: int) -> bool:
        """Return whether the line of a position is there and counts, by the checksum of its item."""
        if position not in self.file:
            return False
        if self._rerun == FAILED:
            return position not in self.file.failed
        if self._rerun == NONE or self.file.key(position) == (self.function, item):
            return True
        if self._rerun is None:
            other = self.file.key(position).function != self.function
            what = "the function" if other else f"the item at position {position}"
            raise self._changed(f"{what} has changed since the line of position {position} was written")
        return False

    def end(self, total: int) -> None:
        """Look at the lines behind the last item."""
        if self._rerun in (FAILED, NONE):
            return
        for position in range(total, self.file.positions_end):
            if position in self.file:
                if self._rerun is None:
                    raise self._changed(f"there is a line for position {position}, and only {counted(total, 'item')}")
                self.file.drop(position)

    def _changed(self, what: str) -> InputError:
        return InputError(
            f"{self.file.path}: {what}: --rerun {CHANGED} runs what has changed again, --rerun {NONE} keeps all lines, "
            "or name another file"
        )


class Known:
    """Items that are all there; see ItemsLeft.

    Args:
        data: all items.
        lines: the lines that there are.
        checksum_of: gives the checksum of an item.
        may_change: whether the function may change what the checksum is made from.
    """

    def __init__(
        self, data: Sequence[Any], lines: Lines, checksum_of: Callable[[Any], int], *, may_change: bool
    ) -> None:
        self._all = data
        self._checksum_of = checksum_of
        self._checksums = array("I", map(checksum_of, data)) if may_change else None
        self._function = lines.function
        self.total: int | None = len(data)
        lines.end(len(data))
        self._positions: Sequence[int] = range(len(data))
        if len(lines.file):
            has_line, is_done = lines.file.__contains__, lines.is_done
            self._positions = array(
                "q", (at for at in range(len(data)) if not has_line(at) or not is_done(at, self._checksum(at)))
            )
        self.done = len(data) - len(self._positions)
        is_rest = not self._positions or self._positions[0] == self.done
        self.data: Any = data[self.done :] if is_rest else [data[at] for at in self._positions]

    def of(self, index: int) -> tuple[int, Key]:
        """Return position and key; see ItemsLeft."""
        position = self._positions[index]
        return position, Key(self._function, self._checksum(position))

    def _checksum(self, position: int) -> int:
        return self._checksum_of(self._all[position]) if self._checksums is None else self._checksums[position]


class Pulled(Passing):
    """Items that come one by one; see ItemsLeft.

    Args:
        items: all items.
        lines: the lines that there are.
    """

    total: int | None = None

    def __init__(self, items: Arrivals, lines: Lines) -> None:
        super().__init__(items)
        self._lines = lines
        self.done = len(lines)
        self._position = -1
        self._positions = array("q")
        self._checksums = array("I")
        self.data: Any = self

    def of(self, index: int) -> tuple[int, Key]:
        """Return position and key; see ItemsLeft."""
        return self._positions[index], Key(self._lines.function, self._checksums[index])

    def passes(self, item: Any) -> bool:
        """Return whether an item has no line."""
        self._position += 1
        made = checksum(item)
        if self._lines.is_done(self._position, made):
            return False
        self._positions.append(self._position)
        self._checksums.append(made)
        return True

    def end(self) -> None:
        """Look at the lines behind the last item."""
        self._lines.end(self._position + 1)
