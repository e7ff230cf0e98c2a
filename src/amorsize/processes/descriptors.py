"""Lists open descriptors, and isolates in a forked child those that it must not share with its parent."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


def opened() -> dict[int, tuple[int, int]]:
    """Return the open descriptors by number with device and inode; a reconnect changes only the inode.

    Empty where the system does not list them. Takes 15 us for each descriptor.
    """
    return {number: (status.st_dev, status.st_ino) for number, status in _statuses()}


def _statuses() -> Iterator[tuple[int, os.stat_result]]:
    """Yield the number and the status of each open descriptor, of none where the system does not list them."""
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir("/proc/self/fd")  # noqa: PTH208  pathlib would take longer than all the rest
    for number in map(int, names):
        with suppress(OSError):  # that of the listing itself is closed
            yield number, os.fstat(number)


def left_open(before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]]) -> list[int]:
    """Return the descriptors that are open now and were not before, in order; none if ``before`` is empty."""
    return sorted(number for number, identity in after.items() if before and before.get(number) != identity)


NULL_DEVICE: Final = "null device"
"""The kind of a descriptor that any number of processes may share."""

_MEMORY_DEVICES: Final = 1
"""The major number of the devices that belong to no hardware, as Linux assigns it."""

_NULL_DEVICES: Final = frozenset({3, 5, 7, 8, 9})
"""The minor numbers of /dev/null, zero, full, random and urandom, whose readers and writers do not meet each other."""


def kind_of(number: int) -> str:
    """Return what a descriptor is open on, in words: ``socket``, ``pipe``, ``file``, ``device`` or ``null device``."""
    try:
        status = os.fstat(number)
    except OSError:
        return "file"
    mode = status.st_mode
    if stat.S_ISSOCK(mode):
        return "socket"
    if stat.S_ISFIFO(mode):
        return "pipe"
    if stat.S_ISCHR(mode):
        return NULL_DEVICE if _is_null(status) else "device"
    return "file"


def _is_null(status: os.stat_result) -> bool:
    if sys.platform == "win32":
        return False
    return os.major(status.st_rdev) == _MEMORY_DEVICES and os.minor(status.st_rdev) in _NULL_DEVICES


def isolate(ours: frozenset[int]) -> int:
    """Make inherited descriptors harmless in a forked child; return how many connections were cut.

    A read-only regular file gets an offset of its own, so that reading moves no other one. A connected stream socket
    is replaced by one whose other end is closed: an answer that another process waits for cannot be taken here.

    Args:
        ours: descriptors to leave alone.
    """
    cut = 0
    for number, status in _statuses():
        if number in {1, 2} or number in ours:  # standard output stays what it is
            continue
        with suppress(OSError):  # it stays shared, as in any other fork
            if stat.S_ISREG(status.st_mode):
                _reopen(number)
            elif stat.S_ISSOCK(status.st_mode):
                cut += _cut(number)
    return cut


def _reopen(number: int) -> None:
    """Give a descriptor on a read-only file an offset of its own, of the same value."""
    if sys.platform != "linux":  # only children of Linux isolate anything
        return
    import fcntl

    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
        return
    inheritable = os.get_inheritable(number)
    offset = os.lseek(number, 0, os.SEEK_CUR)
    own = os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.lseek(own, offset, os.SEEK_SET)
        os.dup2(own, number, inheritable=inheritable)
    finally:
        os.close(own)


def _cut(number: int) -> bool:
    """Replace a connected stream socket by one without another end; return whether it was one."""
    import socket

    copy = os.dup(number)
    try:
        inherited = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return False
    with inherited:
        if inherited.type != socket.SOCK_STREAM:
            return False
        try:
            inherited.getpeername()
        except OSError:  # it listens, or is not connected
            return False
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        os.dup2(ours.fileno(), number, inheritable=os.get_inheritable(number))
    return True
