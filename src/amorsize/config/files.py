"""Finds the config file in force, checks who owns it, and parses it."""

# Every fresh process runs this, and os.path takes a fraction of the time of pathlib:
# ruff: noqa: PTH100, PTH101, PTH105, PTH108, PTH109, PTH110, PTH111, PTH112, PTH113, PTH116, PTH117, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from amorsize.domain.wording import printable
from amorsize.errors import ConfigError
from amorsize.processes.explaining import is_set
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    Seen = list[tuple[str, tuple[int, ...] | None]]

FILE: Final = "amorsize.toml"
PROJECT_FILE: Final = "pyproject.toml"
_REPOSITORY: Final = ".git"
CONFIG_VARIABLE: Final = "AMORSIZE_CONFIG"
CACHE_VARIABLE: Final = "AMORSIZE_CACHE_DIR"
DISABLE_VARIABLE: Final = "AMORSIZE_DISABLE"
"""The names of the files that hold a config, of what marks a project, and of our environment variables."""

_WATCHED: Final = (CONFIG_VARIABLE, CACHE_VARIABLE, "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME")
"""Environment variables that the search for a config depends on."""
_XDG: Final = {"user_config_dir": ("XDG_CONFIG_HOME", ".config"), "user_cache_dir": ("XDG_CACHE_HOME", ".cache")}
"""The variable that names each of the user's folders, and where it lies in the user's home without that."""
_MENTIONS_US: Final = rb"amorsize[\"']?\s*[\].=]"
"""Matches a pyproject.toml that may have a table of ours; only then it is parsed."""

_MOST_BYTES: Final = 1 << 20
"""Bytes of the largest config that is read."""

_MOST_PARTS: Final = 32
"""Parts of the longest dotted key that is parsed: for 6,000 tomllib takes a second, for twice as many four."""

_PART: Final = rb"""(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DOTTED: Final = _PART + rb"(?:[ \t]*+\.[ \t]*+" + _PART + rb")++"
_KEY_ENDS: Final = rb"[ \t]*+[]=]"
"""Patterns of a part of a key, of a dotted text and of what follows a key."""


class Found(NamedTuple):
    """A config file and what it says.

    ``project`` is the folder of the project that a file found by searching belongs to; None for one that was named
    outright or is the user's own.
    """

    path: str
    document: Mapping[str, Any]
    project: str | None = None


def found(config: str | os.PathLike[str] | None, seen: Seen) -> Found | None:
    """Return the config in force, None when there is none; note in seen what was looked at."""
    name = os.fspath(config) if config is not None else variable(CONFIG_VARIABLE)
    if name is not None:
        path = joined("", name)
        seen.append((path, mark(path)))
        return Found(path, _named(path, CONFIG_VARIABLE if config is None else "config"))
    return searched(seen)


def searched(seen: Seen) -> Found | None:
    """Return the first config in the project and the user's folder, whatever AMORSIZE_CONFIG names; see ``found``."""
    user = _user_file()
    others: list[str] = []
    first = None
    for path in (*_project_files(seen), *([] if user is None else [user])):
        if path == user and _look(path, seen) is None:
            continue
        if (fault := foreign(path)) is not None:
            others.append(fault)
        elif not os.path.isfile(path):
            warn(f"{path} must be a file to be read, got {_kind(path)}: remove it or rename it")
        elif (document := _read(path)) is not None:
            first = Found(path, document, None if path == user else project_of(path))
            break
    if others:
        said = f"{'; '.join(others)}; name it in {CONFIG_VARIABLE} to have it read"
        warn(said)
    return first


