"""The pytest plugin: a fixture that gives a test a cache of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from amorsize.application.cache.maintenance import Cache

__all__ = ["amorsize_cache"]


@pytest.fixture
def amorsize_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """Return a cache for this test alone, in an empty folder of its own."""
    folder: Path = tmp_path_factory.mktemp("amorsize_cache")
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(folder))
    from amorsize.api import open_cache

    return open_cache()
