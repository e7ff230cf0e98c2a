"""A cache store in one SQLite file."""

# paths are plain text here: importing pathlib costs more than a look-up does
# ruff: noqa: PTH100, PTH118

from __future__ import annotations

import errno
import os
import stat
import time
import weakref
from contextlib import suppress
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
from attrs.validators import optional

from amorsize.adapters.caches import directory
from amorsize.adapters.caches.locks import lock_held_over_forks
from amorsize.adapters.caches.names import MOST_VARIANTS, check_address, check_name, is_name, text_bytes
from amorsize.domain.values import PATH_TEXT, TEXT_BYTES, flag, number, text
from amorsize.errors import CacheError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping

T = TypeVar("T")

FILE: Final = "amorsize.sqlite"
APPLICATION: Final = 0x616D7273
"""What marks a database file as ours: ``amrs`` in ASCII."""
FORMAT: Final = 1
"""Version of the table."""

_BATCH: Final = 100
"""Addresses that are removed in one transaction: it lasts milliseconds, so that others wait no longer."""
_MOST_PAUSE_SECONDS: Final = 0.05
"""The longest pause between two such transactions."""
_TURNS: Final = 10
"""How often the journal mode is asked for while others are busy: our choice."""
_TABLE: Final = (
    "CREATE TABLE records (locator TEXT NOT NULL, variant TEXT NOT NULL, text TEXT NOT NULL, "
    "PRIMARY KEY (locator, variant))"  # with rowids: texts in the nodes of the index would make it three times as deep
)
_OBJECTS: Final = {("table", "records", "records", _TABLE), ("index", "sqlite_autoindex_records_1", "records", None)}
"""All that the schema may list: no view, no trigger, no generated column, and no other table."""