def _kind(path: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return "nothing any more"
    return "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"


def _named(path: str, where: str) -> Mapping[str, Any]:
    """Read a file that the user named, of any owner; raise ConfigError when it is missing or not about amorsize."""
    if not os.path.exists(path):
        raise ConfigError(f"{where}: there is no file {path!r}")
    if os.path.isdir(path):
        raise ConfigError(f"{where} must name a file, got the folder {path!r}")
    document = _read(path, trusted=True)
    if document is None:
        raise ConfigError(f"{shown(path)} must have a table [tool.amorsize], got none")
    return document


def _project_files(seen: Seen) -> list[str]:
    """Return the config files from the working directory up to the project root, nearest first.

    The root is the nearest folder with ``.git`` or ``pyproject.toml``. Without one only the working directory counts:
    in folders above it, such as the one for temporary files, every user may write. A file of another user makes no
    root.
    """
    try:
        start = os.getcwd()
    except OSError:  # it was removed
        return []
    files: list[str] = []
    here: list[str] | None = None
    for folder in _upwards(start):
        own, project, repository = (os.path.join(folder, name) for name in (FILE, PROJECT_FILE, _REPOSITORY))
        marks = {path: _look(path, seen) for path in (own, project, repository)}
        files += [path for path in (own, project) if marks[path] is not None]
        here = list(files) if here is None else here
        signs = [project] if len(marks[project] or ()) > 1 else []  # it is a file
        signs += [repository] if marks[repository] is not None else []
        if any(foreign(sign) is None for sign in signs):
            return files
    return here or []


def project_of(path: str) -> str:
    """Return the folder of the project that a config belongs to: that of its root, else its own.

    A root that contains the user's home, such as a home under version control, does not count: everything would be in
    the project.
    """
    own = os.path.dirname(path)
    for folder in _upwards(own):
        signs = [os.path.join(folder, name) for name in (PROJECT_FILE, _REPOSITORY)]
        if any(os.path.exists(sign) and foreign(sign) is None for sign in signs):
            return own if is_inside(os.path.expanduser("~"), folder) else folder
    return own


def _upwards(folder: str) -> Iterator[str]:
    """Yield a folder and those above it, up to the root of the file system."""
    while True:
        yield folder
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return


def is_inside(path: str, folder: str) -> bool:
    """Return whether a path is a folder or in it, after all links are resolved."""
    folder = os.path.realpath(folder)
    try:
        return os.path.commonpath([os.path.realpath(path), folder]) == folder
    except ValueError:  # another drive
        return False


def _user_file() -> str | None:
    folder = user_folder("user_config_dir")
    return None if folder is None else os.path.join(folder, FILE)


def user_folder(which: Literal["user_config_dir", "user_cache_dir"]) -> str | None:
    """Return the user's folder for amorsize, None for a user who has no home.

    On Linux it is what the XDG Base Directory Specification says where that leaves no doubt, as importing platformdirs
    takes longer than all the rest of a fresh process's look-up. For all else platformdirs is asked.
    """
    if sys.platform == "linux" and not hasattr(sys, "getandroidapilevel") and "ANDROID_DATA" not in os.environ:
        variable, beside_home = _XDG[which]
        for base in (os.environ.get(variable, ""), os.path.join(os.environ.get("HOME", ""), beside_home)):
            if os.path.isabs(base):
                return os.path.join(base, "amorsize")
    import platformdirs

    try:
        folder = str(getattr(platformdirs, which)("amorsize", appauthor=False))
    except RuntimeError:
        return None
    return folder if os.path.isabs(folder) else None


def _read(path: str, *, trusted: bool = False) -> Mapping[str, Any] | None:
    """Return what a file says to amorsize; None when that is nothing, or when another user has come to own the file."""
    waits = 0 if trusted else getattr(os, "O_NONBLOCK", 0)  # a pipe is read only where one was named
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | waits)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not trusted and (_is_foreign(status.st_uid) or not stat.S_ISREG(status.st_mode)):
                return None
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{shown(path)} cannot be read: {error.strerror or error}") from error
    if is_project_file(path) and not re.search(_MENTIONS_US, content):
        return None
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"{shown(path)} must be at most {_MOST_BYTES} bytes, got more")
    if not is_project_file(path):
        return _parsed(content, path)
    tool = _parsed(content, path).get("tool", {})
    table = tool.get("amorsize") if isinstance(tool, Mapping) else None
    if table is not None and not isinstance(table, Mapping):
        raise ConfigError(f"{shown(path)}: tool.amorsize must be a table, got {table!r:.80}")
    return table


