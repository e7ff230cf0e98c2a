"""A child of a fork opens connections of its own."""

from __future__ import annotations

from itertools import count

import pytest

from amorsize.testing import ForkedCacheContract
from amorsize_redis.cache import RedisCache


class TestForkedRedis(ForkedCacheContract):
    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server
        self.numbers = count()

    def make(self):
        return RedisCache(self.server.options(prefix=f"forked{next(self.numbers)}:"))
