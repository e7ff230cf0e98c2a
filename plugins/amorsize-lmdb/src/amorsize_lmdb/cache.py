"""A cache store in LMDB: a key a text, those of a locator side by side."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
import lmdb

from amorsize.plugins import (
    MOST_VARIANTS,
    TEXT_BYTES,
    CacheError,
    check_name,
    create_directory,
    is_name,
    is_usable_directory,
    lock_held_over_forks,
    text_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from amorsize_lmdb import LmdbOptions

T = TypeVar("T")

_BATCH: Final = 100
_PAGE: Final = 1000
_BETWEEN: Final = b"\x00"  # no name has one, so that it ends a locator
_AFTER: Final = b"\x01"
_LOCKS_BYTES: Final = 4096
_READER_BYTES: Final = 64
"""Bytes of the file of locks, beside those of a reader's slot in it, and at the most; LMDB takes a larger one too."""

_MEDIUM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""What says of the medium that it takes no more."""


class LmdbCache:
    """Keeps each text under its locator and variant in one file that all processes map into their memory."""

    def __init__(self, options: LmdbOptions) -> None:
        if options.directory is None:
            raise ValueError("caches.lmdb.directory must be a directory, got None")
        above = os.path.realpath(options.directory)
        self._path, self._data, self._locks = (f"{above}{os.sep}lmdb{name}" for name in ("", "/data.mdb", "/lock.mdb"))
        self._options = options

    def fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants under a locator; see the port."""
        check_name("locator", locator)
        beginning = locator.encode() + _BETWEEN
        texts: dict[str, str] = {}

        def read(transaction: lmdb.Transaction) -> None:
            cursor = transaction.cursor()
            there = cursor.set_range(beginning)
            while there and len(texts) < MOST_VARIANTS and (key := bytes(cursor.key())).startswith(beginning):
                variant = key[len(beginning) :].decode("ascii", "replace")
                if is_name(variant):
                    texts[variant] = bytes(cursor.value())[:TEXT_BYTES].decode("utf-8", "replace")
                there = cursor.next()

        self._read(read)
        return texts

    def store(self, locator: str, variant: str, text: str) -> None:
        """Keep text; see the port."""
        check_name("locator", locator)
        check_name("variant", variant)
        body = text_bytes(text)
        self._write(lambda transaction: transaction.put(_key(locator, variant), body))

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:
        """Remove pairs, 100 a transaction; see the port."""
        addresses = iter(addresses)
        removed = 0
        while batch := list(islice(addresses, _BATCH)):
            for locator, variant in batch:
                check_name("locator", locator)
                check_name("variant", variant)
            keys = [_key(locator, variant) for locator, variant in batch]
            if self._read(lambda _: True):  # what is not there is left missing
                removed += self._write(lambda transaction, keys=keys: sum(map(transaction.delete, keys)))  # type: ignore[misc]  # mypy infers no lambda with defaults
        return removed

    def locators(self) -> Iterator[str]:
        """Yield each locator, read 1,000 at a time, so that no long reader keeps old pages from being used again."""
        last = b""
        while page := self._page(last):
            for name in page:
                last = name
                locator = name.decode("ascii", "replace")
                if is_name(locator):
                    yield locator

    def _page(self, last: bytes) -> list[bytes]:
        def read(transaction: lmdb.Transaction) -> list[bytes]:
            cursor = transaction.cursor()
            names: list[bytes] = []
            there = cursor.set_range(last + _AFTER) if last else cursor.first()
            while there and len(names) < _PAGE:
                names.append(bytes(cursor.key()).partition(_BETWEEN)[0])
                there = cursor.set_range(names[-1] + _AFTER)
            return names

        return self._read(read) or []

    def some_locators(self, at: float, most: int) -> list[str]:
        """Return so many locators, from a share of the way through those of functions on, and then from the first."""
        found = self._page(f"func:{int(at * 0x10000):04x}".encode())
        found += self._page(b"") if len(found) < most else []
        names = (name.decode("ascii", "replace") for name in dict.fromkeys(found))
        return list(islice(filter(is_name, names), most))

    def close(self) -> None:
        """Close the database, also for other stores on it in this process: their next call opens it anew."""
        with _lock:
            _close(self._path)

    def _read(self, action: Callable[[lmdb.Transaction], T]) -> T | None:
        """Return what action makes of a reading transaction, None when there is nothing to read yet."""
        return self._do(action, write=False)

    def _write(self, action: Callable[[lmdb.Transaction], T]) -> T:
        done = self._do(action, write=True)
        if done is None:
            raise CacheError(f"caches.lmdb: {self._path} must stay where it is, got none")
        return done

    def _do(self, action: Callable[[lmdb.Transaction], T], *, write: bool) -> T | None:
        with _lock:
            try:
                environment = self._environment(create=write)
                if environment is None:
                    return None
                with environment.begin(write=write) as transaction:
                    return action(transaction)
            except lmdb.Error as error:
                if isinstance(error, lmdb.MapFullError):
                    raise OSError(errno.ENOSPC, f"caches.lmdb: {error}", self._path) from error
                _close(self._path)
                if getattr(error, "code", None) in _MEDIUM:
                    raise OSError(error.code, f"caches.lmdb: {error}", self._path) from error
                raise CacheError(f"caches.lmdb: {self._path}: {error}") from error

    def _environment(self, *, create: bool) -> lmdb.Environment | None:
        """Return the database opened in this very process, None when there is none and none is to be made."""
        opened = _opened.get(self._path)
        if opened is None and not self._has_folder(create=create):
            return None
        there = _status(self._data)
        if opened is None or there is None or (opened.pid, opened.file) != (os.getpid(), there.st_ino):
            _close(self._path)  # a parent's: no transaction is open, since every fork takes the lock first
            if not self._has_folder(create=create) or (there is None and not create):
                return None
            self._make_ready()
            opened = _opened[self._path] = self._open(is_new=there is None)
            there = os.stat(self._data)  # noqa: PTH116  no Path is needed
        if there.st_size != opened.size:
            self._check_length(opened.environment, there.st_size)
            opened.size = there.st_size
        return opened.environment

    def _has_folder(self, *, create: bool) -> bool:
        """Tell whether the folder is there, and open it to its owner: LMDB makes folders that nobody can enter."""
        above = os.path.dirname(self._path)  # noqa: PTH120  as above
        if create:
            create_directory(above, allow_shared=False)
        if not is_usable_directory(above, allow_shared=False):
            return False
        if create:
            with suppress(FileExistsError):
                os.mkdir(self._path, 0o700)  # noqa: PTH102  as above
        status = _status(self._path)
        if status is None:
            return False
        if not stat.S_ISDIR(status.st_mode):
            raise CacheError(f"caches.lmdb: {self._path} must be a folder itself, got another kind or a symbolic link")
        if not status.st_mode & stat.S_IXUSR:
            os.chmod(self._path, 0o700)  # noqa: PTH101  as above
        return True

    def _open(self, *, is_new: bool) -> _Opened:
        size, readers = self._options.size_mib << 20, self._options.readers
        try:
            environment = lmdb.open(self._path, map_size=size, max_readers=readers, mode=0o600, metasync=False)
        except lmdb.Error:
            if is_new:  # a disk that is full has taken half of it
                with suppress(OSError):
                    os.unlink(self._data)  # noqa: PTH108  as above
            raise
        environment.reader_check()  # frees the slots of readers that were killed
        return _Opened(os.getpid(), os.stat(self._data).st_ino, environment)  # noqa: PTH116  as above

    def _make_ready(self) -> None:
        """Make the file of locks in full: LMDB maps it with holes, which a full disk cannot fill."""
        for path in (self._data, self._locks):
            if (found := _status(path)) is not None and not stat.S_ISREG(found.st_mode):
                raise CacheError(f"caches.lmdb: {path} must be a file, got another kind or a symbolic link")
        _allocate(self._locks, _LOCKS_BYTES + _READER_BYTES * self._options.readers)

    def _check_length(self, environment: lmdb.Environment, length: int) -> None:
        """Raise CacheError for a file that was cut: reading what is not there would end the process."""
        whole = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if length < whole:
            _close(self._path)
            raise CacheError(
                f"caches.lmdb: {self._data} must have {whole} bytes, got one cut to {length}: remove the folder"
            )


@attrs.define
class _Opened:
    """What a process has opened: the file by its number, and how long it was when it was looked at last."""

    pid: int
    file: int
    environment: lmdb.Environment
    size: int = -1


def _status(path: str) -> os.stat_result | None:
    """Return what lies at a path itself, None when there is nothing."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _allocate(path: str, size: int) -> None:
    """See to it that a file of at least so many bytes is there, with space on the disk for all of them.

    A new one is written under another name and renamed when it is whole, since others may map it at once.
    """
    if _status(path) is None:
        aside = f"{path}.{os.getpid():x}-{os.urandom(8).hex()}"
        try:
            with open(aside, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(bytes(size))
            with suppress(FileExistsError):  # another process was quicker
                os.link(aside, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(aside)  # noqa: PTH108  as above
    elif hasattr(os, "posix_fallocate"):
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)


_lock: Final = lock_held_over_forks()
_opened: Final[dict[str, _Opened]] = {}
"""LMDB must not open a file twice in one process, nor use it over a fork: by path, what is open."""


def _close(path: str) -> None:
    opened = _opened.pop(path, None)
    if opened is not None:
        opened.environment.close()


def _key(locator: str, variant: str) -> bytes:
    return locator.encode() + _BETWEEN + variant.encode()
