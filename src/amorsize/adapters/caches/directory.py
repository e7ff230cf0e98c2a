"""The rules of a cache directory, so that only texts of its owner are believed."""

# paths are plain text here: importing pathlib costs more than a look-up does
# ruff: noqa: PTH102, PTH118, PTH120

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from amorsize.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable

MARKER: Final = ".amorsize-cache"
"""The file that says of a directory: amorsize keeps a cache here, and may remove what has its own form."""

_MARKER_TEXT: Final = b"amorsize keeps a cache here. The whole folder can be deleted.\n"
"""For a person who looks into the file: only its name counts."""
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def fault_in(
    status: os.stat_result, user: int | None, *, allow_shared: bool = False, read_only: bool = False
) -> str | None:
    """Return what is wrong with a cache directory, None when nothing is.

    Args:
        status: what ``os.lstat`` says of it.
        user: number of the user it must belong to; None where users have none (Windows).
        allow_shared: others may own it and may write to it.
        read_only: root may own it and its group may write to it, as with a checkout or an image whose code is run too.
    """
    if stat.S_ISLNK(status.st_mode):
        return "must be a directory itself, got a symbolic link"
    if not stat.S_ISDIR(status.st_mode):
        return "must be a directory, got another kind of file"
    if allow_shared or user is None:
        return None
    if status.st_uid != user and not (read_only and status.st_uid == 0):
        return f"must belong to user {user}, got one of user {status.st_uid}; allow_shared = true accepts it"
    if status.st_mode & (stat.S_IWOTH if read_only else _OTHERS_MAY_WRITE):
        mode = stat.S_IMODE(status.st_mode)
        return f"must be writable by its owner only, got mode {mode:o}; chmod 700 it, or allow_shared = true accepts it"
    return None


def is_usable(path: str, *, allow_shared: bool, read_only: bool = False) -> bool:
    """Return whether the directory is there; CacheError when it is and breaks a rule."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise CacheError(f"cache directory {path} must lie in a directory, got a file above it") from None
    fault = fault_in(status, _user(), allow_shared=allow_shared, read_only=read_only)
    if fault is not None:
        raise CacheError(f"cache directory {path} {fault}")
    return True


def create(path: str, *, allow_shared: bool) -> None:
    """Make a cache directory, as ``make`` does, and put the marker into a new one."""
    if not is_usable(path, allow_shared=allow_shared):
        make(path, allow_shared=allow_shared)
        mark(path, allow_shared=allow_shared)


def make(path: str, *, allow_shared: bool) -> None:
    """Make the directory, and what is missing above it, unless it is there; CacheError when it breaks a rule.

    Only the user may enter a new one, and no other user may write to what is made above it, whatever the
    umask. The umask decides who may enter a shared one.
    """
    if is_usable(path, allow_shared=allow_shared):
        return
    missing = [path]
    while not os.path.lexists(above := os.path.dirname(missing[-1])):
        missing.append(above)
    mode = directory_mode(allow_shared=allow_shared)
    for each in reversed(missing):
        with suppress(FileExistsError):  # another process was quicker
            os.mkdir(each, mode if each == path else mode & ~_OTHERS_MAY_WRITE)
    is_usable(path, allow_shared=allow_shared)  # the process that was quicker may be another user's


def claim(path: str, is_own: Callable[[str], bool], *, allow_shared: bool, read_only: bool = False) -> None:
    """See to it that a directory carries the marker; CacheError when it holds anything else and has none.

    One without a marker that holds nothing but names of amorsize's own form is given it: an empty one, or a cache that
    was made before there were markers.

    Args:
        path: the directory, which is there.
        is_own: tells whether a name in it is of amorsize's own form.
        allow_shared: as for ``create``.
        read_only: look only.
    """
    if is_marked(path):
        return
    with os.scandir(path) as entries:
        other = next((entry.name for entry in entries if not is_own(entry.name)), None)
    if other is not None and not is_marked(path):  # another thread or process may have marked it meanwhile
        raise CacheError(
            f"cache directory {path} must be empty or a cache of amorsize, got one that holds {other!r}: name another "
            "folder in AMORSIZE_CACHE_DIR or as the cache's directory"
        )
    if not read_only:
        mark(path, allow_shared=allow_shared)


def is_marked(path: str) -> bool:
    """Return whether a directory carries the marker."""
    try:
        return stat.S_ISREG(os.lstat(os.path.join(path, MARKER)).st_mode)
    except FileNotFoundError:
        return False


def mark(path: str, *, allow_shared: bool) -> None:
    """Put the marker into a directory. It counts by its name, so that half a text does no harm."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with suppress(FileExistsError):
        descriptor = os.open(os.path.join(path, MARKER), flags, file_mode(allow_shared=allow_shared))
        try:
            with suppress(OSError):  # a full disk
                os.write(descriptor, _MARKER_TEXT)
        finally:
            os.close(descriptor)


def directory_mode(*, allow_shared: bool) -> int:
    """Return the mode for new directories, before the umask."""
    return 0o777 if allow_shared else 0o700


def file_mode(*, allow_shared: bool) -> int:
    """Return the mode for new files, before the umask."""
    return 0o666 if allow_shared else 0o600


def _user() -> int | None:
    return os.geteuid() if hasattr(os, "geteuid") else None
