"""Every cache store keeps the contract, and those on disk survive several writers and killed ones."""

from __future__ import annotations

from functools import partial

import pytest

from amorsize.adapters.caches.json import JsonCache, JsonOptions
from amorsize.adapters.caches.layered import LayeredCache
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.adapters.caches.sqlite import SqliteCache, SqliteOptions
from amorsize.testing import CacheContract, SharedCacheContract


def json_at(directory):
    return JsonCache(JsonOptions(directory=directory))


def sqlite_at(directory):
    return SqliteCache(SqliteOptions(directory=directory))


class _OnDisk(CacheContract):
    """Stores under a directory of the test's own."""

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path
        self.directories = {}

    def make(self):
        directory = str(self.place / f"cache{len(self.directories)}")
        store = self.at(directory)
        self.directories[id(store)] = directory
        return store

    def reopen(self, store):
        return self.at(self.directories[id(store)])


class TestJson(_OnDisk):
    at = staticmethod(json_at)


class TestSqlite(_OnDisk):
    at = staticmethod(sqlite_at)


def layered_at(directory):
    return LayeredCache([("near", json_at(f"{directory}/near")), ("far", sqlite_at(f"{directory}/far"))])


class TestLayered(_OnDisk):
    at = staticmethod(layered_at)


class TestMemory(CacheContract):
    def make(self):
        return MemoryCache(MemoryOptions())


class TestSharedJson(SharedCacheContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path

    def shared(self):
        return partial(JsonCache, JsonOptions(directory=str(self.place / "cache")))


class TestSharedSqlite(SharedCacheContract):
    """Rivals wait for each other for as long as it takes, whatever else runs here; that is why they do less."""

    operations = 600

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path

    def shared(self):
        return partial(SqliteCache, SqliteOptions(directory=str(self.place / "cache"), timeout_seconds=60))
