"""Finds the config in force, reads it into Settings, and builds the backends that it chooses."""

# Every fresh process runs this, and os.path takes a fraction of the time of pathlib:
# ruff: noqa: PTH100, PTH109, PTH111, PTH117, PTH118, PTH120

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from amorsize.config.files import (
    CACHE_VARIABLE,
    CONFIG_VARIABLE,
    found,
    is_project_file,
    joined,
    mark,
    shown,
    surroundings,
    user_folder,
    variable,
)
from amorsize.config.renamed import with_new_names
from amorsize.config.settings import DEFAULTS, MAPPING, Settings, read
from amorsize.config.structuring import PROJECT_TABLE, structure
from amorsize.errors import AmorsizeError, CacheError, ConfigError, PluginError
from amorsize.plugins.registry import Backends
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from pathlib import Path

    from amorsize.config.files import Found, Seen
    from amorsize.plugins.registry import Kind

__all__ = ["CACHE_VARIABLE", "CONFIG_VARIABLE", "Settings", "build", "cache_directory", "find", "is_current", "load"]


def load(
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None, *, backends: Backends | None = None
) -> Settings:
    """Return the settings in force, or those of a config given.

    A config is the path of a file, or a mapping with what a file would say. None searches for a file: AMORSIZE_CONFIG,
    then ``amorsize.toml`` and ``[tool.amorsize]`` from the working directory up to the project root, then the user's
    config folder. Only the first file counts. Raises ConfigError that lists every fault.
    """
    if isinstance(config, Mapping):
        return _settings(with_new_names(config, "config: "), "config: ", MAPPING, backends or Backends())
    if config is not None and not isinstance(config, str | os.PathLike):
        raise ConfigError(f"config must be a path, a mapping or None, got {config!r:.80}")
    seen: Seen = []
    return settings_of(found(config, seen), seen, backends)


def settings_of(there: Found | None, seen: Seen, backends: Backends | None = None) -> Settings:
    """Return the settings that a config gives which was found, and the defaults for None; see ``load``."""
    if there is None:
        return Settings(cache_dir=variable(CACHE_VARIABLE), stamp=(surroundings(), tuple(seen)))
    where = f"{shown(there.path)}: " + (PROJECT_TABLE if is_project_file(there.path) else "")
    backends = backends or Backends()
    made = _settings(there.document, where, there.path, backends)
    if there.project is not None:
        made = _as_trusted(made, there.project, seen, backends)
    return attrs.evolve(made, stamp=(surroundings(), tuple(seen)))


def find(config: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the path of the file that ``load`` would read, None when there is none; raises ConfigError as it does."""
    from pathlib import Path

    there = found(config, [])
    return None if there is None else Path(there.path)


def is_current(settings: Settings) -> bool:
    """Return whether ``load()`` would find the same files unchanged; takes a few calls of stat."""
    if not settings.stamp:
        return True
    around, seen = settings.stamp
    return bool(around == surroundings() and all(mark(path) == marked for path, marked in seen))


def cache_directory(settings: Settings) -> str:
    """Return the absolute directory caches keep their files in: AMORSIZE_CACHE_DIR or one in the user's cache folder.

    It may not exist. Raises CacheError when the user has no home to keep it in.
    """
    if settings.cache_dir:
        return os.path.abspath(settings.cache_dir)
    folder = user_folder("user_cache_dir")
    if folder is None:
        raise CacheError(f"the cache directory must lie in the user's home, got no home: set {CACHE_VARIABLE}")
    return os.path.join(folder, "optimization_cache")


def build(kind: Kind, name: str, settings: Settings, *, backends: Backends | None = None) -> Any:
    """Return a new adapter of this kind and name, with the options that settings give it.

    An option ``directory`` that is None gets the cache directory. AMORSIZE_CACHE_DIR overrides a directory from a file,
    not one from a mapping. A relative directory starts at the folder of the config file. Raises PluginError for an
    unknown name or a plugin that fails, ConfigError for wrong options, and OSError and CacheError as the adapter does.
    """
    backend = (backends or Backends()).backend(kind, name)
    try:
        options = _options(backend.options, settings.backends.get(kind, {}).get(name, {}), f"{kind}.{name}")
    except ConfigError as error:
        if not any(option.startswith(f"{kind}.{name}.") for option in settings.untrusted):
            raise
        fault = CacheError if kind == "caches" else PluginError  # of which the former has a cache in memory take over
        raise fault(f"{error}: type {trust_command(settings.source)}") from None
    if "directory" in (fields := attrs.fields_dict(backend.options)):
        ours = fields["directory"].default is None  # a backend with a default directory of its own keeps it
        options = attrs.evolve(options, directory=_directory(options.directory, settings, ours=ours))
    try:
        return backend.build(options)
    except (AmorsizeError, OSError):
        raise
    except Exception as error:
        raise PluginError(f"{kind}.{name} cannot be built: {type(error).__name__}: {error}") from error


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
    return cache_directory(settings) if chosen is None or overruled else joined(_folder(settings.source), chosen)


def _folder(source: str) -> str:
    return "" if source in (DEFAULTS, MAPPING) else os.path.dirname(source)


def _seen_from_here(folder: str, pattern: str) -> str:
    """Return a pattern of a file as one would give it here: what matches are items, and how long these are counts."""
    pattern = os.path.expanduser(pattern)
    try:
        if os.path.isabs(pattern) or folder in ("", os.getcwd()):
            return pattern
        return os.path.relpath(os.path.join(folder, pattern))
    except (OSError, ValueError):  # the working directory was removed, or is on another drive
        return os.path.join(folder, pattern)


def reaching(settings: Settings, project: str, backends: Backends) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that reach out of a project and the user's cache, and the tables of all; see trust."""
    from amorsize.config import trust

    inside = [project, *filter(None, (user_folder("user_cache_dir"), settings.cache_dir))]
    return trust.reaching(settings.backends, _folder(settings.source), inside, backends)


def _as_trusted(settings: Settings, project: str, seen: Seen, backends: Backends) -> Settings:
    """Return the settings of a config that was found by searching, as far as it is trusted."""
    if not settings.backends:
        return settings
    from amorsize.config import trust

    options, tables = reaching(settings, project, backends)
    if not options or trust.is_trusted(settings.source, options, seen):
        return attrs.evolve(settings, backends=tables)
    reach, theirs = ("reaches", "its default is") if len(options) == 1 else ("reach", "their defaults are")
    warn(
        f"{shown(settings.source)}: {', '.join(options)} {reach} out of the project; {theirs} used until you trust the "
        f"file: {trust_command(settings.source)}",
    )
    return attrs.evolve(settings, backends=trust.without(tables, options), untrusted=options)


def trust_command(path: str) -> str:
    """Return the command that has what a config says of options that reach out count."""
    from shlex import quote

    return f"amorsize config trust {quote(path)}" if path.isprintable() else "amorsize config trust"


def _settings(document: Mapping[str, Any], where: str, source: str, backends: Backends) -> Settings:
    try:
        given = read(document, where, backends)
    except RecursionError:
        raise ConfigError(f"{where}values must not be nested that deep") from None
    folder = _folder(source)
    resolve = {"lines": joined, "json": joined, "glob": _seen_from_here}
    given["warm"] = tuple(
        attrs.evolve(
            warm,
            **{name: absolute(folder, path) for name, absolute in resolve.items() if (path := getattr(warm, name))},
        )
        for warm in given.get("warm", ())
    )
    return Settings(**given, cache_dir=variable(CACHE_VARIABLE), source=source)
