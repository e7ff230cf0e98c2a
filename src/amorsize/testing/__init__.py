"""Contracts that any cache, probe, inspector or executors must pass, for authors of plugins; nothing here needs pytest.

Inherit from a contract and say in ``make``, ``shared`` or ``at`` how to build yours; pytest then runs it, and so does
unittest beside ``unittest.TestCase``. The fault harness (killed writers, rivals, damaged bytes, full and read-only
media, forks) is contracts like any others: inherit from those whose guarantees you give.
"""

from __future__ import annotations

from amorsize.testing.caches import CacheContract
from amorsize.testing.executors import ExecutorsContract
from amorsize.testing.faults import DamagedCacheContract, FaultyMediumContract, ForkedCacheContract
from amorsize.testing.machines import InspectorContract, ProbeContract
from amorsize.testing.rivals import SharedCacheContract

__all__ = [
    "CacheContract",
    "DamagedCacheContract",
    "ExecutorsContract",
    "FaultyMediumContract",
    "ForkedCacheContract",
    "InspectorContract",
    "ProbeContract",
    "SharedCacheContract",
]
