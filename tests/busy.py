"""Threads that compute beside a test."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager

ROUNDS = 100_000


@contextmanager
def a_thread_that_computes():
    """Have another thread compute without the GIL meanwhile."""
    over, begun = threading.Event(), threading.Event()

    def compute():
        while not over.is_set():
            begun.set()
            hashlib.pbkdf2_hmac("sha256", b"word", b"salt", ROUNDS)

    thread = threading.Thread(target=compute)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()
