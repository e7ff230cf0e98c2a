"""A lock that no child of a fork ever finds held."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def lock_held_over_forks() -> AbstractContextManager[bool]:
    """Return a re-entrant lock that whoever forks takes first, so that what it guards is whole in the child.

    Registering cannot be undone, so the lock itself lives as long as the process; nothing else is kept.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
