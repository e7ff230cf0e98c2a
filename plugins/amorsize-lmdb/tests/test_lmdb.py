"""The store keeps the contracts it promises, and what is particular to LMDB."""

from __future__ import annotations

import errno
from functools import partial
from itertools import count

import pytest

import amorsize
from amorsize import CacheError, ConfigError, config
from amorsize.plugins import Backends
from amorsize.testing import CacheContract, ForkedCacheContract, SharedCacheContract
from amorsize_lmdb import LmdbOptions, build
from amorsize_lmdb.cache import LmdbCache


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMORSIZE_CONFIG", "/dev/null")
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(tmp_path / "cache"))


class OnDisk:
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path
        self.numbers = count()
        self.directories = {}

    def make(self):
        directory = str(self.place / f"cache{next(self.numbers)}")
        store = LmdbCache(LmdbOptions(directory=directory))
        self.directories[id(store)] = directory
        return store


class TestLmdb(OnDisk, CacheContract):
    def reopen(self, store):
        return LmdbCache(LmdbOptions(directory=self.directories[id(store)]))


class TestForkedLmdb(OnDisk, ForkedCacheContract):
    pass


class TestSharedLmdb(SharedCacheContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path

    def shared(self):
        return partial(LmdbCache, LmdbOptions(directory=str(self.place / "cache"), size_mib=32))


def test_a_full_database_refuses_writes_as_a_full_disk_does_and_is_read_on(tmp_path):
    store = LmdbCache(LmdbOptions(directory=str(tmp_path / "cache"), size_mib=1))
    store.store("here", "v", "text")
    with pytest.raises(OSError, match="MDB_MAP_FULL") as caught:  # noqa: PT012  one of these is too many
        for number in range(100):
            store.store(f"locator {number}", "v", "x" * 60_000)
    assert caught.value.errno == errno.ENOSPC
    assert store.fetch("here") == {"v": "text"}
    assert store.discard(("locator 0", "v") for _ in range(2)) == 1
    store.store("here", "w", "text")


def test_a_file_that_is_no_database_is_a_cache_error(tmp_path):
    place = tmp_path / "cache"
    (place / "lmdb").mkdir(parents=True)
    place.chmod(0o700)
    (place / "lmdb" / "data.mdb").write_bytes(b"no database" * 10_000)
    store = LmdbCache(LmdbOptions(directory=str(place)))
    for call in (lambda: store.fetch("here"), lambda: store.store("here", "v", "text"), lambda: list(store.locators())):
        with pytest.raises(CacheError, match="caches.lmdb: "):
            call()


def test_a_folder_of_others_is_refused_and_reading_makes_none(tmp_path):
    store = LmdbCache(LmdbOptions(directory=str(tmp_path / "cache")))
    assert store.fetch("here") == {}
    assert not (tmp_path / "cache").exists()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(CacheError, match="must be writable by its owner only"):
        store.fetch("here")


def test_it_is_chosen_by_name_and_answers():
    assert [amorsize.optimize(abs, range(2000), cache="lmdb").cache for _ in range(2)] == ["miss", "hit"]
    assert amorsize.open_cache(cache=["memory", "lmdb"]).stats().entries == 1
    (row,) = [row for row in Backends().describe() if row.name == "lmdb"]
    assert (row.distribution, row.state) == ("amorsize-lmdb", "ready")
    with pytest.raises(ConfigError, match="caches.lmdb.size_mib must be >= 1, got 0"):
        config.load({"cache": "lmdb", "caches": {"lmdb": {"size_mib": 0}}})
    with pytest.raises(ValueError, match="caches.lmdb.directory must be a directory"):
        build(LmdbOptions())
