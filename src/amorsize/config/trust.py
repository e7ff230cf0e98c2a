"""What a config that was found by searching cannot decide alone: options that reach out, until the user trusts them."""

# as in the config module, os.path is quicker than pathlib:
# ruff: noqa: PTH108, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import json
import os
import stat
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from amorsize.adapters.caches import directory
from amorsize.config.files import is_inside, joined, mark, replace_file, user_folder
from amorsize.config.structuring import option_fields
from amorsize.errors import AmorsizeError, CacheError
from amorsize.plugins.backend import REACHES_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from amorsize.config.files import Seen
    from amorsize.plugins.registry import Backends

    Tables = dict[str, dict[str, dict[str, Any]]]

_FOLDER: Final = "trusted"
"""The folder beside the user's own config that holds a file for each config that is trusted."""

_MOST_BYTES: Final = 1 << 14
"""Bytes of such a file: a path and a digest."""


def reaching(tables: Tables, folder: str, inside: Iterable[str], backends: Backends) -> tuple[dict[str, Any], Tables]:
    """Return the options that reach out, by dotted name with what they say, and the tables with absolute paths.

    An option reaches out when its backend marks it so and it differs from its default, or when it is a ``directory``
    outside of the folders given. Links in the folders above it are followed now, so that a later change of one
    has no effect.

    Args:
        tables: option tables by kind and name of backends, checked.
        folder: that of the config file.
        inside: folders that a directory may lie in.
        backends: all there are.
    """
    found: dict[str, Any] = {}
    absolute: Tables = {}
    for kind, named in tables.items():
        for name, table in named.items():
            fields = option_fields(backends.backend(kind, name).options)  # type: ignore[arg-type]  # settings.read gives no other
            for option, value in table.items():
                field = fields[option]
                reaches = any(key in field.metadata for key in REACHES_OUT) and value != field.default
                if option == "directory" and isinstance(value, str):
                    value = _real(joined(folder, value))  # noqa: PLW2901  the same, in full
                    reaches = reaches or not any(is_inside(value, each) for each in inside)
                if reaches:
                    found[f"{kind}.{name}.{option}"] = value
                absolute.setdefault(kind, {}).setdefault(name, {})[option] = value
    return found, absolute


def without(tables: Tables, names: Iterable[str]) -> Tables:
    """Return tables without the options of some dotted names."""
    left = set(names)
    return {
        kind: {
            name: {option: value for option, value in table.items() if f"{kind}.{name}.{option}" not in left}
            for name, table in named.items()
        }
        for kind, named in tables.items()
    }


def is_trusted(path: str, options: dict[str, Any], seen: Seen) -> bool:
    """Return whether the user trusts a config file with exactly these options; add to seen what was looked at."""
    record = _record_path(path)
    if record is None:
        return False
    seen.append((record, mark(record)))
    return _kept(record) == _text(path, options)


def trust(path: str, options: dict[str, Any]) -> None:
    """Remember that the user trusts a config file with just these options, in a file that only the user can write."""
    record = _record_path(path)
    if record is None:
        raise AmorsizeError("config trust: what is trusted must be kept in the user's home, got no home")
    directory.make(os.path.dirname(record), allow_shared=False)
    replace_file(record, _text(path, options), 0o600)


def revoke(path: str) -> bool:
    """Forget that a config file was trusted; return whether it was."""
    record = _record_path(path)
    try:
        if record is not None:
            os.unlink(record)
    except FileNotFoundError:
        return False
    return record is not None


def _record_path(path: str) -> str | None:
    folder = user_folder("user_config_dir")
    if folder is None:
        return None
    return os.path.join(folder, _FOLDER, f"{sha256(os.fsencode(_real(path))).hexdigest()[:32]}.json")


def _real(path: str) -> str:
    """Return a path by the real name of its folder: links would give it several names."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _text(path: str, options: dict[str, Any]) -> str:
    """Return what is kept: the file's path, for a person who looks, and a digest of it and the options."""
    file = os.fsencode(_real(path)).decode("utf-8", "backslashreplace")
    body = json.dumps([file, sorted(options.items())], default=str)
    return json.dumps({"file": file, "sha256": sha256(body.encode()).hexdigest()})


def _kept(record: str) -> str | None:
    """Return the text of a file that only the user can have written, None for any other."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if not directory.is_usable(os.path.dirname(record), allow_shared=False):
            return None
        with open(os.open(record, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
            if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
                return None
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except (OSError, CacheError):
        return None
