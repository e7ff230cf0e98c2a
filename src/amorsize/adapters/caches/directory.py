"""The rules a cache directory must keep, so that nobody else's texts are believed."""

# paths are plain text here: importing pathlib costs more than a look-up does
# ruff: noqa: PTH103

from __future__ import annotations

import os
import stat
from typing import Final

from amorsize.errors import CacheError

_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def fault_in(
    status: os.stat_result, user: int | None, *, allow_shared: bool = False, read_only: bool = False
) -> str | None:
    """Say what is wrong with a cache directory, None when nothing is.

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
    """Tell whether the directory is there; CacheError when it is and breaks a rule."""
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
    """Make the directory, and what is missing above it, unless it is there; CacheError when it breaks a rule.

    Only the user may enter a new one. A shared one is open to whom the umask says.
    """
    if not is_usable(path, allow_shared=allow_shared):
        os.makedirs(path, directory_mode(allow_shared=allow_shared), exist_ok=True)
        is_usable(path, allow_shared=allow_shared)  # whoever was quicker may not be a friend


def directory_mode(*, allow_shared: bool) -> int:
    """Return the mode for new directories, before the umask."""
    return 0o777 if allow_shared else 0o700


def file_mode(*, allow_shared: bool) -> int:
    """Return the mode for new files, before the umask."""
    return 0o666 if allow_shared else 0o600


def _user() -> int | None:
    return os.geteuid() if hasattr(os, "geteuid") else None
