"""Records what items print where they run, and writes it in the caller in the order of the items."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from amorsize.processes.interrupts import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Sequence

    Piece = tuple[str, str]


class _Recorder:
    """Stands in for a standard stream: what the threads that are recorded write is kept, everything else is written."""

    def __init__(self, stream: Any, name: str, recorded: dict[int, list[Piece]]) -> None:
        self._stream = stream
        self._name = name
        self._recorded = recorded

    def write(self, text: str) -> int:
        """Keep a text, or write it if it comes from a thread that is not recorded."""
        pieces = self._recorded.get(threading.get_ident())
        if pieces is None:
            return self._stream.write(text)  # type: ignore[no-any-return]  # as the stream does
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        pieces.append((self._name, text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Keep several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write out what the stream itself holds back."""
        with suppress(Exception):  # it may be closed, as the user's items may find it
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Recording:
    """The recorders of this process: in place while any thread is recorded, however many are at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recorded: dict[int, list[Piece]] = {}
        self._recorders: list[tuple[str, _Recorder, Any]] = []
        self._kept: dict[str, tuple[Any, _Recorder]] = {}

    def here(self) -> list[Piece] | None:
        """Return what this thread is recorded to, None: nothing."""
        return self._recorded.get(threading.get_ident())

    def begin(self, pieces: list[Piece]) -> None:
        """Record this thread from now on."""
        with self._lock:
            if not self._recorded:
                for name in ("stdout", "stderr"):
                    stream = getattr(sys, name)
                    if stream is not None:
                        recorder = self._recorder(stream, name)
                        self._recorders.append((name, recorder, stream))
                        setattr(sys, name, recorder)
            self._recorded[threading.get_ident()] = pieces

    def _recorder(self, stream: Any, name: str) -> _Recorder:
        """Return the recorder of a stream. It stays alive: ``print`` in another thread holds no reference to it."""
        known = self._kept.get(name)
        if known is None or known[0] is not stream:
            known = self._kept[name] = (stream, _Recorder(stream, name, self._recorded))
        return known[1]

    def end(self, before: list[Piece] | None) -> None:
        """Record this thread as before."""
        thread = threading.get_ident()
        with self._lock:
            if before is not None:
                self._recorded[thread] = before
                return
            self._recorded.pop(thread, None)
            if self._recorded:
                return
            for name, recorder, stream in self._recorders:
                if getattr(sys, name) is recorder:  # else an item has put another one there, as it would without us
                    setattr(sys, name, stream)
            self._recorders.clear()

    def forget(self) -> None:
        """Forget all recording in a forked child: its one thread writes to the streams until it records again."""
        self._lock = threading.Lock()
        for name, recorder, stream in self._recorders:
            if getattr(sys, name) is recorder:
                setattr(sys, name, stream)
        self._recorded.clear()
        self._recorders.clear()


_recording: Final = _Recording()
"""The one recording of this process: its standard streams are shared by all threads."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_recording.forget)


class recorded:  # noqa: N801  a context manager is named like the functions that make one
    """Append to pieces what this thread prints: the name of the stream and the text.

    ``contextlib.contextmanager`` would set an attribute of what items raise, which a frozen class refuses.
    """

    def __init__(self, pieces: list[Piece]) -> None:
        self._pieces = pieces
        self._before = _recording.here()

    def __enter__(self) -> None:
        try:
            with uninterrupted():
                _recording.begin(self._pieces)
        except BaseException:  # Ctrl-C, once the block of uninterrupted has ended
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            _recording.end(self._before)


class Output:
    """Writes what items have printed, in the order of the items.

    Args:
        first: the position of the first item whose output comes here.
    """

    def __init__(self, first: int) -> None:
        self._next = first
        self._thread, self._before = threading.get_ident(), _recording.here()
        self._waiting: dict[int, tuple[int, Sequence[Piece]]] = {}

    def add(self, first: int, stop: int, pieces: Sequence[Piece]) -> None:
        """Take what the items from first to stop have printed, and write what is next."""
        if first != self._next:
            self._waiting[first] = (stop, pieces)
            return
        self._next = stop
        _write(pieces)
        while self._waiting and self._next in self._waiting:
            self._next, pieces = self._waiting.pop(self._next)
            _write(pieces)

    def end(self) -> None:
        """Write all that is left, in order: the run ends before the items between are done.

        Ctrl-C may have left this thread recorded.
        """
        if threading.get_ident() == self._thread and _recording.here() is not self._before:
            _recording.end(self._before)
        for first in sorted(self._waiting):
            _write(self._waiting.pop(first)[1])


def _write(pieces: Sequence[Piece]) -> None:
    for name, text in pieces:
        stream = getattr(sys, name)
        if stream is not None:
            stream.write(text)
