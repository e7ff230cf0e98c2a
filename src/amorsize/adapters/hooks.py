"""Registers the backends that come with amorsize, by the same hooks as any plugin.

Each hook yields, most used or soonest imported first, so that whoever stops at the name they want imports nothing that
comes after it.
They are marked as hooks where pluggy is needed, once a name is asked for that is not built in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.backend import Backend

if TYPE_CHECKING:
    from collections.abc import Iterator


def amorsize_caches() -> Iterator[Backend]:
    """Yield the cache stores."""
    from amorsize.adapters.caches.json import JsonCache, JsonOptions  # noqa: PLC0415  imported when asked for

    yield Backend("json", JsonOptions, JsonCache)
    from amorsize.adapters.caches.sqlite import SqliteCache, SqliteOptions  # noqa: PLC0415  as above

    yield Backend("sqlite", SqliteOptions, SqliteCache)
    from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions  # noqa: PLC0415  as above

    yield Backend("memory", MemoryOptions, MemoryCache)
    from amorsize.adapters.caches.readonly import ReadonlyCache, ReadonlyOptions  # noqa: PLC0415  as above

    yield Backend("readonly", ReadonlyOptions, ReadonlyCache)


def amorsize_probes() -> Iterator[Backend]:
    """Yield the probes, one for each start method, on systems that lack the method too: they say so when used."""
    from amorsize.adapters.probes.fork import ForkOptions, ForkProbe  # noqa: PLC0415  as above

    yield Backend("fork", ForkOptions, ForkProbe)
    from amorsize.adapters.probes.spawn import SpawnOptions, SpawnProbe  # noqa: PLC0415  as above

    yield Backend("spawn", SpawnOptions, SpawnProbe)
    from amorsize.adapters.probes.forkserver import ForkserverOptions, ForkserverProbe  # noqa: PLC0415  as above

    yield Backend("forkserver", ForkserverOptions, ForkserverProbe)


def amorsize_inspectors() -> Iterator[Backend]:
    """Yield the inspectors."""
    from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions  # noqa: PLC0415  as above

    yield Backend("psutil", PsutilOptions, PsutilInspector)
    from amorsize.adapters.inspectors.fixed import FixedInspector, FixedOptions  # noqa: PLC0415  as above

    yield Backend("fixed", FixedOptions, FixedInspector)


def amorsize_executors() -> Iterator[Backend]:
    """Yield the executors, each under the name by which plans call its workers."""
    from amorsize.adapters.executors.thread import ThreadExecutors, ThreadOptions  # noqa: PLC0415  as above

    yield Backend("thread", ThreadOptions, ThreadExecutors)
    from amorsize.adapters.executors.serial import SerialExecutors, SerialOptions  # noqa: PLC0415  as above

    yield Backend("serial", SerialOptions, SerialExecutors)
    from amorsize.adapters.executors.process import ProcessExecutors, ProcessOptions  # noqa: PLC0415  as above

    yield Backend("process", ProcessOptions, ProcessExecutors)
