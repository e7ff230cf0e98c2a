"""The backends that come with amorsize, given by functions that are named like the hooks of a plugin.

Each function yields the most used backend first, so that a caller who stops at a name imports nothing behind it. The
registry calls them itself: it loads pluggy only for a name that is not built in.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from amorsize.plugins.backend import Backend

if TYPE_CHECKING:
    from collections.abc import Iterator


def amorsize_caches() -> Iterator[Backend]:
    """Yield the cache stores."""
    from amorsize.adapters.caches.json import JsonCache, JsonOptions

    yield Backend("json", JsonOptions, JsonCache)
    from amorsize.adapters.caches.sqlite import SqliteCache, SqliteOptions

    yield Backend("sqlite", SqliteOptions, SqliteCache)
    from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions

    yield Backend("memory", MemoryOptions, MemoryCache)
    from amorsize.adapters.caches.readonly import ReadonlyCache, ReadonlyOptions

    yield Backend("readonly", ReadonlyOptions, ReadonlyCache)


def amorsize_probes() -> Iterator[Backend]:
    """Yield the probes: one for each start method, which says so when the system lacks it, and one that states."""
    from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
    from amorsize.domain.values import START_METHODS

    for start_method in START_METHODS:
        yield Backend(start_method, ProbeOptions, partial(StartMethodProbe, start_method=start_method))
    from amorsize.adapters.probes.fixed import FixedOptions, FixedProbe

    yield Backend("fixed", FixedOptions, FixedProbe)


def amorsize_inspectors() -> Iterator[Backend]:
    """Yield the inspectors."""
    from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions

    yield Backend("psutil", PsutilOptions, PsutilInspector)
    from amorsize.adapters.inspectors.fixed import FixedInspector, FixedOptions

    yield Backend("fixed", FixedOptions, FixedInspector)


def amorsize_executors() -> Iterator[Backend]:
    """Yield the executors, each under the name by which plans call its workers."""
    from amorsize.adapters.executors.thread import ThreadExecutors, ThreadOptions

    yield Backend("thread", ThreadOptions, ThreadExecutors)
    from amorsize.adapters.executors.serial import SerialExecutors, SerialOptions

    yield Backend("serial", SerialOptions, SerialExecutors)
    from amorsize.adapters.executors.process import ProcessExecutors, ProcessOptions

    yield Backend("process", ProcessOptions, ProcessExecutors)