def _parsed(content: bytes, path: str) -> Mapping[str, Any]:
    from tomllib import loads

    if any(map(_is_long_key, re.finditer(_DOTTED, content))):
        raise ConfigError(f"{shown(path)}: must have keys of at most {_MOST_PARTS} parts, got a longer one")
    try:
        return loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{shown(path)}, line {line}: must be UTF-8 text, got byte {content[error.start]:#04x}"
        ) from error
    except (ValueError, RecursionError) as error:
        found = re.search(r"at line (\d+)", str(error))
        at = f", line {found[1]}" if found else ""
        raise ConfigError(f"{shown(path)}{at}: not valid TOML: {error or 'values are nested too deep'}") from error


def _is_long_key(dotted: re.Match[bytes]) -> bool:
    """Return whether a dotted text is a key (not a value) with more parts than tomllib parses in time."""
    if len(dotted[0]) < 2 * _MOST_PARTS or not re.compile(_KEY_ENDS).match(dotted.string, dotted.end()):
        return False
    return len(re.findall(_PART, dotted[0])) > _MOST_PARTS


def foreign(path: str) -> str | None:
    """Return why a file or the target of a link is not trusted: another user owns it. None: the user or root does."""
    for look in (os.lstat, os.stat):
        try:
            owner = look(path).st_uid
        except OSError:
            return None
        if _is_foreign(owner):
            return f"{path} must be owned by you or root to be read, got owner {owner}"
    return None


def _is_foreign(owner: int) -> bool:
    return hasattr(os, "geteuid") and owner not in (0, os.geteuid())


def is_project_file(path: str) -> bool:
    """Return whether a file is a pyproject.toml, which has tables of other tools too."""
    return os.path.basename(path) == PROJECT_FILE


def _look(path: str, seen: Seen) -> tuple[int, ...] | None:
    """Return the mark of a file, and add it to what was looked at."""
    seen.append((path, mark(path)))
    return seen[-1][1]


def mark(path: str) -> tuple[int, ...] | None:
    """Return what changes when a file does, something short for what is no file, None for what is not there."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if stat.S_ISREG(status.st_mode) else (status.st_mode,)


def surroundings() -> tuple[str | None, ...]:
    """Return what the search depends on beside files: the working directory and the environment."""
    try:
        here: str | None = os.getcwd()
    except OSError:
        here = None
    return (here, *map(os.environ.get, _WATCHED))


def is_disabled() -> bool:
    """Return whether AMORSIZE_DISABLE turns caching, measuring and workers off."""
    return is_set(DISABLE_VARIABLE)


def variable(name: str) -> str | None:
    """Return the path in an environment variable, None when it is empty or not set."""
    value = os.environ.get(name)
    return os.path.expanduser(value) if value else None


def shown(path: str) -> str:
    """Return a path for a message: the name alone for a file in the working directory."""
    folder, name = os.path.split(path)
    try:
        return printable(name if folder == os.getcwd() else path)
    except OSError:
        return printable(path)


def joined(folder: str, path: str) -> str:
    """Return a path of a file as an absolute one: ``~`` is the user's home, and a relative one begins at a folder."""
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path)))


def replace_file(path: str, text: str, mode: int, *, is_exact: bool = False) -> None:
    """Write a file as a whole or not at all, in place of one that may be there.

    Args:
        path: where; a link there is replaced.
        text: all that it holds.
        mode: its permissions.
        is_exact: whether they count in full, and not as the process's umask limits them.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    beside = os.path.join(os.path.dirname(path), f".{os.getpid():x}-{os.urandom(8).hex()}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        with open(os.open(beside, flags, 0o600 if is_exact else mode), "w", encoding="utf-8") as file:
            file.write(text)
        if is_exact:
            os.chmod(beside, mode)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise
