"""Whole messages between a process and its forked child, through two pipes."""

from __future__ import annotations

import os
import select
import sys
from typing import Final

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

_SIZE_BYTES: Final = 8
"""Bytes before each message that say how long it is."""

_MOST_READ: Final = 1 << 20
"""Bytes that one read asks for at most."""


class Connection:
    """One end of a pipe: sends and takes whole messages, as multiprocessing's Connection does without importing that.

    The pipe does not show that the other process has ended, since children of other calls may hold it open. So an end
    watches a descriptor too; see ``watch_peer``.
    """

    __slots__ = ("_peer", "_reads", "_writes")

    def __init__(self, reads: int, writes: int) -> None:
        self._reads = reads
        self._writes = writes
        self._peer = -1

    @property
    def descriptors(self) -> frozenset[int]:
        """The descriptors of this end."""
        return frozenset((self._reads, self._writes))

    def watch_peer(self, descriptor: int) -> None:
        """Watch a descriptor that becomes readable when the other process ends."""
        self._peer = descriptor

    def poll(self, seconds: float = 0.0) -> bool:
        """Wait for a message to begin, for at most ``seconds``; return whether one has.

        Raises EOFError when the other process has ended and left none.
        """
        return self._is_ready(self._reads, select.POLLIN, seconds)

    def recv_bytes(self) -> bytes:
        """Return the next message; EOFError when the other process ends before it is whole."""
        size = int.from_bytes(self._read(_SIZE_BYTES), "little")
        return self._read(size)

    def send_bytes(self, content: bytes) -> None:
        """Send a message; EOFError or OSError when the other process has ended."""
        left = memoryview(len(content).to_bytes(_SIZE_BYTES, "little") + content)
        while left:
            whole = self._peer < 0 or not self._is_ready(self._writes, select.POLLOUT, None)
            left = left[os.write(self._writes, left if whole else left[: select.PIPE_BUF]) :]

    def close(self) -> None:
        """Close this end."""
        for descriptor in self.descriptors:
            os.close(descriptor)

    def _read(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            self._is_ready(self._reads, select.POLLIN, None)
            more = os.read(self._reads, min(_MOST_READ, size - len(content)))
            if not more:
                raise EOFError
            content += more
        return bytes(content)

    def _is_ready(self, descriptor: int, event: int, seconds: float | None) -> bool:
        """Wait until a descriptor is ready; EOFError when the other process has ended and it is not."""
        poll = select.poll()
        poll.register(descriptor, event)
        if self._peer >= 0:
            poll.register(self._peer, select.POLLIN)
        ready = dict(poll.poll(None if seconds is None else seconds * 1e3))
        if ready and descriptor not in ready:
            raise EOFError
        return bool(ready)


def pipe() -> tuple[Connection, Connection]:
    """Return both ends of a new connection; OSError when no descriptors are left."""
    reads, writes = os.pipe()
    try:
        back, forth = os.pipe()
    except OSError:
        os.close(reads)
        os.close(writes)
        raise
    return Connection(reads, forth), Connection(back, writes)
