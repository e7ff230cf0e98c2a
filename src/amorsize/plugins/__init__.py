"""All that the author of a plugin imports, beside ``amorsize.testing``; each name is loaded when it is first used.

A plugin is a module that implements hooks (``HOOKS``). Each is marked with ``hookimpl`` and returns a list of
``Backend``. What a backend builds follows one of the ports: ``CacheStore``, ``Probe``, ``SystemInspector`` or
``Executors``. The other names are the values and errors that the ports use, and what a cache on a disk needs. They all
stay as they are for as long as ``API`` does.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in amorsize itself: importing typing costs more than all the rest

if TYPE_CHECKING:
    from typing import Any

    from amorsize.adapters.caches.directory import create as create_directory
    from amorsize.adapters.caches.directory import is_usable as is_usable_directory
    from amorsize.adapters.caches.locks import lock_held_over_forks
    from amorsize.adapters.caches.names import MOST_VARIANTS, check_name, is_name, text_bytes
    from amorsize.application.ports import CacheStore, Executors, Probe, SystemInspector
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.external import Capacity
    from amorsize.domain.planning.sampling import Budget
    from amorsize.domain.source import Source
    from amorsize.domain.values import TEXT_BYTES, Machine, Sample
    from amorsize.errors import CacheError, ExecutionError, MeasurementError, SamplingError
    from amorsize.plugins.backend import API, REACHES_OUT, Backend
    from amorsize.plugins.hook_specifications import HOOKS, hookimpl

__all__ = [
    "API",
    "HOOKS",
    "MOST_VARIANTS",
    "REACHES_OUT",
    "TEXT_BYTES",
    "Backend",
    "Budget",
    "CacheError",
    "CacheStore",
    "Capacity",
    "ExecutionError",
    "Executors",
    "Machine",
    "MeasurementError",
    "Overheads",
    "Probe",
    "Sample",
    "SamplingError",
    "Source",
    "SystemInspector",
    "check_name",
    "create_directory",
    "hookimpl",
    "is_name",
    "is_usable_directory",
    "lock_held_over_forks",
    "text_bytes",
]

_HOMES = {
    "API": "plugins.backend",
    "Backend": "plugins.backend",
    "REACHES_OUT": "plugins.backend",
    "HOOKS": "plugins.hook_specifications",
    "hookimpl": "plugins.hook_specifications",
    "CacheStore": "application.ports",
    "Executors": "application.ports",
    "Probe": "application.ports",
    "SystemInspector": "application.ports",
    "Machine": "domain.values",
    "Sample": "domain.values",
    "Overheads": "domain.overheads",
    "Source": "domain.source",
    "Budget": "domain.planning.sampling",
    "Capacity": "domain.planning.external",
    "MOST_VARIANTS": "adapters.caches.names",
    "TEXT_BYTES": "domain.values",
    "check_name": "adapters.caches.names",
    "is_name": "adapters.caches.names",
    "text_bytes": "adapters.caches.names",
    "create_directory": "adapters.caches.directory",
    "is_usable_directory": "adapters.caches.directory",
    "lock_held_over_forks": "adapters.caches.locks",
}
_OTHER_NAMES = {"create_directory": "create", "is_usable_directory": "is_usable"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"amorsize.{_HOMES.get(name, 'errors')}"), _OTHER_NAMES.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
