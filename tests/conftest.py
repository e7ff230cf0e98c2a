"""What every test shares: no test reads or writes the user's own cache or config."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("amorsize.testing")
settings.register_profile("default", database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True, scope="session")
def no_real_cache(tmp_path_factory):
    """Keep what runs between tests, as fixtures of a module do, out of the user's own cache as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMORSIZE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_place(tmp_path_factory, monkeypatch):
    """Give each test a working directory, a cache and a home of its own."""
    place = tmp_path_factory.mktemp("place")
    for name in ("home", "work", "cache"):
        (place / name).mkdir(mode=0o700)
    monkeypatch.chdir(place / "work")
    monkeypatch.setenv("HOME", str(place / "home"))
    monkeypatch.setenv("USERPROFILE", str(place / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "AMORSIZE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(place / "cache"))
    return place


@pytest.fixture
def untraced(monkeypatch):
    """Keep coverage out of the processes a test starts, for what it would load there."""
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)
