"""What all runs of a process share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.ports import Executors
    from amorsize.execution.budget import Budget
    from amorsize.execution.workers.warm import WarmPools


@attrs.frozen
class Resources:
    """What all runs of a process share.

    ``executors`` gives executors by name, ``pools`` keeps warm ones for ``keep_seconds``. ``isolates``
    keeps items out of the caller wherever that can be. ``blocked_reason`` says why workers
    of a start method cannot run a function, None when they can. ``left_behind`` holds what functions have left behind
    in this process, by their fingerprints.
    """

    executors: Callable[[str], Executors]
    pools: WarmPools
    keep_seconds: float
    monotonic: Callable[[], float]
    budget: Budget
    isolates: bool
    blocked_reason: Callable[[Callable[[Any], Any], str], str | None]
    left_behind: dict[str, str]
