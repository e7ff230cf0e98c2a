"""What the use cases need from outside, built once and given to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from amorsize.domain.planning.sampling import Budget
from amorsize.domain.rules import RuleSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.cache.entries import Entries
    from amorsize.application.ports import Probe, SystemInspector
    from amorsize.domain.fingerprint.loaded import Loaded


class Dependencies(NamedTuple):
    """The adapters, clocks and settings of the use cases.

    Attributes:
        probe: measures functions and overheads.
        start_method: of the workers: the probe's, or the one in use where the probe names none of multiprocessing's.
        inspector: reads the facts about the machine.
        entries: the cache.
        now: returns Unix seconds.
        monotonic: returns seconds that never go back.
        loaded: the modules that are loaded. Functions are read with them, and arrays and frames are recognized by them.
        has_pools: returns whether this process has imported what a worker pool needs.
        rules: how long entries and overheads are valid.
        budget: how much sampling may cost.
        fork_blocked_reason: why workers should not be forked from this process; empty when forking is fine.
    """

    probe: Probe
    start_method: str
    inspector: SystemInspector
    entries: Entries
    now: Callable[[], float]
    monotonic: Callable[[], float]
    loaded: Loaded
    has_pools: Callable[[], bool]
    rules: RuleSettings = RuleSettings()
    budget: Budget = Budget()
    fork_blocked_reason: str = ""