_SCHEMA: Final = (
    _TABLE,
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
_BESIDE: Final = ("-journal", "-wal", "-shm")
"""Endings of the files that SQLite keeps beside a database."""
_JOURNAL_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")
"""What ends a journal that names another file, which SQLite would remove (https://www.sqlite.org/fileformat2.html)."""

_LONGEST_BYTES: Final = 1 << 20
"""Bytes of the longest value that SQLite reads from the file, far above what is ever stored."""

_STEPS: Final = 1000
"""SQLite counts its own steps in thousands here."""
_MOST_TO_OPEN: Final = 20
"""Steps, in thousands, after which opening is given up: a schema of one table takes less than one."""
_MOST_TO_ANSWER: Final = 2000
"""SQLite's own steps, in thousands, after which an answer is given up. A page of 1,000 locators takes some 20."""

_FETCH: Final = (
    f"SELECT variant, substr(CAST(text AS BLOB), 1, {TEXT_BYTES}) FROM records WHERE locator = ? "  # noqa: S608  numbers of ours
    f"LIMIT {MOST_VARIANTS}"
)
_STORE: Final = "REPLACE INTO records (locator, variant, text) VALUES (?, ?, ?)"
_DISCARD: Final = "DELETE FROM records WHERE locator = ? AND variant = ?"
_LOCATORS: Final = (
    "SELECT DISTINCT locator FROM records WHERE locator > ? AND typeof(locator) = 'text' "
    "AND locator NOT GLOB '*[^ -~]*' ORDER BY locator LIMIT 1000"
)
_ERRNO: Final = {"FULL": errno.ENOSPC, "READONLY": errno.EROFS, "PERM": errno.EACCES}
"""What an error of SQLite says of the medium, by the beginning of its name."""


@attrs.frozen
class SqliteOptions:
    """Options of the ``sqlite`` cache.

    ``directory`` holds the file ``amorsize.sqlite``; left out, it is the directory amorsize keeps its cache in. It must
    not be on a network drive. ``timeout_seconds`` is how long a call waits for another process to finish writing.
    ``allow_shared`` accepts a directory that others own or may write to.
    """

    directory: str | None = attrs.field(default=None, validator=optional(text(PATH_TEXT)))
    timeout_seconds: float = attrs.field(default=0.05, validator=number(0.001, 3600))
    allow_shared: bool = attrs.field(default=False, validator=flag)


class SqliteCache:
    """Keeps each text as a row of one table; the rows of a locator lie side by side.

    One connection a process, used by one thread at a time. A child opens its own after a fork and leaves the parent's
    alone; no transaction is ever open while forking. When others keep the file locked for longer than the timeout, the
    call is given up with CacheError.

    The file may come from anywhere: nothing but the one table is read, no code that a schema can hold is run, and an
    answer is given up after a number of steps. Files beside it that SQLite would open are looked at first.
    """

    def __init__(self, options: SqliteOptions) -> None:
        if options.directory is None:
            raise ValueError("caches.sqlite.directory must be a directory, got None")
        self._directory = os.path.abspath(options.directory)
        self._path = os.path.join(self._directory, FILE)
        self._options = options
        self._lock = lock_held_over_forks()
        self._opened: _Opened | None = None
        self._inherited: list[_Opened] = []

    def fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants under a locator; see the port.

        Bytes that are no UTF-8 come as replacement characters, and of an overlong text only the beginning.
        """
        check_name("locator", locator)
        rows = self._read(lambda connection: connection.execute(_FETCH, (locator,)).fetchall()) or ()
        # SQLite makes NULL of an empty part
        return {variant: _decoded(body or b"") for variant, body in rows if type(variant) is str and is_name(variant)}

    def store(self, locator: str, variant: str, text: str) -> None:
        """Keep text; see the port."""
        check_address(locator, variant)
        text_bytes(text)
        self._write(lambda connection: connection.execute(_STORE, (locator, variant, text)).rowcount)

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:
        """Remove pairs, 100 a transaction, leaving others as much time in between as one took; see the port."""
        addresses = iter(addresses)
        removed = 0
        took = 0.0
        while batch := list(islice(addresses, _BATCH)):
            time.sleep(min(took, _MOST_PAUSE_SECONDS))  # back to back, they would starve readers
            began = time.monotonic()
            for locator, variant in batch:
                check_address(locator, variant)
            removed += self._removed(batch)
            took = time.monotonic() - began
        return removed

    def _removed(self, batch: list[tuple[str, str]]) -> int:
        def remove(connection: sqlite3.Connection) -> int:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                return connection.executemany(_DISCARD, batch).rowcount

        # a missing file is left missing
        return self._write(remove) if self._read(lambda _: True) else 0

    def locators(self) -> Iterator[str]:
        """Yield each locator, read 1,000 at a time; see the port."""
        last = ""
        while page := self._page(last):
            for locator in page:
                if locator <= last:
                    raise CacheError(f"caches.sqlite: {self._path} must be in order, got a damaged file")
                last = locator
                if is_name(locator):
                    yield locator

    def some_locators(self, at: float, most: int) -> list[str]:
        """Return so many locators, from a share of the way through those of functions on, and then from the first."""
        found: list[str] = []
        for begin in (f"func:{int(at * 0x10000):04x}", ""):
            found += filter(is_name, self._page(begin))
            if len(found) >= most:
                break
        return list(dict.fromkeys(found))[:most]

    def _page(self, after: str) -> list[str]:
        """Return up to 1,000 locators behind a text, in order."""
        rows = self._read(lambda connection: connection.execute(_LOCATORS, (after,)).fetchall())
        return [locator for (locator,) in rows or ()]

    def close(self) -> None:
        """Close the connection; see the port."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close()
                if not opened.is_own():
                    self._inherited.append(opened)

    def _read(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what action makes of the connection, None when there is no file or nothing in it yet."""
        return self._do(action, write=False)

    def _write(self, action: Callable[[sqlite3.Connection], int]) -> int:
        return self._do(action, write=True) or 0

    def _do(self, action: Callable[[sqlite3.Connection], T], *, write: bool) -> T | None:
        import sqlite3

        with self._lock:
            for attempt in range(2):
                try:
                    connection = self._connected(write=write)
                    return None if connection is None else action(connection)
                except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter from a damaged schema
                    name = getattr(error, "sqlite_errorname", "")
                    if name == "SQLITE_READONLY_DBMOVED" and attempt == 0:  # the file was removed
                        self.close()
                        continue
                    code = _ERRNO.get(name.removeprefix("SQLITE_").partition("_")[0])
                    cause = error if code is None else OSError(code, str(error))
                    raise CacheError(f"caches.sqlite: {self._path}: {error}") from cause
        return None

    def _connected(self, *, write: bool) -> sqlite3.Connection | None:
        """Return the open connection; None when there is nothing to read."""
        if self._opened is not None and not self._opened.is_own():
            self._inherited.append(self._opened)  # closing it here could take the parent's locks away
            self._opened = None
        if self._opened is None or not self._opened.close.alive:  # closed already, the interpreter being about to end
            if not self._has_file(create=write):
                return None
            self._opened = _Opened(self._path, self._options.timeout_seconds)
        try:
            is_ready = self._opened.prepare(write=write)
        except BaseException:
            self.close()
            raise
        return self._opened.connection if is_ready else None

    def _has_file(self, *, create: bool) -> bool:
        shared = self._options.allow_shared
        if create:
            directory.create(self._directory, allow_shared=shared)
        elif not directory.is_usable(self._directory, allow_shared=shared):
            return False
        for ending in _BESIDE:
            _check_beside(self._path + ending)
        try:
            status = os.lstat(self._path)
        except FileNotFoundError:
            if create:
                mode = directory.file_mode(allow_shared=shared)
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), mode))
            return create
        if not stat.S_ISREG(status.st_mode):
            raise CacheError(f"caches.sqlite: {self._path} must be a file, got another kind or a symbolic link")
        return True


class _Opened:
    """A connection, the process it belongs to, and how far it is prepared; closed when the process ends."""

    def __init__(self, path: str, timeout_seconds: float) -> None:
        import sqlite3

        self.connection = sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None, check_same_thread=False)
        self.connection.text_factory = _decoded
        self.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_BYTES)
        self._path = path
        self._pid = os.getpid()
        self._has_schema = False
        self._has_journal = False
        self.close = weakref.finalize(self, _close, self.connection, self._pid)
        self.connection.execute("PRAGMA trusted_schema = OFF")
        self.connection.execute("PRAGMA cell_size_check = ON")

    def is_own(self) -> bool:
        """Return whether this very process has opened it."""
        return self._pid == os.getpid()

    def prepare(self, *, write: bool) -> bool:
        """Make ready to read or to write; False when there is nothing to read yet. CacheError: not a cache of ours."""
        if not (self._has_schema and (self._has_journal or not write)):
            self._allow(_MOST_TO_OPEN)  # a schema of many thousand views would be parsed for minutes
            if write and not self._has_journal:
                self._set_journal()
                self._has_journal = True
            if not self._has_schema:
                self._has_schema = self._check_schema()
                if write and not self._has_schema:
                    self._create_schema()
                    self._has_schema = True
        self._allow(_MOST_TO_ANSWER)
        return self._has_schema

    def _allow(self, thousands: int) -> None:
        """Have SQLite give up each statement after so many thousand steps.

        It counts by an iterator and not by a function of ours: an interrupt that arrived inside that would be lost.
        """
        self.connection.set_progress_handler(chain(repeat(0, thousands), repeat(1)).__next__, _STEPS)

    def _number(self, pragma: str) -> int:
        return int(self.connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    def _check_schema(self) -> bool:
        application, version = self._number("application_id"), self._number("user_version")
        if (application, version) == (APPLICATION, FORMAT):
            found = self.connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 3").fetchall()
            if len(found) == len(_OBJECTS) and set(found) == _OBJECTS:
                return True
            kinds = " and ".join(sorted(f"{kind} {name!r:.40}" for kind, name, *_ in found)) or "nothing"
            raise CacheError(
                f"caches.sqlite: {self._path} must hold the table of an amorsize cache and nothing else, got {kinds}: "
                "remove the file to begin anew"
            )
        if not self.connection.in_transaction:  # another may have been creating it between one look and the next
            with self.connection:
                self.connection.execute("BEGIN")
                return self._check_schema()
        if (application, version) == (0, 0) and not self.connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            return False
        raise CacheError(
            f"caches.sqlite: {self._path} must be an amorsize cache of format {FORMAT} "
            f"(application {APPLICATION}), got format {version} (application {application})"
        )

    def _create_schema(self) -> None:
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            if not self._check_schema():
                for statement in _SCHEMA:
                    self.connection.execute(statement)

    def _set_journal(self) -> None:
        """Choose a write-ahead log where SQLite keeps one safely, else a rollback journal, which is always safe."""
        import sqlite3

        wanted = "WAL" if has_wal_reset_fix(sqlite3.sqlite_version_info) else "TRUNCATE"
        self._check_schema()  # nothing is changed in a file that is not ours
        mode = self._changed_to(wanted)
        if mode == "wal" and wanted != "WAL":
            raise CacheError(
                f"caches.sqlite: {self._path} must not be in write-ahead mode for SQLite {sqlite3.sqlite_version}, "
                "got that mode held open by a newer one"
            )
        self.connection.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")

    def _changed_to(self, journal: str) -> str:
        """Ask for a journal and return the one there is; SQLite refuses at once while others use the file."""
        import sqlite3

        for _ in range(_TURNS - 1):
            try:
                return str(self.connection.execute(f"PRAGMA journal_mode = {journal}").fetchone()[0])
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                    raise
            self.connection.execute("BEGIN IMMEDIATE")  # this waits until others are done, or for the timeout
            self.connection.execute("ROLLBACK")
        return str(self.connection.execute(f"PRAGMA journal_mode = {journal}").fetchone()[0])


def _check_beside(path: str) -> None:
    """Raise CacheError when SQLite must not open a file beside the database: a pipe, a link, a journal with a name."""
    with suppress(FileNotFoundError):  # there is none, or another process has just done with it
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            raise CacheError(f"caches.sqlite: {path} must be a file, got another kind or a symbolic link: remove it")
        with open(path, "rb") as file:  # noqa: PTH123  as above
            file.seek(max(0, status.st_size - len(_JOURNAL_MAGIC)))
            if file.read(len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC and status.st_size > 2 * len(_JOURNAL_MAGIC):
                raise CacheError(f"caches.sqlite: {path} must name no other file, got a journal that does: remove it")


def has_wal_reset_fix(version: tuple[int, ...]) -> bool:
    """Return whether this SQLite cannot damage a write-ahead log that two connections reset at once.

    The fault is described at https://www.sqlite.org/wal.html#walresetbug; it was fixed in 3.51.3 and, for older
    branches, in 3.50.7 and 3.44.6.
    """
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()


def _decoded(body: bytes) -> str:
    return body.decode("utf-8", "replace")
