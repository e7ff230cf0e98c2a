"""Backends as a config chooses them, for a plugin's own tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize.config import loader
from amorsize.execution.workers.external import measure_overheads
from amorsize.plugins.registry import Backends

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from amorsize.domain.overheads import Overheads
    from amorsize.plugins.registry import Kind, Row


def build_backend(kind: Kind, name: str, config: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> Any:
    """Return the adapter of this kind and name, built with the options that a config gives it.

    Args:
        kind: ``caches``, ``probes``, ``inspectors`` or ``executors``.
        name: that of the backend.
        config: path of a config file, or a mapping with what a file would say; None: the file found from the working
            directory, as far as it is trusted.

    Raises:
        ConfigError: an option is wrong.
        PluginError: there is no such backend, or it cannot be built.
    """
    return loader.build(kind, name, loader.load(config))


def describe_backend(kind: Kind, name: str) -> Row:
    """Return what ``amorsize plugins`` lists of a backend: ``distribution``, ``version``, ``state`` and ``options``.

    ``state`` is ``ready``, or says what is wrong. ``options`` maps each option to its default.

    Raises:
        LookupError: there is no such backend.
    """
    for row in Backends().describe():
        if (row.kind, row.name) == (kind, name):
            return row
    raise LookupError(f"{kind} must have a backend {name!r}, got none of that name")


def measure_executor(executor: Executor, start_method: str = "spawn") -> Overheads:
    """Return what a chunk and a byte cost through a running executor, measured by small tasks as ``execute`` does."""
    return measure_overheads(executor, start_method)
