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
        open_cache,
        optimize,
        prune_expired_cache,
        warm_cache,
    )
    from amorsize.domain.fingerprint import Fingerprint
    from amorsize.errors import (
        AmorsizeError,
        AmorsizeWarning,
        CacheError,
        ConfigError,
        ExecutionError,
        ExecutionTimeout,
        FailedItems,
        MeasurementError,
        PluginError,
        WorkerError,
    )
    from amorsize.hookspecs import Backend, hookimpl
    from amorsize.result import OptimizationResult
    from amorsize.upkeep import Cache

__version__ = "0.1.0"

__all__ = [
    "AmorsizeError",
    "AmorsizeWarning",
    "Backend",
    "Cache",
    "CacheError",
    "ConfigError",
    "ExecutionError",
    "ExecutionTimeout",
    "FailedItems",
    "Fingerprint",
    "MeasurementError",
    "OptimizationResult",
    "PluginError",
    "WorkerError",
    "clear_cache",
    "execute",
    "fingerprint",
    "get_cache_dir",
    "hookimpl",
    "iexecute",
    "lookup",
    "open_cache",
    "optimize",
    "prune_expired_cache",
    "warm_cache",
]

_HOMES = {
    "Backend": "hookspecs",
    "Cache": "upkeep",
    "Fingerprint": "domain.fingerprint",
    "OptimizationResult": "result",
    "hookimpl": "hookspecs",
    "clear_cache": "api",
    "execute": "api",
    "fingerprint": "api",
    "get_cache_dir": "api",
    "iexecute": "api",
    "lookup": "api",
    "open_cache": "api",
    "optimize": "api",
    "prune_expired_cache": "api",
    "warm_cache": "api",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  importing amorsize alone costs next to nothing

    value = getattr(import_module(f"amorsize.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
