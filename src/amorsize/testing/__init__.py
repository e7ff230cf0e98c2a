"""Contracts that any cache, probe, inspector or executors must pass, for authors of plugins; nothing here needs pytest.

Inherit from a contract and say in ``make``, ``shared`` or ``at`` how to build yours; pytest then runs it, and so does
unittest beside ``unittest.TestCase``. Faults (several and killed writers, damaged bytes, full and read-only
media, forks) have contracts too: inherit from those whose guarantees you give.
"""

from __future__ import annotations

from amorsize.testing.backends import build_backend, describe_backend, measure_executor
from amorsize.testing.caches import CacheContract
from amorsize.testing.concurrency import SharedCacheContract
from amorsize.testing.executors import ExecutorsContract
from amorsize.testing.faults import (
    DamagedCacheContract,
    FaultyMediumContract,
    ForkedCacheContract,
    become_nobody,
    in_a_fork,
    limit_files,
)
from amorsize.testing.machines import InspectorContract, ProbeContract

__all__ = [
    "CacheContract",
    "DamagedCacheContract",
    "ExecutorsContract",
    "FaultyMediumContract",
    "ForkedCacheContract",
    "InspectorContract",
    "ProbeContract",
    "SharedCacheContract",
    "become_nobody",
    "build_backend",
    "describe_backend",
    "in_a_fork",
    "limit_files",
    "measure_executor",
]
