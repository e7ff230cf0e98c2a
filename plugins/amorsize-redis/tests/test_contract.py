"""The store keeps the contract of caches, also with several writers and killed ones, on a real server."""

from __future__ import annotations

from functools import partial
from itertools import count

import pytest

from amorsize.testing import CacheContract, SharedCacheContract
from amorsize_redis.cache import RedisCache


class TestRedis(CacheContract):
    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server
        self.numbers = count()
        self.options = {}

    def make(self):
        options = self.server.options(prefix=f"cache{next(self.numbers)}:")
        store = RedisCache(options)
        self.options[id(store)] = options
        return store

    def reopen(self, store):
        return RedisCache(self.options[id(store)])


class TestSharedRedis(SharedCacheContract):
    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server

    def shared(self):
        return partial(RedisCache, self.server.options())
