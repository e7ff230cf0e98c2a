"""Finds the config that holds here, reads it into Settings, and builds the backends it chooses."""

# Every fresh process runs this, and os.path takes a fraction of the time of pathlib:
# ruff: noqa: PTH100, PTH109, PTH110, PTH111, PTH112, PTH116, PTH117, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal
from warnings import warn

import attrs

from amorsize.errors import AmorsizeError, AmorsizeWarning, CacheError, ConfigError, PluginError
from amorsize.plugins import Backends
from amorsize.settings import DEFAULTS, MAPPING, Settings, read, structure

if TYPE_CHECKING:
    from pathlib import Path

    from amorsize.plugins import Kind

    Seen = list[tuple[str, tuple[int, ...] | None]]

__all__ = ["Settings", "build", "cache_directory", "find", "is_current", "load"]

FILE: Final = "amorsize.toml"
PROJECT_FILE: Final = "pyproject.toml"
CONFIG_VARIABLE: Final = "AMORSIZE_CONFIG"
CACHE_VARIABLE: Final = "AMORSIZE_CACHE_DIR"

_WATCHED: Final = (CONFIG_VARIABLE, CACHE_VARIABLE, "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME")
_XDG: Final = {"user_config_dir": ("XDG_CONFIG_HOME", ".config"), "user_cache_dir": ("XDG_CACHE_HOME", ".cache")}
_MENTIONS_US: Final = rb"amorsize[\"']?\s*[\].=]"


def load(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None, *, backends: Backends | None = None
) -> Settings:
    """Return the settings in force, or those of a config given.

    A path names a file outright; a mapping holds what a file would say; None searches: AMORSIZE_CONFIG, then
    ``amorsize.toml`` and ``[tool.amorsize]`` from the working directory up to the project root, then the user's config
    folder. The first that is found wins whole. Raises ConfigError that lists every fault.
    """
    if isinstance(config, Mapping):
        return _settings(config, "config: ", MAPPING, (), backends)
    if config is not None and not isinstance(config, str | os.PathLike):
        raise ConfigError(f"config must be a path, a mapping or None, got {config!r:.80}")
    seen: Seen = []
    path, document = _found(config, seen)
    stamp = (_surroundings(), tuple(seen))
    if path is None or document is None:
        return Settings(cache_dir=_variable(CACHE_VARIABLE), stamp=stamp)
    where = f"{_shown(path)}: " + ("tool.amorsize." if _is_project_file(path) else "")
    return _settings(document, where, path, stamp, backends)


