"""Delays signal handlers during steps that belong together, such as a fork and the entry of its child in a list."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES: Final = ("SIGINT", "SIGALRM", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF")
"""Signals whose handlers programs let raise exceptions: Ctrl-C, time limits, and what service managers send."""

_delayed: Final[dict[int, Any]] = {}
"""The program's handlers that are delayed now, by signal."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay handlers of signals, such as that of Ctrl-C, until the end of the block; they run in the main thread only.

    A signal mask is not enough: another thread takes the signal, and the handler still runs in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Any] = {
        number: handler
        for name in _NAMES
        if (number := getattr(signal, name, None)) and callable(handler := signal.getsignal(number))
    }  # others are ignored, end the process, or are not Python's
    caught: dict[int, Any] = {}
    first = handlers.keys() - _delayed.keys()
    try:
        for number, handler in handlers.items():
            _delayed.setdefault(number, handler)
            signal.signal(number, lambda *signaled: caught.setdefault(signaled[0], signaled))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in first:
            _delayed.pop(number, None)
        for number, signaled in caught.items():
            handlers[number](*signaled)


def _put_back() -> None:
    """Put the program's handlers back in a process that was forked meanwhile: there, nothing delays them."""
    for number, handler in _delayed.items():
        signal.signal(number, handler)
    _delayed.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_put_back)
