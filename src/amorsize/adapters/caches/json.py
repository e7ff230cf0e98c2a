"""A cache store that keeps each text in a small file of its own, in one directory for each locator."""

# paths are plain text here: importing pathlib costs more than a look-up does
# ruff: noqa: PTH100, PTH102, PTH105, PTH106, PTH108, PTH114, PTH118, PTH208

from __future__ import annotations

import os
import re
import stat
import sys
import time
from contextlib import suppress
from io import FileIO
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs
from attrs.validators import optional

from amorsize.adapters.caches import directory
from amorsize.adapters.caches.names import MOST_VARIANTS, check_address, check_name, file_name, name_of, text_bytes
from amorsize.domain.values import PATH_TEXT, TEXT_BYTES, Value, flag, text
from amorsize.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_ENDING: Final = ".json"
_NEW: Final = ".new"
_LOCATORS: Final = tuple(file_name(f"{kind}:") for kind in ("func", "machine", "name", "aside"))
_STORES: Final = frozenset({_NEW, "lmdb", *(f"amorsize.sqlite{end}" for end in ("", "-journal", "-wal", "-shm"))})
"""What stores that may share a directory keep in it beside the folders of locators."""

_WRITTEN: Final = re.compile(r"[0-9a-f]+-[0-9a-f]{16}")
"""Names of files that are still being written."""

_LEFTOVER_SECONDS: Final = 3600.0
"""Age from which on such a file was left by a writer that was killed: writing takes milliseconds."""
_ATTEMPTS: Final = 20
"""How often a directory is made again that others remove because it is empty: our choice."""
_BINARY: Final = getattr(os, "O_BINARY", 0)
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_PAGE_BYTES: Final = 4096
"""Bytes that are read at once: a record fits, so that one read is enough."""
_READ: Final = os.O_RDONLY | _BINARY | _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0)
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | _NO_FOLLOW
_PAUSES_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05) if sys.platform == "win32" else ()
"""Windows refuses to replace or remove a file while another process has it open, which takes microseconds."""


@attrs.frozen(eq=False, repr=False)
class JsonOptions(Value):
    """Options of the ``json`` cache.

    ``directory`` holds the files; left out, it is the directory amorsize keeps its cache in. ``allow_shared`` accepts a
    directory that others own or may write to, and lets the umask say who may read what is written.
    """

    directory: str | None = attrs.field(default=None, validator=optional(text(PATH_TEXT)))
    allow_shared: bool = attrs.field(default=False, validator=flag)