def find(config: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the path of the file that ``load`` would read, None when there is none; raises ConfigError as it does."""
    from pathlib import Path  # noqa: PLC0415  load does without

    path, _ = _found(config, [])
    return None if path is None else Path(path)


def is_current(settings: Settings) -> bool:
    """Tell, in a few calls of stat, whether ``load()`` would look at the same files, unchanged, in the same place."""
    if not settings.stamp:
        return True
    surroundings, seen = settings.stamp
    return bool(surroundings == _surroundings() and all(_mark(path) == mark for path, mark in seen))


def cache_directory(settings: Settings) -> str:
    """Return the absolute directory caches keep their files in: AMORSIZE_CACHE_DIR or one in the user's cache folder.

    It may not exist. Raises CacheError when the user has no home to keep it in.
    """
    if settings.cache_dir:
        return os.path.abspath(settings.cache_dir)
    folder = _user_folder("user_cache_dir")
    if folder is None:
        raise CacheError(f"the cache directory must lie in the user's home, got no home: set {CACHE_VARIABLE}")
    return os.path.join(folder, "optimization_cache")


def build(kind: Kind, name: str, settings: Settings, *, backends: Backends | None = None) -> Any:
    """Return a new adapter of this kind and name, with the options that settings give it.

    An option ``directory`` that is None by default and not set is given the cache directory, and AMORSIZE_CACHE_DIR
    overrules one that a file sets, not one that a mapping sets; a relative one is taken from the folder of the config
    file. Raises PluginError for
    an unknown name or a plugin that fails, ConfigError for options that are wrong, OSError and CacheError as the
    adapter does.
    """
    backend = (backends or Backends()).backend(kind, name)
    options = _options(backend.options, settings.backends.get(kind, {}).get(name, {}), f"{kind}.{name}")
    if "directory" in (fields := attrs.fields_dict(backend.options)):
        ours = fields["directory"].default is None  # one that has a place of its own keeps it
        options = attrs.evolve(options, directory=_directory(options.directory, settings, ours=ours))
    try:
        return backend.build(options)
    except (AmorsizeError, OSError):
        raise
    except Exception as error:
        raise PluginError(f"{kind}.{name} must be buildable, got {type(error).__name__}: {error}") from error


def _options(kind: type, table: Mapping[str, Any], where: str) -> Any:
    if not table and all(field.default is not attrs.NOTHING for field in attrs.fields(kind) if field.init):
        return kind()
    faults: list[str] = []
    options = structure(table, kind, where, faults)
    if faults:
        raise ConfigError("\n".join(faults))
    return options


def _directory(chosen: str | None, settings: Settings, *, ours: bool) -> str:
    overruled = ours and settings.cache_dir is not None and settings.source != MAPPING
    return cache_directory(settings) if chosen is None or overruled else _from(_folder(settings.source), chosen)


def _folder(source: str) -> str:
    return "" if source in (DEFAULTS, MAPPING) else os.path.dirname(source)


def _from(folder: str, path: str) -> str:
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path)))


def _seen_from_here(folder: str, pattern: str) -> str:
    """Return a pattern of a file as one would give it here: what matches are items, and how long these are counts."""
    pattern = os.path.expanduser(pattern)
    try:
        if os.path.isabs(pattern) or folder in ("", os.getcwd()):
            return pattern
        return os.path.relpath(os.path.join(folder, pattern))
    except (OSError, ValueError):  # the working directory was removed, or is on another drive
        return os.path.join(folder, pattern)


def _settings(
    document: Mapping[str, Any], where: str, source: str, stamp: tuple[Any, ...], backends: Backends | None
) -> Settings:
    given = read(document, where, backends or Backends())
    folder = _folder(source)
    places = {"lines": _from, "json": _from, "glob": _seen_from_here}
    given["warm"] = tuple(
        attrs.evolve(
            warm, **{name: place(folder, path) for name, place in places.items() if (path := getattr(warm, name))}
        )
        for warm in given.get("warm", ())
    )
    return Settings(**given, cache_dir=_variable(CACHE_VARIABLE), source=source, stamp=stamp)


def _found(config: str | os.PathLike[str] | None, seen: Seen) -> tuple[str | None, Mapping[str, Any] | None]:
    """Return the path and contents of the first config that there is; note in seen what was looked at."""
    name = os.fspath(config) if config is not None else _variable(CONFIG_VARIABLE)
    if name is not None:
        path = _from("", name)
        seen.append((path, _mark(path)))
        return path, _named(path, CONFIG_VARIABLE if config is None else "config")
    for path in _project_files(seen):
        if (document := _read(path)) is not None:
            return path, document
    user = _user_file()
    if user and _look(user, seen) and (document := _read(user)) is not None:
        return user, document
    return None, None


def _named(path: str, where: str) -> Mapping[str, Any]:
    """Read a file that was named outright, whoever owns it; one that is missing or not ours is an error."""
    if not os.path.exists(path) or os.path.isdir(path):
        raise ConfigError(f"{where} must name a file that is there, got {path!r}")
    document = _read(path, trusted=True)
    if document is None:
        raise ConfigError(f"{_shown(path)} must have a table [tool.amorsize], got none")
    return document


def _project_files(seen: Seen) -> list[str]:
    """Return the config files from the working directory up to the project root, nearest first.

    The root is the nearest folder with ``.git`` or ``pyproject.toml``. Without one only the working directory counts:
    further up lie folders, such as the one for temporary files, where anybody may write.
    """
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return []
    found: list[str] = []
    here: list[str] | None = None
    while True:
        own, project = os.path.join(folder, FILE), os.path.join(folder, PROJECT_FILE)
        is_project = _look(project, seen)
        found += [own] if _look(own, seen) else []
        found += [project] if is_project else []
        if here is None:
            here = list(found)
        if is_project or _exists(os.path.join(folder, ".git"), seen):
            return found
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return here


def _user_file() -> str | None:
    folder = _user_folder("user_config_dir")
    return None if folder is None else os.path.join(folder, FILE)


def _user_folder(which: Literal["user_config_dir", "user_cache_dir"]) -> str | None:
    """Return the user's folder for amorsize, None for a user who has no home.

    On Linux it is what the XDG Base Directory Specification says where that leaves no doubt, as importing platformdirs
    takes longer than all the rest of a fresh process's look-up. For all else platformdirs is asked.
    """
    if sys.platform == "linux" and not hasattr(sys, "getandroidapilevel") and "ANDROID_DATA" not in os.environ:
        variable, beside_home = _XDG[which]
        for base in (os.environ.get(variable, ""), os.path.join(os.environ.get("HOME", ""), beside_home)):
            if os.path.isabs(base):
                return os.path.join(base, "amorsize")
    import platformdirs  # noqa: PLC0415  see above

    try:
        folder = str(getattr(platformdirs, which)("amorsize", appauthor=False))
    except RuntimeError:
        return None
    return folder if os.path.isabs(folder) else None


def _read(path: str, *, trusted: bool = False) -> Mapping[str, Any] | None:
    """Return what a file says to amorsize; None when that is nothing, or when the file is somebody else's."""
    try:
        with open(path, "rb") as file:
            owner = os.fstat(file.fileno()).st_uid
            if not trusted and _is_foreign(owner):
                must = f"{path} must be owned by you or root to be read, got owner {owner}"
                warn(f"{must}; name it in {CONFIG_VARIABLE} to have it read", AmorsizeWarning, stacklevel=2)
                return None
            content = file.read()
    except OSError as error:
        raise ConfigError(f"{_shown(path)} must be readable, got {error.strerror or error}") from error
    if not _is_project_file(path):
        return _parsed(content, path)
    if not re.search(_MENTIONS_US, content):
        return None
    tool = _parsed(content, path).get("tool", {})
    ours = tool.get("amorsize") if isinstance(tool, Mapping) else None
    if ours is not None and not isinstance(ours, Mapping):
        raise ConfigError(f"{_shown(path)}: tool.amorsize must be a table, got {ours!r:.80}")
    return ours


def _parsed(content: bytes, path: str) -> Mapping[str, Any]:
    from tomllib import TOMLDecodeError, loads  # noqa: PLC0415  not reached without a config

    try:
        return loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{_shown(path)}, line {line}: must be UTF-8 text, got byte {content[error.start]:#04x}"
        ) from error
    except (TOMLDecodeError, RecursionError) as error:
        place = re.search(r"at line (\d+)", str(error))
        at = f", line {place[1]}" if place else ""
        raise ConfigError(f"{_shown(path)}{at}: must be TOML, got {error or 'too deep a nesting'}") from error


def _is_foreign(owner: int) -> bool:
    return hasattr(os, "geteuid") and owner not in (0, os.geteuid())


def _is_project_file(path: str) -> bool:
    return os.path.basename(path) == PROJECT_FILE


def _look(path: str, seen: Seen) -> bool:
    """Tell whether a file is there, and note it."""
    mark = _mark(path)
    seen.append((path, mark))
    return mark is not None and len(mark) > 1


def _exists(path: str, seen: Seen) -> bool:
    mark = _mark(path)
    seen.append((path, mark))
    return mark is not None


def _mark(path: str) -> tuple[int, ...] | None:
    """Return what changes when a file does, something short for what is no file, None for what is not there."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino) if stat.S_ISREG(status.st_mode) else (status.st_mode,)


def _surroundings() -> tuple[str | None, ...]:
    try:
        here: str | None = os.getcwd()
    except OSError:
        here = None
    return (here, *map(os.environ.get, _WATCHED))


def _variable(name: str) -> str | None:
    value = os.environ.get(name)
    return os.path.expanduser(value) if value else None


def _shown(path: str) -> str:
    """Return a path as messages show it: only the name of a file that lies right here."""
    folder, name = os.path.split(path)
    try:
        return name if folder == os.getcwd() else path
    except OSError:
        return path
