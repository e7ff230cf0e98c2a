"""The modules that this interpreter has loaded, and the versions of installed packages that state none themselves."""

from __future__ import annotations

import sys
from functools import cache
from typing import Final

from amorsize.domain.fingerprint.loaded import Loaded

_POOL_MODULES: Final = ("multiprocessing.pool", "concurrent.futures.process")
"""Modules that a process has imported once it has started a pool, or is about to."""


def has_pools() -> bool:
    """Tell whether this process has imported what a pool needs."""
    return any(name in sys.modules for name in _POOL_MODULES)


def loaded() -> Loaded:
    """Return the modules that are loaded, with the versions of their distributions."""
    return Loaded(sys.modules, version_of)


@cache
def version_of(package: str) -> str | None:
    """Return the version of the distribution that a top-level package comes from; None when none says it does.

    A package of several distributions has all of their versions, sorted.
    """
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        pass
    names = _distributions().get(package)
    return " ".join(sorted(f"{name} {metadata.version(name)}" for name in set(names))) if names else None


@cache
def _distributions() -> dict[str, list[str]]:
    from importlib import metadata

    return dict(metadata.packages_distributions())
