"""Locks that no child of a fork ever finds held."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def lock_held_over_forks() -> AbstractContextManager[bool]:
    """Return a re-entrant lock that every fork takes first, so that what it guards is whole in the child.

    Locks that are gone cost a fork nothing: the hooks are registered once in a process and keep no lock alive.
    Code that holds one of these locks may take a newer one, never an older one.
    """
    return _forks.lock()


class _Forks:
    """All living locks by age. A fork takes them all, the oldest first."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._locks: WeakValueDictionary[int, threading.RLock] = WeakValueDictionary()
        self._made = 0
        self._forking = threading.local()  # two threads may fork at once, each with locks of its own to release
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._acquire, after_in_parent=self._release, after_in_child=self._release)

    def lock(self) -> threading.RLock:
        made = threading.RLock()
        with self._guard:
            self._made += 1
            self._locks[self._made] = made
        return made

    def _acquire(self) -> None:
        """Take all locks, then the guard; never wait for a lock with the guard: its holder may be making another."""
        acquired: dict[int, threading.RLock] = {}
        while True:
            self._guard.acquire()
            made_since = {age: lock for age, lock in self._locks.items() if age not in acquired}
            if not made_since:
                self._forking.acquired = list(acquired.values())
                return
            self._guard.release()
            for age in sorted(made_since):
                made_since[age].acquire()
            acquired |= made_since

    def _release(self) -> None:
        for lock in self._forking.__dict__.pop("acquired"):
            lock.release()
        self._guard.release()


_forks: Final = _Forks()
