"""Sizes of files, as long as they can be read quickly."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import Final

_SLOW_SECONDS: Final = 1e-3
"""What a look may take before further ones are left out: one at a local file takes 2 to 20 us."""
_PAUSE_SECONDS: Final = 60.0
"""How long no look is taken after two slow ones in a row: our choice."""
_NOTHING: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL})
"""Errors that say: there is no such file."""


class FileSizes:
    """Returns the sizes of files, and none for a minute after two looks in a row took over a millisecond each.

    One slow look says little: another program may have had the CPU.
    """

    def __init__(self) -> None:
        self._paused_until = 0.0
        self._was_slow = False

    def of(self, path: str) -> int | None:
        """Return the size of the file at a path; see the port."""
        began = time.perf_counter()
        if began < self._paused_until:
            return None
        size: int | None = 0
        try:
            found = os.stat(path)  # noqa: PTH116  a Path would cost as much as the look
            size = found.st_size if stat.S_ISREG(found.st_mode) else None
        except OSError as error:
            size = 0 if error.errno in _NOTHING else None
        except ValueError:  # no system takes such a name
            size = 0
        now = time.perf_counter()
        is_slow = now - began > _SLOW_SECONDS
        if is_slow and self._was_slow:
            self._paused_until = now + _PAUSE_SECONDS
        self._was_slow = is_slow
        return size
