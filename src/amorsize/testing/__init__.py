"""Contracts that any cache, probe or inspector must pass, for authors of plugins; nothing here needs pytest.

Inherit from a contract and say in ``make`` how to build yours; pytest then runs it, and so does unittest beside
``unittest.TestCase``.
"""

from __future__ import annotations

from amorsize.testing.caches import CacheContract
from amorsize.testing.machines import InspectorContract, ProbeContract
from amorsize.testing.rivals import SharedCacheContract

__all__ = ["CacheContract", "InspectorContract", "ProbeContract", "SharedCacheContract"]
