"""The pytest plugin: a fixture that gives a test a cache of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from amorsize.upkeep import Cache


@pytest.fixture
def amorsize_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """Keep what this test caches in a folder of its own, empty at first, and return the cache that lies there."""
    folder: Path = tmp_path_factory.mktemp("amorsize_cache")
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(folder))
    from amorsize.api import open_cache  # noqa: PLC0415  a run that never asks does not pay for it

    return open_cache()
