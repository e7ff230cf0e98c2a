"""Versions of installed packages that do not state one themselves."""

from __future__ import annotations

from functools import cache


@cache
def version_of(package: str) -> str | None:
    """Return the version of the distribution that a top-level package comes from; None when none says it does.

    A package of several distributions has all of their versions, sorted.
    """
    from importlib import metadata  # noqa: PLC0415  it takes longer to import than a hit takes

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        pass
    names = _distributions().get(package)
    return " ".join(sorted(f"{name} {metadata.version(name)}" for name in set(names))) if names else None


@cache
def _distributions() -> dict[str, list[str]]:
    from importlib import metadata  # noqa: PLC0415  as above

    return dict(metadata.packages_distributions())
