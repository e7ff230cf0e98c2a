"""The public functions given what is wrong, and caches that cannot be had."""

from __future__ import annotations

import gc
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import attrs
import psutil
import pytest
from api_jobs import double, fresh

import amorsize
from amorsize import composition as assembly
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.errors import AmorsizeWarning, ConfigError, PluginError
from amorsize.plugins import Backend, hookimpl
from amorsize.plugins.registry import Backends


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_workers": 0}, "optimize: max_workers must be a whole number from 1 to 65536, got 0"),
        ({"max_workers": -3}, "max_workers must be"),
        ({"max_workers": 2.5}, "max_workers must be"),
        ({"memory_limit": -1}, "memory_limit must be"),
        ({"min_speedup": 0.5}, "min_speedup must be a number from 1"),
        ({"min_speedup": float("nan")}, "min_speedup must be"),
    ],
)
def test_a_limit_out_of_range_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        amorsize.optimize(double, [1, 2], **options)


def test_an_executor_that_nobody_offers_is_refused():
    with pytest.raises(amorsize.PluginError, match="executor must be one of 'auto', 'process', .*got 'rocket'"):
        amorsize.optimize(double, [1, 2], executor="rocket")


@pytest.mark.parametrize(("func", "data"), [(None, [1]), (double, None), (double, 5)])
def test_what_cannot_be_run_is_a_type_error(func, data):
    with pytest.raises(TypeError, match="optimize: (func|data) must be"):
        amorsize.optimize(func, data)


def test_wrong_settings_and_unknown_backends_are_said():
    with pytest.raises(ConfigError, match="rules.ttl_seconds"):
        amorsize.optimize(double, [1], config={"rules": {"ttl_seconds": "long"}})
    with pytest.raises(PluginError, match="jsno"):
        amorsize.optimize(double, [1], cache="jsno")


def test_an_error_of_the_function_comes_out_with_a_note():
    with pytest.raises(ZeroDivisionError) as caught:
        amorsize.optimize(lambda x: 1 // x, [0, 0, 0])
    assert "position" in caught.value.__notes__[0]


def broken_places(tmp_path):
    """Yield a name and a path for each kind of cache folder that cannot be used, as root and as anybody."""
    file = tmp_path / "file"
    file.write_text("not a folder")
    yield "a file", file
    yield "below a file", file / "cache"
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(target)
    yield "a symlink", link
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    yield "writable by others", shared
    if Path("/proc/version").exists():
        yield "a file system without files", Path("/proc/amorsize")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and links")
@pytest.mark.parametrize("cache", ["json", "sqlite"])
def test_a_folder_that_cannot_be_used_costs_one_warning_and_never_the_call(cache, tmp_path, monkeypatch):
    for name, path in broken_places(tmp_path):
        monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(path))
        amorsize.default_client().close()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                assert amorsize.optimize(fresh("homeless", 100), range(2000), cache=cache).n_jobs >= 1
        assert [one.category for one in caught] == [AmorsizeWarning], (name, [str(one.message) for one in caught])


def test_a_store_that_cannot_be_had_is_replaced_by_memory_with_a_warning(monkeypatch):
    class FarPlugin:
        @hookimpl
        def amorsize_caches(self):
            def connect(_):
                raise ConnectionRefusedError("nobody answers")

            return [Backend("far", attrs.make_class("FarOptions", {}), connect)]

    dist = SimpleNamespace(name="amorsize-far", version="0.1")
    known = Backends(lambda: [SimpleNamespace(name="far", dist=dist, load=FarPlugin)])
    monkeypatch.setattr(assembly, "Backends", lambda: known)
    amorsize.default_client().close()
    func = fresh("far", 2900)
    with pytest.warns(AmorsizeWarning, match="nobody answers.*; answers are kept in memory only") as warned:
        said = [amorsize.optimize(func, range(2000), cache="far").cache for _ in range(3)]
    assert said == ["miss", "hit", "hit"]
    assert len(warned) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are counted on POSIX")
@pytest.mark.parametrize("cache", ["json", "sqlite", ["memory", "sqlite"]])
def test_no_descriptor_outlives_a_call_with_a_config_of_its_own_whether_it_fails_or_not(cache):
    def fail(item):
        raise LookupError(item)

    amorsize.optimize(double, range(3))
    kept = []
    process = psutil.Process()
    gc.collect()
    gc.disable()  # what only a collection closes would stay for long in a program that makes little garbage
    try:
        before = process.num_fds()
        for _ in range(5):
            kept.append(amorsize.optimize(double, range(100), config={"cache": cache}))
            with pytest.raises(LookupError) as caught:
                amorsize.optimize(fail, range(100), config={"cache": cache})
            kept.append(caught.value)
        assert process.num_fds() <= before  # earlier tests' workers may end meanwhile
    finally:
        gc.enable()
    assert kept[0].run() == [2 * item for item in range(100)]


def test_a_store_that_the_caller_has_made_stays_open():
    class Noted(MemoryCache):
        closed = 0

        def close(self):
            self.closed += 1

    store = Noted(MemoryOptions())
    assert amorsize.optimize(double, range(100), config={}, cache=store).cache == "miss"
    assert amorsize.optimize(double, range(100), config={}, cache=["memory", store]).cache == "hit"
    assert store.closed == 0
