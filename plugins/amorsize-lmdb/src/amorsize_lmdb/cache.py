"""A cache store in LMDB: a key a text, those of a locator side by side."""

from __future__ import annotations

import errno
import os
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import lmdb

from amorsize import CacheError
from amorsize.adapters.caches import directory
from amorsize.adapters.caches.locks import lock_held_over_forks
from amorsize.adapters.caches.names import TEXT_BYTES, check_name, is_name, text_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from amorsize_lmdb import LmdbOptions

T = TypeVar("T")

_BATCH: Final = 100
_PAGE: Final = 1000
_BETWEEN: Final = b"\x00"  # no name has one, so that it ends a locator
_AFTER: Final = b"\x01"


class LmdbCache:
    """Keeps each text under its locator and variant in one file that all processes map into their memory."""

    def __init__(self, options: LmdbOptions) -> None:
        if options.directory is None:
            raise ValueError("caches.lmdb.directory must be a directory, got None")
        self._path = os.path.realpath(os.path.join(options.directory, "lmdb"))  # noqa: PTH118  no Path is needed
        self._options = options

    def fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants under a locator; see the port."""
        check_name("locator", locator)
        beginning = locator.encode() + _BETWEEN
        texts: dict[str, str] = {}

        def read(transaction: lmdb.Transaction) -> None:
            cursor = transaction.cursor()
            there = cursor.set_range(beginning)
            while there and (key := bytes(cursor.key())).startswith(beginning):
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
            except lmdb.MapFullError as error:
                raise OSError(errno.ENOSPC, f"caches.lmdb: {error}", self._path) from error
            except lmdb.Error as error:
                _close(self._path)
                raise CacheError(f"caches.lmdb: {self._path}: {error}") from error

    def _environment(self, *, create: bool) -> lmdb.Environment | None:
        """Return the database opened in this very process, None when there is none and none is to be made."""
        opened = _opened.get(self._path)
        if opened is not None and opened[0] == os.getpid():
            return opened[1]
        _close(self._path)  # a parent's: no transaction is open, since whoever forks takes the lock first
        if create:
            directory.create(os.path.dirname(self._path), allow_shared=False)  # noqa: PTH120  no Path is needed
        if not directory.is_usable(os.path.dirname(self._path), allow_shared=False):  # noqa: PTH120  as above
            return None
        if not create and not os.path.exists(os.path.join(self._path, "data.mdb")):  # noqa: PTH110, PTH118  as above
            return None
        size, readers = self._options.size_mib << 20, self._options.readers
        environment = lmdb.open(self._path, map_size=size, max_readers=readers, mode=0o600, metasync=False)
        environment.reader_check()  # frees the places of readers that were killed
        _opened[self._path] = (os.getpid(), environment)
        return environment


_lock: Final = lock_held_over_forks()
_opened: Final[dict[str, tuple[int, lmdb.Environment]]] = {}
"""LMDB must not open a file twice in one process, nor use it over a fork: by path, who opened it."""


def _close(path: str) -> None:
    opened = _opened.pop(path, None)
    if opened is not None:
        opened[1].close()


def _key(locator: str, variant: str) -> bytes:
    return locator.encode() + _BETWEEN + variant.encode()
