"""Delays Ctrl-C during steps that belong together, such as a fork and the entry of its child in a list."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay SIGINT until the end of the block; only the main thread is ever interrupted.

    A signal mask is not enough: another thread takes the signal, and the handler still runs in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Any = signal.getsignal(signal.SIGINT)
    if not callable(before):  # it is ignored, ends the process, or is not Python's
        yield
        return
    caught: list[Any] = []
    signal.signal(signal.SIGINT, lambda *signaled: caught.append(signaled))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if caught:
            before(*caught[0])
