"""A cache for amorsize that a fleet of workers shares, in Redis or Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.plugins import Backend, hookimpl
from amorsize_redis.options import RedisOptions

if TYPE_CHECKING:
    from amorsize_redis.cache import RedisCache

__all__ = ["RedisOptions", "amorsize_caches", "build"]


def build(options: RedisOptions) -> RedisCache:
    """Return the store; redis-py is imported only now, since amorsize loads every plugin to look for one."""
    from amorsize_redis.cache import RedisCache  # noqa: PLC0415  as above

    return RedisCache(options)


@hookimpl
def amorsize_caches() -> list[Backend]:
    """Offer the cache ``redis``."""
    return [Backend("redis", RedisOptions, build)]
