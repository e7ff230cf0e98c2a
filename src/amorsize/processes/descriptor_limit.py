"""Knows whether this process can open a file at all: without that, Python cannot even load a module."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import FileIO
from typing import Final

from amorsize.errors import AmorsizeError

NONE_FREE: Final = "no file descriptor is free; close files, or raise the limit (ulimit -n)"
"""What is wrong, and what to do."""

NO_DESCRIPTOR: Final = frozenset((errno.EMFILE, errno.ENFILE))
"""Numbers of the errors that say so."""


def has_descriptor() -> bool:
    """Return whether a file descriptor is free; takes a few microseconds. Ctrl-C meanwhile leaves nothing open."""
    try:
        FileIO(os.devnull).close()
    except OSError as error:
        return error.errno not in NO_DESCRIPTOR
    return True


def free_descriptors() -> int:
    """Return how many more file descriptors this process may open, 0 where that is not known."""
    if sys.platform != "linux":
        return 0
    import resource

    with suppress(OSError):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return max(0, most - len(os.listdir("/proc/self/fd")))  # noqa: PTH208  pathlib would take longer
    return 0


def refuse_unloaded(where: str, error: OSError) -> None:
    """Raise an AmorsizeError where an error says that a module of ours could not be loaded for lack of a descriptor."""
    if error.errno not in NO_DESCRIPTOR or getattr(error, "__notes__", None):  # a note names an item that raised it
        return
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None and trace.tb_frame.f_code.co_filename.startswith("<frozen importlib"):
        raise AmorsizeError(f"{where}: {NONE_FREE}") from error
