"""The file of a run: a JSON line for each item, kept whole whenever the run is stopped, killed or out of disk space."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from array import array
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakSet

from amorsize.config.inputs import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import IO, Self

_LINE: Final = re.compile(rb'\{"position": (\d{1,15}), "key": "([0-9a-f]{8})-([0-9a-f]{8})", "(result|error)": ')
_POSITION: Final = re.compile(rb'\{"position": \d{1,15}')
_REST: Final = (b', "key": "00000000-00000000", "result": ', b', "key": "00000000-00000000", "error": ')
_TEXT: Final = re.compile(rb"[ -~]*")
_SYNC_SECONDS: Final = 5.0
"""Seconds of work that a loss of power may cost: writing to the disk itself takes milliseconds."""

_LOCKED_BYTE: Final = 1 << 40
"""Where Windows locks the file: what is locked there cannot be read, so it lies behind any line."""

_NOT_THERE: Final = -1
"""Stands for the position in the file of a line that is not there."""

_MOST_MISSING: Final = 1 << 24
"""Positions without a line that a small file may have: each takes memory, and a file is not to take all of it."""

_DISK_FULL: Final = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class UnwrittenError(InputError):
    """What the file holds is whole, and a line more cannot be written."""


class Key(NamedTuple):
    """What a line was made from: a checksum of the function, and one of the item."""

    function: int
    item: int

    def __str__(self) -> str:
        return f"{self.function:08x}-{self.item:08x}"


class ResultsFile:
    """A file with a line for each item that is done, open for this run alone.

    Opening it removes a last line that was cut short. A line is handed to the system as soon as its result is there, so
    that a killed run loses none, and to the disk every few seconds. Of two lines for one position the later one counts.

    Args:
        name: its path; it is made where there is none.

    Raises:
        InputError: it cannot be opened, it is no such file, or another run uses it.
    """

    def __init__(self, name: str | Path) -> None:
        self.path = Path(os.path.realpath(Path(name).expanduser()))
        self.failed: set[int] = set()
        self.was_cut = False
        self._offsets = array("q")
        self._keys = array("Q")
        self._count = 0
        self._last = _NOT_THERE
        self._is_sorted = True
        self._end = 0
        try:
            self._descriptor = _opened(self.path)
        except OSError as error:
            raise InputError(f"{self.path} cannot be opened: {error.strerror or error}") from error
        _OPEN.add(self)
        self._synced = monotonic()
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, position: int) -> bool:
        return position < len(self._offsets) and self._offsets[position] != _NOT_THERE

    def __iter__(self) -> Iterator[int]:
        return (position for position, offset in enumerate(self._offsets) if offset != _NOT_THERE)

    @property
    def positions_end(self) -> int:
        """One more than the largest position that has or had a line."""
        return len(self._offsets)

    def key(self, position: int) -> Key:
        """Return what the line of a position was made from."""
        both = self._keys[position]
        return Key(both >> 32, both & 0xFFFFFFFF)

    def append(self, position: int, key: Key, said: str, *, failed: bool) -> None:
        """Write the line of a position: ``said`` is its result or error as JSON, without what stands before it."""
        line = b'{"position": %d, "key": "%s", %s}\n' % (position, str(key).encode(), said.encode("ascii"))
        if os.fstat(self._descriptor).st_size != self._end:
            raise self._written_by_others()
        try:
            write_whole(self._descriptor, line)
        except BaseException as error:
            with suppress(OSError):
                if os.fstat(self._descriptor).st_size <= self._end + len(line):
                    os.ftruncate(self._descriptor, self._end)
            if isinstance(error, OSError):
                raise self._unwritten(error) from error
            raise
        self._note(position, key, self._end, failed=failed)
        self._end += len(line)
        if monotonic() - self._synced > _SYNC_SECONDS:
            self._sync()

    def drop(self, position: int) -> None:
        """Have the line of a position not count; ``settle`` removes it."""
        self._offsets[position] = _NOT_THERE
        self._count -= 1
        self._is_sorted = False
        self.failed.discard(position)

    def settle(self) -> None:
        """Put the lines in order, one for each position, and see them on the disk."""
        try:
            if self._is_sorted:
                self._sync()
            else:
                self._sort()
        except OSError as error:
            raise self._unwritten(error) from error

    def close(self) -> None:
        """Write to the disk and let other runs use the file."""
        if self._descriptor >= 0:
            with suppress(OSError):
                self._sync()
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def leave(self) -> None:
        """Close the file in a process that was forked: a worker may outlive the run, and must not hold the lock."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                os.close(descriptor)

    def _unwritten(self, error: OSError) -> UnwrittenError:
        what_to_do = ": free some space there" if error.errno in _DISK_FULL else ""
        return UnwrittenError(f"{self.path} cannot be written: {error.strerror or error}{what_to_do}")

    def _written_by_others(self) -> InputError:
        return InputError(f"another program has written to {self.path} during the run: let only the run write there")

    # How it is read and put in order

    def _read(self) -> None:
        most = _MOST_MISSING + os.fstat(self._descriptor).st_size
        with open(self._descriptor, "rb", closefd=False) as file:
            for number, line in enumerate(file, 1):
                found = _LINE.match(line)
                if not line.endswith(b"\n") and _may_be_cut(line, number):
                    os.ftruncate(self._descriptor, self._end)
                    self.was_cut = True
                elif found is None or not line.endswith(b"}\n") or int(found[1]) > most:
                    raise InputError(f"{self.path}: {_not_ours(number)}")
                else:
                    key = Key(int(found[2], 16), int(found[3], 16))
                    self._note(int(found[1]), key, self._end, failed=found[4] == b"error")
                    self._end += len(line)

    def _note(self, position: int, key: Key, offset: int, *, failed: bool) -> None:
        missing = position + 1 - len(self._offsets)
        if missing > 0:
            self._offsets.extend(array("q", [_NOT_THERE]) * missing)
            self._keys.extend(array("Q", [0]) * missing)
        self._count += self._offsets[position] == _NOT_THERE
        self._is_sorted = self._is_sorted and position > self._last
        self._last = position
        self._offsets[position] = offset
        self._keys[position] = key.function << 32 | key.item
        (self.failed.add if failed else self.failed.discard)(position)

    def _sort(self) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".amorsize-", dir=self.path.parent)
        beside = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as target:
                shutil.copymode(self.path, beside)
                self._copy_to(target)
                target.flush()
                os.fsync(target.fileno())
            if sys.platform == "win32":  # which replaces no open file
                self.close()
            beside.replace(self.path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def _copy_to(self, target: IO[bytes]) -> None:
        with open(self._descriptor, "rb", closefd=False) as file:
            for position in self:
                file.seek(self._offsets[position])
                line = file.readline()
                found = _LINE.match(line)
                if found is None or int(found[1]) != position:
                    raise self._written_by_others()
                target.write(line)

    def _sync(self) -> None:
        os.fsync(self._descriptor)
        self._synced = monotonic()


def write_whole(descriptor: int, line: bytes) -> None:
    """Write all of a line: a full disk or a pipe may take a part of it."""
    left = memoryview(line)
    while left:
        left = left[os.write(descriptor, left) :]


def _may_be_cut(line: bytes, number: int) -> bool:
    """Return whether a line is the beginning of one of ours; a loss of power may leave zeros there."""
    text = line.rstrip(b"\0")
    if not text:
        return number > 1
    position = _POSITION.match(text)
    if position is None:
        return b'{"position": '.startswith(text)
    rest = text[position.end() :]
    whole = (position[0] + rest + each[len(rest) :] for each in _REST)
    return any(map(_LINE.match, whole)) and _TEXT.fullmatch(rest) is not None


def _not_ours(number: int) -> str:
    return f"line {number} is not a line of amorsize run: name another file, or remove what is not yours from this one"


def _opened(path: Path) -> int:
    """Return the descriptor of a file, locked; of one that another run has just put in order, the new file's."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        descriptor = os.open(path, flags, 0o666)
        try:
            _lock(descriptor, path)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # noqa: PTH116  compared with a descriptor's
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    """Lock a regular file, for as long as this descriptor is open; other descriptors of the file do not matter."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise InputError(f"{path} must be a regular file; - is standard output")
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            raise InputError(f"{path} is in use by another run: wait for its end, or name another file") from None


def _leave_all() -> None:
    for file in list(_OPEN):
        file.leave()


_OPEN: Final[WeakSet[ResultsFile]] = WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)
