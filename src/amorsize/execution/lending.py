"""Lends large buffers to workers on this machine, who copy them from memory instead of getting them through a pipe."""

from __future__ import annotations

import os
import pickle
import sys
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from amorsize.domain.source import is_array
from amorsize.execution.work import as_it_is

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from amorsize.execution.work import Lent

LARGE_BYTES: Final = 1 << 20
_MOST_BYTES: Final = 1 << 30
_MOST_OPEN: Final = 64
_RAW: Final = (bytes, bytearray)


class Lender:
    """Puts the large buffers of chunks into memory that a worker opens by this process's number.

    That memory has no name and no place: it is gone when this process has closed it, or has ended in whatever way. A
    worker copies what it is lent, so that an item is its own. Everything that pickles its buffers out of band (PEP 574)
    is lent, numpy's arrays among them, and items that are bytes or bytearrays. Linux only; elsewhere nothing is lent.
    """

    def __init__(self) -> None:
        self._open: set[int] = set()
        _lenders.add(self)

    def pack(self, items: Any) -> tuple[bytes, tuple[Lent, ...]]:
        """Return a pickled chunk without its large buffers, and where these are; raises what pickle raises."""
        lent: list[Lent] = []

        def take(buffer: pickle.PickleBuffer) -> bool:
            """Tell whether a buffer must go into the pickle."""
            raw = buffer.raw()
            where = self._lend(raw) if LARGE_BYTES <= raw.nbytes <= _MOST_BYTES else None
            if where is not None:
                lent.append(where)
            return where is None

        try:
            return pickle.dumps(_out_of_band(items), pickle.HIGHEST_PROTOCOL, buffer_callback=take), tuple(lent)
        except BaseException:
            self._close(file for _, file, _, _ in lent)
            raise

    def _lend(self, raw: memoryview) -> Lent | None:
        """Put a buffer where workers can open it; None where that is not possible, or too much is lent already."""
        if sys.platform != "linux" or len(self._open) >= _MOST_OPEN:
            return None
        try:
            file = os.memfd_create("amorsize")
        except (OSError, AttributeError):  # no more files, or a kernel or a Python without
            return None
        self._open.add(file)
        try:
            written = os.write(file, raw)
        except OSError:  # no more memory
            written = 0
        if written < raw.nbytes:
            self._close([file])
            return None
        return os.getpid(), file, raw.nbytes, raw.readonly

    def until_done(self, lent: tuple[Lent, ...], future: Future[Any]) -> None:
        """Take back what was lent for a future when that is done."""
        if lent:
            files = [file for _, file, _, _ in lent]
            future.add_done_callback(lambda _: self._close(files))

    def end(self) -> None:
        """Take back all that is lent still, from workers that have ended."""
        self._close(list(self._open))

    def _close(self, files: Iterable[int]) -> None:
        for file in files:
            try:
                self._open.remove(file)  # one of two threads is the first
            except KeyError:
                continue
            os.close(file)


_lenders: Final[WeakSet[Lender]] = WeakSet()


def _let_go() -> None:
    """Have a forked child, whoever forked it, hold on to nothing that its parent lends."""
    for lender in list(_lenders):
        lender.end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


class _Raw:
    """Bytes or a bytearray that pickles as a buffer, which plain ones do not."""

    def __init__(self, item: bytes | bytearray) -> None:
        self.item = item

    def __reduce__(self) -> tuple[Any, ...]:
        return as_it_is, (pickle.PickleBuffer(self.item),)


def _out_of_band(items: Any) -> Any:
    """Return items so that large ones, or all of them if they are rows of an array, pickle out of band."""
    if is_array(items) and items.nbytes >= LARGE_BYTES and not items.flags.c_contiguous:
        return items.copy()
    if type(items) not in (list, tuple):
        return items
    large = {id(item): _Raw(item) for item in items if type(item) in _RAW and len(item) >= LARGE_BYTES}
    return [large.get(id(item), item) for item in items] if large else items
