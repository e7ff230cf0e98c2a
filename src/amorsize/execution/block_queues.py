"""Queues of the blocks of a stream: numbers travel through a pipe, items through shared memory."""

from __future__ import annotations

import os
import threading
from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.execution import out_of_band
from amorsize.execution.chunks import unread_bytes
from amorsize.processes.interrupts import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER: Final = Struct("<qqqq")
"""The fields of a header."""

_STOP: Final = -1
"""The number that ends a worker, which no block has. Each worker gets one of its own."""

MOST_BLOCKS: Final = 512
"""Blocks that may wait: our choice, a quarter of the 2,048 headers that a pipe of Linux holds."""


class _Header(NamedTuple):
    """What travels through the pipe for a block.

    ``first`` is the position of its first item. Its items are ``length`` bytes at ``offset`` in the shared memory; of
    data that can be indexed, ``length`` is the number of items.
    """

    number: int
    first: int = 0
    offset: int = 0
    length: int = 0


class LocalBlockQueue:
    """Hands each block of a stream to one thread of this process or, once it is stopped, to an executor.

    The stream holds the items.
    """

    waits = True
    """Whether a taker waits for chunks."""

    def __init__(self) -> None:
        self._numbers: deque[int] = deque()
        self._changed = threading.Condition()
        self._stopped = False

    def put(self, number: int, first: int, items: Sequence[Any]) -> None:  # noqa: ARG002  as in SharedBlockQueue
        """Hand out a block. The stream lets no signal handler run meanwhile."""
        with self._changed:
            self._numbers.append(number)
            self._changed.notify()

    def put_back(self, numbers: range) -> None:
        """Put back a block that was taken and not run."""
        self._numbers.appendleft(numbers.start)

    def steal(self) -> int | None:
        """Take the first block for the caller and return its number; None: there is none."""
        with uninterrupted(), self._changed:
            return self._numbers.popleft() if self._numbers else None

    def take(self, most: int) -> range | None:  # noqa: ARG002  one block is what there is to take
        """Return the number of the next block, None when there will be none; waits for it until it is stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._numbers or self._stopped)
            number = self.steal()
        return None if number is None else range(number, number + 1)

    def left(self) -> int:
        """Return how many blocks are not taken yet."""
        return len(self._numbers)

    def free_before(self, number: int) -> None:
        """Do nothing: a block has no memory of its own here."""

    def stop(self, takers: int) -> None:  # noqa: ARG002  all of them see it
        """Let no taker wait for blocks from now on, so that threads end."""
        with uninterrupted(), self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Let threads end; repeated calls do nothing."""
        self.stop(0)


class SharedBlockQueue:
    """Hands each block of a stream to one forked worker, or to the caller.

    Args:
        data: what the workers inherit and read at the positions of a block; None: items travel in shared memory.
    """

    def __init__(self, data: Any = None) -> None:
        from amorsize.processes.memory import Ring, shared_file

        self._data = data
        self._ring = Ring()
        self._files: list[int] = []
        self._taken = _Header(_STOP)
        self._handed_out: deque[int] = deque()
        try:
            self._read, self._write = os.pipe()
            self._files += [self._read, self._write]
            self._own = os.open(f"/proc/self/fd/{self._read}", os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            self._files.append(self._own)
            self._memory = shared_file() if data is None else -1
            self._files += [self._memory] if data is None else []
        except BaseException:
            self.close()
            raise

    def put(self, number: int, first: int, items: Sequence[Any]) -> None:
        """Hand out a block; raises what pickling its items raises, and OSError when there is no memory for them."""
        if self._data is not None:
            os.write(self._write, _HEADER.pack(*_Header(number, first, 0, len(items))))
            return
        from amorsize.processes.memory import write_all

        parts = out_of_band.pack(list(items))
        length = out_of_band.size_of(parts)
        offset = self._ring.take(length)
        self._handed_out.append(number)
        write_all(self._memory, parts, offset)
        os.write(self._write, _HEADER.pack(*_Header(number, first, offset, length)))

    def steal(self) -> int | None:
        """Take the first block for the caller and return its number; None: there is none."""
        try:
            header = os.read(self._own, _HEADER.size)
        except BlockingIOError:
            return None
        number = _Header._make(_HEADER.unpack(header)).number
        if number == _STOP:
            os.write(self._write, header)  # it is a worker's
            return None
        return number

    def take(self, most: int) -> range | None:  # noqa: ARG002  as in LocalBlockQueue
        """Return the number of the next block in a worker; waits for it, until the worker is ended."""
        self._taken = _Header._make(_HEADER.unpack(os.read(self._read, _HEADER.size)))
        number = self._taken.number
        return range(number, number + 1) if number != _STOP else None

    def items_of(self, numbers: range) -> tuple[int, Any]:  # noqa: ARG002  it was taken last
        """Return the first position and the items of the block that was taken last, in a worker."""
        _, first, offset, length = self._taken
        if self._data is not None:
            return first, self._data[first : first + length]
        return first, out_of_band.read(self._memory, offset, length)

    def left(self) -> int:
        """Return 0: takers take one block at a time, however many there are."""
        return 0

    def unclaimed(self) -> int:
        """Return how many blocks wait for a worker."""
        return unread_bytes(self._own) // _HEADER.size

    def free_before(self, number: int) -> None:
        """Free the memory of all blocks before this one: they are done."""
        while self._handed_out and self._handed_out[0] < number:
            self._handed_out.popleft()
            self._ring.give_back()

    def stop(self, takers: int) -> None:
        """Hand out no more blocks, so that ``takers`` workers end."""
        os.write(self._write, _HEADER.pack(*_Header(_STOP)) * takers)

    def close(self) -> None:
        """Close everything; repeated calls do nothing."""
        while self._files:
            os.close(self._files.pop())
