"""amorsize says how many workers, of which kind, in what chunks, or whether plain serial is best."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; importing typing would cost more than all the rest

if TYPE_CHECKING:
    from typing import Any

    from amorsize.api import (
        clear_cache,
        execute,
        fingerprint,
        get_cache_dir,
        iexecute,
        lookup,
        map,  # noqa: A004  what takes a map-like argument calls it so
        open_cache,
        optimize,
        prune_expired_cache,
        warm_cache,
    )
    from amorsize.application.cache.maintenance import Cache
    from amorsize.application.result import OptimizationResult
    from amorsize.client.client import Client, default_client
    from amorsize.domain.fingerprint.fingerprint import Fingerprint
    from amorsize.errors import (
        AmorsizeError,
        AmorsizeWarning,
        CacheError,
        ConfigError,
        ExecutionError,
        ExecutionTimeout,
        FailedItems,
        InitializerError,
        MeasurementError,
        PluginError,
        SamplingError,
        WorkerError,
    )
    from amorsize.execution.verification import Verification, verify
    from amorsize.pools.executor import Executor
    from amorsize.pools.pool import Pool

__version__ = "0.1.0"

__all__ = [
    "AmorsizeError",
    "AmorsizeWarning",
    "Cache",
    "CacheError",
    "Client",
    "ConfigError",
    "ExecutionError",
    "ExecutionTimeout",
    "Executor",
    "FailedItems",
    "Fingerprint",
    "InitializerError",
    "MeasurementError",
    "OptimizationResult",
    "PluginError",
    "Pool",
    "SamplingError",
    "Verification",
    "WorkerError",
    "clear_cache",
    "default_client",
    "execute",
    "fingerprint",
    "get_cache_dir",
    "iexecute",
    "lookup",
    "map",
    "open_cache",
    "optimize",
    "prune_expired_cache",
    "verify",
    "warm_cache",
]

_HOMES = {
    "Cache": "application.cache.maintenance",
    "Client": "client.client",
    "Executor": "pools.executor",
    "Fingerprint": "domain.fingerprint.fingerprint",
    "OptimizationResult": "application.result",
    "Pool": "pools.pool",
    "Verification": "execution.verification",
    "verify": "execution.verification",
    "clear_cache": "api",
    "default_client": "client.client",
    "execute": "api",
    "fingerprint": "api",
    "get_cache_dir": "api",
    "iexecute": "api",
    "lookup": "api",
    "map": "api",
    "open_cache": "api",
    "optimize": "api",
    "prune_expired_cache": "api",
    "warm_cache": "api",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"amorsize.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