class JsonCache:
    """Keeps each text as ``<directory>/<locator>/<variant>.json``, names escaped as ``names.file_name`` says.

    A text is written to a file of its own under ``<directory>/.new`` and then renamed, so it is there wholly or
    not at all. Nothing is flushed to the disk: after a power cut a text may be damaged, and is then given as it is.
    What a killed writer leaves under ``.new`` is removed by the first ``discard`` an hour later.

    A directory that holds anything else is no cache: nothing is stored, listed or removed there.
    """

    read_only = False

    def __init__(self, options: JsonOptions) -> None:
        if options.directory is None:
            raise ValueError("caches.json.directory must be a directory, got None")
        self._root = os.path.abspath(options.directory)
        self._prefix = os.path.join(self._root, "")
        self._new = self._prefix + _NEW
        self._shared = options.allow_shared
        self._is_checked = False
        self._is_claimed = False

    def fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants under a locator; see the port.

        What is no file, or has a name that this store does not give, is left out. Bytes that are no UTF-8 come as
        replacement characters, and of a file longer than 64 KiB only the beginning.
        """
        check_name("locator", locator)
        texts: dict[str, str] = {}
        if not self._is_there():
            return texts
        folder = self._prefix + file_name(locator)
        for name in self._files(folder):
            variant = name_of(name.removesuffix(_ENDING)) if name.endswith(_ENDING) else None
            if variant is not None:
                body = _read(f"{folder}{os.sep}{name}")
                if body is not None:
                    texts[variant] = body.decode("utf-8", "replace")
        return texts

    def store(self, locator: str, variant: str, text: str) -> None:
        """Keep text; see the port."""
        check_address(locator, variant)
        written = self._written(text_bytes(text))
        try:
            self._put(written, self._prefix + file_name(locator), file_name(variant) + _ENDING)
        except BaseException:
            with suppress(OSError):
                os.unlink(written)
            raise

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:
        """Remove pairs, and what writers killed over an hour ago have left; see the port."""
        if self._is_there():
            self._claim()
            self._remove_leftovers()
        return sum(self._remove(locator, variant) for locator, variant in addresses)

    def locators(self) -> Iterator[str]:
        """Yield each locator; see the port.

        The names are read in one go: removing files while reading on makes some systems pass over others. A writer
        killed between making a directory and filling it leaves a locator without variants.
        """
        if not self._is_there():
            return
        try:
            directory.claim(self._root, _is_own, allow_shared=self._shared, read_only=True)
            with os.scandir(self._root) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            directory.is_usable(self._root, allow_shared=self._shared, read_only=self.read_only)
            return
        for name in names:
            locator = name_of(name)
            if locator is not None:
                yield locator

    def some_locators(self, at: float, most: int) -> list[str]:
        """Return so many locators in a moment, from a share of the way through on; see the reference of hooks."""
        if not self._is_there():
            return []
        directory.claim(self._root, _is_own, allow_shared=self._shared, read_only=True)
        names = [name for name in os.listdir(self._root) if name.startswith(_LOCATORS)]
        begin = int(at * len(names))
        return list(filter(None, map(name_of, (names[begin:] + names[:begin])[:most])))

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _is_there(self) -> bool:
        """Return whether the cache directory is there; its rules are checked until they have held once."""
        if not self._is_checked:
            self._is_checked = directory.is_usable(self._root, allow_shared=self._shared, read_only=self.read_only)
        return self._is_checked

    def _files(self, folder: str) -> list[str]:
        """Return the names in a locator's directory; none when it is not there or is a link."""
        try:
            if stat.S_ISDIR(os.lstat(folder).st_mode):
                with os.scandir(folder) as entries:
                    return [entry.name for entry in islice(entries, MOST_VARIANTS)]
        except (FileNotFoundError, NotADirectoryError):
            self._is_checked = False
            self._is_there()  # a cache directory that has become a file must not pass for an empty one
        return []

    def _written(self, body: bytes) -> str:
        """Write a new file and return its path."""
        if not (self._is_claimed and self._is_there() and _is_directory(self._new)):
            self._create()
        path = f"{self._new}{os.sep}{os.getpid():x}-{os.urandom(8).hex()}"
        mode = directory.file_mode(allow_shared=self._shared)
        try:
            with FileIO(path, "xb", opener=lambda path, _: os.open(path, _WRITE, mode)) as file:
                left = memoryview(body)
                while left:
                    left = left[os.write(file.fileno(), left) :]
        except BaseException:
            with suppress(OSError):
                os.unlink(path)
            raise
        return path

    def _create(self) -> None:
        directory.create(self._root, allow_shared=self._shared)
        self._claim()
        self._make(self._new)

    def _claim(self) -> None:
        directory.claim(self._root, _is_own, allow_shared=self._shared)
        self._is_claimed = True

    def _make(self, folder: str) -> None:
        try:
            os.mkdir(folder, directory.directory_mode(allow_shared=self._shared))
        except FileExistsError:
            if os.path.lexists(folder) and not _is_directory(folder):
                raise CacheError(f"{folder} must be a directory, got another kind of file") from None

    def _put(self, written: str, folder: str, name: str) -> None:
        """Move a written file into a locator's directory, which others may be removing because it was empty."""
        for attempt in range(_ATTEMPTS):
            if not _is_directory(folder):
                self._make(folder)
            try:
                _patiently(lambda: os.replace(written, os.path.join(folder, name)))
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def _remove(self, locator: str, variant: str) -> bool:
        check_address(locator, variant)
        folder = self._prefix + file_name(locator)
        if not (self._is_there() and _is_directory(folder)):
            return False
        path = os.path.join(folder, file_name(variant) + _ENDING)
        try:
            _patiently(lambda: os.unlink(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        with suppress(OSError):  # it holds other variants
            os.rmdir(folder)
        return True

    def _remove_leftovers(self) -> None:
        """Remove files that no writer can still be working on, however the clock was set meanwhile."""
        now = time.time()
        if not _is_directory(self._new):  # a link would lead out of here
            return
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._new) as entries:
            for entry in filter(lambda entry: _WRITTEN.fullmatch(entry.name), entries):
                with suppress(OSError):
                    if abs(now - entry.stat(follow_symlinks=False).st_mtime) > _LEFTOVER_SECONDS:
                        os.unlink(entry.path)


def _is_own(name: str) -> bool:
    """Return whether a name in a cache directory is of amorsize's own form, of whichever store."""
    return name in _STORES or (name.startswith(_LOCATORS) and name_of(name) is not None)


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _read(path: str) -> bytes | None:
    """Return a file's first 64 KiB; None when it is gone, or is a link, a directory or a pipe that would block."""
    try:
        with FileIO(path, opener=_opened) as file:  # an object, which Ctrl-C cannot leave open
            body = file.read(_PAGE_BYTES)
            while body and len(body) % _PAGE_BYTES == 0 and (more := file.read(TEXT_BYTES - len(body))):
                body += more
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError:
        if sys.platform == "win32" or os.path.islink(path):  # Windows: it is being replaced this moment
            return None
        raise
    return body


def _opened(path: str, _: int) -> int:
    return os.open(path, _READ)


def _patiently(action: Callable[[], None], pauses_seconds: tuple[float, ...] = _PAUSES_SECONDS) -> None:
    """Do it, and again after each pause while permission is denied."""
    for pause in pauses_seconds:
        try:
            return action()
        except PermissionError:
            time.sleep(pause)
    return action()
