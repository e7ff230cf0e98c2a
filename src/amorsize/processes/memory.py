"""Shared memory without a name: files that live as long as a process has them open, and the ranges of bytes in them."""

from __future__ import annotations

import os
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_WRAP_BYTES: Final = 1 << 20
"""A file that has reached this length is written from its start again, so that its memory is used again."""

_MOST_PARTS: Final = 512
"""Buffers that one system call takes; the system allows 1,024."""


class Ring:
    """Ranges of a file that are taken one after another and given back in the same order.

    ``held`` is the number of bytes that are taken and not given back.
    """

    def __init__(self) -> None:
        self.held = 0
        self._ranges: deque[tuple[int, int]] = deque()
        self._head = 0

    def take(self, length: int) -> int:
        """Return the offset of a free range of so many bytes."""
        if not self._ranges or (self._head >= _WRAP_BYTES and min(self._ranges)[0] >= length):
            self._head = 0
        else:
            ahead = min((offset for offset, _ in self._ranges if offset >= self._head), default=None)
            if ahead is not None and self._head + length > ahead:  # it would run into what is still held
                self._head = max(offset + size for offset, size in self._ranges)
        offset = self._head
        self._ranges.append((offset, length))
        self._head += length
        self.held += length
        return offset

    def give_back(self) -> None:
        """Give back the range that was taken first."""
        self.held -= self._ranges.popleft()[1]


def shared_file() -> int:
    """Return the descriptor of a new file in memory; OSError where there is none to be had."""
    if sys.platform != "linux":
        raise OSError("memory can be shared by files without a name on Linux only")
    return os.memfd_create("amorsize")


def write_all(file: int, parts: list[Any], offset: int) -> None:
    """Write buffers one after another at an offset; OSError when there is no memory for them."""
    _move("pwritev", file, parts, offset)


def read_all(file: int, buffers: list[bytearray], offset: int) -> None:
    """Fill buffers one after another from an offset; OSError when the file ends too early."""
    _move("preadv", file, buffers, offset)


def _move(how: str, file: int, buffers: Sequence[Any], offset: int) -> None:
    """Write or read buffers by a function of ``os``, which there is where ``shared_file`` makes files."""
    move = getattr(os, how)
    views = [view for view in (memoryview(each).cast("B") for each in buffers) if view]
    while views:
        count = move(file, views[:_MOST_PARTS], offset)
        if not count:
            raise OSError("the shared memory of a worker ends too early")
        offset += count
        while views and count >= len(views[0]):
            count -= len(views.pop(0))
        if count:
            views[0] = views[0][count:]
