"""Pickles results, failures and items for shared memory, with large buffers out of band (PEP 574)."""

from __future__ import annotations

import pickle
import struct
from typing import Any, Final

LARGE_BYTES: Final = 1 << 16
"""Bytes from which on a buffer is copied beside the pickle (PEP 574): our choice; smaller ones cost more calls."""

_COUNT: Final = struct.Struct("<QQ")
"""The length of the pickle and the number of buffers after it."""

_BUFFER: Final = struct.Struct("<Q?")
"""The length of a buffer, and whether it is read-only."""


def pack(thing: object) -> list[Any]:
    """Return parts of bytes that ``unpack`` makes an equal thing of; raises what pickle raises."""
    buffers: list[memoryview] = []

    def in_band(buffer: pickle.PickleBuffer) -> bool:
        """Return whether a buffer goes into the pickle."""
        raw = buffer.raw()
        if raw.nbytes < LARGE_BYTES:
            return True
        buffers.append(raw)
        return False

    text = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL, buffer_callback=in_band)
    head = [_COUNT.pack(len(text), len(buffers))]
    head += [_BUFFER.pack(raw.nbytes, raw.readonly) for raw in buffers]
    return [b"".join(head), text, *buffers]


def read(file: int, offset: int, length: int) -> Any:
    """Return the thing whose parts lie in a file; each buffer is a copy of its own, as writable as it was.

    Raises what unpickling raises, and OSError when the file ends too early.
    """
    from amorsize.processes.memory import read_all

    first = bytearray(min(length, LARGE_BYTES))
    read_all(file, [first], offset)
    size, count = _COUNT.unpack_from(first)
    start = _COUNT.size + count * _BUFFER.size
    if start + size <= len(first) and not count:
        return pickle.loads(memoryview(first)[start : start + size])  # noqa: S301  from a process forked for this call
    head, text = bytearray(start), bytearray(size)
    read_all(file, [head, text], offset)
    kinds = [_BUFFER.unpack_from(head, _COUNT.size + index * _BUFFER.size) for index in range(count)]
    copies = [bytearray(size) for size, _ in kinds]
    read_all(file, copies, offset + start + size)
    buffers = [bytes(copy) if kind[1] else copy for copy, kind in zip(copies, kinds, strict=True)]
    return pickle.loads(text, buffers=buffers)  # noqa: S301  as above


def size_of(parts: list[Any]) -> int:
    """Return the bytes of parts together."""
    return sum(memoryview(part).nbytes for part in parts)
