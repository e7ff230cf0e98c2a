"""Cuts the data of a run into numbered chunks, and hands each number to one worker, in order."""

from __future__ import annotations

import os
import sys
import threading
from typing import Final

import attrs

MOST_CHUNKS: Final = 2000
"""Chunks of a run, at most: our choice; more would not share the work out any better."""

MOST_FINE_CHUNKS: Final = 12_000
"""Chunks of a run with time limits, which may lose a chunk: our choice, a pipe of Linux holds 16,384 numbers."""

_BYTES: Final = 4
"""Bytes of a number in a pipe, an int of C. A read of several takes consecutive ones: no other reader comes between."""


@attrs.frozen
class Chunks:
    """Chunks of equal size over data that can be indexed: chunk n holds the positions of ``range_of(n, n + 1)``."""

    total: int
    size: int

    @property
    def count(self) -> int:
        """Number of chunks."""
        return -(-self.total // self.size)

    def range_of(self, first: int, stop: int) -> tuple[int, int]:
        """Return the first position of chunk ``first`` and the one after the last of chunk ``stop - 1``."""
        return first * self.size, min(self.total, stop * self.size)


def cut(total: int, *, fine: bool = False) -> Chunks:
    """Return the chunks of ``total`` items; ``fine`` ones are as small as the numbers in a pipe allow."""
    return Chunks(total, max(1, -(-total // (MOST_FINE_CHUNKS if fine else MOST_CHUNKS))))


class LocalChunkQueue:
    """Hands out chunk numbers, each once, to takers in this process: the caller and its threads."""

    waits = False
    """Whether a taker waits for chunks."""

    def __init__(self, first: int, stop: int) -> None:
        self._next = first
        self._stop = stop
        self._back: list[range] = []
        self._lock = threading.Lock()

    def take(self, most: int) -> range | None:
        """Return up to ``most`` consecutive numbers, None when there are none left."""
        with self._lock:
            if self._back:
                return self._back.pop()
            if self._next >= self._stop:
                return None
            taken = range(self._next, min(self._next + most, self._stop))
            self._next = taken.stop
        return taken

    def left(self) -> int:
        """Return how many numbers are not taken yet."""
        return self._stop - self._next + sum(map(len, self._back))

    def limit(self, number: int) -> None:
        """Hand out only numbers below this one from now on."""
        with self._lock:
            self._stop = min(self._stop, number)
            self._back = [numbers for numbers in self._back if numbers.start < number]

    def put_back(self, numbers: range) -> None:
        """Put back numbers that were taken and not run."""
        with self._lock:
            self._back.append(numbers)

    def rest(self) -> range:
        """Return the numbers that are left."""
        return range(self._next, self._stop)

    def close(self) -> None:
        """Do nothing: there is nothing open."""


class PipeChunkQueue:
    """Numbers in a pipe, for takers in several processes. All are there from the start: an empty pipe is the end.

    The last chunk has a pipe of its own, for a worker's first take: a heavy item at the end is begun early, and the
    caller, as long as it is alone, runs everything in order.
    """

    waits = False

    def __init__(self, first: int, stop: int) -> None:
        self._files: list[int] = []
        self._limit: int | None = None
        try:
            self._read = self._pipe(range(first, max(first, stop - 1)))
            self._read_last = self._pipe(range(max(first, stop - 1), stop))
        except BaseException:
            self.close()
            raise

    def _pipe(self, numbers: range) -> int:
        """Return the reading end of a new pipe that holds numbers."""
        if sys.platform == "win32":
            raise OSError("processes are forked on Linux only")
        read, write = os.pipe()
        self._files += [read, write]
        os.set_blocking(read, False)
        os.write(write, b"".join(number.to_bytes(_BYTES, "little") for number in numbers))
        return read

    def take(self, most: int) -> range | None:
        """Return the next numbers, the last chunk's when there are no others, None when there are none left."""
        taken = self._taken(self._read, most) or self.take_last()
        return taken if taken is None or self._limit is None or taken.start < self._limit else None

    def limit(self, number: int) -> None:
        """Hand out only numbers below this one from now on, in this process."""
        self._limit = number if self._limit is None else min(self._limit, number)

    def take_last(self) -> range | None:
        """Return the number of the last chunk, None when it is taken."""
        return self._taken(self._read_last, 1)

    def _taken(self, file: int, most: int) -> range | None:
        try:
            taken = os.read(file, _BYTES * most)
        except BlockingIOError:
            return None
        first = int.from_bytes(taken[:_BYTES], "little")
        return range(first, first + len(taken) // _BYTES)

    def left(self) -> int:
        """Return how many numbers are left, without the last chunk's."""
        return unread_bytes(self._read) // _BYTES

    def unclaimed(self) -> int:
        """Return how many numbers are left, the last chunk's too."""
        return self.left() + unread_bytes(self._read_last) // _BYTES

    def close(self) -> None:
        """Close the pipes; repeated calls do nothing."""
        while self._files:
            os.close(self._files.pop())


def unread_bytes(pipe: int) -> int:
    """Return how many bytes wait in a pipe."""
    if sys.platform == "win32":
        return 0
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), "little")
